"""Health checks in CEL, on the real control plane; kubectl plays the operator."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Kubectl, Outcome, Step, poll
from tests.integration.objects import config_map, custom, definition, deployment, write

pytest.importorskip("celpy", reason="the extra cel is not installed")
Object = dict[str, Any]
CHECKS = """\
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
spec:
  healthCheckExprs:
    - apiVersion: {group}/v1beta1
      kind: Widget
      inProgress: has(status.busy) && status.busy
      failed: status.conditions.exists(e, e.type == 'Broken' && e.status == 'True')
      current: status.phase in ['Open', 'Sold']
"""


@pytest.fixture
def group(kubectl: Kubectl, namespace: str, tmp_path: Path) -> Any:
    """A group of custom resources, Widgets, of the test's own; its checks are in health.yaml."""
    name = f"{namespace[:30].strip('-')}.example.com"
    kubectl("create", "-f", write(tmp_path / "crd.yaml", definition(name)))
    kubectl("wait", "--for=condition=Established", f"crd/widgets.{name}", "--timeout=60s")
    (tmp_path / "health.yaml").write_text(CHECKS.format(group=name))
    yield name
    kubectl("delete", f"crd/widgets.{name}", "--wait=false")


def played(
    step: Step, kubectl: Kubectl, namespace: str, group: str, tmp_path: Path, *statuses: tuple[Object, str]
) -> Outcome:
    """The outcome of an apply during which the operator writes these, each once the words before it were said."""
    widget = f"widgets.{group}/one"
    path = write(tmp_path / "a.yaml", custom(group, "one"))
    health = ("--health", str(tmp_path / "health.yaml"))
    run = step.start("apply", "-f", path, "-n", namespace, *health, report=True)
    poll(lambda: kubectl("get", widget, "-n", namespace, check=False).returncode == 0, "the widget", 60)
    for status, after in statuses:
        if after:
            run.wait_for(after)
        patch = json.dumps({"status": {"observedGeneration": 1, "conditions": [], **status}})
        kubectl("patch", widget, "-n", namespace, "--subresource=status", "--type=merge", "-p", patch)
    return run.wait(120)


def test_a_check_makes_it_current(step: Step, kubectl: Kubectl, namespace: str, group: str, tmp_path: Path) -> None:
    """Before it has a status, the expressions give no answer: that is no verdict."""
    outcome = played(
        step,
        kubectl,
        namespace,
        group,
        tmp_path,
        ({"phase": "Open", "busy": True}, "its health check gives no answer"),
        ({"phase": "Open", "busy": False}, "(inProgress: has(status.busy) && status.busy)"),
    )
    assert outcome.code == 0, outcome.text
    assert "(by its health check)" in outcome.stderr


def test_a_check_has_it_failed(step: Step, kubectl: Kubectl, namespace: str, group: str, tmp_path: Path) -> None:
    broken = [{"type": "Broken", "status": "True", "message": "the oven is cold"}]
    outcome = played(step, kubectl, namespace, group, tmp_path, ({"phase": "Open", "conditions": broken}, ""))
    assert outcome.code == 1 and outcome.report is not None, outcome.text
    assert "the oven is cold (failed: status.conditions.exists(" in outcome.text
    assert outcome.report["objects"][0]["reason"] == "HealthCheck"


@pytest.mark.parametrize(("recovers", "code"), [(True, 0), (False, 1)])
def test_a_failure_of_no_generation_counts_once_its_controller_had_time(
    recovers: bool, code: int, step: Step, kubectl: Kubectl, namespace: str, group: str, tmp_path: Path
) -> None:
    """The last release has left it failed; this one fixes it."""
    widget, path = f"widgets.{group}/one", tmp_path / "a.yaml"

    def say(**status: Any) -> None:
        patch = json.dumps({"status": status})
        kubectl("patch", widget, "-n", namespace, "--subresource=status", "--type=merge", "-p", patch)

    kubectl("create", "-n", namespace, "-f", write(path, custom(group, "one", spec={"oven": "cold"})))
    say(phase="Shut", conditions=[{"type": "Broken", "status": "True", "message": "the oven is cold"}])
    write(path, custom(group, "one", spec={"oven": "hot"}))
    words = ("apply", "-f", str(path), "-n", namespace, "--force-conflicts", "--health", str(tmp_path / "health.yaml"))
    run = step.start(*words, clock_stands=True)
    run.wait_for("waiting for 1 object")
    if recovers:
        say(observedGeneration=2, phase="Open", conditions=[])
    else:
        run.time_passes(6)
    outcome = run.wait()
    assert outcome.code == code, outcome.text


def test_a_built_in_kind_is_judged_as_ever_besides(step: Step, namespace: str, tmp_path: Path) -> None:
    (tmp_path / "health.yaml").write_text("- {apiVersion: apps/v1, kind: Deployment, current: 'true'}\n")
    path = write(tmp_path / "a.yaml", deployment(image="shop/pull-fail:1"))
    outcome = step("apply", "-f", path, "-n", namespace, "--health", str(tmp_path / "health.yaml"))
    assert outcome.code == 1 and "ErrImagePull" in outcome.text, outcome.text


def test_a_broken_expression_has_its_place_and_nothing_is_sent(
    step: Step, kubectl: Kubectl, namespace: str, tmp_path: Path
) -> None:
    (tmp_path / "health.yaml").write_text("- apiVersion: a.com/v1\n  kind: A\n  current: status.phase ==\n")
    path = write(tmp_path / "a.yaml", config_map("one"))
    outcome = step("apply", "-f", path, "-n", namespace, "--health", "health.yaml", cwd=tmp_path)
    assert outcome.code == 2, outcome.text
    assert "error: health.yaml:3: 'status.phase ==' is no CEL expression" in outcome.stderr
    assert kubectl("get", "configmap/one", "-n", namespace, check=False).returncode != 0


def test_without_the_extra_one_line_says_how_to_get_it(step: Step, namespace: str, tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "celpy.py").write_text("raise ImportError('no celpy')\n")
    path = write(tmp_path / "a.yaml", config_map("one"))
    (tmp_path / "health.yaml").write_text("- {apiVersion: a.com/v1, current: 'true'}\n")
    words = ("apply", "-f", path, "-n", namespace, "--health", str(tmp_path / "health.yaml"))
    outcome = step(*words, env={"PYTHONPATH": str(hidden)})
    assert outcome.code == 2, outcome.text
    assert "--health needs cel-python, which is not installed (pip install 'k8s-step[cel]')" in outcome.stderr
