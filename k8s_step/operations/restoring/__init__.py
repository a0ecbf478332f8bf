"""Back to what was there: a write taken back, an object created again, an earlier revision."""
