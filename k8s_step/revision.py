"""Which pods belong to the revision just written: by ownership, never by selector alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from k8s_step.podfailures import owner

Object = Mapping[str, Any]
ReplicaSets = Mapping[str, Object]  # by uid

_REVISION = "deployment.kubernetes.io/revision"
_TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"


def is_current(obj: Object, pod: Object, replica_sets: ReplicaSets) -> bool:
    """Whether ``pod`` is of the revision that ``obj``, a workload whose generation has been observed, now asks for."""
    rule = _RULES.get(str(obj.get("kind")))
    return rule is not None and rule(obj, pod, replica_sets)


def _uid(obj: Object) -> str:
    return str((obj.get("metadata") or {}).get("uid", ""))


def _annotation(obj: Object, name: str) -> str:
    return str(((obj.get("metadata") or {}).get("annotations") or {}).get(name, ""))


def _label(obj: Object, name: str) -> str:
    return str(((obj.get("metadata") or {}).get("labels") or {}).get(name, ""))


def _owned(obj: Object, pod: Object, _: ReplicaSets) -> bool:
    return bool(_uid(obj)) and owner(pod).get("uid") == _uid(obj)


def _of_deployment(obj: Object, pod: Object, replica_sets: ReplicaSets) -> bool:
    """A Deployment copies its new ReplicaSet's revision: ``deployment_util.go`` in its controller."""
    replica_set = replica_sets.get(str(owner(pod).get("uid", "")))
    if replica_set is None or owner(replica_set).get("uid") != _uid(obj):
        return False
    revision = _annotation(obj, _REVISION)
    return bool(revision) and _annotation(replica_set, _REVISION) == revision


def _of_statefulset(obj: Object, pod: Object, replica_sets: ReplicaSets) -> bool:
    updated = (obj.get("status") or {}).get("updateRevision")
    return _owned(obj, pod, replica_sets) and bool(updated) and _label(pod, "controller-revision-hash") == updated


def _of_daemonset(obj: Object, pod: Object, replica_sets: ReplicaSets) -> bool:
    """``IsPodUpdated`` in kubernetes' daemonset controller takes the template generation as proof, and so do we:
    the hash of the newest ControllerRevision would cost a request more."""
    generation = _annotation(obj, _TEMPLATE_GENERATION)
    return _owned(obj, pod, replica_sets) and bool(generation) and _label(pod, "pod-template-generation") == generation


def _itself(obj: Object, pod: Object, _: ReplicaSets) -> bool:
    return bool(_uid(obj)) and _uid(pod) == _uid(obj)


_RULES: dict[str, Callable[[Object, Object, ReplicaSets], bool]] = {
    "Deployment": _of_deployment,
    "StatefulSet": _of_statefulset,
    "DaemonSet": _of_daemonset,
    "ReplicaSet": _owned,
    "ReplicationController": _owned,
    "Job": _owned,
    "Pod": _itself,
}
