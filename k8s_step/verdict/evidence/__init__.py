"""Why an object failed: the finding, what its reason usually means, probes, signals and claims. Pure."""
