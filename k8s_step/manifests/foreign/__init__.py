"""Files of other tools: files that are no manifests, exports of live objects, and Helm hooks."""
