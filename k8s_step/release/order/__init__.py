"""The order of a release: which objects wait for which, and its waves written and followed one after the other."""
