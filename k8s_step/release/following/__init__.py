"""Following what a run has written: which objects, by which rules, and the loop of ``watch``."""
