"""What was measured, on what and with what, for people and for programs, and its place in the docs."""
