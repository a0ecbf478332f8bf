"""What is waited for of which objects, and when it is reached, lost, or has nothing to wait for."""

from __future__ import annotations

from typing import Any

import pytest

from k8s_step.api.watch import Scope
from k8s_step.objects.reference import Reference
from k8s_step.objects.resource import required
from k8s_step.verdict.terms.expectations import parse
from k8s_step.watching.changes import Change
from k8s_step.watching.goal import Goal

PODS, JOBS = required("v1", "Pod"), required("batch/v1", "Job")
RUNNING, READY = "jsonpath={.status.phase}=Running", "condition=Ready"


def goal(*words: str, names: tuple[str, ...] = ()) -> Goal:
    references = [(PODS, Reference("v1", "Pod", "shop", name)) for name in names]
    return Goal([parse(one, "--for") for one in words], references, 0.0)


def pod(name: str, phase: str = "Pending", **status: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "shop", "uid": f"uid-of-{name}"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": {"phase": phase, **status}}


def ready(name: str) -> dict[str, Any]:
    return pod(name, "Running", conditions=[{"type": "Ready", "status": "True"}])


def take(found: Goal, kind: str, obj: dict[str, Any], *, initial: bool = False, now: float = 1.0) -> None:
    found.take(PODS, Change(kind, obj, initial), now)


def settle(found: Goal) -> None:
    found.settle(Scope(PODS, "shop"))


def test_all_that_is_there_at_the_beginning_is_waited_for() -> None:
    found = goal(RUNNING)
    take(found, "ADDED", pod("a"), initial=True)
    take(found, "ADDED", pod("b", "Running"), initial=True)
    settle(found)
    take(found, "ADDED", pod("later"))
    assert not found.is_reached and [hope.reference.name for hope in found.open] == ["a"]
    take(found, "MODIFIED", pod("a", "Running"))
    assert found.is_reached


def test_several_expectations_are_met_by_one_and_the_same_state() -> None:
    found = goal(RUNNING, READY, names=("a",))
    take(found, "ADDED", pod("a", "Running"))
    take(found, "MODIFIED", pod("a", conditions=[{"type": "Ready", "status": "True"}]))
    assert not found.is_reached
    take(found, "MODIFIED", ready("a"))
    assert found.is_reached


def test_what_was_shown_once_is_done() -> None:
    found = goal(RUNNING, names=("a", "b"))
    take(found, "ADDED", pod("a", "Running"))
    take(found, "MODIFIED", pod("a", "Failed"))
    take(found, "ADDED", pod("b", "Running"))
    assert found.is_reached and not found.failed


def test_an_object_named_that_is_not_there_is_missing() -> None:
    found = goal(READY, names=("a", "b"))
    take(found, "ADDED", pod("a"), initial=True)
    settle(found)
    assert [hope.reference.name for hope in found.missing] == ["b"]


def test_creation_is_waited_for() -> None:
    found = goal("create", READY, names=("a",))
    settle(found)
    assert (
        not found.missing
        and found.standing(found.open[0]) == "create: it does not exist; condition=Ready: it does not exist"
    )
    take(found, "ADDED", pod("a"))
    assert found.standing(found.open[0]) == "condition=Ready: it has no condition Ready"
    take(found, "DELETED", pod("a"))
    assert not found.failed, "it may be created anew"
    take(found, "ADDED", ready("a"))
    assert found.is_reached


def test_of_a_kind_the_first_created_is_waited_for() -> None:
    found = goal("create")
    settle(found)
    assert not found.is_reached and not found.missing
    take(found, "ADDED", pod("a"))
    assert found.is_reached


def test_deletion_is_reached_where_nothing_is() -> None:
    named, kind = goal("delete", names=("a",)), goal("delete")
    assert not named.is_reached
    settle(named)
    settle(kind)
    assert named.is_reached and kind.is_reached


def test_deletion_of_all_that_was_there() -> None:
    found = goal("delete")
    take(found, "ADDED", pod("a"), initial=True)
    settle(found)
    take(found, "ADDED", pod("later"))
    assert not found.is_reached
    take(found, "DELETED", pod("a"))
    assert found.is_reached and found.told == "gone"


def test_a_failed_object_is_waited_for_to_go() -> None:
    found = goal("delete")
    take(found, "ADDED", pod("a", "Failed"), initial=True)
    settle(found)
    assert not found.failed


def test_the_last_state_counts_before_a_deletion() -> None:
    found = goal("jsonpath={.status.phase}=Succeeded", "delete", names=("a",))
    take(found, "ADDED", pod("a", "Running"))
    take(found, "DELETED", pod("a", "Succeeded"))
    assert found.is_reached


def test_an_object_that_fails_ends_it() -> None:
    found = goal(READY, names=("a",))
    take(found, "ADDED", pod("a", "Failed", reason="Evicted", message="low on memory"))
    (lost,) = found.failed
    assert lost.failure is not None and (lost.failure.reason, lost.failure.message) == ("Evicted", "low on memory")


def test_a_failure_that_is_waited_for_is_none() -> None:
    found = goal("jsonpath={.status.phase}=Failed", names=("a",))
    take(found, "ADDED", pod("a", "Failed"))
    assert found.is_reached


@pytest.mark.parametrize("last", [pod("a", "Running"), {"kind": "Pod", "metadata": {"name": "a", "namespace": "shop"}}])
def test_a_deletion_ends_what_is_not_to_be_deleted(last: dict[str, Any]) -> None:
    found = goal(READY, names=("a",))
    take(found, "ADDED", pod("a"))
    take(found, "DELETED", last)
    assert [hope.failure.reason for hope in found.failed if hope.failure] == ["Deleted"]


def test_a_problem_that_lasts_for_too_long_fails_without_an_event() -> None:
    waiting = {"waiting": {"reason": "CreateContainerError", "message": "no such volume"}}
    found = goal(READY, names=("a",))
    statuses = [{"name": "app", "ready": False, "restartCount": 0, "state": waiting}]
    take(found, "ADDED", pod("a", containerStatuses=statuses), now=1.0)
    (hope,) = found.open
    assert hope.due is not None and not found.judge_again(hope.due - 1)
    (lost,) = found.judge_again(hope.due)
    assert lost.failure is not None and lost.failure.reason == "CreateContainerError"


def test_what_can_not_be_watched_is_not_waited_for() -> None:
    found = goal(READY, names=("a", "b"))
    take(found, "ADDED", ready("a"))
    found.abandon(Scope(PODS, "shop", "b"))
    assert found.is_reached
    found.abandon(Scope(PODS, "shop", "a"))
    assert found.is_reached, "what has come to pass stays so"


def test_without_expectations_there_is_no_goal() -> None:
    assert not goal().is_for
