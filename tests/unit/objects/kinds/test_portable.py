from __future__ import annotations

from typing import Any

import pytest

from k8s_step.objects.kinds.portable import bound, portable


def made(api_version: str, kind: str, metadata: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": "web", **(metadata or {})}, **fields}


def test_what_the_server_writes_is_left_out() -> None:
    metadata = {
        "namespace": "shop",
        "uid": "1",
        "resourceVersion": "2",
        "generation": 3,
        "creationTimestamp": "2026-11-22T10:00:00Z",
        "selfLink": "/x",
        "managedFields": [{}],
        "finalizers": ["x/y"],
        "ownerReferences": [{"kind": "Team", "name": "shop"}],
        "labels": {"app": "web", "applyset.kubernetes.io/part-of": "applyset-x-v1"},
        "annotations": {
            "kubectl.kubernetes.io/last-applied-configuration": "{}",
            "deployment.kubernetes.io/revision": "4",
            "team": "shop",
        },
    }
    found = portable(made("apps/v1", "Deployment", metadata, spec={"replicas": 2}, status={"replicas": 2}))
    assert found == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "web",
            "namespace": "shop",
            "labels": {"app": "web"},
            "annotations": {"team": "shop"},
        },
        "spec": {"replicas": 2},
    }


def test_the_object_itself_stays_as_it_is() -> None:
    port = {"port": 80, "nodePort": 30000}
    service = made("v1", "Service", {"annotations": {"deployment.kubernetes.io/revision": "1"}}, spec={"ports": [port]})
    assert portable(service)["metadata"] == {"name": "web"}
    assert port == {"port": 80, "nodePort": 30000} and service["metadata"]["annotations"]


@pytest.mark.parametrize(
    ("spec", "left"),
    [
        (
            {
                "clusterIP": "10.0.0.7",
                "clusterIPs": ["10.0.0.7"],
                "ipFamilies": ["IPv4"],
                "ipFamilyPolicy": "SingleStack",
                "healthCheckNodePort": 31000,
                "ports": [{"port": 80, "nodePort": 30000}],
                "type": "LoadBalancer",
            },
            {"ports": [{"port": 80}], "type": "LoadBalancer"},
        ),
        ({"clusterIP": "None", "clusterIPs": ["None"]}, {"clusterIP": "None", "clusterIPs": ["None"]}),
        (
            {"ipFamilyPolicy": "RequireDualStack", "ipFamilies": ["IPv6", "IPv4"]},
            {"ipFamilyPolicy": "RequireDualStack", "ipFamilies": ["IPv6", "IPv4"]},
        ),
    ],
)
def test_a_service_keeps_what_is_not_allocated(spec: dict[str, Any], left: dict[str, Any]) -> None:
    assert portable(made("v1", "Service", spec=spec))["spec"] == left


def test_a_claim_is_not_bound() -> None:
    claim = made("v1", "PersistentVolumeClaim", {"annotations": {"pv.kubernetes.io/bind-completed": "yes"}})
    found = portable({**claim, "spec": {"volumeName": "pvc-1", "storageClassName": "fast"}})
    assert found["spec"] == {"storageClassName": "fast"} and "annotations" not in found["metadata"]


def test_a_job_has_no_labels_of_its_uid() -> None:
    labels = {"batch.kubernetes.io/controller-uid": "1", "controller-uid": "1", "job-name": "web", "app": "web"}
    template = {"metadata": {"labels": dict(labels)}, "spec": {}}
    job = made(
        "batch/v1", "Job", {"labels": dict(labels)}, spec={"selector": {"matchLabels": {}}, "template": template}
    )
    found = portable(job)
    assert found["metadata"]["labels"] == {"app": "web"}
    assert found["spec"] == {"template": {"metadata": {"labels": {"app": "web"}}, "spec": {}}}
    manual = made("batch/v1", "Job", spec={"manualSelector": True, "selector": {"matchLabels": {"a": "b"}}})
    assert portable(manual)["spec"] == manual["spec"]


def test_the_claims_of_a_stateful_set_have_no_status() -> None:
    claim = {"metadata": {"name": "data", "creationTimestamp": None}, "spec": {}, "status": {"phase": "Pending"}}
    found = portable(made("apps/v1", "StatefulSet", spec={"volumeClaimTemplates": [claim]}))
    assert found["spec"]["volumeClaimTemplates"] == [{"metadata": {"name": "data"}, "spec": {}}]


def test_a_pod_has_neither_node_nor_token() -> None:
    mounts = [{"name": "data"}, {"name": "kube-api-access-x"}]
    spec = {
        "nodeName": "node-1",
        "priority": 0,
        "volumes": [{"name": "data"}, {"name": "kube-api-access-x"}],
        "containers": [{"name": "a", "volumeMounts": mounts}, {"name": "b", "volumeMounts": mounts[1:]}],
    }
    assert portable(made("v1", "Pod", spec=spec))["spec"] == {
        "volumes": [{"name": "data"}],
        "containers": [{"name": "a", "volumeMounts": [{"name": "data"}]}, {"name": "b"}],
    }


def test_a_service_account_has_no_secrets_and_a_namespace_no_finalizers() -> None:
    assert "secrets" not in portable(made("v1", "ServiceAccount", secrets=[{"name": "token"}]))
    assert "spec" not in portable(made("v1", "Namespace", spec={"finalizers": ["kubernetes"]}))


@pytest.mark.parametrize(
    ("obj", "word"),
    [
        (made("v1", "Secret", type="kubernetes.io/service-account-token"), "service account"),
        (made("v1", "Secret", type="Opaque"), ""),
        (made("v1", "ConfigMap", {"name": "kube-root-ca.crt"}), "CA"),
        (made("v1", "ConfigMap"), ""),
        (made("v1", "Node"), "machine"),
        (made("storage.k8s.io/v1", "VolumeAttachment"), "machine"),
        (made("v1", "Service", {"namespace": "default", "name": "kubernetes"}), "API server"),
        (made("v1", "Service", {"namespace": "shop", "name": "kubernetes"}), ""),
        (made("v1", "Endpoints", {"labels": {"endpoints.kubernetes.io/managed-by": "endpoint-controller"}}), "Service"),
        (made("v1", "Endpoints"), ""),
        (
            made("v1", "Pod", {"ownerReferences": [{"kind": "ReplicaSet", "name": "x", "controller": True}]}),
            "replicaset/x",
        ),
        (made("v1", "ConfigMap", {"ownerReferences": [{"kind": "Team", "name": "x"}]}), ""),
    ],
)
def test_what_belongs_to_its_cluster(obj: dict[str, Any], word: str) -> None:
    assert word in bound(obj) and bool(word) == bool(bound(obj))
