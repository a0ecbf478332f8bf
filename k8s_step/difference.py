"""What applying would change, as a unified diff a person reads: the server's bookkeeping left out, Secrets masked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import unified_diff
from typing import Any

from k8s_step.reference import Reference
from k8s_step.yamltext import dump

Object = Mapping[str, Any]

MASK = "***"
_NOISE = ("managedFields", "resourceVersion", "uid", "creationTimestamp", "generation", "selfLink")
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_ALLOCATED = ("clusterIP", "clusterIPs", "healthCheckNodePort")


@dataclass(frozen=True)
class Difference:
    """``lines`` of the diff, none where the two are the same to a reader; ``note``: what there is to say besides."""

    reference: Reference
    action: str
    lines: tuple[str, ...]
    note: str = ""

    @property
    def title(self) -> str:
        """``deployment/shop/web (k8s/web.yaml:12) would be configured``."""
        place = f" ({self.reference.where})" if self.reference.where else ""
        return f"{self.reference}{place} would be {self.action}{f': {self.note}' if self.note else ''}"


def difference(
    reference: Reference, action: str, live: Object | None, merged: Object, manifest: Object, note: str = ""
) -> Difference:
    """``live`` is the object as it is, ``merged`` what the server's dry run made of it with ``manifest``."""
    if live is None:
        after = masked({}, comparable(_without_allocated(merged, manifest)))[1]
        return Difference(reference, action, _added(reference, dump(after).splitlines()), note)
    before, after = masked(comparable(live), comparable(merged))
    before, after = _without_same_last_applied(before, after)
    old, new = dump(before).splitlines(), dump(after).splitlines()
    names = (f"live/{reference.path}", f"merged/{reference.path}")
    return Difference(reference, action, tuple(unified_diff(old, new, *names, lineterm="")), note)


def comparable(obj: Object) -> dict[str, Any]:
    """``obj`` without what the server writes for itself."""
    kept = {key: value for key, value in obj.items() if key != "status"}
    kept["metadata"] = {key: value for key, value in (obj.get("metadata") or {}).items() if key not in _NOISE}
    return kept


def masked(before: Object, after: Object) -> tuple[dict[str, Any], dict[str, Any]]:
    """A Secret's values as ``***``, those that differ as ``*** (before)`` and ``*** (after)``; no length is told."""
    old, new = dict(before), dict(after)
    if "Secret" not in (before.get("kind"), after.get("kind")):
        return old, new
    for field in ("data", "stringData"):
        _mask_field(old, new, field)
    if any(_LAST_APPLIED in _annotations(obj) for obj in (old, new)):
        old["metadata"], new["metadata"] = dict(old.get("metadata") or {}), dict(new.get("metadata") or {})
        notes = {"old": dict(_annotations(old)), "new": dict(_annotations(new))}
        _mask_values(notes["old"], notes["new"], (_LAST_APPLIED,))
        for obj, kept in ((old, notes["old"]), (new, notes["new"])):
            if kept:
                obj["metadata"]["annotations"] = kept
    return old, new


def _mask_field(old: dict[str, Any], new: dict[str, Any], field: str) -> None:
    """What is no mapping is no Secret the server would take, and may be a secret all the same."""
    one, other = old.get(field), new.get(field)
    if all(value is None or isinstance(value, Mapping) for value in (one, other)):
        left, right = dict(one or {}), dict(other or {})
        _mask_values(left, right, tuple({**left, **right}))
        old.update({field: left} if one is not None else {})
        new.update({field: right} if other is not None else {})
    else:
        _mask_values(old, new, (field,))


def _mask_values(old: dict[str, Any], new: dict[str, Any], keys: tuple[str, ...]) -> None:
    for key in keys:
        changed = key in old and key in new and old[key] != new[key]
        if key in old:
            old[key] = f"{MASK} (before)" if changed else MASK
        if key in new:
            new[key] = f"{MASK} (after)" if changed else MASK


def _without_same_last_applied(old: dict[str, Any], new: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """kubectl's own note says nothing that the rest doesn't, unless it changes."""
    if _annotations(old).get(_LAST_APPLIED) != _annotations(new).get(_LAST_APPLIED):
        return old, new
    return _without_annotation(old), _without_annotation(new)


def _without_annotation(obj: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in _annotations(obj).items() if key != _LAST_APPLIED}
    metadata = {key: value for key, value in obj["metadata"].items() if key != "annotations"}
    return {**obj, "metadata": {**metadata, **({"annotations": kept} if kept else {})}}


def _annotations(obj: Object) -> Mapping[str, Any]:
    annotations = (obj.get("metadata") or {}).get("annotations")
    return annotations if isinstance(annotations, Mapping) else {}


def _without_allocated(merged: Object, manifest: Object) -> dict[str, Any]:
    """A dry run draws addresses, ports and uids that the real creation will draw anew."""
    uid = (merged.get("metadata") or {}).get("uid")
    obj: dict[str, Any] = _without_value(merged, uid) if uid else dict(merged)
    if obj.get("kind") != "Service" or not isinstance(obj.get("spec"), dict):
        return obj
    wanted = manifest.get("spec") or {}
    spec = {key: value for key, value in obj["spec"].items() if key not in _ALLOCATED or key in wanted}
    asked = {port.get("nodePort") for port in wanted.get("ports") or [] if isinstance(port, Mapping)}
    ports = [
        {key: value for key, value in port.items() if key != "nodePort" or value in asked}
        for port in spec.get("ports") or []
    ]
    return {**obj, "spec": {**spec, **({"ports": ports} if ports else {})}}


def _without_value(value: Any, unwanted: str) -> Any:
    """Without the entries that hold ``unwanted``: a Job's labels name its uid."""
    if isinstance(value, Mapping):
        return {key: _without_value(entry, unwanted) for key, entry in value.items() if entry != unwanted}
    if isinstance(value, list):
        return [_without_value(entry, unwanted) for entry in value]
    return value


def _added(reference: Reference, lines: list[str]) -> tuple[str, ...]:
    head = ("--- /dev/null", f"+++ merged/{reference.path}", f"@@ -0,0 +1,{len(lines)} @@")
    return (*head, *(f"+{line}" for line in lines))
