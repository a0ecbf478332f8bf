"""The order a release is sent in: what others need first, all of one phase at once."""

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
    """Items, each with its kind, as a list a phase; empty phases are left out, order within a phase is kept."""
    phases: list[list[Item]] = [[] for _ in _PHASES]
    for kind, item in items:
        phases[_PHASE_OF.get(kind, _REST)].append(item)
    return [phase for phase in phases if phase]
