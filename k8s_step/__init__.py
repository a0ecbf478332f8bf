"""The pipeline step that ships a release to Kubernetes and tells the truth about it."""

__version__ = "0.1.0"
