"""What is paused before it is current, on the real control plane; kubectl plays whoever paused it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import Kubectl, Step, poll
from tests.integration.objects import custom, definition, deployment, write
from tests.integration.releases import Releases

PAUSE = '{"spec": {"paused": true}}'


@pytest.fixture
def release(step: Step, kubectl: Kubectl, namespace: str, tmp_path: Path) -> Releases:
    return Releases(step, kubectl, namespace, tmp_path)


@pytest.fixture
def held(release: Releases) -> Releases:
    """A Deployment that somebody has paused."""
    assert release(deployment(image="shop/web:1")).code == 0
    release.kubectl("patch", "deployment", "web", "-p", PAUSE)
    return release


def test_it_is_taken_for_good(held: Releases) -> None:
    outcome = held(deployment(image="shop/web:2"), options=("--paused", "ok"))
    assert outcome.code == 0 and outcome.report is not None, outcome.text
    (found,) = outcome.report["objects"]
    assert (found["status"], found["paused"]) == ("current", "spec.paused")
    assert "deployment.apps/web: paused after" in outcome.stderr and "configured  paused" in outcome.stdout


@pytest.mark.parametrize("by_annotation", [True, False])
def test_it_has_failed(by_annotation: bool, held: Releases) -> None:
    made = deployment(image="shop/web:2")
    if by_annotation:
        made["metadata"]["annotations"] = {"k8s-step/paused": "fail"}
    outcome = held(made, options=() if by_annotation else ("--paused", "fail"))
    assert outcome.code == 1 and outcome.report is not None, outcome.text
    (found,) = outcome.report["objects"]
    assert (found["status"], found["reason"], found["paused"]) == ("failed", "Paused", "spec.paused")
    assert "kubectl rollout resume" in outcome.text


def test_what_is_resumed_is_current(held: Releases) -> None:
    run = held.start(deployment(image="shop/web:2"), options=("--paused", "wait"))
    run.wait_for("paused: resume it")
    held.kubectl("patch", "deployment", "web", "-p", '{"spec": {"paused": false}}')
    outcome = run.wait()
    assert outcome.code == 0 and outcome.report is not None, outcome.text
    assert outcome.report["objects"][0]["paused"] is None


def test_a_manifest_s_own_pause_may_have_to_be_waited_for(release: Releases) -> None:
    made = deployment(spec={"paused": True})
    outcome = release.timed_out(made, after="paused: resume it", options=("--paused", "wait"))
    assert outcome.code == 3 and outcome.report is not None, outcome.text
    assert outcome.report["objects"][0]["paused"] == "spec.paused"
    assert "created  paused" in outcome.stdout


def test_a_wrong_word_has_its_place(step: Step, tmp_path: Path) -> None:
    made = deployment()
    made["metadata"]["annotations"] = {"k8s-step/paused": "skip"}
    outcome = step("render", "-f", write(tmp_path / "a.yaml", made))
    assert outcome.code == 2 and "a.yaml:" in outcome.stderr and "k8s-step/paused" in outcome.stderr, outcome.text


AT_A_STEP = {
    "phase": "Paused",
    "message": "CanaryPauseStep",
    "observedGeneration": "1",
    "currentStepIndex": 0,
    "pauseConditions": [{"reason": "CanaryPauseStep"}],
}


@pytest.mark.parametrize(("choice", "code", "status"), [("ok", 0, "current"), ("fail", 1, "failed")])
def test_a_rollout_that_waits_to_be_promoted(
    choice: str, code: int, status: str, step: Step, kubectl: Kubectl, namespace: str, tmp_path: Path
) -> None:
    made = definition("argoproj.io", "Rollout")
    kubectl("create", "-f", write(tmp_path / "crd.yaml", made), check=False)
    kubectl("wait", "--for=condition=Established", "crd/rollouts.argoproj.io", "--timeout=60s")
    spec = {"strategy": {"canary": {"steps": [{"pause": {}}]}}}
    path = write(tmp_path / "a.yaml", custom("argoproj.io", "web", "Rollout", spec=spec))
    run = step.start("apply", "-f", path, "-n", namespace, "--paused", choice, report=True)
    there = ("get", "rollouts.argoproj.io/web", "-n", namespace)
    poll(lambda: kubectl(*there, check=False).returncode == 0, "the Rollout", 60)
    words = ("-n", namespace, "--subresource=status", "--type=merge", "-p", json.dumps({"status": AT_A_STEP}))
    kubectl("patch", "rollouts.argoproj.io/web", *words)
    outcome = run.wait(120)
    assert outcome.code == code and outcome.report is not None, outcome.text
    assert (outcome.report["objects"][0]["status"], outcome.report["objects"][0]["paused"]) == (
        status,
        "CanaryPauseStep",
    )
