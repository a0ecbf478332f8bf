"""External Secrets Operator: which generation has been synced is told by no observedGeneration."""

from __future__ import annotations

import re
from typing import Any

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
    if at is None or seen is None or seen >= at or _is_kept(obj) or not condition(obj, "Ready").is_true:
        return None
    return in_progress(f"not yet synced since its change to generation {at}")


def _is_kept(obj: Object) -> bool:
    """Whether what has been synced once is never synced again, whatever changes. Source: its ``shouldRefresh``."""
    policy = spec(obj).get("refreshPolicy")
    if policy == "CreatedOnce" or mapping(spec(obj).get("target")).get("immutable"):
        return True
    is_periodic = obj.get("kind") == "ExternalSecret" and policy in (None, "", "Periodic")
    return is_periodic and _is_never(spec(obj).get("refreshInterval"))


def _is_never(interval: Any) -> bool:
    """Whether a duration, in Go's words, is none: ``0``, ``0s``, ``0h0m0s``, or negative."""
    told = text(interval)
    return told.startswith("-") or (bool(told) and not re.search("[1-9]", told))


def in_namespaces(obj: Object) -> Readiness | None:
    """In progress while a namespace has failed."""
    failed = mappings(status(obj).get("failedNamespaces"))
    if not failed:
        return None
    first = failed[0]
    return in_progress(f"{len(failed)} namespaces failed: {first.get('namespace')}: {first.get('reason', '')}")
