"""External Secrets Operator: which generation has been synced is told by no observedGeneration."""

from __future__ import annotations

from k8s_step.objects.conditions import condition, generation, mapping, mappings, number, spec, status
from k8s_step.objects.metadata import Object
from k8s_step.verdict.operators.facts import in_progress, text
from k8s_step.verdict.states import Readiness


def synced(obj: Object) -> Readiness | None:
    """In progress while the last sync is of an older generation.

    Source: ``GetResourceVersion`` of external-secrets: the generation, a hyphen, a hash of labels and annotations. What
    is synced only once, or into an immutable Secret, keeps its first.
    """
    at, seen = generation(obj), number(text(status(obj).get("syncedResourceVersion")).partition("-")[0])
    is_kept = spec(obj).get("refreshPolicy") == "CreatedOnce" or mapping(spec(obj).get("target")).get("immutable")
    if at is None or seen is None or seen >= at or is_kept or not condition(obj, "Ready").is_true:
        return None
    return in_progress(f"not yet synced since its change to generation {at}")


def in_namespaces(obj: Object) -> Readiness | None:
    """In progress while a namespace has failed."""
    failed = mappings(status(obj).get("failedNamespaces"))
    if not failed:
        return None
    first = failed[0]
    return in_progress(f"{len(failed)} namespaces failed: {first.get('namespace')}: {first.get('reason', '')}")
