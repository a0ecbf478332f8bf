"""Flux's HelmRepository."""

from __future__ import annotations

from k8s_step.objects.conditions import spec
from k8s_step.objects.metadata import Object
from k8s_step.verdict.operators.facts import taken
from k8s_step.verdict.states import Readiness


def repository(obj: Object) -> Readiness | None:
    """An OCI repository is only read by its charts: its controller writes no status."""
    return taken(obj) if spec(obj).get("type") == "oci" else None
