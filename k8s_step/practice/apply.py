"""A small server-side apply: merges applied fields, records them in ``managedFields``, removes abandoned ones.

Supported of upstream's structured-merge-diff are maps and the lists below; conflicts between managers are not.
"""

from __future__ import annotations

import copy
import json
from typing import Any

from k8s_step.objects.metadata import MutableObject

# Lists merged item by item; every other list is replaced whole. Source: x-kubernetes-list-map-keys of the OpenAPI.
_LIST_KEYS = {
    "conditions": ("type",),
    "containers": ("name",),
    "env": ("name",),
    "imagePullSecrets": ("name",),
    "initContainers": ("name",),
    "ownerReferences": ("uid",),
    "volumeMounts": ("mountPath",),
    "volumes": ("name",),
}
_UNOWNED = ("apiVersion", "kind", "status")
_UNOWNED_METADATA = ("name", "namespace", "managedFields", "resourceVersion", "uid", "generation", "creationTimestamp")


def applied(live: MutableObject | None, wanted: MutableObject, manager: str, time: str) -> MutableObject:
    """A new object: ``live`` with ``wanted`` merged in for ``manager``; equal to ``live`` where nothing changes."""
    wanted = _without_nulls({key: value for key, value in wanted.items() if key != "status"})
    wanted["metadata"].pop("managedFields", None)
    owned = fields_of(wanted)
    merged = copy.deepcopy(live or {})
    entries: list[MutableObject] = copy.deepcopy(merged.get("metadata", {}).get("managedFields", []))
    mine = next((entry for entry in entries if (entry["manager"], entry["operation"]) == (manager, "Apply")), None)
    if mine is not None:
        _drop(merged, _given_up(mine["fieldsV1"], owned, [entry for entry in entries if entry is not mine]))
    merged = {**merged, **_merge(merged, wanted)}
    if mine is None:
        entries.append(entry_for(wanted, manager, "Apply", time, owned))
    elif merged != live or mine["fieldsV1"] != owned:
        mine.update(entry_for(wanted, manager, "Apply", time, owned))
    merged["metadata"]["managedFields"] = entries
    return merged


def entry_for(
    obj: MutableObject, manager: str, operation: str, time: str, owned: MutableObject | None = None
) -> MutableObject:
    """One entry of ``metadata.managedFields``."""
    return {
        "manager": manager,
        "operation": operation,
        "apiVersion": obj["apiVersion"],
        "time": time,
        "fieldsType": "FieldsV1",
        "fieldsV1": fields_of(obj) if owned is None else owned,
    }


def fields_of(obj: MutableObject) -> MutableObject:
    """The object's fields as ``fieldsV1`` writes them: ``f:`` for a field, ``k:`` for an item of a keyed list."""
    own = {key: value for key, value in obj.items() if key not in _UNOWNED}
    own["metadata"] = {key: value for key, value in obj["metadata"].items() if key not in _UNOWNED_METADATA}
    fields: MutableObject = _fields(own, "")
    if not own["metadata"]:
        del fields["f:metadata"]
    return fields


def _fields(value: Any, name: str) -> MutableObject:
    if isinstance(value, dict):
        return {f"f:{key}": _fields(item, key) for key, item in value.items()}
    if _is_keyed(value, name):
        return {_key(item, name): {".": {}, **_fields(item, "")} for item in value}
    return {}


def _is_keyed(value: Any, name: str) -> bool:
    listed = isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)
    return listed and (name in _LIST_KEYS or name == "ports")


def _key(item: MutableObject, name: str) -> str:
    names = _LIST_KEYS.get(name) or ("containerPort" if "containerPort" in item else "port", "protocol")
    key = {part: item.get(part, "TCP" if part == "protocol" else None) for part in names}
    return "k:" + json.dumps(key, separators=(",", ":"))


def _merge(live: Any, wanted: Any, name: str = "") -> Any:
    if isinstance(live, dict) and isinstance(wanted, dict):
        return live | {key: _merge(live.get(key), value, key) for key, value in wanted.items()}
    if _is_keyed(live, name) and _is_keyed(wanted, name):
        known = {_key(item, name): item for item in live}
        merged = [_merge(known.pop(_key(item, name), None), item) for item in wanted]
        return merged + list(known.values())
    return wanted


def _given_up(before: MutableObject, now: MutableObject, others: list[MutableObject]) -> MutableObject:
    gone = _difference(before, now)
    for entry in others:
        gone = _difference(gone, entry["fieldsV1"])
    return gone


def _difference(fields: MutableObject, without: MutableObject) -> MutableObject:
    """The part of ``fields`` that is not in ``without``; an empty value means the whole field."""
    rest = {key: sub if key not in without else _difference(sub, without[key]) for key, sub in fields.items()}
    return {key: sub for key, sub in rest.items() if sub or key not in without}


def _drop(value: Any, gone: MutableObject, name: str = "") -> None:
    """Remove the fields of ``gone`` from ``value`` in place, with the maps and lists this leaves empty."""
    if isinstance(value, list):
        for item in [item for item in value if _key(item, name) in gone]:
            sub = gone[_key(item, name)]
            if "." in sub:
                value.remove(item)
            else:
                _drop(item, sub)
        return
    for key in [key for key in value if f"f:{key}" in gone]:
        sub = gone[f"f:{key}"]
        if sub and isinstance(value[key], dict | list):
            _drop(value[key], sub, key)
        if not sub or not value[key]:
            del value[key]


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return copy.deepcopy(value)
