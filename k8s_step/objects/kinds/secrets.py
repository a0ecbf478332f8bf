"""The values in Secrets, which must be masked in all output."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from k8s_step.objects.metadata import Object, annotations_of, metadata_of
from k8s_step.objects.ownership.lastapplied import LAST_APPLIED
from k8s_step.redaction import MASK, SecretValue


def masked(before: Object, after: Object) -> tuple[dict[str, Any], dict[str, Any]]:
    """Both versions of a Secret with values as ``***``, differing ones as ``*** (before)`` and ``*** (after)``.

    The masks do not depend on a value's length. Objects of other kinds are returned unmasked.
    """
    old, new = dict(before), dict(after)
    if "Secret" not in (before.get("kind"), after.get("kind")):
        return old, new
    for field in ("data", "stringData"):
        _mask_field(old, new, field)
    if any(LAST_APPLIED in annotations_of(obj) for obj in (old, new)):
        old["metadata"], new["metadata"] = dict(metadata_of(old)), dict(metadata_of(new))
        notes = {"old": dict(annotations_of(old)), "new": dict(annotations_of(new))}
        _mask_values(notes["old"], notes["new"], (LAST_APPLIED,))
        for obj, kept in ((old, notes["old"]), (new, notes["new"])):
            if kept:
                obj["metadata"]["annotations"] = kept
    return old, new


def _mask_field(old: dict[str, Any], new: dict[str, Any], field: str) -> None:
    """Mask each value of ``field``, or the whole field where it is no mapping, since it may still hold a secret."""
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


def values_of(objects: Iterable[Mapping[str, Any]]) -> list[SecretValue]:
    """The values of all Secrets in ``objects``, as base64 and decoded, also those in a last-applied annotation.

    A byte that is not UTF-8 becomes a lone surrogate, as in Python's ``surrogateescape``.
    """
    found: dict[SecretValue, None] = {}
    for obj in objects:
        if obj.get("kind") == "Secret":
            name = _mapping(obj, "metadata").get("name")
            of = f" of secret/{name}" if name else ""
            found.update((SecretValue(value, f"{key}{of}"), None) for key, value in _secrets_of(obj) if value)
    return list(found)


# --- what must be masked -------------------------------------------------------------------------------------------


def _secrets_of(obj: Object) -> Iterator[tuple[str, str]]:
    """The Secret's values, each with its key."""
    for key, value in _scalars(obj.get("data")):
        for text in _encoded(value):
            yield key, text
    yield from _scalars(obj.get("stringData"))
    last_applied = annotations_of(obj).get(LAST_APPLIED)
    if isinstance(last_applied, str):
        yield from _last_applied(last_applied)


def _scalars(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """The scalars at any depth of ``value``, each with its topmost key.

    A value nested by mistake must be masked too, since the server quotes it in its error.
    """
    if isinstance(value, Mapping):
        for name, entry in value.items():
            yield from _scalars(entry, key or str(name))
    elif isinstance(value, list):
        for entry in value:
            yield from _scalars(entry, key)
    elif value is not None:
        yield key or "data", str(value)


def _last_applied(text: str) -> Iterator[tuple[str, str]]:
    try:
        obj = json.loads(text)
    except ValueError:
        yield LAST_APPLIED, text
        return
    if isinstance(obj, dict):
        yield from _secrets_of(obj)


def _encoded(value: str) -> Iterator[str]:
    yield value
    try:
        raw = base64.b64decode("".join(value.split()), validate=True)
    except ValueError:  # not base64
        return
    yield raw.decode("utf-8", "surrogateescape")  # the redactor makes the same bytes of it again


def _mapping(obj: Object, key: str) -> Mapping[str, Any]:
    value = obj.get(key)
    return value if isinstance(value, Mapping) else {}
