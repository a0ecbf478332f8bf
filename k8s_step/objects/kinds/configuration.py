"""The ConfigMaps and Secrets that the pods of a workload use, and a digest of what they hold."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from typing import Any

from k8s_step.errors import InputError
from k8s_step.objects.conditions import mapping, mappings, spec
from k8s_step.objects.metadata import Object, annotations_of

ROLL = "k8s-step/roll-on-config"
Name = tuple[str, str]  # kind and name, in the workload's namespace
_CONFIG_MAP, _SECRET = "ConfigMap", "Secret"
_CONTAINERS = ("initContainers", "containers")


def rolls(workload: Object) -> bool:
    """Whether the annotation ``k8s-step/roll-on-config`` asks for a restart where the configuration changes.

    Raises :class:`InputError`.
    """
    value = annotations_of(workload).get(ROLL, "false")
    if value not in ("true", "false"):
        hint = "put it in quotes" if isinstance(value, bool) else None
        raise InputError('the value is neither "true" nor "false"', where=ROLL, hint=hint)
    return bool(value == "true")


def used_by(workload: Object) -> list[Name]:
    """The ConfigMaps and Secrets in the volumes and environments of the workload's pods, each once, sorted."""
    pods = spec(mapping(spec(workload).get("template")))
    found = set(_of_volumes(mappings(pods.get("volumes"))))
    for field in _CONTAINERS:
        for container in mappings(pods.get(field)):
            found.update(_of_environment(container))
    return sorted(name for name in found if name[1])


def _of_volumes(volumes: Iterable[Object]) -> Iterator[Name]:
    for volume in volumes:
        yield _CONFIG_MAP, _text(volume.get("configMap"), "name")
        yield _SECRET, _text(volume.get("secret"), "secretName")
        for source in mappings(mapping(volume.get("projected")).get("sources")):
            yield _CONFIG_MAP, _text(source.get("configMap"), "name")
            yield _SECRET, _text(source.get("secret"), "name")


def _of_environment(container: Object) -> Iterator[Name]:
    for source in mappings(container.get("envFrom")):
        yield _CONFIG_MAP, _text(source.get("configMapRef"), "name")
        yield _SECRET, _text(source.get("secretRef"), "name")
    for variable in mappings(container.get("env")):
        source = mapping(variable.get("valueFrom"))
        yield _CONFIG_MAP, _text(source.get("configMapKeyRef"), "name")
        yield _SECRET, _text(source.get("secretKeyRef"), "name")


def digest(contents: Iterable[tuple[Name, Object | None]]) -> str:
    """A digest of the data of ConfigMaps and Secrets: 32 hexadecimal digits of SHA-256. ``None``: it does not exist."""
    import hashlib  # imported here: few releases roll by their configuration

    parts = [[*name, _content(obj) if obj is not None else None] for name, obj in sorted(contents, key=_first)]
    text = json.dumps(parts, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _first(pair: tuple[Name, Any]) -> Name:
    return pair[0]


def _content(obj: Object) -> dict[str, Any]:
    """The data as the server keeps it: a Secret's ``stringData`` becomes ``data``."""
    encoded = {
        key: base64.b64encode(str(value).encode("utf-8", "surrogatepass")).decode()
        for key, value in mapping(obj.get("stringData")).items()
    }
    return {"data": {**mapping(obj.get("data")), **encoded}, "binaryData": {**mapping(obj.get("binaryData"))}}


def _text(value: Any, key: str) -> str:
    return str(mapping(value).get(key) or "")
