"""Errors about text without a file (stdin, kustomize's output) name the object too, as a line number says little."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from k8s_step.errors import InputError, InputErrors
from k8s_step.manifests.documents import Document
from k8s_step.manifests.nodes import Node, ScalarNode, field_node
from k8s_step.objects.metadata import metadata_of
from k8s_step.objects.reference import Reference, is_file

_LINE = re.compile(r"(.+):(\d+)", re.S)


@contextmanager
def naming(document: Document) -> Iterator[None]:
    """Add the object's name to errors about a document that is in no file."""
    try:
        yield
    except InputErrors as several:
        raise InputErrors([_named(error, document) for error in several.errors]) from None
    except InputError as error:
        raise _named(error, document) from None


def _named(error: InputError, document: Document) -> InputError:
    return _about(error, _title({key: _text(document.root, *path) for key, path in _PATHS.items()}))


_PATHS = {"apiVersion": ("apiVersion",), "kind": ("kind",), "name": ("metadata", "name")}


def _text(node: Node | None, *path: str) -> str:
    for key in path:
        node = field_node(node, key) if node else None
    return node.text if isinstance(node, ScalarNode) else ""


def _title(said: Mapping[str, Any]) -> str:
    complete = all(isinstance(said.get(key), str) and said[key] for key in _PATHS)
    return Reference(said["apiVersion"], said["kind"], "", said["name"]).title if complete else ""


def name_objects(errors: Sequence[InputError], objects: Sequence[tuple[Mapping[str, Any], str, int]]) -> None:
    """Add names to later errors; ``objects`` are objects with their file and first line, in written order."""
    for error in errors:
        place = _LINE.fullmatch(error.where or "")
        before = [obj for obj, file, line in objects if place and file == place[1] and line <= int(place[2])]
        if before:
            _about(error, _title({**before[-1], "name": metadata_of(before[-1]).get("name")}))


def _about(error: InputError, title: str) -> InputError:
    place = _LINE.fullmatch(error.where or "")
    if title and place and not is_file(place[1]):
        error.where = f"{error.where}: {title}"
    return error
