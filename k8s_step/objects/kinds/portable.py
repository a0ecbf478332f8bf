"""What of an object can be set in another cluster.

Sources in kubernetes/kubernetes: ``pkg/registry/core/service/storage`` (addresses and ports that are allocated),
``pkg/controller/volume/persistentvolume``, ``plugin/pkg/admission/serviceaccount``, ``strategy.go`` in
``pkg/registry/batch/job`` (a generated selector and its labels).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from k8s_step.objects.kinds.endpoints import is_of_service
from k8s_step.objects.kinds.pods import without_token
from k8s_step.objects.metadata import PART_OF, REVISION, TEMPLATE_GENERATION, MutableObject, Object, metadata_of
from k8s_step.objects.ownership.applied import without_servers_own
from k8s_step.objects.ownership.lastapplied import LAST_APPLIED

_METADATA = ("ownerReferences", "finalizers", "deletionTimestamp", "deletionGracePeriodSeconds", "generateName")
_ANNOTATIONS = (
    LAST_APPLIED,
    REVISION,
    TEMPLATE_GENERATION,
    "pv.kubernetes.io/bind-completed",
    "pv.kubernetes.io/bound-by-controller",
    "volume.kubernetes.io/selected-node",
    "volume.kubernetes.io/storage-provisioner",
    "volume.beta.kubernetes.io/storage-provisioner",
    "kubernetes.io/service-account.uid",
    "control-plane.alpha.kubernetes.io/leader",
    "endpoints.kubernetes.io/last-change-trigger-time",
)
_JOB_LABELS = ("controller-uid", "job-name", "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name")


def portable(obj: Object) -> MutableObject:
    """``obj`` without status, what the server wrote, and what belongs to its own cluster."""
    found: MutableObject = copy.deepcopy(without_servers_own(obj))
    metadata = found["metadata"]
    for key in _METADATA:
        metadata.pop(key, None)
    _drop(metadata, "annotations", _ANNOTATIONS)
    _drop(metadata, "labels", (PART_OF,))  # a set with a parent of the same name in that cluster would prune the copy
    rule = _RULES.get(kind_of(obj))
    if rule is not None:
        rule(found)
    return found


def bound(obj: Object) -> str:
    """Why an object belongs to its own cluster as a whole; empty where it can be copied."""
    kind, metadata = kind_of(obj), metadata_of(obj)
    if kind == ("", "Secret") and obj.get("type") in _BOUND_SECRETS:
        return _BOUND_SECRETS[obj["type"]]
    if kind == ("", "ConfigMap") and metadata.get("name") in _BOUND_CONFIG_MAPS:
        return _BOUND_CONFIG_MAPS[metadata["name"]]
    if kind in _BOUND_KINDS:
        return _BOUND_KINDS[kind]
    if kind == ("", "Service") and (metadata.get("namespace"), metadata.get("name")) == ("default", "kubernetes"):
        return "it leads to this cluster's API server"
    if is_of_service(obj):
        return "its Service makes it, and makes its own wherever it is copied to"
    owners = [owner for owner in metadata.get("ownerReferences") or [] if owner.get("controller")]
    if owners:
        owner = f"{str(owners[0].get('kind', '')).lower()}/{owners[0].get('name', '')}"
        return f"{owner} makes it, and makes its own wherever it is copied to"
    return ""


_BOUND_SECRETS = {
    "kubernetes.io/service-account-token": "its token is of a service account of this cluster",
    "bootstrap.kubernetes.io/token": "its token lets nodes join this cluster",
}
_BOUND_CONFIG_MAPS = {
    "kube-root-ca.crt": "it holds this cluster's CA, and every cluster makes its own",
    "openshift-service-ca.crt": "it holds this cluster's CA, and every cluster makes its own",
}
_BOUND_KINDS = {
    ("", "Event"): "it tells what happened in this cluster",
    ("events.k8s.io", "Event"): "it tells what happened in this cluster",
    ("", "Node"): "it is a machine of this cluster",
    ("", "PersistentVolume"): "it is storage of this cluster",
    ("coordination.k8s.io", "Lease"): "it tells who leads in this cluster",
    ("storage.k8s.io", "CSINode"): "it tells what a machine of this cluster can mount",
    ("storage.k8s.io", "VolumeAttachment"): "it ties storage of this cluster to one of its machines",
    ("storage.k8s.io", "CSIStorageCapacity"): "it tells how much storage this cluster has left",
    ("resource.k8s.io", "ResourceSlice"): "it tells what devices a machine of this cluster has",
    ("certificates.k8s.io", "CertificateSigningRequest"): "it asks this cluster for a certificate",
}


def kind_of(obj: Object) -> tuple[str, str]:
    """Group and kind."""
    return (str(obj.get("apiVersion", "")).rpartition("/")[0], str(obj.get("kind", "")))


def _drop(holder: MutableObject, key: str, names: Sequence[str]) -> None:
    """Take ``names`` out of the mapping ``holder[key]``, and the mapping itself where it becomes empty."""
    values = holder.get(key)
    if isinstance(values, dict):
        for name in names:
            values.pop(name, None)
        if not values:
            del holder[key]


def mapping_at(holder: Mapping[str, Any], *path: str) -> MutableObject:
    """The mapping at the path; an empty one, of no object, where there is none."""
    value: Any = holder
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def _service(obj: MutableObject) -> None:
    """A headless Service stays headless; every other address and port is allocated by its cluster."""
    spec = mapping_at(obj, "spec")
    if spec.get("clusterIP") != "None":
        spec.pop("clusterIP", None)
        spec.pop("clusterIPs", None)
    spec.pop("healthCheckNodePort", None)
    if spec.get("ipFamilyPolicy") == "SingleStack":  # the default, with the family of its own cluster
        spec.pop("ipFamilyPolicy")
        spec.pop("ipFamilies", None)
    for port in spec.get("ports") or []:
        port.pop("nodePort", None)


def _claim(obj: MutableObject) -> None:
    mapping_at(obj, "spec").pop("volumeName", None)


def _namespace(obj: MutableObject) -> None:
    mapping_at(obj, "spec").pop("finalizers", None)
    if not obj.get("spec"):
        obj.pop("spec", None)


def _service_account(obj: MutableObject) -> None:
    obj.pop("secrets", None)


def _stateful_set(obj: MutableObject) -> None:
    for claim in mapping_at(obj, "spec").get("volumeClaimTemplates") or []:
        claim.pop("status", None)
        mapping_at(claim, "metadata").pop("creationTimestamp", None)


def _job(obj: MutableObject) -> None:
    """Without the selector and the labels that the server makes of the Job's UID."""
    spec = mapping_at(obj, "spec")
    if spec.get("manualSelector"):
        return
    spec.pop("selector", None)
    _drop(obj["metadata"], "labels", _JOB_LABELS)
    _drop(mapping_at(spec, "template", "metadata"), "labels", _JOB_LABELS)


def _pod(obj: MutableObject) -> None:
    """Without its node, and without the token that the server mounts into every pod."""
    spec = mapping_at(obj, "spec")
    for key in ("nodeName", "ephemeralContainers", "priority", "preemptionPolicy"):
        spec.pop(key, None)
    _keep(spec, "volumes", without_token(spec.get("volumes") or []))
    for container in (*(spec.get("containers") or []), *(spec.get("initContainers") or [])):
        _keep(container, "volumeMounts", without_token(container.get("volumeMounts") or []))


def _keep(holder: MutableObject, key: str, values: list[Any]) -> None:
    if values:
        holder[key] = values
    else:
        holder.pop(key, None)


_RULES: Mapping[tuple[str, str], Callable[[MutableObject], None]] = {
    ("", "Service"): _service,
    ("", "PersistentVolumeClaim"): _claim,
    ("", "Namespace"): _namespace,
    ("", "ServiceAccount"): _service_account,
    ("apps", "StatefulSet"): _stateful_set,
    ("batch", "Job"): _job,
    ("", "Pod"): _pod,
}
