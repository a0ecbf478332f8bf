"""Requests to the Kubernetes API: one request and its tries, discovery of resources, lists and watches."""
