"""The one reader of an object's ``metadata``: uid, version, annotations, managedFields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Object = Mapping[str, Any]  # as the server returned it, or as a manifest says it shall be
MutableObject = dict[str, Any]  # one that is being made or changed here


def metadata_of(obj: Object) -> Mapping[str, Any]:
    """``metadata``; empty where there is none."""
    metadata = obj.get("metadata")
    return metadata if isinstance(metadata, Mapping) else {}


def annotations_of(obj: Object) -> Mapping[str, Any]:
    annotations = metadata_of(obj).get("annotations")
    return annotations if isinstance(annotations, Mapping) else {}


def labels_of(obj: Object) -> Mapping[str, Any]:
    """``metadata.labels`` of an object, or of a pod template."""
    labels = metadata_of(obj).get("labels")
    return labels if isinstance(labels, Mapping) else {}


def version_of(obj: Object) -> int:
    """resourceVersions of one resource are ordered integers: KEP-5504, "Comparable Resource Version"."""
    text = str(metadata_of(obj).get("resourceVersion") or "0")
    return int(text) if text.isdigit() else 0


def guard_of(obj: Object) -> str:
    """``metadata.resourceVersion`` as writes name it; empty where the server keeps none."""
    return str(metadata_of(obj).get("resourceVersion") or "")


def uid_of(obj: Object) -> str:
    return str(metadata_of(obj).get("uid") or "")


def entries(obj: Object) -> list[Mapping[str, Any]]:
    """``metadata.managedFields``."""
    return list(metadata_of(obj).get("managedFields") or [])


def completed(item: Object, api_version: str, kind: str) -> MutableObject:
    """An item of a list as the object would come alone: the items of a list carry neither apiVersion nor kind."""
    return {**item, "apiVersion": api_version, "kind": kind}
