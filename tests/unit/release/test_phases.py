from __future__ import annotations

from k8s_step.release.phases import in_phases

# Each must be sent in an earlier phase than what needs it.
NEEDS = [
    ("Namespace", "ServiceAccount"),
    ("Namespace", "Deployment"),
    ("CustomResourceDefinition", "Shop"),
    ("PriorityClass", "Deployment"),
    ("StorageClass", "PersistentVolumeClaim"),
    ("ServiceAccount", "Pod"),
    ("Secret", "Deployment"),
    ("ConfigMap", "Job"),
    ("ResourceQuota", "Deployment"),
    ("PersistentVolumeClaim", "StatefulSet"),
    ("Role", "RoleBinding"),
    ("ClusterRole", "ClusterRoleBinding"),
    ("RoleBinding", "Deployment"),
    ("Service", "StatefulSet"),
    ("Deployment", "HorizontalPodAutoscaler"),
    ("Deployment", "ValidatingWebhookConfiguration"),
    ("Shop", "MutatingWebhookConfiguration"),
    ("Deployment", "APIService"),
]


def test_what_others_need_comes_first() -> None:
    for first, second in NEEDS:
        assert in_phases([(second, second), (first, first)]) == [[first], [second]]


def test_a_phase_keeps_the_order_of_the_files() -> None:
    items = [("Secret", 1), ("Deployment", 2), ("ConfigMap", 3), ("Job", 4), ("Secret", 5)]
    assert in_phases(items) == [[1, 3, 5], [2, 4]]


def test_nothing_is_nothing() -> None:
    assert in_phases([]) == []


def test_nothing_is_lost() -> None:
    kinds = ["Ingress", "Shop", "Namespace", "Pod", "Unheard", "APIService"]
    phases = in_phases((kind, kind) for kind in kinds)
    assert sorted(kind for phase in phases for kind in phase) == sorted(kinds)
