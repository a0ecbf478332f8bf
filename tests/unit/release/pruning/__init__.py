"""Unit tests of the pruning of a release."""
