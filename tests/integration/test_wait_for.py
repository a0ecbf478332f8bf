"""An object's own rule, by annotation and by option, on the real control plane; kubectl plays the operator."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Kubectl, Outcome, Running, Step, poll
from tests.integration.objects import config_map, custom, definition, deployment, write

Object = dict[str, Any]


@pytest.fixture
def group(kubectl: Kubectl, namespace: str, tmp_path: Path) -> Any:
    """A group of custom resources, Widgets, of the test's own."""
    name = f"{namespace[:30].strip('-')}.example.com"
    kubectl("create", "-f", write(tmp_path / "crd.yaml", definition(name)))
    kubectl("wait", "--for=condition=Established", f"crd/widgets.{name}", "--timeout=60s")
    yield name
    kubectl("delete", f"crd/widgets.{name}", "--wait=false")


def noted(made: Object, **notes: str) -> Object:
    annotations = {f"k8s-step/{name.replace('_', '-')}": text for name, text in notes.items()}
    return {**made, "metadata": {**made["metadata"], "annotations": annotations}}


def played(step: Step, kubectl: Kubectl, namespace: str, group: str, path: str, status: Object, *words: str) -> Outcome:
    """The outcome of an apply during which the operator writes this status."""
    widget = f"widgets.{group}/one"
    run = step.start("apply", "-f", path, "-n", namespace, *words, report=True)

    def there() -> bool:
        return kubectl("get", widget, "-n", namespace, check=False).returncode == 0

    poll(there, "the widget", 60)
    patch = json.dumps({"status": {"observedGeneration": 1, **status}})
    kubectl("patch", widget, "-n", namespace, "--subresource=status", "--type=merge", "-p", patch)
    return run.wait(120)


OPEN = "jsonpath={.status.phase}=Open|Sold"


@pytest.mark.parametrize("by_option", [True, False])
def test_a_rule_makes_it_current(
    by_option: bool, step: Step, kubectl: Kubectl, namespace: str, group: str, tmp_path: Path
) -> None:
    made = custom(group, "one") if by_option else noted(custom(group, "one"), wait_for=OPEN)
    path = write(tmp_path / "a.yaml", made)
    words = ("--wait-for", f"widgets.{group}/one {OPEN}") if by_option else ()
    outcome = played(step, kubectl, namespace, group, path, {"phase": "Sold"}, *words)
    assert outcome.code == 0, outcome.text
    assert f"({OPEN})" in outcome.stderr
    assert outcome.report is not None and outcome.report["objects"][0]["status"] == "current"


def test_a_rule_has_it_failed_at_once(step: Step, kubectl: Kubectl, namespace: str, group: str, tmp_path: Path) -> None:
    path = write(tmp_path / "a.yaml", noted(custom(group, "one"), wait_for=OPEN, fail_on="condition=Broken"))
    broken = [{"type": "Broken", "status": "True", "reason": "NoBread", "message": "the oven is cold"}]
    outcome = played(step, kubectl, namespace, group, path, {"phase": "Open", "conditions": broken})
    assert outcome.code == 1, outcome.text
    assert "the oven is cold (fails on condition=Broken)" in outcome.stderr


SHUT = {"phase": "Shut", "conditions": [{"type": "Broken", "status": "True", "message": "the oven is cold"}]}
RULES = ["condition=Broken", "jsonpath={.status.phase}=Shut"]


def corrected(step: Step, kubectl: Kubectl, namespace: str, group: str, path: Path, rule: str) -> Running:
    """A release that fixes an object whose last status, of which no generation is told, the rule calls failed."""
    widget = f"widgets.{group}/one"
    kubectl("create", "-n", namespace, "-f", write(path, custom(group, "one", spec={"oven": "cold"})))
    patch = json.dumps({"status": SHUT})
    kubectl("patch", widget, "-n", namespace, "--subresource=status", "--type=merge", "-p", patch)
    write(path, noted(custom(group, "one", spec={"oven": "hot"}), wait_for=OPEN, fail_on=rule))
    run = step.start("apply", "-f", str(path), "-n", namespace, "--force-conflicts", report=True, clock_stands=True)
    run.wait_for("waiting for 1 object")
    return run


@pytest.mark.parametrize("rule", RULES)
def test_the_failure_of_the_last_release_does_not_fail_the_one_that_fixes_it(
    rule: str, step: Step, kubectl: Kubectl, namespace: str, group: str, tmp_path: Path
) -> None:
    run = corrected(step, kubectl, namespace, group, tmp_path / "a.yaml", rule)
    patch = json.dumps({"status": {"observedGeneration": 2, "phase": "Open", "conditions": []}})
    kubectl("patch", f"widgets.{group}/one", "-n", namespace, "--subresource=status", "--type=merge", "-p", patch)
    outcome = run.wait()
    assert outcome.code == 0, outcome.text


@pytest.mark.parametrize("rule", RULES)
def test_a_failure_of_no_generation_counts_once_its_controller_had_time(
    rule: str, step: Step, kubectl: Kubectl, namespace: str, group: str, tmp_path: Path
) -> None:
    run = corrected(step, kubectl, namespace, group, tmp_path / "a.yaml", rule)
    run.time_passes(6)
    outcome = run.wait()
    assert outcome.code == 1 and f"(fails on {rule})" in outcome.stderr, outcome.text


def test_time_runs_out_with_the_rule_in_the_message(step: Step, namespace: str, group: str, tmp_path: Path) -> None:
    path = write(tmp_path / "a.yaml", noted(custom(group, "one"), wait_for=OPEN))
    outcome = step("apply", "-f", path, "-n", namespace, "--timeout", "8s")
    assert outcome.code == 3, outcome.text
    assert f"waiting for {OPEN}: status.phase is not set" in outcome.text


def test_a_word_for_nothing_of_the_run_is_told(step: Step, namespace: str, tmp_path: Path) -> None:
    path = write(tmp_path / "a.yaml", config_map("one"))
    outcome = step("apply", "-f", path, "-n", namespace, "--wait-for", "deploy/web condition=Available")
    assert outcome.code == 0, outcome.text
    assert "--wait-for deploy/web condition=Available: nothing in this run is meant by it" in outcome.stderr


@pytest.mark.parametrize("word", ["deploy/web", "deploy/web Ready", "nonsense/web condition=Ready"])
def test_a_word_that_cannot_be_read(word: str, step: Step, namespace: str, tmp_path: Path) -> None:
    path = write(tmp_path / "a.yaml", config_map("one"))
    outcome = step("apply", "-f", path, "-n", namespace, "--fail-on", word)
    assert outcome.code == 2 and f"--fail-on {word}" in outcome.stderr, outcome.text


def test_a_wrong_line_has_its_place(step: Step, tmp_path: Path) -> None:
    path = write(tmp_path / "a.yaml", noted(deployment("web"), wait_for="condition="))
    outcome = step("render", "-f", path)
    assert outcome.code == 2, outcome.text
    assert "a.yaml:" in outcome.stderr and "k8s-step/wait-for" in outcome.stderr
