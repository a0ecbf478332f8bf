"""API versions that Kubernetes has stopped serving, and their successors.

Source: "Deprecated API Migration Guide" of the Kubernetes documentation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Retired(NamedTuple):
    """``today``: the successor's apiVersion, empty without one; ``since``: the first Kubernetes without the old one."""

    today: str
    since: str
    note: str = ""


_INGRESS = "spec.defaultBackend, pathType and backend.service are written another way"
_SELECTOR = "spec.selector must be there, and fit the pods' labels"
_NO_POLICY = "Pod Security admission has taken its place: labels on the Namespace"
_SCHEMA = "each version needs a schema"
_WEBHOOK = "sideEffects and admissionReviewVersions must be there"
_METRICS = "spec.metrics and spec.behavior are written another way"
_WORKLOAD = Retired("apps/v1", "1.16", _SELECTOR)
RETIRED: Mapping[str, Mapping[str, Retired]] = {
    "extensions/v1beta1": {
        "Deployment": _WORKLOAD,
        "DaemonSet": _WORKLOAD,
        "ReplicaSet": _WORKLOAD,
        "NetworkPolicy": Retired("networking.k8s.io/v1", "1.16"),
        "PodSecurityPolicy": Retired("", "1.16", _NO_POLICY),
        "Ingress": Retired("networking.k8s.io/v1", "1.22", _INGRESS),
    },
    "apps/v1beta1": {"*": _WORKLOAD, "ControllerRevision": Retired("apps/v1", "1.16")},
    "apps/v1beta2": {"*": _WORKLOAD, "ControllerRevision": Retired("apps/v1", "1.16")},
    "admissionregistration.k8s.io/v1beta1": {
        "MutatingWebhookConfiguration": Retired("admissionregistration.k8s.io/v1", "1.22", _WEBHOOK),
        "ValidatingWebhookConfiguration": Retired("admissionregistration.k8s.io/v1", "1.22", _WEBHOOK),
        "ValidatingAdmissionPolicy": Retired("admissionregistration.k8s.io/v1", "1.34"),
        "ValidatingAdmissionPolicyBinding": Retired("admissionregistration.k8s.io/v1", "1.34"),
    },
    "apiextensions.k8s.io/v1beta1": {"*": Retired("apiextensions.k8s.io/v1", "1.22", _SCHEMA)},
    "apiregistration.k8s.io/v1beta1": {"*": Retired("apiregistration.k8s.io/v1", "1.22")},
    "authentication.k8s.io/v1beta1": {"TokenReview": Retired("authentication.k8s.io/v1", "1.22")},
    "authorization.k8s.io/v1beta1": {"*": Retired("authorization.k8s.io/v1", "1.22")},
    "autoscaling/v2beta1": {"*": Retired("autoscaling/v2", "1.25", _METRICS)},
    "autoscaling/v2beta2": {"*": Retired("autoscaling/v2", "1.26", _METRICS)},
    "batch/v1beta1": {"*": Retired("batch/v1", "1.25")},
    "batch/v2alpha1": {"*": Retired("batch/v1", "1.21")},
    "certificates.k8s.io/v1beta1": {"CertificateSigningRequest": Retired("certificates.k8s.io/v1", "1.22")},
    "coordination.k8s.io/v1beta1": {"Lease": Retired("coordination.k8s.io/v1", "1.22")},
    "discovery.k8s.io/v1beta1": {"*": Retired("discovery.k8s.io/v1", "1.25")},
    "events.k8s.io/v1beta1": {"*": Retired("events.k8s.io/v1", "1.25")},
    "flowcontrol.apiserver.k8s.io/v1beta1": {"*": Retired("flowcontrol.apiserver.k8s.io/v1", "1.26")},
    "flowcontrol.apiserver.k8s.io/v1beta2": {"*": Retired("flowcontrol.apiserver.k8s.io/v1", "1.29")},
    "flowcontrol.apiserver.k8s.io/v1beta3": {"*": Retired("flowcontrol.apiserver.k8s.io/v1", "1.32")},
    "networking.k8s.io/v1beta1": {
        "Ingress": Retired("networking.k8s.io/v1", "1.22", _INGRESS),
        "IngressClass": Retired("networking.k8s.io/v1", "1.22"),
    },
    "node.k8s.io/v1beta1": {"*": Retired("node.k8s.io/v1", "1.25")},
    "node.k8s.io/v1alpha1": {"*": Retired("node.k8s.io/v1", "1.24")},
    "policy/v1beta1": {
        "PodDisruptionBudget": Retired("policy/v1", "1.25", "an empty spec.selector means all pods, not none"),
        "PodSecurityPolicy": Retired("", "1.25", _NO_POLICY),
    },
    "rbac.authorization.k8s.io/v1alpha1": {"*": Retired("rbac.authorization.k8s.io/v1", "1.22")},
    "rbac.authorization.k8s.io/v1beta1": {"*": Retired("rbac.authorization.k8s.io/v1", "1.22")},
    "scheduling.k8s.io/v1beta1": {"*": Retired("scheduling.k8s.io/v1", "1.22")},
    "storage.k8s.io/v1beta1": {
        "CSIStorageCapacity": Retired("storage.k8s.io/v1", "1.27"),
        **dict.fromkeys(
            ["CSIDriver", "CSINode", "StorageClass", "VolumeAttachment"], Retired("storage.k8s.io/v1", "1.22")
        ),
    },
}


def retired(api_version: str, kind: str) -> Retired | None:
    """The entry of a kind in a retired apiVersion; ``None`` for any other apiVersion or kind."""
    kinds = RETIRED.get(api_version, {})
    return kinds.get(kind) or kinds.get("*")


def advice(api_version: str, kind: str) -> str:
    """The hint for a kind in a retired apiVersion; empty for any other."""
    found = retired(api_version, kind)
    if found is None:
        return ""
    note = f"; {found.note}" if found.note else ""
    if not found.today:
        return f"Kubernetes {found.since} removed it{note}"
    return f"Kubernetes {found.since} removed it: use apiVersion {found.today}{note}"
