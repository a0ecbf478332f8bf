"""One log format of ``--log-format`` a file, and the choice between them."""
