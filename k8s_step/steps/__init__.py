"""One verb a file; each reads as its phases."""
