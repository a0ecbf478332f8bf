"""Who changed what between two versions of an object, as its ``managedFields`` tell.

Source of the format: ``fieldpath/serialize-pe.go`` of sigs.k8s.io/structured-merge-diff.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from k8s_step.fieldset import entries

Object = Mapping[str, Any]
_Path = tuple[str, ...]
MISSING = object()
_SHOWN = 5  # fields of one manager that a message names


@dataclass(frozen=True)
class Writer:
    """An entry of ``managedFields``; ``time`` is when it last wrote, in RFC 3339."""

    manager: str
    operation: str = ""
    subresource: str = ""
    time: str = ""

    def __str__(self) -> str:
        how = ", ".join(part for part in (self.subresource and f"{self.subresource} subresource", self.time) if part)
        return f"{self.manager} ({self.operation}{f', {how}' if how else ''})"


@dataclass(frozen=True)
class Change:
    """A field, as the API server writes it in its own messages, and who wrote it; ``None`` where it is gone."""

    field: str
    writer: Writer | None


def changes(before: Object, after: Object) -> list[Change]:
    """The fields that some manager owns in either version and whose values differ; field names, never values."""
    now, earlier = list(_owned(after)), list(_owned(before))
    parents = {path[:end] for _, path in (*now, *earlier) for end in range(1, len(path))}
    found: dict[str, Change] = {}
    for writer, path in now:
        if _differs(path, path in parents, before, after):
            found.setdefault(text(path), Change(text(path), writer))
    for _, path in earlier:
        if value(after, path) is MISSING and value(before, path) is not MISSING:
            found.setdefault(text(path), Change(text(path), None))
    return list(found.values())


def overwritten(before: Object, after: Object, manager: str) -> list[Change]:
    """Of :func:`changes`, those of fields that ``manager`` owned in ``before``."""
    own = {text(path) for writer, path in _owned(before) if writer.manager == manager}
    return [change for change in changes(before, after) if change.field in own]


def latest(obj: Object) -> list[Change]:
    """The fields of whoever wrote last: all there is to tell where the earlier version is no longer known."""
    times = [writer.time for writer, _ in _owned(obj)]
    return [Change(text(path), writer) for writer, path in _owned(obj) if writer.time == max(times)]


def told(found: Sequence[Change]) -> str:
    """``.data.tone by night-shift (Update, 2026-11-22T10:00:00Z); .data.pitch is gone``; empty where nothing is."""
    by_writer: dict[Writer | None, list[str]] = {}
    for change in found:
        by_writer.setdefault(change.writer, []).append(change.field)
    return "; ".join(_phrase(writer, fields) for writer, fields in by_writer.items())


def _phrase(writer: Writer | None, fields: Sequence[str]) -> str:
    more = f" and {len(fields) - _SHOWN} more" if len(fields) > _SHOWN else ""
    names = ", ".join(fields[:_SHOWN]) + more
    if writer is None:
        return f"{names} {'are' if len(fields) > 1 else 'is'} gone"
    return f"{names} by {writer}"


def _owned(obj: Object) -> Iterator[tuple[Writer, _Path]]:
    for entry in entries(obj):
        names = ("manager", "operation", "subresource", "time")
        writer = Writer(*(str(entry.get(name) or "") for name in names))
        for path in _leaves(entry.get("fieldsV1") or {}, ()):
            yield writer, path


def _leaves(fields: Mapping[str, Any], path: _Path) -> Iterator[_Path]:
    for key, below in fields.items():
        if key == ".":
            continue
        if not set(below) - {"."}:
            yield (*path, key)
        yield from _leaves(below, (*path, key))


def _differs(path: _Path, is_parent: bool, before: Object, after: Object) -> bool:
    """A parent is owned for being there: what is in it belongs to whoever owns that."""
    values = (value(before, path), value(after, path))
    return (values[0] is MISSING) != (values[1] is MISSING) if is_parent else values[0] != values[1]


def value(obj: Any, path: Iterable[str]) -> Any:
    """What ``path`` leads to, or ``MISSING``."""
    for key in path:
        kind, _, name = key.partition(":")
        if kind == "f":
            obj = obj.get(name, MISSING) if isinstance(obj, Mapping) else MISSING
        else:
            obj = _element(obj, kind, json.loads(name))
        if obj is MISSING:
            break
    return obj


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
    return isinstance(item, Mapping) and all(item.get(key) == value for key, value in wanted.items())


def text(path: Iterable[str]) -> str:
    """``.spec.containers[name="app"].image``, as ``fieldpath.Path.String`` has it."""
    return "".join(_element_text(*key.split(":", 1)) for key in path)


def _element_text(kind: str, name: str) -> str:
    if kind == "f":
        return f".{name}"
    if kind == "v":
        return f"[={name}]"
    if kind == "i":
        return f"[{name}]"
    return f"[{','.join(f'{key}={json.dumps(value)}' for key, value in json.loads(name).items())}]"
