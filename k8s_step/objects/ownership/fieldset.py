"""Sets of fields in the notation of ``managedFields`` (``fieldsV1``), and the part of an object that a set selects.

Source of the format: ``fieldpath/serialize-pe.go`` of sigs.k8s.io/structured-merge-diff.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from k8s_step.objects.metadata import Object, entries

Fields = Mapping[str, Any]
Path = tuple[str, ...]  # in the notation of fieldsV1: ("f:spec", "f:containers", 'k:{"name":"app"}', "f:image")


class Owner(NamedTuple):
    """Identity of a ``managedFields`` entry.

    Apply entries are one per manager regardless of apiVersion; Update entries are one per apiVersion.
    """

    manager: str
    operation: str
    subresource: str = ""
    api_version: str = ""


def sets(obj: Object) -> dict[Owner, Fields]:
    """The set of fields of each manager of ``obj``."""
    return {owner_of(entry): entry.get("fieldsV1") or {} for entry in entries(obj)}


def owner_of(entry: Mapping[str, Any]) -> Owner:
    """The identity of ``entry``. Source: ``BuildManagerIdentifier`` in k8s.io/apimachinery's managedfields."""
    operation = str(entry.get("operation") or "")
    version = "" if operation == "Apply" else str(entry.get("apiVersion") or "")
    return Owner(str(entry.get("manager") or ""), operation, str(entry.get("subresource") or ""), version)


def union(*several: Fields) -> dict[str, Any]:
    """The fields that are in any of the sets."""
    found: dict[str, Any] = {}
    for fields in several:
        for key, below in fields.items():
            known = found.get(key)
            is_in = known is not None and (is_member(known) or is_member(below))
            found[key] = below if known is None else made(union(known, below), is_in)
    return found


def without(fields: Fields, other: Fields) -> dict[str, Any]:
    """The fields of ``fields`` that are not in ``other``."""
    found = {}
    for key, below in fields.items():
        if key not in other:
            found[key] = below
        elif key != ".":
            rest = without({name: each for name, each in below.items() if name != "."}, other[key])
            is_in = is_member(below) and not is_member(other[key])
            if rest or is_in:
                found[key] = made(rest, is_in)
    return found


def common(fields: Fields, other: Fields) -> dict[str, Any]:
    """The fields that are in both sets."""
    return without(fields, without(fields, other))


def extract(value: Any, fields: Fields, others: Fields) -> Any:
    """The part of ``value`` that is in ``fields``: a body whose apply would own the same fields.

    ``others`` are the fields of other managers. A map this manager owns only as a whole (``f:x: {}``) while others own
    its keys is extracted as ``{}``.
    Source: ``ExtractItems`` of sigs.k8s.io/structured-merge-diff, as client-go's ``ExtractInto`` uses it.
    """
    below = {key: each for key, each in fields.items() if key != "."}
    if not below:
        return {} if isinstance(value, Mapping) and set(others) - {"."} else value
    if isinstance(value, Mapping):
        owned = {name: f"f:{name}" for name in value if f"f:{name}" in below}
        return {name: extract(value[name], below[key], others.get(key, {})) for name, key in owned.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        found = [(item, key) for item in value if (key := element(item, below)) is not None]
        return [_item(item, key, below[key], others.get(key, {})) for item, key in found]
    return value


def owns(fields: Fields, path: Path) -> bool:
    """Whether the set holds the field at ``path``, or an ancestor of it as a whole."""
    for depth, key in enumerate(path):
        if depth and not set(fields) - {"."}:
            return True
        if key not in fields:
            return False
        fields = fields[key]
    return True


def owners_of(obj: Object, path: Path) -> set[Owner]:
    """Who owns the field at ``path`` of ``obj``."""
    return {owner for owner, fields in sets(obj).items() if owns(fields, path)}


def element(item: Any, keys: Iterable[str]) -> str | None:
    """The key among ``keys``, such as ``k:{"name":"web"}`` or ``v:"x"``, that names the list element ``item``."""
    return next((key for key in keys if _names(key, item)), None)


def is_member(node: Fields) -> bool:
    """Whether the set has the field itself, not only fields below it."""
    return not node or "." in node


def made(below: Fields, is_in: bool) -> dict[str, Any]:
    """The set's node for a field with the fields ``below``; ``is_in``: the set has the field itself."""
    rest = {key: each for key, each in below.items() if key != "."}
    return {".": {}, **rest} if is_in and rest else rest


def _names(key: str, item: Any) -> bool:
    kind, _, text = key.partition(":")
    if kind == "v":
        return json.dumps(item) == json.dumps(json.loads(text))
    if kind != "k" or not isinstance(item, Mapping):
        return False
    return all(name in item and json.dumps(item[name]) == json.dumps(each) for name, each in json.loads(text).items())


def _item(item: Any, key: str, fields: Fields, others: Fields) -> Any:
    """The extracted part of one list element, with its merge keys even where the manager does not own the element."""
    found = extract(item, fields, others)
    is_named = key.startswith("k:") and not is_member(fields)
    return {**json.loads(key[2:]), **found} if is_named else found


MISSING = object()


def value_at(obj: Any, path: Iterable[str]) -> Any:
    """The value at ``path``, or ``MISSING``."""
    for key in path:
        kind, _, name = key.partition(":")
        if kind == "f":
            obj = obj.get(name, MISSING) if isinstance(obj, Mapping) else MISSING
        else:
            obj = _element(obj, kind, json.loads(name))
        if obj is MISSING:
            break
    return obj


def child(value: Any, key: str) -> Any:
    """The value at ``key`` in ``value``, part of an object or manifest; ``MISSING`` where there is none.

    A manifest's list element may leave out merge keys that the server defaults, such as a port's protocol.
    """
    kind, _, name = key.partition(":")
    if kind == "f":
        return value.get(name, MISSING) if isinstance(value, Mapping) else MISSING
    wanted = json.loads(name)
    exact = _element(value, kind, wanted)
    if kind != "k" or exact is not MISSING or not isinstance(value, list):
        return exact
    if any(wanted.get(name, each) != each for name, each in _DEFAULTS.items()):
        return MISSING
    return next((item for item in value if _fits(item, wanted)), MISSING)


_DEFAULTS = {"protocol": "TCP"}  # defaults of merge keys: of ports of containers and Services


def _fits(item: Any, wanted: Mapping[str, Any]) -> bool:
    return isinstance(item, Mapping) and all(item.get(name, each) == each for name, each in wanted.items())


def _element(items: Any, kind: str, wanted: Any) -> Any:
    """The element of a list: by its keys (``k``), by its value (``v``) or by its position (``i``)."""
    if not isinstance(items, list):
        return MISSING
    if kind == "i":
        return items[wanted] if wanted < len(items) else MISSING
    return next((item for item in items if _is(item, kind, wanted)), MISSING)


def _is(item: Any, kind: str, wanted: Any) -> bool:
    if kind == "v":
        return bool(item == wanted)
    return isinstance(item, Mapping) and all(item.get(key) == value_at for key, value_at in wanted.items())


def path_text(path: Iterable[str]) -> str:
    """``.spec.containers[name="app"].image``, as ``fieldpath.Path.String`` of structured-merge-diff writes it."""
    return "".join(_element_text(*key.split(":", 1)) for key in path)


def _element_text(kind: str, name: str) -> str:
    if kind == "f":
        return f".{name}"
    if kind == "v":
        return f"[={name}]"
    if kind == "i":
        return f"[{name}]"
    return f"[{','.join(f'{key}={json.dumps(value_at)}' for key, value_at in json.loads(name).items())}]"
