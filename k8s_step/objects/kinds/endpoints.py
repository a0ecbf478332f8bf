"""Endpoints that Kubernetes makes for a Service, as opposed to those that somebody writes.

Source: ``pkg/controller/endpoint`` of kubernetes. It gives them the Service's labels and, from 1.33 on, one of its
own, but no owner.
"""

from __future__ import annotations

from k8s_step.objects.metadata import Object, entries, labels_of

_MANAGED_BY = "endpoints.kubernetes.io/managed-by"
# The field manager of what that controller writes is the program that it is a part of; k3s and microk8s have but one.
_PROGRAMS = {"kube-controller-manager", "k3s", "kubelite"}


def is_of_service(obj: Object) -> bool:
    """Whether these are Endpoints of a Service: by the controller's label; before 1.33, by nobody else's writes."""
    if (obj.get("apiVersion"), obj.get("kind")) != ("v1", "Endpoints"):
        return False
    managers = {str(entry.get("manager")) for entry in entries(obj)}
    return bool(labels_of(obj).get(_MANAGED_BY) or (managers and managers <= _PROGRAMS))
