from __future__ import annotations

from typing import Any

import pytest

from k8s_step.verdict.revision import current_pods, is_old_replica_set, replica_set_of
from tests.unit.samples import pod

DEPLOYMENT = "deployment.kubernetes.io/revision"


def template(image: str, **labels: str) -> dict[str, Any]:
    return {"metadata": {"labels": {"app": "web", **labels}}, "spec": {"containers": [{"image": image}]}}


def deployment(image: str, revision: str = "1") -> dict[str, Any]:
    metadata = {"name": "web", "uid": "d", "annotations": {DEPLOYMENT: revision}}
    return {"kind": "Deployment", "metadata": metadata, "spec": {"template": template(image)}}


def replica_set(uid: str, image: str, revision: str = "1", owner: str = "d", created: str = "1") -> dict[str, Any]:
    references = [{"kind": "Deployment", "uid": owner, "controller": True}]
    metadata = {"uid": uid, "name": f"web-{uid}", "ownerReferences": references, "creationTimestamp": created}
    metadata["annotations"] = {DEPLOYMENT: revision}
    return {"metadata": metadata, "spec": {"template": template(image, **{"pod-template-hash": uid})}}


def names(pods: list[Any]) -> list[str]:
    return [each["metadata"]["name"] for each in pods]


def test_the_template_tells_whatever_the_annotations_say() -> None:
    """While a revision lags behind the observed generation, the annotation would name the old ReplicaSet."""
    sets = {"a": replica_set("a", "web:1", "1"), "b": replica_set("b", "web:2", "2")}
    pods = [pod(name="old", owner="a"), pod(name="new", owner="b")]
    assert names(current_pods(deployment("web:2", revision="1"), pods, sets)) == ["new"]
    assert names(current_pods(deployment("web:1", revision="2"), pods, sets)) == ["old"]
    assert current_pods(deployment("web:3", revision="2"), pods, sets) == []


def test_of_two_alike_the_oldest_counts() -> None:
    sets = {"b": replica_set("b", "web:1", created="2"), "a": replica_set("a", "web:1", created="1")}
    found = replica_set_of(deployment("web:1"), sets)
    assert found is not None
    assert found["metadata"]["uid"] == "a"


def test_what_the_server_leaves_out_makes_no_difference() -> None:
    given = deployment("web:1")
    given["spec"]["template"]["metadata"]["creationTimestamp"] = None
    given["spec"]["template"]["spec"]["securityContext"] = {}
    assert replica_set_of(given, {"a": replica_set("a", "web:1")}) is not None


def test_another_template_under_the_same_uid_and_generation() -> None:
    """As in a cluster that was restored from a backup while it was watched."""

    def counted(given: dict[str, Any]) -> dict[str, Any]:
        given["metadata"]["generation"] = 2
        return given

    sets = {"a": counted(replica_set("a", "web:1")), "b": counted(replica_set("b", "web:2"))}
    assert replica_set_of(counted(deployment("web:1")), sets) is sets["a"]
    assert replica_set_of(counted(deployment("web:2")), sets) is sets["b"]
    sets = {"a": counted(replica_set("a", "web:2")), "b": counted(replica_set("b", "web:1"))}
    assert replica_set_of(counted(deployment("web:2")), sets) is sets["a"]
    assert is_old_replica_set(counted(deployment("web:2")), "web-b", sets) is True


def test_replica_sets_of_others_do_not_count() -> None:
    sets = {"a": replica_set("a", "web:1", owner="another")}
    assert replica_set_of(deployment("web:1"), sets) is None
    assert current_pods(deployment("web:1"), [pod(owner="a"), pod(owner="")], sets) == []


def test_old_replica_sets_by_name() -> None:
    sets = {"a": replica_set("a", "web:1"), "b": replica_set("b", "web:2")}
    assert is_old_replica_set(deployment("web:2"), "web-a", sets) is True
    assert is_old_replica_set(deployment("web:2"), "web-b", sets) is False
    assert is_old_replica_set(deployment("web:2"), "web-c", sets) is None


@pytest.mark.parametrize(("updated", "expected"), [("v2", ["new"]), ("v1", ["old"]), (None, []), ("", [])])
def test_statefulset_pods_by_revision_label(updated: str | None, expected: list[str]) -> None:
    hashed = "controller-revision-hash"
    pods = [pod(name="old", owner="s", labels={hashed: "v1"}), pod(name="new", owner="s", labels={hashed: "v2"})]
    pods.append(pod(name="foreign", owner="x", labels={hashed: "v2"}))
    given = {"kind": "StatefulSet", "metadata": {"uid": "s"}, "status": {"updateRevision": updated}}
    assert names(current_pods(given, pods, {})) == expected


def test_daemonset_pods_by_template_generation() -> None:
    label = "pod-template-generation"
    pods = [pod(name=str(each), owner="ds", labels={label: str(each)}) for each in (1, 2)]
    metadata = {"uid": "ds", "annotations": {"deprecated.daemonset.template.generation": "2"}}
    assert names(current_pods({"kind": "DaemonSet", "metadata": metadata}, pods, {})) == ["2"]
    assert current_pods({"kind": "DaemonSet", "metadata": {"uid": "ds"}}, pods, {}) == []


@pytest.mark.parametrize("kind", ["ReplicaSet", "ReplicationController", "Job"])
def test_pods_by_owner_alone(kind: str) -> None:
    pods = [pod(name="mine", owner="o"), pod(name="other", owner="x"), pod(name="orphan")]
    assert names(current_pods({"kind": kind, "metadata": {"uid": "o"}}, pods, {})) == ["mine"]


def test_a_pod_is_its_own() -> None:
    mine = pod(name="mine")
    assert current_pods(mine, [mine, pod(name="other")], {}) == [mine]


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "Pod", "ConfigMap"])
def test_without_a_uid_nothing_belongs_to_it(kind: str) -> None:
    orphan = {"metadata": {"name": "x"}, "status": {"updateRevision": ""}}
    assert current_pods({"kind": kind, "metadata": {}}, [orphan], {}) == []
    assert current_pods({"kind": kind}, [orphan], {}) == []


@pytest.mark.parametrize("kind", ["ReplicaSet", "ReplicationController"])
@pytest.mark.parametrize(
    ("image", "created", "expected"),
    [
        ("web:1", "2026-11-22T10:00:00Z", False),
        ("web:2", "2026-11-22T10:00:00Z", True),
        ("web:1", "2026-11-22T10:00:05Z", False),
        ("mirror/web:2", "2026-11-22T10:00:06Z", True),
    ],
    ids=["older", "older but alike", "of the same second", "newer, and changed by admission"],
)
def test_pods_of_a_template_that_changed(kind: str, image: str, created: str, expected: bool) -> None:
    entries = [
        {"manager": "kubectl", "time": "2026-11-22T09:00:00Z"},
        {"manager": "k8s-step", "time": "2026-11-22T10:00:05Z"},
        {"manager": "controller", "time": "2026-11-22T10:09:00Z", "subresource": "status"},
    ]
    metadata = {"uid": "o", "managedFields": entries}
    given = {"kind": kind, "metadata": metadata, "spec": {"template": template("web:2")}}
    more = {"containers": [{"image": "sidecar"}, {"image": image, "volumeMounts": ["token"]}], "nodeName": "node-1"}
    one = {**pod(owner="o", creationTimestamp=created, labels={"app": "web"}), "spec": more}
    assert (current_pods(given, [one], {}) == [one]) is expected


def test_pods_of_a_template_that_nobody_knows_the_time_of() -> None:
    given = {"kind": "ReplicaSet", "metadata": {"uid": "o"}, "spec": {"template": template("web:2")}}
    pods = [{**pod(name=image, owner="o"), **template(image)} for image in ("web:1", "web:2")]
    for each in pods:
        each["metadata"] = {
            **each["metadata"],
            **pod(name=each["spec"]["containers"][0]["image"], owner="o")["metadata"],
        }
    assert names(current_pods(given, pods, {})) == ["web:2"]
