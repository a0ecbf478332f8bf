"""One verb on several clusters at once: which clusters, in which waves, and their runs side by side."""
