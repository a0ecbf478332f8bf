"""The defaults and checks of the practice cluster: a few of the hundreds that a real server has."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator

from k8s_step.objects.metadata import MutableObject
from k8s_step.objects.resource import Resource
from k8s_step.practice.refusal import invalid

Cause = tuple[str, str, str]


def admit(resource: Resource, obj: MutableObject) -> None:
    """Fill in defaults in place; raise a :class:`Refusal` (422) for missing or wrong fields."""
    if fill := _DEFAULTS.get(resource.kind):
        fill(obj)
    check = _CHECKS.get(resource.kind)
    causes = list(check(obj.get("spec", {}))) if check else []
    if causes:
        raise invalid(resource, obj["metadata"]["name"], causes)


def _default_namespace(obj: MutableObject) -> None:
    obj.setdefault("status", {"phase": "Active"})
    labels = obj["metadata"].get("labels", {})
    obj["metadata"]["labels"] = labels | {"kubernetes.io/metadata.name": obj["metadata"]["name"]}


def _default_pod(obj: MutableObject) -> None:
    obj.setdefault("status", {"phase": "Pending"})


def _default_service(obj: MutableObject) -> None:
    spec = obj.setdefault("spec", {})
    spec.setdefault("type", "ClusterIP")
    obj.setdefault("status", {"loadBalancer": {}})
    address = zlib.crc32(f"{obj['metadata'].get('namespace')}/{obj['metadata']['name']}".encode()) % 65_000 + 2
    spec.setdefault("clusterIP", f"10.96.{address // 256}.{address % 256}")


def _default_deployment(obj: MutableObject) -> None:
    spec = obj.setdefault("spec", {})
    spec.setdefault("replicas", 1)
    spec.setdefault("progressDeadlineSeconds", 600)
    strategy = spec.setdefault("strategy", {})
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        budget = strategy.setdefault("rollingUpdate", {})
        budget.setdefault("maxSurge", "25%")
        budget.setdefault("maxUnavailable", "25%")


def _check_workload(spec: MutableObject) -> Iterator[Cause]:
    template = spec.get("template", {})
    selector = spec.get("selector", {}).get("matchLabels", {})
    labels = template.get("metadata", {}).get("labels", {})
    if not spec.get("selector"):
        yield "spec.selector", "FieldValueRequired", "Required value"
    elif not selector.items() <= labels.items():
        yield (
            "spec.template.metadata.labels",
            "FieldValueInvalid",
            f"Invalid value: {labels}: `selector` does not match template `labels`",
        )
    yield from _check_pod(template.get("spec", {}), "spec.template.spec")


def _check_pod(spec: MutableObject, field: str = "spec") -> Iterator[Cause]:
    containers = spec.get("containers", [])
    if not containers:
        yield f"{field}.containers", "FieldValueRequired", "Required value"
    for index, container in enumerate(containers):
        for required in ("name", "image"):
            if not container.get(required):
                yield f"{field}.containers[{index}].{required}", "FieldValueRequired", "Required value"


_DEFAULTS: dict[str, Callable[[MutableObject], None]] = {
    "Deployment": _default_deployment,
    "Namespace": _default_namespace,
    "Pod": _default_pod,
    "Service": _default_service,
}
_CHECKS: dict[str, Callable[[MutableObject], Iterator[Cause]]] = {
    "DaemonSet": _check_workload,
    "Deployment": _check_workload,
    "Pod": _check_pod,
    "ReplicaSet": _check_workload,
    "StatefulSet": _check_workload,
}
