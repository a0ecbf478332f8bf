"""Which targets a run that went wrong tells of."""

from __future__ import annotations

from typing import Any

from k8s_step.objects.reference import Reference
from k8s_step.objects.resource import required
from k8s_step.verdict.culprits import culprits
from k8s_step.verdict.judgement import Blame, Judgement
from k8s_step.verdict.podfailures import complaint
from k8s_step.verdict.states import State
from k8s_step.verdict.target import Target
from tests.unit.samples import pod, running, terminated, waiting


def blame(found: dict[str, Any]) -> Blame:
    symptom = complaint(found)
    assert symptom is not None
    return Blame(found, symptom)


PENDING = pod(name="pending", phase="Pending")
UNREADY = pod(running(), name="unready")
CONFIG_ERROR = pod(waiting("CreateContainerConfigError", "no secret"), name="config", phase="Pending")
RATE_LIMITED = pod(waiting("ErrImagePull", "toomanyrequests"), name="pull", phase="Pending")
CRASHED = pod(waiting("CrashLoopBackOff", last=terminated(1)), name="crash")
RUNS_AGAIN = pod(running(restarts=1, last=terminated(137, "OOMKilled")), name="again")
EVICTED = pod({**running(), "state": terminated(137)}, name="evicted", phase="Failed")


def target(name: str, state: State, *pods: dict[str, Any], kind: str = "Deployment", **more: Any) -> Target:
    made = {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name, "uid": name}}
    found = Target(Reference("apps/v1", kind, "shop", name, "", 0), required("apps/v1", "Deployment"), made)
    found.timed_out = more.pop("timed_out", False)
    found.judgement = Judgement(state, "", blamed=tuple(map(blame, pods)), **more)
    return found


def test_what_failed_comes_first_then_what_is_broken_then_what_is_late() -> None:
    targets = [
        target("late", State.IN_PROGRESS, UNREADY, timed_out=True),
        target("current", State.CURRENT),
        target("broken", State.IN_PROGRESS, CONFIG_ERROR),
        target("gone", State.NOT_FOUND),
        target("pending", State.IN_PROGRESS, PENDING),
        target("failed", State.FAILED, CRASHED),
        target("both", State.IN_PROGRESS, RUNS_AGAIN, timed_out=True),
        target("terminating", State.TERMINATING),
        target("quota", State.IN_PROGRESS, lasting=True),
    ]
    names = [one.reference.name for one in culprits(targets)]
    assert names == ["gone", "failed", "broken", "both", "quota", "late"]


def test_broken_is_what_the_table_knows_and_what_has_crashed() -> None:
    for broken in (CONFIG_ERROR, RATE_LIMITED, CRASHED, RUNS_AGAIN):
        assert culprits([target("web", State.IN_PROGRESS, broken)]), broken
    for slow in (PENDING, UNREADY, EVICTED):
        assert not culprits([target("web", State.IN_PROGRESS, slow)]), slow
    assert culprits([target("once", State.IN_PROGRESS, EVICTED, kind="Job")]), "a Job's failed pod is a failed try"


def test_what_still_had_time_is_blamed_for_its_broken_pods_alone() -> None:
    in_time = target("web", State.IN_PROGRESS, UNREADY, CRASHED, PENDING)
    late = target("api", State.IN_PROGRESS, UNREADY, CRASHED, PENDING, timed_out=True)
    culprits([in_time, late])
    counts = [len(one.judgement.blamed) for one in (in_time, late) if one.judgement]
    assert counts == [1, 3]


def test_recovered_in_time_is_no_culprit() -> None:
    assert culprits([target("web", State.CURRENT, timed_out=True)]) == []
