"""Who the step is to the cluster: tokens, certificates, exec plugins and ID tokens."""
