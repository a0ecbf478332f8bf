"""Recorded objects and the verdict expected of them: each folder is a case, so that a new case needs no code.

A folder holds ``object.yaml``, and where there are any ``pods.yaml`` and ``replicasets.yaml``, as the server returned
them, and ``expected.yaml``: ``about``, optionally ``changed: false``, and ``steps``, each with ``after`` (seconds since
following began), ``state``, and what else is to be checked: ``message`` (a part of it), ``reason``, ``blamed``
(``pod/container``), ``unjudged``. A step's ``object: late`` or ``pods: late`` takes ``late.yaml`` instead;
any other name does, too.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from k8s_step.verdict.judgement import Judgement, Marks, Terms, judge
from k8s_step.verdict.terms.patience import USUAL, Patience, parse

FOLDER = Path(__file__).parent
CASES = sorted(path.parent.name for path in FOLDER.glob("*/expected.yaml"))


@pytest.mark.parametrize("case", CASES)
def test_verdict(case: str) -> None:
    expected = read(case, "expected")
    marks = Marks(started=0.0)
    for step in expected["steps"]:
        judgement = judged(case, step, marks, changed=expected.get("changed", True))
        assert told(judgement, step) == step, f"{expected['about']} ({step['after']} s): {judgement}"


@pytest.mark.parametrize("case", CASES)
def test_a_failure_is_no_failure_before_it_is_due(case: str) -> None:
    """Whatever is fatal only when it lasts says when: else nobody would look again at the right time."""
    expected = read(case, "expected")
    marks = Marks(started=0.0)
    for step, following in zip(expected["steps"], expected["steps"][1:], strict=False):
        judgement = judged(case, step, marks, changed=expected.get("changed", True))
        same = all(step.get(name) == following.get(name) for name in ("object", "pods"))
        if same and step["state"] != following["state"]:
            assert judgement.due == pytest.approx(following["after"])


def test_there_are_cases() -> None:
    assert len(CASES) > 100


PATIENCE: list[tuple[str, str, float, str]] = [
    # a case, --fail-after, and from when on it has failed: seconds, reason; or never
    ("deployment-image-rate-limited", "ImagePullBackOff=2m", 120, "ErrImagePull"),
    ("deployment-image-rate-limited", "ErrImagePull=5", 5, "ErrImagePull"),
    ("deployment-image-rate-limited", "ErrImagePull=never", 0, ""),
    ("deployment-image-rate-limited", "CrashLoopBackOff=5s", 60, "ErrImagePull"),
    ("deployment-image-not-found", "ErrImagePull=30s", 30, "ErrImagePull"),
    ("deployment-crash-loop", "CrashLoopBackOff=3", 0, ""),
    ("deployment-crash-loop", "CrashLoopBackOff=2", 0, "CrashLoopBackOff"),
    ("deployment-crash-loop", "CrashLoopBackOff=20s", 20, "CrashLoopBackOff"),
    ("deployment-crash-loop", "CrashLoopBackOff=never", 0, ""),
    ("deployment-crash-loop", "OOMKilled=9", 0, "CrashLoopBackOff"),
    ("deployment-crash-first-restart", "CrashLoopBackOff=1", 0, "CrashLoopBackOff"),
    ("deployment-out-of-memory", "CrashLoopBackOff=3", 0, ""),
    ("deployment-out-of-memory", "CrashLoopBackOff=10s", 10, "OOMKilled"),
    ("deployment-out-of-memory", "CrashLoopBackOff=10s OOMKilled=1", 0, "OOMKilled"),
    ("deployment-out-of-memory", "CrashLoopBackOff=9 OOMKilled=4s", 4, "OOMKilled"),
    ("deployment-unschedulable", "Unschedulable=45s", 45, "Unschedulable"),
    ("deployment-unschedulable", "ContainersNotReady=45s", 0, ""),
    ("deployment-unready", "ContainersNotReady=1m", 60, "ContainersNotReady"),
    ("deployment-quota", "FailedCreate=1m30s", 90, "FailedCreate"),
    ("deployment-quota", "FailedCreate=never", 0, ""),
    ("deployment-config-error", "CreateContainerConfigError=1m", 60, "CreateContainerConfigError"),
    ("deployment-invalid-image-name", "InvalidImageName=9s", 9, "InvalidImageName"),
    ("job-first-failure", "CrashLoopBackOff=0", 0, ""),
]


@pytest.mark.parametrize(
    ("case", "entries", "after", "reason"), PATIENCE, ids=[f"{row[0]}-{row[1]}" for row in PATIENCE]
)
def test_as_patient_as_the_user(case: str, entries: str, after: float, reason: str) -> None:
    marks, patience = Marks(started=0.0), parse(entries.split(), "--fail-after")
    if after:
        early = judged(case, {"after": 0}, marks, patience=patience)
        assert (str(early.state), early.due) == ("in progress", pytest.approx(after))
        assert str(judged(case, {"after": after - 0.1}, marks, patience=patience).state) == "in progress"
    last = judged(case, {"after": after if reason else 1e6}, marks, patience=patience)
    assert (str(last.state), last.reason) == ("failed", reason) if reason else str(last.state) == "in progress"


def judged(
    case: str, step: dict[str, Any], marks: Marks, changed: bool = True, patience: Patience = USUAL
) -> Judgement:
    replica_sets = {each["metadata"]["uid"]: each for each in read(case, "replicasets") or []}
    pods = read(case, step.get("pods", "pods")) or []
    obj, now = read(case, step.get("object", "object")), float(step["after"])
    return judge(obj, pods, replica_sets, marks, now, Terms(changed=changed, patience=patience))


def told(judgement: Judgement, step: dict[str, Any]) -> dict[str, Any]:
    """The judgement in the step's own terms: what the step doesn't ask for is left as it is."""
    message = step.get("message", "")
    blamed = sorted(f"{blame.pod['metadata']['name']}/{blame.symptom.container}" for blame in judgement.blamed)
    found = {
        "state": str(judgement.state),
        "message": message if message in judgement.message else judgement.message,
        "reason": judgement.reason,
        "blamed": blamed,
        "unjudged": judgement.unjudged,
    }
    return {**step, **{name: value for name, value in found.items() if name in step}}


def read(case: str, name: str) -> Any:
    path = FOLDER / case / f"{name}.yaml"
    return yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader) if path.exists() else None
