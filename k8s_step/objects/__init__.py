"""Kubernetes' data in our words: resources, references, metadata, field sets, patches. Pure."""
