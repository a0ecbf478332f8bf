"""The verbs of the command line, one a file; each function reads as the verb's phases."""
