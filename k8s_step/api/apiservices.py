"""Availability of the server behind an aggregated API, by its APIService.

Source: ``remote_available_controller.go`` of k8s.io/kube-aggregator.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from k8s_step.errors import UnavailableError
from k8s_step.objects.metadata import Object


@dataclass(frozen=True)
class Availability:
    """Whether the server behind a group version is available, and why not."""

    is_available: bool
    why: str = ""


def availability(obj: Object) -> Availability | None:
    """The availability by an APIService; ``None`` where the API server itself serves the group."""
    if not (obj.get("spec") or {}).get("service"):
        return None
    conditions = (obj.get("status") or {}).get("conditions") or []
    available: Mapping[str, Any] = next((one for one in conditions if one.get("type") == "Available"), {})
    why = ": ".join(str(part) for part in (available.get("reason"), available.get("message")) if part)
    return Availability(available.get("status") == "True", why)


def unavailable(name: str, found: Availability | None, where: str | None) -> UnavailableError:
    """The error for an unavailable group version. ``name``: its APIService; ``found``: ``None`` if it is unreadable."""
    version, _, group = name.partition(".")
    why = f"its APIService {name} may not be read"
    if found is not None:
        why = f"its APIService {name} says {found.why or 'nothing of it'}"
    message = f"the API {group}/{version} is not available: {why}"
    hint = f"it has a server of its own: see kubectl describe apiservice {name}"
    return UnavailableError(message, code=503, where=where, hint=hint)
