"""The one reader of an object's ``metadata``, and labels and annotations that several rooms know by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Object = Mapping[str, Any]  # a Kubernetes object, from the server or from a manifest
MutableObject = dict[str, Any]  # a Kubernetes object that this code builds or changes

TEMPLATE_HASH = "pod-template-hash"  # label of a ReplicaSet and its pods
REVISION = "deployment.kubernetes.io/revision"  # annotation of a Deployment and its ReplicaSets
# Annotation of a DaemonSet that the server increments at each change: ``pkg/registry/apps/daemonset`` of kubernetes.
TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"

OWN = "k8s-step/"  # the beginning of the step's own annotations
WAIT_FOR, FAIL_ON = f"{OWN}wait-for", f"{OWN}fail-on"
PAUSED, REQUIRED = f"{OWN}paused", f"{OWN}required"
RUN, ON_IMMUTABLE = f"{OWN}run", f"{OWN}on-immutable"
PRUNE = f"{OWN}prune"
PART_OF = "applyset.kubernetes.io/part-of"  # label of an ApplySet's members


def metadata_of(obj: Object) -> Mapping[str, Any]:
    """``metadata``; empty where there is none."""
    metadata = obj.get("metadata")
    # An object of the server's is a dict; the test for any Mapping takes ten times as long.
    return metadata if type(metadata) is dict or isinstance(metadata, Mapping) else {}


def annotations_of(obj: Object) -> Mapping[str, Any]:
    annotations = metadata_of(obj).get("annotations")
    return annotations if isinstance(annotations, Mapping) else {}


def labels_of(obj: Object) -> Mapping[str, Any]:
    """``metadata.labels`` of an object, or of a pod template."""
    labels = metadata_of(obj).get("labels")
    return labels if isinstance(labels, Mapping) else {}


def version_of(obj: Object) -> int:
    """``resourceVersion`` as an integer, or 0; comparable within a resource: KEP-5504 "Comparable Resource Version"."""
    text = str(metadata_of(obj).get("resourceVersion") or "0")
    return int(text) if text.isdigit() else 0


def guard_of(obj: Object) -> str:
    """``metadata.resourceVersion`` as a write's precondition; empty where the object has none."""
    return str(metadata_of(obj).get("resourceVersion") or "")


def uid_of(obj: Object) -> str:
    return str(metadata_of(obj).get("uid") or "")


def entries(obj: Object) -> list[Mapping[str, Any]]:
    """``metadata.managedFields``."""
    return list(metadata_of(obj).get("managedFields") or [])


def completed(item: Object, api_version: str, kind: str) -> MutableObject:
    """``item`` of a list with the apiVersion and kind that the server leaves out of list items."""
    return {**item, "apiVersion": api_version, "kind": kind}
