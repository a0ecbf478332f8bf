"""The result of a run as data, and the files that hold it: JSON, JUnit, metrics."""
