from __future__ import annotations

from typing import Any

import pytest

from k8s_step.errors import InputError
from k8s_step.verdict.judgement import Judgement
from k8s_step.verdict.states import State
from k8s_step.verdict.terms.pauses import OnPause, asked_pause, judged, own_choice, pause_of

STEPS = {"steps": [{"setWeight": 20}, {"pause": {}}, {"pause": {"duration": 10}}]}
AT_A_STEP = {"pauseConditions": [{"reason": "CanaryPauseStep"}]}


def obj(api_version: str, kind: str, annotations: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"annotations": annotations, "generation": 2}, **more}


@pytest.mark.parametrize(
    ("api_version", "kind", "spec", "by"),
    [
        ("apps/v1", "Deployment", {"paused": True}, "spec.paused"),
        ("argoproj.io/v1alpha1", "Rollout", {"paused": True}, "spec.paused"),
        ("kustomize.toolkit.fluxcd.io/v1", "Kustomization", {"suspend": True}, "spec.suspend"),
        ("apps/v1", "Deployment", {"paused": False}, ""),
        ("apps/v1", "Deployment", {"paused": "yes"}, ""),
        ("apps/v1", "Deployment", {}, ""),
        ("batch/v1", "Job", {"suspend": True}, ""),
    ],
)
def test_a_spec_asks_to_be_paused(api_version: str, kind: str, spec: dict[str, Any], by: str) -> None:
    assert asked_pause(obj(api_version, kind, spec=spec)) == by


@pytest.mark.parametrize(
    ("name", "value", "is_pause"),
    [
        ("strimzi.io/pause-reconciliation", "true", True),
        ("strimzi.io/pause-reconciliation", "false", False),
        ("crossplane.io/paused", "true", True),
        ("cnpg.io/reconciliationLoop", "disabled", True),
        ("autoscaling.keda.sh/paused-replicas", "0", True),
        ("cluster.x-k8s.io/paused", "", True),
        ("example.com/paused", "true", False),
    ],
)
def test_an_annotation_asks_to_be_paused(name: str, value: str, is_pause: bool) -> None:
    assert asked_pause(obj("a.com/v1", "A", {name: value})) == (f"annotation {name}" if is_pause else "")


@pytest.mark.parametrize(
    ("strategy", "status", "by"),
    [
        ({"canary": STEPS}, {**AT_A_STEP, "currentStepIndex": 1}, "CanaryPauseStep"),
        ({"canary": STEPS}, {**AT_A_STEP, "currentStepIndex": 2}, ""),
        ({"canary": STEPS}, {"pauseConditions": [{"reason": "InconclusiveAnalysisRun"}], "currentStepIndex": 2}, "Inc"),
        ({"canary": STEPS}, {"pauseConditions": [], "currentStepIndex": 1}, ""),
        ({"blueGreen": {}}, {"pauseConditions": [{"reason": "BlueGreenPause"}]}, "BlueGreenPause"),
        ({"blueGreen": {"autoPromotionSeconds": 30}}, {"pauseConditions": [{"reason": "BlueGreenPause"}]}, ""),
    ],
)
def test_a_rollout_that_waits_to_be_promoted(strategy: dict[str, Any], status: dict[str, Any], by: str) -> None:
    found = pause_of(obj("argoproj.io/v1alpha1", "Rollout", spec={"strategy": strategy}, status=status))
    assert found.startswith(by) and bool(found) is bool(by)


def test_a_condition_of_this_generation_tells_of_a_pause() -> None:
    for kind in ("Paused", "ReconciliationPaused"):
        entry = {"type": kind, "status": "True"}
        assert pause_of(obj("a.com/v1", "A", status={"conditions": [entry]})) == f"condition {kind}"
        old = {**entry, "observedGeneration": 1}
        assert not pause_of(obj("a.com/v1", "A", status={"conditions": [old]}))


def test_a_job_is_paused_once_its_controller_says_so() -> None:
    suspended = {"conditions": [{"type": "Suspended", "status": "True"}]}
    assert pause_of(obj("batch/v1", "Job", spec={"suspend": True}, status=suspended)) == "spec.suspend"
    assert not pause_of(obj("batch/v1", "Job", spec={"suspend": True}))


HELD = obj("apps/v1", "Deployment", spec={"paused": True})


@pytest.mark.parametrize(
    ("choice", "by_manifest", "state", "message"),
    [
        (None, True, "current", "paused, as its manifest says"),
        (None, False, "in progress", "paused (spec.paused): 0 of 3 pods"),
        (OnPause.OK, False, "current", "paused (spec.paused), which is accepted"),
        (OnPause.WAIT, True, "in progress", "paused (spec.paused): 0 of 3 pods"),
        (OnPause.FAIL, True, "failed", "paused (spec.paused): 0 of 3 pods"),
    ],
)
def test_what_becomes_of_it(choice: OnPause | None, by_manifest: bool, state: str, message: str) -> None:
    found = judged(HELD, Judgement(State.IN_PROGRESS, "0 of 3 pods"), choice, by_manifest=by_manifest)
    assert (str(found.state), found.message, found.reason, found.paused) == (state, message, "Paused", "spec.paused")


@pytest.mark.parametrize("found", [Judgement(State.CURRENT, ""), Judgement(State.FAILED, "", "Stalled")])
def test_a_pause_matters_only_before_a_verdict(found: Judgement) -> None:
    assert judged(HELD, found, OnPause.FAIL, by_manifest=False) is found


def test_an_annotation_chooses() -> None:
    assert own_choice(obj("v1", "A", {"k8s-step/paused": "fail"})) is OnPause.FAIL
    assert own_choice(obj("v1", "A")) is None
    with pytest.raises(InputError, match="known are ok, wait, fail") as caught:
        own_choice(obj("v1", "A", {"k8s-step/paused": "skip"}))
    assert caught.value.where == "k8s-step/paused"
