"""A pod's containers, init containers too: as its spec has them, and how each is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Object = Mapping[str, Any]


def statuses(pod: Object) -> list[Object]:
    """How each container is, in the order they start."""
    status = pod.get("status") or {}
    return [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]


def status_of(pod: Object, name: str) -> Object:
    """How one of them is; empty where that is not told."""
    return _named(statuses(pod), name)


def spec_of(pod: Object, name: str) -> Object:
    """One of them as the pod's spec has it; empty where there is none of this name."""
    spec = pod.get("spec") or {}
    return _named([*(spec.get("initContainers") or []), *(spec.get("containers") or [])], name)


def _named(entries: list[Object], name: str) -> Object:
    return next((entry for entry in entries if entry.get("name") == name), {})
