"""The order in which a release is sent: phase by phase, with objects first that others need."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

Item = TypeVar("Item")
# Bindings come after the roles they name: the server looks a role up to see whether its rules may be given away.
# Webhooks come last: one that answers to a workload of the same release would refuse the release itself.
_PHASES: tuple[tuple[str, ...], ...] = (
    ("Namespace", "CustomResourceDefinition", "PriorityClass", "StorageClass", "RuntimeClass", "IngressClass"),
    (
        "ServiceAccount",
        "Secret",
        "ConfigMap",
        "ResourceQuota",
        "LimitRange",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "PersistentVolume",
        "PersistentVolumeClaim",
        "Role",
        "ClusterRole",
    ),
    ("RoleBinding", "ClusterRoleBinding", "Service"),
    ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Pod", "Job", "CronJob"),
    (),  # everything else: autoscalers, ingresses, custom resources
    (
        "APIService",
        "ValidatingWebhookConfiguration",
        "MutatingWebhookConfiguration",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
    ),
)
_REST = _PHASES.index(())
_PHASE_OF: Mapping[str, int] = {kind: index for index, kinds in enumerate(_PHASES) for kind in kinds}


def in_phases(items: Iterable[tuple[str, Item]]) -> list[list[Item]]:
    """The items, given with their kinds, as one list for each phase; empty phases are left out, the order is kept."""
    phases: list[list[Item]] = [[] for _ in _PHASES]
    for kind, item in items:
        phases[_PHASE_OF.get(kind, _REST)].append(item)
    return [phase for phase in phases if phase]
