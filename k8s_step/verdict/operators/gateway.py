"""The Gateway API's routes, whose status tells of each parent apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from k8s_step.objects.conditions import mapping, mappings, spec, status
from k8s_step.objects.metadata import Object, metadata_of
from k8s_step.verdict.customresources import by_what_it_tells
from k8s_step.verdict.operators.facts import in_progress
from k8s_step.verdict.states import Readiness

_GROUP = "gateway.networking.k8s.io"
_Parent = tuple[str, ...]


def route(obj: Object) -> Readiness | None:
    """By the conditions of each parent that the spec names; a controller may leave behind those of others.

    Source: ``ParentReference`` and ``RouteParentStatus`` of sigs.k8s.io/gateway-api.
    """
    namespace = str(metadata_of(obj).get("namespace") or "")
    wanted = {_parent(each, namespace): each for each in mappings(spec(obj).get("parentRefs"))}
    entries = mappings(status(obj).get("parents"))
    told = [entry for entry in entries if _parent(mapping(entry.get("parentRef")), namespace) in wanted]
    known = {_parent(mapping(entry.get("parentRef")), namespace) for entry in told}
    missing = next((each for parent, each in wanted.items() if parent not in known), None)
    if missing is not None:
        return in_progress(f"waiting for a controller to take it for {missing.get('kind', 'Gateway')} {_name(missing)}")
    return by_what_it_tells({**obj, "status": {**status(obj), "parents": told}}, is_custom=True) if wanted else None


def _parent(ref: Mapping[str, Any], namespace: str) -> _Parent:
    group, kind = ref.get("group", _GROUP), ref.get("kind", "Gateway")
    within = [str(ref.get(name) or "") for name in ("name", "sectionName", "port")]
    return str(group), str(kind), str(ref.get("namespace") or namespace), *within


def _name(ref: Mapping[str, Any]) -> str:
    section = f" (listener {ref['sectionName']})" if ref.get("sectionName") else ""
    return f"{ref.get('name', '')}{section}"
