"""What other tools have written: files that are no manifests, and manifests with more in them than is meant."""
