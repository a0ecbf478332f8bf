"""The ApplySet format of KEP-3659: what a set of objects has on its parent and on its members, as kubectl writes it.

Source: ``applyset.go`` of kubectl's pkg/cmd/apply.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from k8s_step.objects.metadata import PART_OF, MutableObject, Object, annotations_of, labels_of

_DOMAIN = "applyset.kubernetes.io"
ID = f"{_DOMAIN}/id"  # label of a parent
TOOLING = f"{_DOMAIN}/tooling"  # annotations of a parent
KINDS = f"{_DOMAIN}/contains-group-kinds"
RESOURCES = f"{_DOMAIN}/contains-group-resources"  # kubectl 1.27's; read, and dropped by the next write
NAMESPACES = f"{_DOMAIN}/additional-namespaces"
IS_PARENT_TYPE = f"{_DOMAIN}/is-parent-type"  # label of a CRD whose custom resources may be parents


class GroupKind(NamedTuple):
    """A kind in any version of its API. ``group``: empty for the core group."""

    group: str
    kind: str

    @classmethod
    def read(cls, text: str) -> GroupKind:
        """The kind that ``Deployment.apps`` or ``Secret`` names."""
        kind, _, group = text.partition(".")
        return cls(group, kind)

    def __str__(self) -> str:
        return f"{self.kind}.{self.group}" if self.group else self.kind


@dataclass(frozen=True)
class Contents:
    """The kinds that a set has members of, and the namespaces of those members; cluster-wide ones are in none."""

    kinds: frozenset[GroupKind] = frozenset()
    namespaces: frozenset[str] = frozenset()

    @classmethod
    def of(cls, members: Iterable[tuple[GroupKind, str]]) -> Contents:
        """The contents by each member's kind and namespace (empty: cluster-wide)."""
        pairs = list(members)
        return cls(frozenset(kind for kind, _ in pairs), frozenset(each for _, each in pairs if each))

    def __or__(self, other: Contents) -> Contents:
        return Contents(self.kinds | other.kinds, self.namespaces | other.namespaces)


def identity(group: str, kind: str, namespace: str, name: str) -> str:
    """The id of the set whose parent this is; ``namespace`` is empty for a cluster-wide parent."""
    digest = hashlib.sha256(f"{name}.{namespace}.{kind}.{group}".encode()).digest()
    return f"applyset-{base64.urlsafe_b64encode(digest).decode().rstrip('=')}-v1"


def tool_of(parent: Object) -> str:
    """``kubectl`` of the tooling annotation ``kubectl/v1.37.2``; empty where there is none."""
    return str(annotations_of(parent).get(TOOLING) or "").rpartition("/")[0]


def marks(set_id: str, tooling: str, contents: Contents, namespace: str) -> MutableObject:
    """``metadata`` of a parent in this ``namespace``: its labels and annotations."""
    annotations = {
        TOOLING: tooling,
        KINDS: ",".join(sorted(map(str, contents.kinds))),
        NAMESPACES: ",".join(sorted(contents.namespaces - {namespace})),
    }
    return {"labels": {ID: set_id}, "annotations": annotations}


def has_marks(parent: Object, wanted: Object) -> bool:
    """Whether the parent has these :func:`marks` already, and nothing that the next write drops."""
    annotations, labels = annotations_of(parent), labels_of(parent)
    is_same = wanted["annotations"].items() <= annotations.items() and wanted["labels"].items() <= labels.items()
    return is_same and RESOURCES not in annotations


def kinds_of(parent: Object) -> list[GroupKind] | None:
    """The kinds that the parent lists; ``None`` where it has no such annotation."""
    listed = _entries(parent, KINDS)
    return None if listed is None else [GroupKind.read(text) for text in listed]


def resources_of(parent: Object) -> list[str] | None:
    """The resources, ``deployments.apps``, that a parent made by kubectl 1.27 lists in place of kinds."""
    return _entries(parent, RESOURCES)


def namespaces_of(parent: Object, namespace: str) -> frozenset[str]:
    """The namespaces of the set's members: the parent's own ``namespace``, and those that it lists."""
    listed = _entries(parent, NAMESPACES) or []
    return frozenset(each for each in (namespace, *listed) if each)


def _entries(parent: Object, name: str) -> list[str] | None:
    value = annotations_of(parent).get(name)
    return None if value is None else [part.strip() for part in str(value).split(",") if part.strip()]


def labelled(manifest: Object, set_id: str) -> MutableObject:
    """The manifest with the label of a member."""
    metadata = manifest["metadata"]
    return {**manifest, "metadata": {**metadata, "labels": {**labels_of(manifest), PART_OF: set_id}}}
