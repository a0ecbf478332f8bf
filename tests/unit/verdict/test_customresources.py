"""The conditions, counts and phases that any controller may write; more of them are in tests/rollouts."""

from __future__ import annotations

from typing import Any

import pytest

from k8s_step.verdict.customresources import FAILED
from k8s_step.verdict.readiness import compute
from k8s_step.verdict.states import Readiness, State

CURRENT, PROGRESS = State.CURRENT, State.IN_PROGRESS
READY = ("Ready", "True")


def judged(*found: tuple[str, str], spec: dict[str, Any] | None = None, **status: Any) -> Readiness:
    """Conditions are given as type and status, or type, status and reason."""
    entries = [dict(zip(("type", "status", "reason"), one, strict=False)) for one in found]
    made = {"apiVersion": "example.com/v1", "kind": "Shop", "metadata": {"generation": 1}, "spec": spec or {}}
    return compute({**made, "status": {"conditions": entries, **status}})


@pytest.mark.parametrize("kind", ["Failed", "Failure", "Invalid", "InvalidSpec", "SpecError"])
def test_a_failure_that_it_tells_is_fatal_when_it_lasts(kind: str) -> None:
    found = judged(READY, (kind, "True", "NoSuchZone"))
    assert (found.state, found.reason, found.grace, found.family) == (PROGRESS, "NoSuchZone", 60.0, FAILED)
    assert judged(READY, (kind, "False")).state is CURRENT


@pytest.mark.parametrize("kind", ["Degraded", "NotReady", "Error", "ErrorOccurred", "InstallPlanFailed"])
def test_trouble_that_may_heal_is_waited_for(kind: str) -> None:
    found = judged(READY, (kind, "True"))
    assert (found.state, found.reason, found.grace) == (PROGRESS, kind, None)
    assert judged(READY, (kind, "False")).state is CURRENT


@pytest.mark.parametrize("kind", ["Synced", "Healthy", "Accepted", "Programmed", "ResolvedRefs", "Installed", "Valid"])
@pytest.mark.parametrize("status", ["False", "Unknown"])
def test_each_part_must_be_well(kind: str, status: str) -> None:
    for whole in ((), (READY,)):
        found = judged(*whole, (kind, status, "NotYet"))
        assert (found.state, found.reason, found.grace) == (PROGRESS, "NotYet", None)
        assert found.message == f"{kind} is {status}: NotYet"
        well = judged(*whole, (kind, "True"))
        assert (well.state, well.unjudged, well.message) == (CURRENT, False, "ready" if whole else kind)


@pytest.mark.parametrize(
    ("progressing", "state"),
    [
        (("True", "NewReplicaSetAvailable"), CURRENT),
        (("True", "NewReplicationControllerAvailable"), CURRENT),
        (("True", "ReplicaSetUpdated"), PROGRESS),
        (("True", "NewReplicaSetCreated"), PROGRESS),
        (("True", "PodsAvailable"), PROGRESS),
        (("True",), PROGRESS),
        (("Unknown", "RolloutPaused"), PROGRESS),
        (("False", "AsExpected"), CURRENT),
        (("False",), CURRENT),
        (("False", "ProgressDeadlineExceeded"), State.FAILED),
        (("True", "ProgressDeadlineExceeded"), PROGRESS),
        (("False", "RolloutAborted"), State.FAILED),
    ],
)
def test_progressing_beside_available(progressing: tuple[str, ...], state: State) -> None:
    found = judged(("Available", "True"), ("Progressing", *progressing))  # type: ignore[arg-type]
    assert (found.state, found.grace) == (state, None)


def test_ready_has_the_last_word_on_progress() -> None:
    """Rook's CephCluster is Ready and Progressing (OSDsRunning) for good."""
    assert judged(READY, ("Progressing", "True", "OSDsRunning")).state is CURRENT


@pytest.mark.parametrize(
    ("spec", "status", "message"),
    [
        ({"replicas": 3}, {"updatedReplicas": 2, "availableReplicas": 3}, "2 of 3 replicas updated"),
        ({"replicas": 3}, {"updatedReplicas": 3, "availableReplicas": 1}, "1 of 3 replicas available"),
        ({"replicas": "3"}, {"availableReplicas": "1"}, "1 of 3 replicas available"),
        ({"replicas": 3}, {"updatedReplicas": 3, "availableReplicas": 3}, ""),
        ({"replicas": 3}, {"replicas": 1}, ""),
        ({"replicas": 2}, {"updatedReplicas": 3, "availableReplicas": 3}, ""),
        ({}, {"updatedReplicas": 0, "availableReplicas": 0}, ""),
        ({"replicas": {"min": 3}}, {"availableReplicas": 0}, ""),
        ({"replicas": 3, "updateStrategy": {"partition": 2}}, {"updatedReplicas": 1, "availableReplicas": 3}, ""),
        (
            {"replicas": 3, "updateStrategy": {"rollingUpdate": {"partition": 2}}},
            {"updatedReplicas": 1, "availableReplicas": 2},
            "2 of 3 replicas available",
        ),
    ],
)
def test_counts_below_what_is_wanted(spec: dict[str, Any], status: dict[str, Any], message: str) -> None:
    for whole in (READY, ("Available", "True")):
        found = judged(whole, spec=spec, **status)
        assert (found.state, found.message) == ((PROGRESS, message) if message else (CURRENT, whole[0].lower()))


@pytest.mark.parametrize("field", ["phase", "state", "status"])
@pytest.mark.parametrize(
    ("word", "grace"),
    [("Failed", 60.0), ("FAILED", 60.0), ("Failure", 60.0), ("invalid", 60.0), ("Error", None), ("Degraded", None)],
)
def test_a_phase_in_failing_words(field: str, word: str, grace: float | None) -> None:
    found = judged(**{field: word})
    assert (found.state, found.reason, found.grace, found.message) == (PROGRESS, word, grace, f"it is {word}")
    assert judged(**{field: word}, message="no such zone").message == "no such zone"
    assert [judged(**{field: word}, message=no_text).message for no_text in ("", None, 3, {"a": 1})] == [
        f"it is {word}"
    ] * 4
    assert judged(READY, **{field: word}).state is CURRENT, "conditions say more than a phase"


@pytest.mark.parametrize("word", ["Running", "Pending", "Failing over", "", None, 3, {"a": 1}, ["Failed"]])
def test_any_other_phase_tells_nothing(word: Any) -> None:
    found = judged(phase=word)
    assert (found.state, found.unjudged) == (CURRENT, True)


@pytest.mark.parametrize("phase", ["Provisioning", "creating", "InProgress", "UPDATING", "Restarting"])
def test_a_phase_that_names_work_is_waited_for(phase: str) -> None:
    found = judged(phase=phase)
    assert (found.state, found.reason, found.grace) == (PROGRESS, phase, None)


@pytest.mark.parametrize("spec", [{"paused": True}, {"suspend": True}])
def test_a_phase_of_what_is_paused_tells_nothing(spec: dict[str, Any]) -> None:
    assert judged(spec=spec, phase="Failed").unjudged


def test_one_of_an_older_generation_is_not_believed() -> None:
    def of(kind: str, seen: int) -> dict[str, Any]:
        return {"type": kind, "status": "True", "observedGeneration": seen}

    made = {"apiVersion": "example.com/v1", "kind": "Shop", "metadata": {"generation": 2}}
    for kind in ("Failed", "Degraded", "Synced"):
        found = compute({**made, "status": {"conditions": [of("Ready", 2), of(kind, 1)]}})
        assert (found.state, found.message) == (PROGRESS, f"{kind} is of an older generation")


def test_a_failure_of_which_generation_nobody_says() -> None:
    aborted = {"type": "Progressing", "status": "False", "reason": "RolloutAborted"}
    made = {"apiVersion": "example.com/v1", "kind": "Shop", "status": {"conditions": [aborted]}}
    assert [compute({**made, "metadata": {"generation": at}}).unversioned for at in (1, 2)] == [False, True]


def test_built_in_kinds_without_conditions_have_nothing_to_tell() -> None:
    found = compute({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}})
    assert (found.state, found.unjudged, found.message) == (CURRENT, False, "")
