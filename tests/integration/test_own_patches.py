"""What this step's own patches wrote is no conflict to its next apply; what others wrote still is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Kubectl, Step
from tests.integration.objects import deployment, write
from tests.integration.outcomes import actions


@pytest.mark.parametrize(
    "words",
    [
        ("scale", "deployment/web", "--replicas", "4"),
        ("patch", "deployment/web", "--image", "app=shop/web:9"),
        ("patch", "deployment/web", "--type", "merge", "-p", '{"spec":{"replicas":4}}'),
    ],
    ids=" ".join,
)
def test_the_next_apply_takes_it_back(words: tuple[str, ...], step: Step, namespace: str, tmp_path: Path) -> None:
    manifest = write(tmp_path / "web.yaml", deployment("web", "shop/web:1", replicas=2))
    assert step("apply", "-f", manifest, "-n", namespace).code == 0
    assert step(*words, "-n", namespace).code == 0
    outcome = step("apply", "-f", manifest, "-n", namespace, report=True)
    assert outcome.code == 0, outcome.text
    assert actions(outcome) == {"Deployment/web": "configured"}
    assert actions(step("apply", "-f", manifest, "-n", namespace, report=True)) == {"Deployment/web": "unchanged"}


def test_what_others_wrote_is_a_conflict_still(step: Step, kubectl: Kubectl, namespace: str, tmp_path: Path) -> None:
    manifest = write(tmp_path / "web.yaml", deployment("web", "shop/web:1", replicas=2))
    assert step("apply", "-f", manifest, "-n", namespace).code == 0
    assert step("patch", "deployment/web", "-n", namespace, "--image", "app=shop/web:9").code == 0
    kubectl("scale", "deployment/web", "--replicas", "5", "-n", namespace)
    outcome = step("apply", "-f", manifest, "-n", namespace)
    assert outcome.code == 4, outcome.text
    assert ".spec.replicas" in outcome.stderr
    assert "--force-conflicts" in outcome.stderr
    assert kubectl("get", "deployment/web", "-n", namespace, "-o", "jsonpath={.spec.replicas}").stdout == "5"
