"""Reads a file of Flux's ``healthCheckExprs``: the list itself, or whatever holds it, such as a Kustomization."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from k8s_step.errors import InputError
from k8s_step.manifests.documents import Document, parse
from k8s_step.manifests.files import source_of

FIELD = "healthCheckExprs"
Entry = tuple[Mapping[str, Any], Callable[[str], str]]


def read(file: str) -> list[Entry]:
    """Each entry of the file, and a function that gives ``file:line`` of one of its fields. Raises :class:`InputError`.

    ``${…}`` is left as it is written.
    """
    found: list[Entry] = []
    for document in parse(source_of(file, None, None)):
        found += _entries(document)
    if not found:
        raise InputError("the file holds no health check", where=file, hint=_HINT)
    return found


_HINT = f"a list of apiVersion, kind, current, failed and inProgress, or an object with {FIELD}"


def _entries(document: Document) -> list[Entry]:
    value = document.build()
    path, checks = _list_of(value)
    if checks is None:
        raise InputError(f"this is no list of health checks, and holds no {FIELD}", where=document.where, hint=_HINT)
    entries: list[Entry] = []
    for index, check in enumerate(checks):
        place = partial(_place, document, value, f"{path}[{index}]")
        if not isinstance(check, Mapping):
            raise InputError("this is no health check", where=place(""), hint=_HINT)
        entries.append((check, place))
    return entries


def _list_of(value: Any) -> tuple[str, list[Any] | None]:
    """The path of the list of checks, and the list; ``None`` where there is none."""
    for path in ("", FIELD, f"spec.{FIELD}"):
        found = value
        for name in filter(None, path.split(".")):
            found = found.get(name) if isinstance(found, Mapping) else None
        if isinstance(found, list):
            return path, found
    return "", None


def _place(document: Document, value: Any, path: str, field: str) -> str:
    return f"{document.source.file}:{document.line_of(value, f'{path}.{field}' if field else path)}"
