"""Measures k8s-step beside kubectl and kapp: whole processes, in turn, against one control plane (``make bench``)."""
