"""Recorded objects and the verdict expected of them: each folder is a case, so that a new case needs no code.

A folder holds ``object.yaml``, and where there are any ``pods.yaml`` and ``replicasets.yaml``, as the server returned
them, and ``expected.yaml``: ``about``, optionally ``changed: false``, and ``steps``, each with ``after`` (seconds since
following began), ``state``, and what else is to be checked: ``message`` (a part of it), ``reason``, ``blamed``
(``pod/container``), ``unjudged``. A step's ``object: late`` or ``pods: late`` takes ``late.yaml`` instead.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from k8s_step.judgement import Judgement, Marks, judge

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


def judged(case: str, step: dict[str, Any], marks: Marks, changed: bool) -> Judgement:
    replica_sets = {each["metadata"]["uid"]: each for each in read(case, "replicasets") or []}
    pods = read(case, step.get("pods", "pods")) or []
    return judge(
        read(case, step.get("object", "object")), pods, replica_sets, marks, float(step["after"]), changed=changed
    )


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
