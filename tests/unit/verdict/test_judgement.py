"""What the recorded rollouts in ``tests/rollouts`` don't show: marks, times, and the switches."""

from __future__ import annotations

from typing import Any

import pytest

from k8s_step.verdict.judgement import Judgement, Marks, Terms, judge
from k8s_step.verdict.states import State
from tests.unit.samples import container, pod, running, terminated, waiting

RATE = "429 Too Many Requests - toomanyrequests"


def replica_set(**status: Any) -> dict[str, Any]:
    metadata = {"name": "web", "uid": "rs", "generation": 1}
    status = {"observedGeneration": 1, "replicas": 2, **status}
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": metadata,
        "spec": {"replicas": 2},
        "status": status,
    }


def mine(*containers: Any, **more: Any) -> dict[str, Any]:
    return pod(*containers, owner="rs", **more)


def at(marks: Marks, now: float, *pods: Any, obj: Any = None, **more: Any) -> Judgement:
    return judge(obj or replica_set(), pods, {}, marks, now, Terms(**more))


def test_the_grace_runs_from_when_a_problem_was_first_seen() -> None:
    marks = Marks(0.0)
    bad = mine(waiting("ErrImagePull", RATE))
    first = at(marks, 7.0, bad)
    assert (first.state, first.due) == (State.IN_PROGRESS, 67.0)
    assert at(marks, 66.9, bad).due == 67.0
    last = at(marks, 67.0, bad)
    assert (last.state, last.reason, last.due) == (State.FAILED, "ErrImagePull", None)


def test_every_pod_has_a_grace_of_its_own() -> None:
    marks = Marks(0.0)
    one, two = (mine(waiting("ErrImagePull", RATE), name=name) for name in ("web-1", "web-2"))
    at(marks, 0.0, one)
    assert at(marks, 60.0, one, two).state is State.IN_PROGRESS
    failed = at(marks, 120.0, one, two)
    assert failed.state is State.FAILED
    assert [blame.pod["metadata"]["name"] for blame in failed.blamed] == ["web-1", "web-2"]


def test_a_pod_that_is_replaced_starts_anew() -> None:
    marks = Marks(0.0)
    at(marks, 0.0, mine(waiting("CreateContainerError"), name="web-1"))
    assert at(marks, 15.0, mine(waiting("CreateContainerError"), name="web-2")).due == 30.0


def test_only_the_fatal_pods_are_blamed() -> None:
    marks = Marks(0.0)
    fatal = mine(waiting("InvalidImageName", "no"), name="web-1")
    gone = mine(running(), name="web-2", phase="Failed")
    failed = at(marks, 0.0, fatal, gone)
    assert [blame.pod["metadata"]["name"] for blame in failed.blamed] == ["web-1"]


def test_ended_pods_are_blamed_only_where_no_living_one_complains() -> None:
    evicted = mine(name="web-1", phase="Failed")
    going = mine(waiting("CreateContainerError"), name="web-2", deletionTimestamp="2026-11-22T10:00:00Z")
    slow, ready = mine(running(), name="web-3"), mine(running(ready=True), name="web-3", ready=True)
    assert blamed(evicted, going, slow) == ["web-3"]
    assert blamed(evicted, going, ready) == ["web-1"]
    assert blamed(going, ready) == []


def test_a_job_is_explained_by_all_its_pods() -> None:
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"uid": "rs"}, "status": {"active": 1}}
    going = mine(container(terminated(3)), name="a", phase="Failed", deletionTimestamp="2026-11-22T10:00:00Z")
    assert blamed(going, mine(running(), name="b"), obj=job) == ["a", "b"]


def blamed(*pods: Any, obj: Any = None) -> list[str]:
    return [blame.pod["metadata"]["name"] for blame in at(Marks(0.0), 0.0, *pods, obj=obj).blamed]


def test_without_failing_fast_pods_decide_nothing() -> None:
    marks = Marks(0.0)
    found = at(marks, 0.0, mine(waiting("InvalidImageName", "no")), fail_fast=False)
    assert (found.state, found.due) == (State.IN_PROGRESS, None)
    assert "1 InvalidImageName" in found.message
    assert [blame.symptom.reason for blame in found.blamed] == ["InvalidImageName"]


def test_what_the_object_itself_says_is_final_also_then() -> None:
    conditions = [{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "enough"}]
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"uid": "rs"}, "status": {"conditions": conditions}}
    found = at(Marks(0.0), 0.0, mine(container(terminated(3)), phase="Failed"), obj=job, fail_fast=False)
    assert (found.state, found.reason, found.message) == (State.FAILED, "BackoffLimitExceeded", "enough")
    assert found.blamed[0].symptom.message == "exited with code 3"


def test_a_message_does_not_change_while_a_problem_only_changes_its_name() -> None:
    marks = Marks(0.0)
    pull, back = (mine(waiting(reason, RATE)) for reason in ("ErrImagePull", "ImagePullBackOff"))
    messages = {at(marks, float(now), each).message for now, each in enumerate([pull, back, pull, back])}
    assert messages == {"0 of 2 pods available; pods: 1 ErrImagePull"}


def test_a_crash_loop_is_told_as_one_while_it_runs_once_more() -> None:
    marks = Marks(0.0)
    hope = mine(running(), name="web-2")
    crashed = mine(waiting("CrashLoopBackOff", restarts=2, last=terminated(1)))
    again = mine(running(restarts=3, last=terminated(1)))
    assert at(marks, 0.0, crashed, hope).message == at(marks, 1.0, again, hope).message
    assert at(marks, 2.0, again).state is State.FAILED
    assert at(marks, 3.0, mine(running(ready=True), ready=True)).state is State.IN_PROGRESS
    assert at(marks, 4.0, again).state is State.IN_PROGRESS


def test_restarts_count_from_when_a_container_was_first_seen_ready() -> None:
    marks, ready = Marks(0.0), mine(running(restarts=5, ready=True), ready=True)
    at(marks, 0.0, ready)
    assert at(marks, 1.0, crashed(6)).state is State.IN_PROGRESS
    assert at(marks, 2.0, ready).state is State.IN_PROGRESS
    failed = at(marks, 3.0, crashed(7))
    assert (failed.state, failed.message) == (State.FAILED, "exited with code 1, restarted 7 times")


@pytest.mark.parametrize(("after", "state"), [(True, State.IN_PROGRESS), (False, State.FAILED)])
def test_a_container_that_first_runs_unready_is_decided_by_what_comes_next(after: bool, state: State) -> None:
    marks = Marks(0.0)
    at(marks, 0.0, mine(running(restarts=5)))
    if after:
        at(marks, 1.0, mine(running(restarts=5, ready=True), ready=True))
    assert at(marks, 2.0, crashed(6)).state is state


def test_restarts_of_a_new_pod_of_the_same_name_are_its_own() -> None:
    marks = Marks(0.0)
    at(marks, 0.0, mine(running(restarts=5, ready=True), ready=True))
    at(marks, 1.0, mine(waiting("ContainerCreating"), uid="new"))
    assert at(marks, 2.0, crashed(2, uid="new")).state is State.FAILED


def test_restarts_of_an_init_container_are_of_before_where_its_pod_was_ready() -> None:
    done = container(terminated(0, "Completed"), name="migrate", restarts=4)
    marks, looping = Marks(0.0), waiting("CrashLoopBackOff", restarts=5, last=terminated(1)) | {"name": "migrate"}
    at(marks, 0.0, mine(running(ready=True), init=(done,), ready=True))
    assert at(marks, 1.0, mine(waiting("PodInitializing"), init=(looping,))).state is State.IN_PROGRESS


def crashed(restarts: int, **more: Any) -> dict[str, Any]:
    return mine(waiting("CrashLoopBackOff", restarts=restarts, last=terminated(1)), **more)


def test_a_crash_loop_of_an_init_container_ends_when_it_is_through() -> None:
    marks = Marks(0.0)
    hope = mine(running(), name="web-2")
    looping = waiting("CrashLoopBackOff", restarts=2, last=terminated(1)) | {"name": "migrate"}
    through = container(terminated(0, "Completed"), name="migrate", restarts=3)
    at(marks, 0.0, mine(waiting("PodInitializing"), init=(looping,)), hope)
    assert at(marks, 1.0, mine(running(), init=(through,))).state is State.IN_PROGRESS


def test_counts_in_words() -> None:
    pods = [mine(waiting("ContainerCreating"), name=str(each)) for each in range(2)] + [mine(running(), name="x")]
    message = at(Marks(0.0), 0.0, *pods).message
    assert message == "0 of 2 pods available; pods: 2 ContainerCreating, 1 running but not ready"


def test_the_time_at_which_to_look_again_is_the_earliest() -> None:
    marks = Marks(0.0)
    slow, quick = mine(waiting("ErrImagePull", RATE), name="a"), mine(waiting("CreateContainerError"), name="b")
    assert at(marks, 0.0, slow, quick).due == 15.0
    hope = mine(running(), name="c")
    assert at(marks, 15.0, slow, quick, hope).due == 60.0
    assert at(marks, 60.0, slow, quick, hope).due is None


def test_of_two_troubles_in_a_pod_the_first_to_be_fatal_counts() -> None:
    marks = Marks(0.0)
    slow = container({"waiting": {"reason": "ErrImagePull", "message": RATE}}, name="app")
    quick = container({"waiting": {"reason": "RunContainerError", "message": "no"}}, name="side")
    assert at(marks, 0.0, mine(slow, quick)).due == 15.0
    failed = at(marks, 15.0, mine(slow, quick))
    assert (failed.reason, failed.blamed[0].symptom.container) == ("RunContainerError", "side")


def test_a_pod_in_its_own_words() -> None:
    alone = pod(running(), apiVersion="v1")
    assert at(Marks(0.0), 0.0, alone, obj=alone).message == "running but not ready"
    starting = pod(waiting("ContainerCreating"), phase="Pending")
    assert at(Marks(0.0), 0.0, starting, obj=starting).message == "pending; ContainerCreating"


@pytest.mark.parametrize(
    ("state", "final"),
    [
        (State.CURRENT, True),
        (State.FAILED, True),
        (State.NOT_FOUND, True),
        (State.IN_PROGRESS, False),
        (State.TERMINATING, False),
    ],
)
def test_final_states(state: State, final: bool) -> None:
    assert Judgement(state, "").is_final is final


@pytest.mark.parametrize("metadata", [{}, {"uid": None}, {"uid": ""}])
def test_an_object_without_uid(metadata: dict[str, Any]) -> None:
    given = {**replica_set(), "metadata": metadata}
    assert at(Marks(0.0), 0.0, mine(running()), obj=given).state is State.IN_PROGRESS


CURRENT = replica_set(availableReplicas=2, readyReplicas=2, fullyLabeledReplicas=2)


def test_a_pod_that_crashed_a_moment_ago_is_known_before_its_controller_says_so() -> None:
    marks = Marks(0.0)
    good, bad = mine(running(), ready=True), mine(waiting("CrashLoopBackOff", last=terminated(1)), name="web-2")
    assert at(marks, 1.0, good, obj=CURRENT).state is State.CURRENT
    fallen = at(marks, 2.0, good, bad, obj=CURRENT)
    assert (fallen.state, fallen.due) == (State.IN_PROGRESS, 7.0)
    assert "web-2 is not ready" in fallen.message and len(fallen.blamed) == 1
    assert at(marks, 7.0, good, bad, obj=CURRENT).state is State.CURRENT, "the controller has had its time"


def test_pods_that_end_or_were_never_seen_keep_nothing_from_being_current() -> None:
    gone = mine(running(), deletionTimestamp="2026-11-26T10:00:00Z")
    for pods in ((), (gone,), (mine(running(), phase="Failed"),)):
        assert at(Marks(0.0), 1.0, *pods, obj=CURRENT).state is State.CURRENT


def test_what_goes_wrong_after_all_was_well_has_its_whole_grace() -> None:
    marks = Marks(0.0)
    bad, good = mine(waiting("CreateContainerError")), mine(running(), ready=True)
    assert at(marks, 0.0, bad).due == 15.0
    at(marks, 10.0, good, obj=CURRENT)
    assert at(marks, 30.0, bad).due == 45.0


def test_a_problem_of_the_object_itself_is_told_from_mere_slowness() -> None:
    refused = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota"}
    assert at(Marks(0.0), 0.0, obj=replica_set(conditions=[refused])).lasting
    assert not at(Marks(0.0), 0.0).lasting


def late(namespace: str = "shop") -> dict[str, Any]:
    """A workload whose progress deadline is over, which its own status tells without naming a ReplicaSet."""
    conditions = [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "late"}]
    metadata = {"name": "web", "namespace": namespace, "uid": "web", "generation": 1}
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "app", "image": "shop/web"}]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata,
        "spec": {"replicas": 1, "template": template},
        "status": {"observedGeneration": 1, "conditions": conditions},
    }


def test_a_deadline_that_is_over_before_any_pod_has_said_why_waits_a_moment_for_the_reason() -> None:
    marks = Marks(0.0)
    first = at(marks, 7.0, obj=late())
    assert (first.state, first.reason, first.due) == (State.IN_PROGRESS, "ProgressDeadlineExceeded", 12.0)
    assert at(marks, 11.9, obj=late(), fail_fast=False).due == 12.0
    assert at(marks, 12.0, obj=late(), fail_fast=False).state is State.FAILED


def test_a_deadline_that_is_over_is_final_at_once_where_a_pod_has_said_why() -> None:
    sets = {"rs": {**replica_set(), "spec": {"replicas": 1, "template": late()["spec"]["template"]}}}
    sets["rs"]["metadata"]["ownerReferences"] = [{"uid": "web", "controller": True, "kind": "Deployment"}]
    told = mine(waiting("ContainerCreating"), name="web-1")
    assert judge(late(), [told], sets, Marks(0.0), 7.0).state is State.FAILED
