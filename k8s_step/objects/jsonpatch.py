"""JSON Patch (RFC 6902) and JSON merge patch (RFC 7386): checked before they are sent, explained when they are refused,
computed from two objects. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import jsonpatch
import jsonpointer

from k8s_step.objects.metadata import Object
from k8s_step.objects.ownership.fieldset import MISSING, Path, value_at

Operation = dict[str, Any]
# What each operation needs besides "op" and "path": RFC 6902, section 4.
_MEMBERS = {"add": "value", "replace": "value", "test": "value", "move": "from", "copy": "from", "remove": None}
_REFUSED = (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException)
_SHOWN = 80  # characters of a value in a message


@dataclass(frozen=True)
class Mistake:
    """An operation that is invalid, or that the live object does not allow; ``index`` counts from 0."""

    index: int
    message: str


def mistakes(operations: Sequence[Any]) -> list[Mistake]:
    """The operations that are invalid for any object."""
    found = ((index, _mistake(operation)) for index, operation in enumerate(operations))
    return [Mistake(index, f"operation [{index}] {message}") for index, message in found if message]


def _mistake(operation: Any) -> str:
    if not isinstance(operation, dict):
        return "is not a mapping with op and path"
    try:
        jsonpatch.JsonPatch([operation])
    except _REFUSED as error:
        return _in_words(operation, error)
    needed = _MEMBERS[operation["op"]]
    if needed and needed not in operation:
        return f"({operation['op']} {operation['path']}) lacks its member {needed!r}"
    return _mistaken_from(operation) if needed == "from" else ""


def _in_words(operation: Operation, error: Exception) -> str:
    name, path = operation.get("op"), operation.get("path")
    missing = next((member for member in ("op", "path") if member not in operation), None)
    if missing:
        return f"lacks its member {missing!r}"
    if not isinstance(name, str) or name not in _MEMBERS:
        return f"has an unknown op, {name!r}: there are {', '.join(sorted(_MEMBERS))}"
    return f"({name}) has a path that is no JSON pointer, {path!r}: {_lowered(error)}"


def _mistaken_from(operation: Operation) -> str:
    try:
        jsonpointer.JsonPointer(operation["from"])
    except (jsonpointer.JsonPointerException, TypeError) as error:
        return f"({operation['op']}) has a from that is no JSON pointer, {operation['from']!r}: {_lowered(error)}"
    return ""


def _lowered(error: Exception) -> str:
    text = str(error)
    return text[:1].lower() + text[1:]


# -- why the server refuses a patch, which its own answer does not say


def failing(operations: Sequence[Operation], live: Object, *, show_values: bool = True) -> Mistake | None:
    """The first operation that ``live`` does not allow, ``None`` if all are allowed; ``show_values`` in the message."""
    document: Any = deepcopy(live)
    for index, operation in enumerate(operations):
        try:
            document = _step(operation, document)
        except _REFUSED:
            name = f"operation [{index}], {operation['op']} {operation['path']}"
            return Mistake(index, f"{name}: {_reason(operation, document, show_values)}")
    return None


def applied(operations: Sequence[Operation], live: Object) -> Any:
    """A copy of ``live`` with the operations applied; ``None`` where it does not allow one of them."""
    document: Any = deepcopy(live)
    try:
        for operation in operations:
            document = _step(operation, document)
    except _REFUSED:
        return None
    return document


def _step(operation: Operation, document: Any) -> Any:
    """``document`` after ``operation``, by the server's rules.

    Its library gopkg.in/evanphx/json-patch.v4 lets replace add a missing key, and test take a missing key for null.
    """
    parent, key = _parent(operation["path"], document)
    if isinstance(parent, Mapping) and key not in parent:
        if operation["op"] == "replace":
            operation = {**operation, "op": "add"}
        if operation["op"] == "test" and operation["value"] is None:
            return document
    return jsonpatch.JsonPatch([operation]).apply(document)


def _parent(path: str, document: Any) -> tuple[Any, str]:
    parts = jsonpointer.JsonPointer(path).parts
    if not parts:
        return None, ""
    at = document
    for part in parts[:-1]:
        at = _child(at, part)
    return at, parts[-1]


def _child(at: Any, part: str) -> Any:
    if isinstance(at, Mapping):
        return at.get(part, _ABSENT)
    if isinstance(at, list) and part.isdecimal() and int(part) < len(at):
        return at[int(part)]
    return _ABSENT


_ABSENT = object()


def _reason(operation: Operation, document: Any, show_values: bool) -> str:
    needed = [operation["from"]] if "from" in operation else []
    if operation["op"] in ("remove", "replace", "test"):
        needed.append(operation["path"])
    absent = next((gap for pointer in needed if (gap := _gap(pointer, document))), "")
    absent = absent or _gap(operation["path"].rpartition("/")[0], document)
    if absent:
        return f"the object has no {absent}"
    parent, key = _parent(operation["path"], document)
    if operation["op"] != "test":
        return f"{key} is no place in a list of {len(parent)}" if isinstance(parent, list) else "it can't be done there"
    if not show_values:
        return "the value is another"
    return f"the value is {_shown(_child(parent, key))}, not {_shown(operation['value'])}"


def _gap(pointer: str, document: Any) -> str:
    """The shortest part of ``pointer`` that ``document`` lacks; empty where it lacks none."""
    at, path = document, ""
    for part in jsonpointer.JsonPointer(pointer).parts:
        at, path = _child(at, part), f"{path}/{part.replace('~', '~0').replace('/', '~1')}"
        if at is _ABSENT:
            return path
    return ""


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def field_path(pointer: str) -> str:
    """``spec.containers[0].image``, as in the API's causes, for ``/spec/containers/0/image``."""
    parts = jsonpointer.JsonPointer(pointer).parts
    return "".join(f"[{part}]" if part.isdecimal() else f".{part}" for part in parts).lstrip(".")


# -- from one object to another


def between(live: Object, wanted: Object) -> list[Operation]:
    """The operations that turn ``live`` into ``wanted``."""
    return list(_operations("", live, wanted))


def _operations(path: str, live: Any, wanted: Any) -> Iterator[Operation]:
    """Operations field by field, which read better than the library's; it computes only those of lists."""
    if not isinstance(live, Mapping) or not isinstance(wanted, Mapping):
        yield from _list_operations(path, live, wanted)
        return
    for key in [key for key in live if key not in wanted]:
        yield {"op": "remove", "path": _below(path, key)}
    for key, value in wanted.items():
        if key not in live:
            yield {"op": "add", "path": _below(path, key), "value": value}
        elif live[key] != value:
            yield from _operations(_below(path, key), live[key], value)


def _list_operations(path: str, live: Any, wanted: Any) -> Iterator[Operation]:
    if isinstance(live, list) and isinstance(wanted, list):
        if len(live) == len(wanted):
            for index, (old, new) in enumerate(zip(live, wanted, strict=True)):
                if old != new:
                    yield from _operations(f"{path}/{index}", old, new)
            return
        for operation in jsonpatch.make_patch(live, wanted).patch:
            moved = {"from": path + operation["from"]} if "from" in operation else {}
            yield {**operation, "path": path + operation["path"], **moved}
    else:
        yield {"op": "replace", "path": path, "value": wanted}


def _below(path: str, key: str) -> str:
    return f"{path}/{jsonpointer.escape(key)}"


def merge_between(live: Any, wanted: Any) -> dict[str, Any]:
    """The merge patch that turns ``live`` into ``wanted``: lists are replaced whole, null removes a field."""
    patch: dict[str, Any] = {key: None for key in live if key not in wanted}
    for key, value in wanted.items():
        old = live.get(key)
        if key in live and old == value:
            continue
        is_deeper = isinstance(old, Mapping) and isinstance(value, Mapping)
        patch[key] = merge_between(old, value) if is_deeper else value
    return patch


def merged(live: Any, patch: Any) -> Any:
    """``live`` with the merge patch applied."""
    if not isinstance(patch, Mapping):
        return patch
    result = dict(live) if isinstance(live, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def operation_at(path: Path, was: Any, now: Object) -> Object | None:
    """The JSON patch operation that sets the field at ``path`` in ``now`` to ``was``; ``MISSING`` removes it.

    ``None`` where ``now`` lacks the field's parent, or where the path ends in a list element.
    """
    pointer = _pointer(path[:-1], now)
    if pointer is None or not path[-1].startswith("f:"):
        return None
    pointer += f"/{_escaped(path[-1][2:])}"
    if was is MISSING:
        return {"op": "remove", "path": pointer}
    return {"op": "add" if value_at(now, path) is MISSING else "replace", "path": pointer, "value": was}


def _pointer(path: Path, now: Object) -> str | None:
    """``path`` as a JSON pointer into ``now``, with list elements by position; ``None`` where ``now`` lacks it."""
    found, at = "", value_at(now, ())
    for index, key in enumerate(path):
        below = value_at(now, path[: index + 1])
        if below is MISSING:
            return None
        found += f"/{_escaped(key[2:])}" if key.startswith("f:") else f"/{at.index(below)}"
        at = below
    return found


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
