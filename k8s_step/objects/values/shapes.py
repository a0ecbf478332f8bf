"""Types of the API's fields, to detect an answer that is JSON but not a Kubernetes object. Pure.

The tables hold the fields that the step reads, with their types in ``k8s.io/api``; null is allowed everywhere. Only the
metadata of custom resources is checked, since their own schemas define the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from k8s_step.objects.metadata import Object

Shape = Any  # a type, a one-element list of the entries' shape, or a dict of field shapes
_OWNER = {"kind": str, "name": str, "uid": str, "controller": bool}
_MANAGED = {"manager": str, "operation": str, "subresource": str, "fieldsV1": {}}
_METADATA: Shape = {
    **dict.fromkeys(("name", "namespace", "uid", "resourceVersion", "creationTimestamp", "deletionTimestamp"), str),
    "generation": int,
    "labels": {},
    "annotations": {},
    "finalizers": [str],
    "ownerReferences": [_OWNER],
    "managedFields": [_MANAGED],
}
_CONDITION = dict.fromkeys(("type", "status", "reason", "message", "lastTransitionTime"), str)
_CONTAINER = {"name": str, "image": str, "command": [str], "args": [str], "env": [{"name": str}]}
_POD_SPEC: Shape = {
    "containers": [_CONTAINER],
    "initContainers": [_CONTAINER],
    "volumes": [{"name": str, "persistentVolumeClaim": {"claimName": str}, "ephemeral": {}}],
    "nodeName": str,
    "restartPolicy": str,
}
_ENDED = {"exitCode": int, "signal": int, "reason": str, "message": str, "startedAt": str, "finishedAt": str}
_STATE = {"waiting": {"reason": str, "message": str}, "running": {"startedAt": str}, "terminated": _ENDED}
_CONTAINER_STATUS = {
    **dict.fromkeys(("name", "image"), str),
    "ready": bool,
    "restartCount": int,
    "state": _STATE,
    "lastState": _STATE,
}
_TEMPLATE = {"metadata": _METADATA, "spec": _POD_SPEC}
_SELECTOR = {"matchLabels": {}, "matchExpressions": [{"key": str, "operator": str, "values": [str]}]}
_COUNTS = (
    *("replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "currentReplicas", "unavailableReplicas"),
    *("desiredNumberScheduled", "updatedNumberScheduled", "currentNumberScheduled", "numberReady", "numberAvailable"),
    *("active", "succeeded", "failed", "ready", "observedGeneration", "collisionCount"),
)
_WORKLOAD: Shape = {
    "spec": {
        **dict.fromkeys(("replicas", "completions", "parallelism", "backoffLimit", "progressDeadlineSeconds"), int),
        **dict.fromkeys(("paused", "suspend"), bool),
        "selector": _SELECTOR,
        "template": _TEMPLATE,
        "strategy": {"type": str, "rollingUpdate": {}},
        "updateStrategy": {"type": str, "rollingUpdate": {}},
        "volumeClaimTemplates": [{"metadata": _METADATA, "spec": {}}],
    },
    "status": {
        **dict.fromkeys(_COUNTS, int),
        **dict.fromkeys(("currentRevision", "updateRevision"), str),
        "conditions": [_CONDITION],
    },
}
_POD: Shape = {
    "spec": _POD_SPEC,
    "status": {
        **dict.fromkeys(("phase", "reason", "message", "startTime"), str),
        "conditions": [_CONDITION],
        "containerStatuses": [_CONTAINER_STATUS],
        "initContainerStatuses": [_CONTAINER_STATUS],
    },
}
_CLAIM: Shape = {
    "spec": {"storageClassName": str, "volumeName": str, "resources": {"requests": {}}},
    "status": {"phase": str, "conditions": [_CONDITION]},
}
_SERVICE: Shape = {"spec": {"type": str, "selector": {}}, "status": {"loadBalancer": {"ingress": [{}]}}}
_DEFINITION: Shape = {
    "spec": {"group": str, "scope": str, "names": {"plural": str, "kind": str}, "versions": [{"name": str}]},
    "status": {"conditions": [_CONDITION]},
}
_CONTROLLER: Shape = {"spec": {"replicas": int, "selector": {}, "template": _TEMPLATE}, "status": _WORKLOAD["status"]}
_KINDS: Mapping[str, Shape] = {
    **dict.fromkeys(("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job"), _WORKLOAD),
    "Pod": _POD,
    "PersistentVolumeClaim": _CLAIM,
    "Service": _SERVICE,
    "ReplicationController": _CONTROLLER,
    "CustomResourceDefinition": _DEFINITION,
    "APIService": {"spec": {}, "status": {"conditions": [_CONDITION]}},
}
_WORDS = {dict: "an object", list: "a list", str: "a string", int: "a number", float: "a number", bool: "true or false"}


def misshapen(obj: Object) -> str:
    """The first field of the wrong type, as ``spec.template is a list, not an object``; empty where all are right."""
    version = obj.get("apiVersion")
    group = version.rpartition("/")[0] if isinstance(version, str) else ""
    kind = obj.get("kind")
    is_builtin = "." not in group or group.endswith(".k8s.io")
    shape = _KINDS.get(kind) if isinstance(kind, str) and is_builtin else None
    return _trouble(obj, {"apiVersion": str, "kind": str, "metadata": _METADATA, **(shape or {})}, "")


def nameless(obj: Object) -> str:
    """``it has no metadata.name``, or empty for an object with a name, as each object of the API has."""
    metadata = obj.get("metadata")
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    return "" if name and isinstance(name, str) else "it has no metadata.name"


def _trouble(value: Any, shape: Shape, path: str) -> str:
    """The first trouble. Loops instead of generators: every answer of the server passes through here."""
    if value is None:
        return ""
    wanted: type = shape if isinstance(shape, type) else type(shape)
    if not _is_a(value, wanted):
        return f"{path or 'it'} is {_WORDS.get(type(value), type(value).__name__)}, not {_WORDS[wanted]}"
    if isinstance(shape, dict):
        for name, inner in shape.items():
            entry = value.get(name)
            if type(entry) is not inner and (trouble := _trouble(entry, inner, f"{path}.{name}")):
                return trouble.removeprefix(".")
    elif isinstance(shape, list):
        for number, entry in enumerate(value):
            if type(entry) is not shape[0] and (trouble := _trouble(entry, shape[0], f"{path}[{number}]")):
                return trouble.removeprefix(".")
    return ""


def _is_a(value: Any, wanted: type) -> bool:
    """Whether ``value`` is of type ``wanted`` in JSON, where, unlike in Python, a boolean is no number."""
    return isinstance(value, wanted) and not (wanted is int and isinstance(value, bool))
