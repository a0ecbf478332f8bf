"""What is known of the objects under a workload, and that it does not grow with what has been seen."""

from __future__ import annotations

import copy
from typing import Any

from k8s_step.api.watch import Event, Scope, Watch
from k8s_step.objects.reference import Reference
from k8s_step.objects.resource import required
from k8s_step.rollout.feeds import Board, PodFeed
from k8s_step.rollout.owners import Family, Ownership
from k8s_step.verdict.judgement import Marks, judge
from k8s_step.verdict.target import Target
from tests.unit.samples import pod, terminated, waiting

PODS, SETS = required("v1", "Pod"), required("apps/v1", "ReplicaSet")
KEPT = 3  # pods at a time


def owned(uid: str, owner: str) -> dict[str, Any]:
    references = [{"kind": "Deployment", "uid": owner, "controller": True}]
    return {"metadata": {"uid": uid, "name": uid, "namespace": "shop", "ownerReferences": references}}


def sizes(table: object) -> list[int]:
    return [len(value) for value in vars(table).values() if isinstance(value, dict)]


def test_pods_by_the_workload_at_the_top() -> None:
    known = Ownership()
    known.replica_sets.put(owned("rs", "web"))
    known.pods.put(owned("one", "rs"))
    known.pods.put(owned("two", "db"))
    assert [each["metadata"]["name"] for each in known.pods_under("web")] == ["one"]
    assert [each["metadata"]["name"] for each in known.pods_under("db")] == ["two"]
    assert known.workload_of(owned("one", "rs")) == "web"
    assert known.workload_of(owned("two", "db")) == "db"


def test_a_pod_that_changes_its_owner_has_one() -> None:
    family = Family()
    family.put(owned("one", "a"))
    family.put(owned("one", "b"))
    assert (family.of("a"), len(family.of("b"))) == ([], 1)


def test_what_nobody_reads_is_not_kept_of_a_deployments_pods() -> None:
    token, own = {"name": "kube-api-access-x7k2p", "projected": {}}, {"name": "data", "persistentVolumeClaim": {}}
    container = {"name": "app", "env": [], "volumeMounts": [{"name": token["name"]}, {"name": "data"}]}
    spec = {
        "volumes": [own, token],
        "tolerations": [{"key": "node.kubernetes.io/not-ready"}],
        "containers": [container],
    }
    family = Family()
    for uid, labels in {"one": {"pod-template-hash": "abc"}, "bare": {"app": "web"}}.items():
        made = owned(uid, "rs")
        made["metadata"]["labels"] = labels
        family.put({**made, "spec": copy.deepcopy(spec)})
    mounts = [{"name": "data"}]
    assert family.by_uid["one"]["spec"] == {"volumes": [own], "containers": [{"name": "app", "volumeMounts": mounts}]}
    assert family.by_uid["bare"]["spec"] == spec, "compared with its ReplicaSet's template"


def test_managed_fields_are_not_kept() -> None:
    family = Family()
    family.put({**owned("one", "a"), "metadata": {**owned("one", "a")["metadata"], "managedFields": ["much"]}})
    assert "managedFields" not in family.by_uid["one"]["metadata"]


def test_nothing_grows_with_the_number_of_events() -> None:
    """A thousand pods come, crash, are told of again and again, and go; three of them are there at a time."""
    workload = replica_set()
    target = Target(Reference("apps/v1", "ReplicaSet", "shop", "web"), SETS, workload)
    board = Board({target.reference.key: target})
    scope = Scope(PODS, "shop")
    feed = PodFeed(board, scope, Watch(None, scope), print)  # type: ignore[arg-type]
    marks = Marks(0.0)
    for number in range(1000):
        looping = waiting("CrashLoopBackOff", restarts=1, last=terminated(1))
        for restarts in range(3):
            crashed = pod(looping | {"restartCount": restarts}, name=f"web-{number}", owner="rs", namespace="shop")
            assert feed.take(Event("MODIFIED", crashed)) == [target]
        if number >= KEPT:
            feed.take(Event("DELETED", pod(name=f"web-{number - KEPT}", owner="rs", namespace="shop")))
        judge(workload, board.ownership.pods_under("rs"), {}, marks, float(number))
        assert max(sizes(board.ownership.pods) + sizes(marks)) <= KEPT
    assert len(board.ownership.pods.by_uid) == KEPT


def replica_set() -> dict[str, Any]:
    metadata = {"name": "web", "namespace": "shop", "uid": "rs", "generation": 1}
    status = {"observedGeneration": 1, "replicas": KEPT}
    return {
        "kind": "ReplicaSet",
        "apiVersion": "apps/v1",
        "metadata": metadata,
        "spec": {"replicas": KEPT},
        "status": status,
    }
