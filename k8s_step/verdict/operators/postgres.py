"""CloudNativePG's Cluster."""

from __future__ import annotations

from k8s_step.objects.conditions import condition
from k8s_step.objects.metadata import Object, annotations_of
from k8s_step.verdict.operators.facts import in_progress
from k8s_step.verdict.states import Readiness, State

_HIBERNATION = "cnpg.io/hibernation"


def hibernated(obj: Object) -> Readiness | None:
    """The verdict on a Cluster that its annotation puts to sleep: its phase goes on telling of the time before."""
    if annotations_of(obj).get(_HIBERNATION) != "on":
        return None
    found = condition(obj, _HIBERNATION)
    if found.is_true:
        return Readiness(State.CURRENT, "hibernated, as its annotation says")
    return in_progress(found.message or "waiting for its controller to hibernate it", found.reason)
