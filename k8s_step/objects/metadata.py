"""The one reader of an object's ``metadata``: uid, version, annotations, managedFields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Object = Mapping[str, Any]  # as the server returned it, or as a manifest says it shall be
MutableObject = dict[str, Any]  # one that is being made or changed here


def annotations_of(obj: Object) -> Mapping[str, Any]:
    annotations = (obj.get("metadata") or {}).get("annotations")
    return annotations if isinstance(annotations, Mapping) else {}


def version_of(obj: Object) -> int:
    """resourceVersions of one resource are ordered integers: KEP-5504, "Comparable Resource Version"."""
    text = str((obj.get("metadata") or {}).get("resourceVersion") or "0")
    return int(text) if text.isdigit() else 0


def uid_of(obj: Object) -> str:
    return str((obj.get("metadata") or {}).get("uid", ""))


def entries(obj: Object) -> list[Mapping[str, Any]]:
    """``metadata.managedFields``."""
    return list((obj.get("metadata") or {}).get("managedFields") or [])
