"""What of an object can't change once it is there, and so stays as it is when a copy is applied over it.

Sources in kubernetes/kubernetes, all in ``pkg/apis``: ``ValidateImmutableField``, ``ValidateJobSpecUpdate``,
``ValidatePersistentVolumeClaimUpdate``, ``ValidateStatefulSetUpdate`` and ``ValidateConfigMapUpdate``.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from k8s_step.objects.kinds.portable import kind_of, mapping_at, portable
from k8s_step.objects.metadata import MutableObject, Object
from k8s_step.objects.ownership.fieldset import Fields, Owner, owns, sets
from k8s_step.objects.values import quantity


def _of_spec(names: str) -> tuple[str, ...]:
    return tuple(f"spec.{name}" for name in names.split())


_ROLE = ("roleRef",)
_IMMUTABLE: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("", "PersistentVolumeClaim"): _of_spec(
        "accessModes storageClassName volumeMode selector dataSource dataSourceRef"
    ),
    ("", "Secret"): ("type",),
    ("", "Pod"): ("spec",),
    ("apps", "Deployment"): _of_spec("selector"),
    ("apps", "DaemonSet"): _of_spec("selector"),
    ("apps", "ReplicaSet"): _of_spec("selector"),
    ("apps", "StatefulSet"): _of_spec("selector serviceName podManagementPolicy volumeClaimTemplates"),
    ("batch", "Job"): _of_spec(
        "selector template completions completionMode podFailurePolicy successPolicy backoffLimitPerIndex managedBy"
    ),
    ("rbac.authorization.k8s.io", "RoleBinding"): _ROLE,
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): _ROLE,
    ("storage.k8s.io", "StorageClass"): ("provisioner", "parameters", "reclaimPolicy", "volumeBindingMode"),
    ("scheduling.k8s.io", "PriorityClass"): ("value", "preemptionPolicy"),
    ("networking.k8s.io", "IngressClass"): _of_spec("controller"),
    ("node.k8s.io", "RuntimeClass"): ("handler",),
    ("discovery.k8s.io", "EndpointSlice"): ("addressType",),
    ("resource.k8s.io", "ResourceClaim"): ("spec",),
    ("resource.k8s.io", "ResourceClaimTemplate"): ("spec",),
}
_SEALED = ("data", "binaryData", "immutable")  # of a ConfigMap or Secret that says that it is immutable


def with_kept(wanted: Object, live: Object, manager: str) -> tuple[MutableObject, tuple[str, ...]]:
    """``wanted`` with the immutable fields that ``live`` has, and the paths of those that differ.

    A field that ``wanted`` lacks is kept where ``manager`` has applied it before, which would else take it back; where
    that cluster has set it, it stays by itself.
    """
    merged: MutableObject = copy.deepcopy(dict(wanted))
    plain, ours = portable(live), sets(live).get(Owner(manager, "Apply"), {})
    kept = []
    for path in _paths(wanted, live):
        *above, name = path.split(".")
        own, theirs, told = mapping_at(merged, *above), mapping_at(live, *above), mapping_at(plain, *above)
        if own.get(name) == theirs.get(name) or not (name in own or _owns(ours, path)):
            continue
        if own.get(name) != told.get(name):  # else they differ in what is that cluster's own, such as a Job's labels
            kept.append(path)
        if name in theirs:
            own[name] = copy.deepcopy(theirs[name])
        else:
            own.pop(name, None)
    return _with_address(merged, live, kept), tuple(kept)


def _paths(wanted: Object, live: Object) -> Iterator[str]:
    kind = kind_of(wanted)
    yield from _IMMUTABLE.get(kind, ())
    if kind in (("", "ConfigMap"), ("", "Secret")) and live.get("immutable") is True:
        yield from _SEALED
    if kind == ("", "PersistentVolumeClaim") and not _may_grow(wanted, live):
        yield "spec.resources"


def _owns(fields: Fields, path: str) -> bool:
    return owns(fields, tuple(f"f:{name}" for name in path.split(".")))


def _may_grow(wanted: Object, live: Object) -> bool:
    """Whether a claim may have the size that is wanted: one that is bound may grow, where its class allows that."""
    size, there = (_size(one) for one in (wanted, live))
    is_bound = mapping_at(live, "status").get("phase") == "Bound"
    return is_bound and size is not None and there is not None and size >= there


def _size(claim: Object) -> Any:
    return quantity.parse(str(mapping_at(claim, "spec", "resources", "requests").get("storage", "")))


def _with_address(merged: MutableObject, live: Object, kept: list[str]) -> MutableObject:
    """A Service stays headless, or stays what has an address; the address itself is that cluster's own."""
    own, theirs = mapping_at(merged, "spec"), mapping_at(live, "spec")
    is_service = kind_of(merged) == ("", "Service") and "clusterIP" in theirs
    if is_service and (own.get("clusterIP") == "None") != (theirs["clusterIP"] == "None"):
        kept.append("spec.clusterIP")
        own.pop("clusterIPs", None)
        own["clusterIP"] = theirs["clusterIP"]
    return merged
