"""Names in manifests: output shows them, so a secret value that equals one cannot be masked."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from k8s_step.manifests import images

_NAMING = ("name", "namespace", "generateName", "kind", "apiVersion", "image")
_DATA = ("data", "stringData", "binaryData")  # of a Secret or a ConfigMap, whose keys are arbitrary and name nothing


def names_of(objects: Iterable[Mapping[str, Any]]) -> set[str]:
    """Names of objects, namespaces, kinds, API groups, containers and the like, and images with their parts."""
    found: set[str] = set()
    for obj in objects:
        data = _DATA if obj.get("kind") in ("Secret", "ConfigMap") else ()
        for key, text in _named_texts({key: value for key, value in obj.items() if key not in data}):
            found.update(part for part in (text, *_NAME_PARTS.get(key, _no_parts)(text)) if part)
    return found


def _named_texts(value: Any) -> Iterator[tuple[str, str]]:
    """Key and text of each ``name``, ``secretName``, ``image`` and the like, at any depth but in annotations."""
    if isinstance(value, list):
        for entry in value:
            yield from _named_texts(entry)
    elif isinstance(value, Mapping):
        for key, entry in value.items():
            if isinstance(entry, str) and (key in _NAMING or str(key).endswith("Name")):
                yield str(key), entry
            elif key != "annotations":
                yield from _named_texts(entry)


def _no_parts(_: str) -> tuple[str, ...]:
    return ()


def _parts_of_image(image: str) -> Iterator[str]:
    """Of ``registry:5000/web:1.2``: ``registry:5000/web``, ``registry``, ``5000``, ``web`` and ``1.2``."""
    yield images.name_of(image)
    yield from re.split("[/:@]", image)


def _parts_of_kind(kind: str) -> tuple[str, ...]:
    return (kind.lower(),)


_NAME_PARTS: Mapping[str, Callable[[str], Iterable[str]]] = {
    "image": _parts_of_image,
    "kind": _parts_of_kind,
    "apiVersion": lambda version: version.split("/"),
}
