from __future__ import annotations

from typing import Any

import pytest

from k8s_step.errors import InputError
from k8s_step.verdict.judgement import Blame, Judgement
from k8s_step.verdict.podfailures import Symptom
from k8s_step.verdict.states import State
from k8s_step.verdict.terms.required import Required, fallen_out, judged, lacking_nodes, node_of, own_required, parse

PROGRESS = Judgement(State.IN_PROGRESS, "waiting")


@pytest.mark.parametrize(
    ("text", "wanted", "enough"),
    [("90%", 10, 9), ("90%", 11, 10), ("1%", 3, 1), ("100%", 3, 3), ("2", 3, 2), (" 5 ", 3, 3)],
)
def test_a_share(text: str, wanted: int, enough: int) -> None:
    assert parse(text, "--required").of(wanted) == enough
    assert str(parse(text, "--required")) == text.strip()


@pytest.mark.parametrize("text", ["", "0", "0%", "101%", "90 %", "-1", "most", "1.5"])
def test_what_is_no_share(text: str) -> None:
    with pytest.raises(InputError, match="no share of a workload's pods") as caught:
        parse(text, "--required")
    assert caught.value.where == "--required"


def test_an_annotation_may_be_a_number_that_yaml_has_read() -> None:
    assert own_required({"metadata": {"annotations": {"k8s-step/required": 3}}}) == Required(3)
    assert own_required({"metadata": {}}) is None


def workload(kind: str, wanted: int = 4, **more: Any) -> dict[str, Any]:
    """A ReplicaSet's or DaemonSet's pods are of its template by what these helpers give them."""
    notes = {"deprecated.daemonset.template.generation": "2"}
    metadata = {"name": "web", "uid": "u", "generation": 2, "annotations": notes}
    status = {"observedGeneration": 2, "updateRevision": "r2", "desiredNumberScheduled": wanted}
    spec = {"replicas": wanted, "template": {"spec": {"containers": []}}, **more.pop("spec", {})}
    own = {"apiVersion": "apps/v1", "kind": kind, "metadata": metadata, "spec": spec}
    return {**own, "status": {**status, **more}}


def pod(name: str, ready: bool = True, node: str = "", revision: str = "2", gone: bool = False) -> dict[str, Any]:
    labels = {"pod-template-generation": revision, "controller-revision-hash": f"r{revision}"}
    owner = {"uid": "u", "controller": True}
    metadata = {"name": name, "uid": name, "labels": labels, "ownerReferences": [owner], "creationTimestamp": "2026"}
    if gone:
        metadata["deletionTimestamp"] = "2026-11-22T10:00:00Z"
    conditions = [{"type": "Ready", "status": str(ready)}]
    spec = {"nodeName": node, "containers": []}
    return {"metadata": metadata, "spec": spec, "status": {"phase": "Running", "conditions": conditions}}


PODS = [pod("a"), pod("b"), pod("c"), pod("d", ready=False)]


def told(obj: dict[str, Any], pods: list[Any], share: str | None, **more: Any) -> tuple[str, str]:
    required = parse(share, "") if share else None
    found = judged(obj, pods, {}, more.get("found", PROGRESS), required, more.get("lost", {}))
    return str(found.state), found.message


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet", "ReplicaSet"])
def test_enough_of_the_present_template(kind: str) -> None:
    enough = ("current", "3 of 4 pods available, enough for 75%; missing: d (not ready)")
    assert told(workload(kind), PODS, "75%") == enough
    assert told(workload(kind), PODS, "76%") == ("in progress", "waiting")
    assert told(workload(kind), PODS, None) == ("in progress", "waiting")


def test_older_pods_and_those_that_go_do_not_count() -> None:
    for other in (pod("c", revision="1"), pod("c", gone=True)):
        assert told(workload("StatefulSet"), [*PODS[:2], other, PODS[3]], "3")[0] == "in progress"


def test_a_deployment_s_pods_are_those_of_its_newest_replica_set() -> None:
    deployment = workload("Deployment")
    owner = {"uid": "u", "controller": True}
    newest = {
        "metadata": {"name": "web-2", "uid": "rs", "ownerReferences": [owner]},
        "spec": {"template": deployment["spec"]["template"]},
        "status": {"availableReplicas": 2},
    }
    pods = [{**one, "metadata": {**one["metadata"], "ownerReferences": [{**owner, "uid": "rs"}]}} for one in PODS]
    share = Required(3)
    assert judged(deployment, pods, {"rs": newest}, PROGRESS, share, {}).state is State.CURRENT
    deployment["spec"]["minReadySeconds"] = 30
    assert judged(deployment, pods, {"rs": newest}, PROGRESS, share, {}) is PROGRESS


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ({"replicas": 4, "updatedReplicas": 4, "availableReplicas": 3}, "current"),
        ({"replicas": 5, "updatedReplicas": 4, "availableReplicas": 3}, "in progress"),
    ],
)
def test_where_no_pods_are_known_the_old_ones_are_taken_for_the_available(status: dict[str, int], state: str) -> None:
    assert told(workload("Deployment", **status), [], "75%")[0] == state


def test_a_generation_that_is_not_observed_has_no_pods_yet() -> None:
    assert told(workload("StatefulSet", observedGeneration=1), PODS, "1")[0] == "in progress"


def test_a_partition_keeps_pods_of_before() -> None:
    spec = {"updateStrategy": {"rollingUpdate": {"partition": 3}}}
    assert told(workload("StatefulSet", spec=spec), [*PODS[:1]], "100%") == ("current", "1 of 1 pods available")


def test_a_failure_of_some_pods_is_none_where_enough_are_there() -> None:
    symptom = Symptom("ImagePullBackOff", "no such image", 0.0, "app")
    found = Judgement(State.FAILED, "no such image", "ImagePullBackOff", (Blame(PODS[3], symptom),))
    assert "missing: d (ImagePullBackOff)" in told(workload("StatefulSet"), PODS, "3", found=found)[1]
    assert told(workload("StatefulSet"), PODS, "4", found=found)[0] == "failed"


def test_a_daemon_set_is_not_held_up_by_nodes_that_have_dropped_out() -> None:
    pods = [pod("a", node="n1"), pod("b", node="n2"), pod("c", ready=False, node="n3", gone=True)]
    obj = workload("DaemonSet", wanted=3)
    lost = {"n3": "is NotReady", "n9": "is gone"}
    assert lacking_nodes(obj, pods) == {"n3"}
    aside = "2 of 2 pods available; pods there do not count: node n3 is NotReady"
    assert told(obj, pods, None, lost=lost) == ("current", aside)
    assert told(obj, pods, None, lost={"n9": "is gone"})[0] == "in progress"
    assert told(workload("StatefulSet", wanted=3), pods, None, lost=lost)[0] == "in progress"


def test_a_daemon_set_of_lost_nodes_alone_is_not_current() -> None:
    pods = [pod("a", ready=False, node="n1")]
    assert told(workload("DaemonSet", wanted=1), pods, None, lost={"n1": "is NotReady"})[0] == "in progress"


def test_a_pod_is_meant_for_a_node_before_it_is_scheduled() -> None:
    field = {"key": "metadata.name", "operator": "In", "values": ["n1"]}
    terms = {"nodeSelectorTerms": [{"matchFields": [field]}]}
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}
    assert node_of({"spec": {"affinity": affinity}}) == "n1"
    assert node_of({"spec": {}}) == ""


@pytest.mark.parametrize(
    ("node", "why"),
    [
        ({"status": {"conditions": [{"type": "Ready", "status": "True"}]}}, ""),
        ({"status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}}, "is NotReady"),
        ({"status": {}}, "is NotReady"),
        ({"metadata": {"deletionTimestamp": "2026"}}, "is being deleted"),
        ({"spec": {"taints": [{"key": "node.kubernetes.io/unreachable"}]}}, "is unreachable"),
    ],
)
def test_why_a_node_has_dropped_out(node: dict[str, Any], why: str) -> None:
    assert fallen_out(node) == why
