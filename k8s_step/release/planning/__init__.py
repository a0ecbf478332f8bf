"""Before the first write: manifests read, objects planned and guarded, the session with the cluster opened."""
