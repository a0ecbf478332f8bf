from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k8s_step.verdict.readiness import compute, is_custom, is_decided, observed
from k8s_step.verdict.states import State
from k8s_step.verdict.terms.pauses import pause_of

KINDS = [
    ("apps/v1", "Deployment"),
    ("apps/v1", "StatefulSet"),
    ("apps/v1", "DaemonSet"),
    ("apps/v1", "ReplicaSet"),
    ("v1", "ReplicationController"),
    ("batch/v1", "Job"),
    ("v1", "Pod"),
    ("v1", "PersistentVolumeClaim"),
    ("v1", "Service"),
    ("v1", "Namespace"),
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
    ("apiregistration.k8s.io/v1", "APIService"),
    ("autoscaling/v2", "HorizontalPodAutoscaler"),
    ("example.com/v1", "Shop"),
]
WAITS = {"Service", "HorizontalPodAutoscaler", "Shop"}


def obj(api_version: str, kind: str, generation: int = 2, **more: Any) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": "x", "generation": generation}, **more}


@pytest.mark.parametrize(("api_version", "kind"), KINDS)
@pytest.mark.parametrize("more", [{}, {"status": {}}, {"status": None, "spec": None}, {"status": {"conditions": None}}])
def test_an_object_no_controller_has_seen_is_never_called_current(
    api_version: str, kind: str, more: dict[str, Any]
) -> None:
    found = compute(obj(api_version, kind, **more))
    assert found.state is (State.CURRENT if kind in WAITS else State.IN_PROGRESS)
    assert kind != "Shop" or found.unjudged


@pytest.mark.parametrize(("api_version", "kind"), KINDS)
def test_a_generation_behind_is_never_judged(api_version: str, kind: str) -> None:
    good = {"type": "Ready", "status": "True"}
    bad = {"type": "Stalled", "status": "True"}
    for conditions in ([good], [bad]):
        found = compute(obj(api_version, kind, status={"observedGeneration": 1, "conditions": conditions}))
        assert found.state is State.IN_PROGRESS
        assert "generation 2" in found.message


@pytest.mark.parametrize(("api_version", "kind"), KINDS)
def test_what_is_being_deleted_is_terminating(api_version: str, kind: str) -> None:
    given = obj(api_version, kind)
    given["metadata"]["deletionTimestamp"] = "2026-11-22T10:00:00Z"
    assert compute(given).state is State.TERMINATING


@pytest.mark.parametrize(
    ("generation", "seen", "expected"),
    [
        (2, 2, True),
        (2, 1, False),
        (2, 3, False),  # restored from a backup: the status is that of another life
        (2, None, True),
        (2, "2", True),
        (2, "1", False),
        (2, "later", True),
        (2, {"a": 1}, True),
        (None, 5, True),
    ],
)
def test_observed(generation: Any, seen: Any, expected: bool) -> None:
    given = {"apiVersion": "example.com/v1", "kind": "Shop", "metadata": {"generation": generation}}
    assert observed({**given, "status": {"observedGeneration": seen}}) is expected


def test_a_controller_that_always_writes_it_is_waited_for() -> None:
    counts = {"replicas": 1, "readyReplicas": 1, "availableReplicas": 1, "updatedReplicas": 1}
    conditions = [{"type": "Available", "status": "True"}]
    status = {**counts, "conditions": conditions}
    assert compute(obj("apps/v1", "Deployment", spec={"replicas": 1}, status=status)).state is State.IN_PROGRESS
    status["observedGeneration"] = 2
    assert compute(obj("apps/v1", "Deployment", spec={"replicas": 1}, status=status)).state is State.CURRENT


weird = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text("abTrue1", max_size=4) | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["type", "status", "x"]), inner),
    max_leaves=8,
)
TYPES = [
    "Ready",
    "Available",
    "Progressing",
    "Stalled",
    "Failed",
    "Synced",
    "Complete",
    "ReplicaFailure",
    "Established",
]
entries = st.lists(
    weird
    | st.fixed_dictionaries(
        {"type": st.sampled_from(TYPES) | weird, "status": st.sampled_from(["True", "False", True]) | weird},
        optional={"reason": weird, "message": weird, "observedGeneration": weird},
    ),
    max_size=3,
)


def some(*names: str) -> st.SearchStrategy[dict[str, Any]]:
    """Objects that may have these fields, each of any form."""
    return st.fixed_dictionaries({}, optional=dict.fromkeys(names, weird))


COUNTED = ("replicas", "readyReplicas", "updatedReplicas", "availableReplicas", "numberReady", "succeeded")
nested = st.fixed_dictionaries({}, optional={"parentRef": weird, "name": weird, "conditions": weird | entries})
status = weird | st.builds(
    lambda known, conditions, parents: {**known, "conditions": conditions, "parents": parents},
    some("observedGeneration", "phase", "state", "message", "reason", "loadBalancer", *COUNTED),
    weird | entries,
    weird | st.lists(weird | nested, max_size=2),
)
spec = weird | some("replicas", "paused", "suspend", "completions", "updateStrategy", "type", "progressDeadlineSeconds")
metadata = weird | some("generation", "deletionTimestamp", "finalizers")


@given(kind=st.sampled_from(KINDS), metadata=metadata, spec=spec, status=status)
def test_whatever_an_object_holds_is_read(kind: tuple[str, str], metadata: Any, spec: Any, status: Any) -> None:
    """A custom resource may hold anything anywhere; so may any kind, to a server that is not Kubernetes' own."""
    given = {"apiVersion": kind[0], "kind": kind[1], "metadata": metadata, "spec": spec, "status": status}
    assert compute(given).state in State
    assert observed(given) in (True, False) and isinstance(pause_of(given), str)


@given(made=st.dictionaries(st.sampled_from(["apiVersion", "kind", "metadata", "spec", "status"]), weird))
def test_whatever_an_object_is_it_is_read(made: dict[str, Any]) -> None:
    assert compute(made).state in State


@pytest.mark.parametrize(
    ("api_version", "custom"),
    [
        ("v1", False),
        ("apps/v1", False),
        ("networking.k8s.io/v1", False),
        ("gateway.networking.k8s.io/v1", True),
        ("cluster.x-k8s.io/v1beta1", True),
        ("example.com/v1", True),
        ("snapshot.storage.k8s.io/v1", True),
    ],
)
def test_is_custom(api_version: str, custom: bool) -> None:
    assert is_custom({"apiVersion": api_version, "kind": "X"}) is custom


def test_a_kind_of_another_group_has_no_rule() -> None:
    found = compute(
        obj("serving.knative.dev/v1", "Service", status={"conditions": [{"type": "Ready", "status": "No"}]})
    )
    assert found.state is State.IN_PROGRESS


@pytest.mark.parametrize("ingress", [None, [], [{}], [{"ip": ""}]])
def test_a_load_balancer_without_an_address(ingress: Any) -> None:
    status = {"loadBalancer": {"ingress": ingress}}
    assert compute(obj("v1", "Service", spec={"type": "LoadBalancer"}, status=status)).state is State.IN_PROGRESS


@pytest.mark.parametrize("point", [{"ip": "203.0.113.7"}, {"hostname": "lb.example.com"}])
def test_a_load_balancer_with_one(point: dict[str, str]) -> None:
    status = {"loadBalancer": {"ingress": [point]}}
    found = compute(obj("v1", "Service", spec={"type": "LoadBalancer"}, status=status))
    assert found.state is State.CURRENT
    assert next(iter(point.values())) in found.message


def test_pods_that_cannot_be_deleted_are_not_fatal() -> None:
    failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedDelete", "message": "webhook says no"}
    status = {"observedGeneration": 2, "replicas": 2, "readyReplicas": 2, "conditions": [failure]}
    found = compute(obj("apps/v1", "ReplicaSet", spec={"replicas": 1}, status=status))
    assert (found.state, found.grace) == (State.IN_PROGRESS, None)


AVAILABLE = [{"type": "Available", "status": "True"}]
DONE = [*AVAILABLE, {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}]
FULL = {"replicas": 3, "readyReplicas": 3, "availableReplicas": 3, "updatedReplicas": 3, "fullyLabeledReplicas": 3}
NODES = {
    "desiredNumberScheduled": 3,
    "currentNumberScheduled": 3,
    "updatedNumberScheduled": 3,
    "numberReady": 3,
    "numberAvailable": 3,
}
SAME = {"currentRevision": "a", "updateRevision": "a"}
ON_DELETE = {"updateStrategy": {"type": "OnDelete"}}
COUNTS: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    ("Deployment", {"replicas": 3}, {**FULL, "conditions": DONE}, "current: 3 of 3 pods ready"),
    ("Deployment", {"replicas": 3}, {**FULL, "updatedReplicas": 2}, "2 of 3 pods updated, 3 available"),
    ("Deployment", {"replicas": 3}, {**FULL, "replicas": 5}, "3 of 3 pods updated, 2 old still there"),
    ("Deployment", {"replicas": 3}, {**FULL, "availableReplicas": 2}, "2 of 3 updated pods available"),
    ("Deployment", {"replicas": 3}, {**FULL, "readyReplicas": 2}, "2 of 3 updated pods available"),
    ("Deployment", {"replicas": 3}, FULL, "waiting for minimum availability"),
    ("Deployment", {}, {"replicas": 0}, "0 of 1 pods updated, 0 available"),
    ("StatefulSet", {"replicas": 3}, {**FULL, **SAME}, "current: 3 of 3 pods ready"),
    ("StatefulSet", {"replicas": 3}, {**FULL, **SAME, "updatedReplicas": 1}, "1 of 3 pods updated, 3 ready"),
    ("StatefulSet", {"replicas": 3}, {**FULL, **SAME, "readyReplicas": 2}, "2 of 3 pods ready"),
    ("StatefulSet", {"replicas": 3}, {**FULL, **SAME, "availableReplicas": 2}, "2 of 3 pods available"),
    ("StatefulSet", {"replicas": 2}, {**FULL, **SAME}, "1 surplus pods still there"),
    ("StatefulSet", {}, {}, "0 of 1 pods updated, 0 ready"),
    ("DaemonSet", {}, NODES, "current: 3 of 3 pods ready"),
    ("DaemonSet", {}, {**NODES, "currentNumberScheduled": 2}, "2 of 3 nodes have a pod"),
    ("DaemonSet", {}, {**NODES, "updatedNumberScheduled": 2}, "2 of 3 pods updated, 3 available"),
    ("DaemonSet", {}, {**NODES, "numberAvailable": 2}, "2 of 3 pods available"),
    ("DaemonSet", {}, {**NODES, "numberReady": 2}, "2 of 3 pods available"),
    ("DaemonSet", ON_DELETE, NODES, "current: 3 of 3 pods ready"),
    ("DaemonSet", {}, {}, "waiting for the controller to count the nodes"),
    ("ReplicaSet", {"replicas": 3}, FULL, "current: 3 of 3 pods ready"),
    ("ReplicaSet", {"replicas": 3}, {**FULL, "availableReplicas": 2}, "2 of 3 pods available"),
    ("ReplicaSet", {"replicas": 3}, {**FULL, "readyReplicas": 2}, "2 of 3 pods available"),
    ("ReplicaSet", {"replicas": 3}, {**FULL, "fullyLabeledReplicas": 2}, "2 of 3 pods available"),
    ("ReplicaSet", {"replicas": 2}, FULL, "1 surplus pods still there"),
    ("ReplicaSet", {"replicas": 0}, {"replicas": 0}, "current: scaled to zero"),
]


@pytest.mark.parametrize(("kind", "spec", "status", "expected"), COUNTS)
def test_counts(kind: str, spec: dict[str, Any], status: dict[str, Any], expected: str) -> None:
    found = compute(obj("apps/v1", kind, spec=spec, status={**status, "observedGeneration": 2}))
    state = "" if found.state is State.IN_PROGRESS else f"{found.state}: "
    assert f"{state}{found.message}" == expected


OTHERS: list[tuple[str, str, dict[str, Any], dict[str, Any], tuple[Any, ...]]] = [
    (
        "batch/v1",
        "Job",
        {"completions": 5},
        {"succeeded": 2, "active": 1},
        (State.IN_PROGRESS, "2 of 5 completions, 1 active"),
    ),
    ("batch/v1", "Job", {}, {"failed": 1}, (State.IN_PROGRESS, "0 of 1 completions, 0 active, 1 failed")),
    ("v1", "Pod", {}, {"phase": "Running"}, (State.IN_PROGRESS, "running but not ready")),
    ("v1", "Pod", {}, {"phase": "Pending"}, (State.IN_PROGRESS, "pending")),
    ("v1", "Pod", {}, {"phase": "Failed"}, (State.FAILED, "the pod failed", "")),
    ("v1", "Pod", {}, {"phase": "Failed", "reason": "Evicted", "message": "disk"}, (State.FAILED, "disk", "Evicted")),
    ("v1", "Service", {"type": "NodePort"}, {}, (State.CURRENT, "")),
    ("v1", "PersistentVolumeClaim", {}, {"phase": "Pending"}, (State.IN_PROGRESS, "waiting for a volume")),
]


@pytest.mark.parametrize(("api_version", "kind", "spec", "status", "expected"), OTHERS)
def test_other_kinds(
    api_version: str, kind: str, spec: dict[str, Any], status: dict[str, Any], expected: tuple[Any, ...]
) -> None:
    found = compute(obj(api_version, kind, spec=spec, status=status))
    assert (found.state, found.message, found.reason)[: len(expected)] == expected


READY = {"type": "Ready", "status": "True", "observedGeneration": 2}
COMMON: list[tuple[list[dict[str, Any]], State, str]] = [
    # conditions of an object at generation 2, the verdict, its reason
    ([READY], State.CURRENT, ""),
    ([READY, {"type": "Reconciling", "status": "True", "reason": "Rolling"}], State.IN_PROGRESS, "Rolling"),
    ([READY, {"type": "Reconciling", "status": "False"}], State.CURRENT, ""),
    ([READY, {"type": "Stalled", "status": "True", "reason": "NoZone"}], State.FAILED, "NoZone"),
    ([READY, {"type": "Stalled", "status": "Unknown"}], State.CURRENT, ""),
    ([{"type": "Reconciling", "status": "True", "observedGeneration": 1}], State.IN_PROGRESS, ""),
    ([{"type": "Stalled", "status": "True", "observedGeneration": 1}], State.IN_PROGRESS, ""),
    ([{"type": "Ready", "status": "True", "observedGeneration": 1}], State.IN_PROGRESS, ""),
    ([{"type": "Ready", "status": "Unknown", "reason": "Waits"}], State.IN_PROGRESS, "Waits"),
    ([{"type": "Available", "status": "False"}], State.IN_PROGRESS, ""),
]


@pytest.mark.parametrize(("conditions", "state", "reason"), COMMON)
def test_conditions_that_any_controller_may_write(conditions: list[dict[str, Any]], state: State, reason: str) -> None:
    found = compute(obj("example.com/v1", "Shop", status={"conditions": conditions}))
    assert (found.state, found.reason) == (state, reason)


@pytest.mark.parametrize(
    ("conditions", "decided"),
    [
        (None, False),
        ([{"type": "Suspended", "status": "True"}], False),
        ([{"type": "Complete", "status": "False"}], False),
        *(
            ([{"type": kind, "status": "True"}], True)
            for kind in ("Complete", "SuccessCriteriaMet", "Failed", "FailureTarget")
        ),
    ],
)
def test_is_decided(conditions: Any, decided: bool) -> None:
    assert is_decided({"apiVersion": "batch/v1", "kind": "Job", "status": {"conditions": conditions}}) is decided
