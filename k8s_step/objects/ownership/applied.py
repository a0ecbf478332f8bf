"""Whether applying a manifest would change the object that the server has."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from k8s_step.objects.metadata import (
    REVISION,
    TEMPLATE_GENERATION,
    MutableObject,
    Object,
    annotations_of,
    entries,
    metadata_of,
)
from k8s_step.objects.ownership.fieldset import MISSING
from k8s_step.objects.resource import builtin


def is_applied(live: Object, manifest: Object, field_manager: str) -> bool:
    """Whether applying ``manifest`` to ``live`` would certainly change nothing.

    True only when ``field_manager`` owns exactly the manifest's fields and the live object holds exactly its values;
    False in doubt (a quantity written another way, a defaulted list key), so that the server decides.
    Source of the format: ``fieldpath/serialize-pe.go`` of sigs.k8s.io/structured-merge-diff.
    """
    wanted = _stripped(manifest)
    fields = _applied_fields(live, field_manager, str(manifest.get("apiVersion")))
    if fields is None:  # a manager that owns no field has no entry, such as of a ServiceAccount with only a name
        return not wanted and not _has_applied(live, field_manager)
    is_typed = builtin(str(manifest.get("apiVersion")), str(manifest.get("kind"))) is not None
    return _same_map(fields, wanted, _stripped(live), is_typed)


_COUNTED = (REVISION, TEMPLATE_GENERATION)  # annotations that controllers increment
# What the server writes into metadata: with each write, and all that it alone writes.
EACH_WRITE = ("managedFields", "resourceVersion", "generation")
SERVERS_OWN = (*EACH_WRITE, "creationTimestamp", "uid", "selfLink")


def without_metadata(obj: Object, fields: Iterable[str]) -> MutableObject:
    """``obj`` without these fields of its metadata."""
    dropped = set(fields)
    return {**obj, "metadata": {key: value for key, value in metadata_of(obj).items() if key not in dropped}}


def without_annotations(obj: Object, names: Iterable[str]) -> MutableObject:
    """``obj`` without these annotations, and without the mapping of annotations where they were all that it held."""
    bare, annotations = without_metadata(obj, ()), annotations_of(obj)
    if dropped := set(names) & annotations.keys():
        bare["metadata"]["annotations"] = {key: each for key, each in annotations.items() if key not in dropped}
        if len(dropped) == len(annotations):
            del bare["metadata"]["annotations"]
    return bare


def has_same_content(one: Object, other: Object) -> bool:
    """Whether two answers differ in nothing but what each write changes."""
    return without_metadata(one, EACH_WRITE) == without_metadata(other, EACH_WRITE)


def without_servers_own(obj: Object) -> MutableObject:
    """``obj`` without its status and the metadata that only the server sets."""
    return without_metadata({key: value for key, value in obj.items() if key != "status"}, SERVERS_OWN)


def without_counts(obj: Object) -> MutableObject:
    """``obj`` without the annotations that controllers write beside the status, as soon as they see it."""
    return without_annotations(obj, _COUNTED)


def without_controllers_own(obj: Object) -> MutableObject:
    """``obj`` without its status, what controllers write beside it, and what each write changes."""
    bare = without_metadata(without_counts(obj), EACH_WRITE)
    return {key: value for key, value in bare.items() if key != "status"}


def without_status(obj: Object, field_manager: str) -> dict[str, Any]:
    """``obj`` without what controllers write: two answers equal in this form count as unchanged, not configured."""
    metadata = without_counts(obj)["metadata"]
    metadata.pop("resourceVersion", None)
    own = [entry for entry in entries(obj) if entry.get("manager") == field_manager]
    metadata["managedFields"] = [{key: value for key, value in entry.items() if key != "time"} for entry in own]
    return {**{key: value for key, value in obj.items() if key != "status"}, "metadata": metadata}


def _applied_fields(live: Object, field_manager: str, api_version: str) -> Mapping[str, Any] | None:
    for entry in entries(live):
        is_ours = entry.get("manager") == field_manager and entry.get("operation") == "Apply"
        if is_ours and not entry.get("subresource") and entry.get("apiVersion") == api_version:
            return dict(entry.get("fieldsV1") or {})
    return None


def _has_applied(live: Object, field_manager: str) -> bool:
    return any(entry.get("manager") == field_manager and entry.get("operation") == "Apply" for entry in entries(live))


# Never owned by a manager: ``internal/stripmeta.go`` in k8s.io/apimachinery's managedfields.
_UNOWNED = ("apiVersion", "kind")
_UNOWNED_METADATA = ("name", "namespace", "clusterName", *SERVERS_OWN)


def _stripped(obj: Object) -> dict[str, Any]:
    kept = without_metadata({key: value for key, value in obj.items() if key not in _UNOWNED}, _UNOWNED_METADATA)
    if not kept["metadata"]:
        del kept["metadata"]
    return kept


def _same(fields: Mapping[str, Any], wanted: Any, live: Any, is_typed: bool) -> bool:
    """Whether ``wanted`` and ``live`` have the same owned ``fields`` and values.

    No fields below means a leaf, or a map or list owned as a whole (``f:selector: {}``). An owned empty value may be
    missing from ``live``: the server stores it as nothing, and if another manager had removed it, we would not own it.
    """
    below = {key: value for key, value in fields.items() if key != "."}
    if not below and live is MISSING:
        return wanted == [] or (is_typed and (wanted is None or wanted == {}))
    if not below:
        return _equal(as_stored(wanted), as_stored(live)) if is_typed else _equal(wanted, live)
    if isinstance(wanted, Mapping):
        return isinstance(live, Mapping) and _same_map(below, wanted, live, is_typed)
    if isinstance(wanted, Sequence) and not isinstance(wanted, str):
        return isinstance(live, Sequence) and _same_list(below, wanted, live, is_typed)
    return False


def as_stored(value: Any) -> Any:
    """``value`` as the server stores it in a built-in kind, for comparison.

    Null and empty lists are left out (``from: []`` of a NetworkPolicy's rule). References to the pod's own fields and
    resources, which are owned as a whole, get their defaults.
    """
    if isinstance(value, Mapping):
        filled = {name: each for known, (name, each) in _REFERENCES.items() if known in value}
        return {key: as_stored(each) for key, each in {**filled, **value}.items() if each is not None and each != []}
    return [as_stored(each) for each in value] if isinstance(value, list) else value


# Source: ``SetDefaults_ObjectFieldSelector`` and the divisor of a ``ResourceFieldSelector`` in k8s.io/api's core/v1.
_REFERENCES = {"fieldPath": ("apiVersion", "v1"), "resource": ("divisor", "0")}


def _same_map(fields: Mapping[str, Any], wanted: Mapping[str, Any], live: Mapping[str, Any], is_typed: bool) -> bool:
    if is_typed:  # no manager owns an empty list that is merged by key
        wanted = {key: value for key, value in wanted.items() if value != [] or f"f:{key}" in fields or key in live}
    if {f"f:{key}" for key in wanted} != set(fields):
        return False
    return all(_same(fields[f"f:{key}"], value, live.get(key, MISSING), is_typed) for key, value in wanted.items())


def _same_list(fields: Mapping[str, Any], wanted: Sequence[Any], live: Sequence[Any], is_typed: bool) -> bool:
    """Whether lists merged by key (``k:{"name":"web"}``), or sets (``v:"x"``), have the same elements and order."""
    if len(fields) != len(wanted):
        return False
    if all(key.startswith("v:") for key in fields):
        owned = [json.loads(key[2:]) for key in fields]
        return all(_index(owned, value) >= 0 for value in wanted) and _in_order([_index(live, one) for one in wanted])
    positions = []
    for element in wanted:
        key = next((key for key in fields if key.startswith("k:") and _has_keys(element, json.loads(key[2:]))), None)
        if key is None:
            return False
        at = next((index for index, one in enumerate(live) if _has_all_keys(one, json.loads(key[2:]))), -1)
        if at < 0 or not _same(fields[key], element, live[at], is_typed):
            return False
        positions.append(at)
    return _in_order(positions)


def _index(values: Sequence[Any], wanted: Any) -> int:
    return next((index for index, value in enumerate(values) if _equal(wanted, value)), -1)


def _has_keys(element: Any, keys: Mapping[str, Any]) -> bool:
    """Whether ``element`` has these keys; keys that the manifest leaves to their default (``protocol: TCP``) match."""
    return isinstance(element, Mapping) and all(
        key not in element or _equal(element[key], value) for key, value in keys.items()
    )


def _has_all_keys(element: Any, keys: Mapping[str, Any]) -> bool:
    return isinstance(element, Mapping) and all(_equal(element.get(key), value) for key, value in keys.items())


def _in_order(positions: Sequence[int]) -> bool:
    return all(one >= 0 for one in positions) and list(positions) == sorted(set(positions))


def _equal(wanted: Any, live: Any) -> bool:
    """Equal as JSON: ``1`` is neither ``True`` nor ``1.0``."""
    if isinstance(wanted, Mapping) and isinstance(live, Mapping):
        return wanted.keys() == live.keys() and all(_equal(value, live[key]) for key, value in wanted.items())
    if isinstance(wanted, list) and isinstance(live, list):
        return len(wanted) == len(live) and all(map(_equal, wanted, live))
    return type(wanted) is type(live) and bool(wanted == live)
