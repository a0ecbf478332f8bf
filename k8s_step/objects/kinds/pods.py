"""Facts about pods and their containers, from the pod's own spec, status and metadata."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from k8s_step.objects.metadata import Object, metadata_of

_TOKEN_VOLUME = "kube-api-access-"  # the prefix that the ServiceAccount admission gives to a pod's token volume


def statuses(pod: Object) -> list[Object]:
    """The status of each container, init containers first."""
    status = pod.get("status") or {}
    return [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]


def status_of(pod: Object, name: str) -> Object:
    """The status of the container ``name``; empty where the pod has none."""
    return _named(statuses(pod), name)


def spec_of(pod: Object, name: str) -> Object:
    """The spec of the container ``name``; empty where the pod has no such container."""
    return _named(_containers(pod), name)


def container_names(pod: Object) -> list[str]:
    """The names of the containers in the pod's spec, init containers first."""
    return [str(each.get("name", "")) for each in _containers(pod)]


def _containers(pod: Object) -> list[Object]:
    spec = pod.get("spec") or {}
    return [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]


def _named(entries: list[Object], name: str) -> Object:
    return next((entry for entry in entries if entry.get("name") == name), {})


def without_token(entries: Iterable[Object]) -> list[Object]:
    """A pod's volumes, or a container's mounts, without that of the service account's token, which every pod has."""
    return [entry for entry in entries if not str(entry.get("name")).startswith(_TOKEN_VOLUME)]


def controller_of(pod: Object) -> Mapping[str, Any]:
    """The controller among ``metadata.ownerReferences``: ``{"kind", "name", "uid"}``, or empty."""
    references = metadata_of(pod).get("ownerReferences") or []
    return next((reference for reference in references if reference.get("controller")), {})


def is_ready(pod: Object) -> bool:
    """Whether the pod's Ready condition is True."""
    return condition_of(pod, "Ready").get("status") == "True"


def is_done(pod: Object, container: str) -> bool:
    """Whether this container has completed with exit code 0, such as an init container that is done."""
    terminated = (status_of(pod, container).get("state") or {}).get("terminated") or {}
    return terminated.get("exitCode") == 0 and terminated.get("reason") == "Completed"


def is_alive(pod: Object) -> bool:
    """Whether the pod is neither ended (also by eviction) nor being deleted."""
    ended = (pod.get("status") or {}).get("phase") in ("Failed", "Succeeded")
    return not ended and not metadata_of(pod).get("deletionTimestamp")


def condition_of(pod: Object, kind: str) -> Mapping[str, Any]:
    conditions = (pod.get("status") or {}).get("conditions") or []
    return next((entry for entry in conditions if entry.get("type") == kind), {})


HAVE_PODS = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job")
