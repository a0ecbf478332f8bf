"""The results of one run on several clusters as one: JSON, JUnit, Markdown, and the worst exit code."""
