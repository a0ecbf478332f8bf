"""The fields that each field manager changed between two versions of an object, by its ``managedFields``.

Source of the format: ``fieldpath/serialize-pe.go`` of sigs.k8s.io/structured-merge-diff.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from k8s_step.objects.metadata import TEMPLATE_GENERATION, Object, annotations_of, entries, metadata_of
from k8s_step.objects.ownership.fieldset import MISSING, Fields, Path, element, path_text, sets, union, value_at

_Path = tuple[str, ...]
_SHOWN = 5  # fields of one manager that a message names


@dataclass(frozen=True)
class Writer:
    """A manager's entry in ``managedFields``. ``time``: its last write, in RFC 3339."""

    manager: str
    operation: str = ""
    subresource: str = ""
    time: str = ""

    def __str__(self) -> str:
        how = ", ".join(part for part in (self.subresource and f"{self.subresource} subresource", self.time) if part)
        return f"{self.manager} ({self.operation}{f', {how}' if how else ''})"


@dataclass(frozen=True)
class FieldChange:
    """A changed field, spelled as in the API server's messages, and its writer, ``None`` for a removed field."""

    field: str
    writer: Writer | None


def field_changes(before: Object, after: Object) -> list[FieldChange]:
    """The fields with different values that have an owner in either version. Contains no values."""
    now, earlier = list(_owned(after)), list(_owned(before))
    parents = {path[:end] for _, path in (*now, *earlier) for end in range(1, len(path))}
    found: dict[str, FieldChange] = {}
    for writer, path in now:
        if _differs(path, path in parents, before, after):
            found.setdefault(path_text(path), FieldChange(path_text(path), writer))
    for _, path in earlier:
        if value_at(after, path) is MISSING and value_at(before, path) is not MISSING:
            found.setdefault(path_text(path), FieldChange(path_text(path), None))
    return list(found.values())


def overwritten(before: Object, after: Object, manager: str) -> list[FieldChange]:
    """The :func:`field_changes` of fields that ``manager`` owned in ``before``."""
    own = {path_text(path) for writer, path in _owned(before) if writer.manager == manager}
    return [change for change in field_changes(before, after) if change.field in own]


def latest(obj: Object) -> list[FieldChange]:
    """The fields of the last writer: a best guess at the changes where the earlier version is not known."""
    times = [writer.time for writer, _ in _owned(obj)]
    return [FieldChange(path_text(path), writer) for writer, path in _owned(obj) if writer.time == max(times)]


def changes_text(found: Sequence[FieldChange]) -> str:
    """``.data.tone by night-shift (Update, 2026-11-22T10:00:00Z); .data.pitch is gone``; empty without changes."""
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
    """Whether the field changed; a parent (``f:x: {}``) changes only by appearing or vanishing."""
    values = (value_at(before, path), value_at(after, path))
    return (values[0] is MISSING) != (values[1] is MISSING) if is_parent else values[0] != values[1]


_IDENTITY = ("apiVersion", "kind")
_METADATA = ("labels", "annotations", "finalizers", "ownerReferences")  # the metadata that a manifest may set


# -- values


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[tuple[Path, Any, Any]]:
    """Each differing field as path, old and new value, without fields that the server or controllers maintain."""
    fields = union(*sets(before).values(), *sets(after).values())
    return list(_differences(_content(before), _content(after), (), fields))


def _content(obj: Object) -> Object:
    metadata = {key: each for key, each in metadata_of(obj).items() if key in _METADATA}
    if TEMPLATE_GENERATION in annotations_of(obj):
        metadata["annotations"] = dict(annotations_of(obj))
        del metadata["annotations"][TEMPLATE_GENERATION]
    rest = {key: each for key, each in obj.items() if key not in ("status", *_IDENTITY)}
    return {**rest, "metadata": metadata}


def _differences(before: Any, after: Any, path: Path, fields: Fields) -> Iterator[tuple[Path, Any, Any]]:
    was, now = _parts(before, after, fields), _parts(after, before, fields)
    if was is None or now is None:
        if before != after:
            yield path, before, after
        return
    for key in {**was, **now}:
        yield from _differences(was.get(key, MISSING), now.get(key, MISSING), (*path, key), fields.get(key, {}))


def _parts(one: Any, other: Any, fields: Fields) -> dict[str, Any] | None:
    """The parts of ``one`` by their keys in a field set; ``None`` where the value is compared as a whole.

    A missing map or list is compared key by key with the ``other`` side, since each key may have another owner.
    """
    if isinstance(one, Mapping):
        return {f"f:{key}": each for key, each in one.items()}
    if isinstance(one, list) and any(key[:2] in ("k:", "v:") for key in fields):
        return {key: item for item in one if (key := element(item, fields)) is not None}
    return {} if one is MISSING and other is not MISSING and other and _parts(other, other, fields) else None


def overlap(one: Path, other: Path) -> bool:
    return one[: len(other)] == other[: len(one)]
