"""The clouds' services as tests play them: they refuse what the real ones refuse, in the real ones' words."""
