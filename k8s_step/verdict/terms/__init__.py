"""What a user sets for a verdict: how long, how many pods, by which rule, and what becomes of a pause. Pure."""
