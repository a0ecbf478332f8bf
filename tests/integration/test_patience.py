"""``--fail-after`` and the annotations ``k8s-step/timeout`` and ``k8s-step/fail-after``, through the command itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Kubectl, Step, poll
from tests.integration.objects import Object, config_map, deployment, job, write
from tests.integration.outcomes import statuses, the_failure
from tests.integration.releases import HELD, Releases

pytestmark = pytest.mark.usefixtures("played")


def annotated(made: Object, **annotations: str) -> Object:
    made["metadata"]["annotations"] = {f"k8s-step/{key.replace('_', '-')}": text for key, text in annotations.items()}
    return made


SOONER: list[tuple[Object, str, str]] = [
    (deployment(image="shop/pull-unavailable:1"), "ImagePullBackOff=1s", "ErrImagePull"),
    (deployment(image="shop/never-ready:1"), "ContainersNotReady=1s", "ContainersNotReady"),
    (deployment(image="shop/crash:1"), "CrashLoopBackOff=1", "CrashLoopBackOff"),
]


@pytest.mark.parametrize("how", ["option", "annotation"])
@pytest.mark.parametrize(("made", "entry", "reason"), SOONER, ids=[row[1] for row in SOONER])
def test_sooner_than_the_table(
    how: str, made: Object, entry: str, reason: str, step: Step, namespace: str, tmp_path: Path
) -> None:
    made = {**made, "metadata": dict(made["metadata"])}
    options = ("--fail-after", entry) if how == "option" else ()
    path = write(tmp_path / "release.yaml", made if options else annotated(made, fail_after=entry))
    outcome = step("apply", "-f", path, "-n", namespace, "--timeout", "50s", *options, report=True)
    assert outcome.code == 1, outcome.text
    assert the_failure(outcome)["reason"] in (reason, reason.replace("ErrImagePull", "ImagePullBackOff"))


def test_a_pod_that_no_node_takes(step: Step, namespace: str, tmp_path: Path) -> None:
    made = deployment()
    made["spec"]["template"]["spec"]["nodeSelector"] = {"disk": "none"}
    path = write(tmp_path / "release.yaml", made)
    outcome = step("apply", "-f", path, "-n", namespace, "--fail-after", "Unschedulable=1s", report=True)
    assert (outcome.code, the_failure(outcome)["reason"]) == (1, "Unschedulable"), outcome.text


@pytest.mark.parametrize("entry", ["ErrImagePull=never", "ImagePullBackOff=5h"])
def test_later_than_the_table(entry: str, step: Step, namespace: str, tmp_path: Path) -> None:
    path = write(tmp_path / "release.yaml", deployment(image="shop/pull-fail:1"))
    line = ("apply", "-f", path, "-n", namespace, "--fail-after", entry)
    outcome = step.timed_out(*line, after="1 ErrImagePull", report=True)
    assert (outcome.code, statuses(outcome)) == (3, {"Deployment/web": "in progress"}), outcome.text
    assert "pull-fail:1: not found" in outcome.stderr


def test_more_restarts_than_the_table_allows(step: Step, kubectl: Kubectl, namespace: str, tmp_path: Path) -> None:
    """From a variable; and what goes round in circles is told once."""
    path = write(tmp_path / "release.yaml", deployment(image="shop/crash:1"))
    run = step.start("apply", "-f", path, "-n", namespace, env={"K8S_FAIL_AFTER": "CrashLoopBackOff=50"})
    count = "jsonpath={.items[*].status.containerStatuses[0].restartCount}"
    restarts = lambda: kubectl("-n", namespace, "get", "pods", "-o", count).stdout  # noqa: E731
    poll(lambda: int(restarts() or 0) >= 4, "four restarts")
    assert run.process.poll() is None, run.text
    kubectl("-n", namespace, "scale", "deployment/web", "--replicas=0")
    outcome = run.wait()
    assert outcome.code == 0, outcome.text
    lines = [line for line in outcome.stderr.splitlines() if line.startswith("deployment.apps/web: 0 of 1")]
    assert len(lines) == len(set(lines))


# -- one object's own timeout


def test_shorter_than_the_runs(step: Step, namespace: str, tmp_path: Path) -> None:
    slow = annotated(deployment("slow", "shop/never-ready:1"), timeout="5m")
    patient = deployment("patient", "shop/never-ready:1")
    path = write(tmp_path / "release.yaml", slow, patient, deployment("good"))
    run = step.start("apply", "-f", path, "-n", namespace, "--timeout", "2h", report=True, own_clock=True)
    run.wait_for("deployment.apps/good: current")
    run.time_passes(600)
    outcome = run.wait()
    assert outcome.code == 3, outcome.text
    assert the_failure(outcome)["object"].endswith("/slow")
    assert statuses(outcome)["Deployment/good"] == "current"


def test_longer_than_the_runs(release: Releases) -> None:
    slow = annotated(deployment("slow", create_delay=HELD), timeout="2h")
    run = release.start(slow, deployment("good"), options=("--timeout", "5m"), own_clock=True)
    run.wait_for("deployment.apps/good: current")
    run.time_passes(600)
    release.let_start()
    outcome = run.wait()
    assert (outcome.code, set(statuses(outcome).values())) == (0, {"current"}), outcome.text
    assert "2h00m at the most" in outcome.stderr


def test_without_failing_fast_the_others_are_waited_for(release: Releases) -> None:
    slow = annotated(deployment("slow", "shop/never-ready:1"), timeout="5m")
    late = deployment("late", create_delay=HELD)
    options = ("--no-fail-fast", "--timeout", "2h")
    run = release.start(slow, late, options=options, own_clock=True)
    run.wait_for("1 running but not ready")
    run.time_passes(600)
    release.let_start()
    outcome = run.wait()
    assert outcome.code == 3, outcome.text
    assert statuses(outcome) == {"Deployment/slow": "in progress", "Deployment/late": "current"}


@pytest.mark.parametrize("verb", ["status", "run"])
def test_for_other_verbs(verb: str, step: Step, kubectl: Kubectl, namespace: str, tmp_path: Path) -> None:
    path = write(tmp_path / "release.yaml", annotated(job("slow", "shop/job-hang:1"), timeout="5m"))
    if verb == "status":
        kubectl("-n", namespace, "apply", "-f", path)
    outcome = step.timed_out(verb, "-f", path, "-n", namespace, after="0 of 1 completions", report=True)
    assert outcome.code == 3, outcome.text
    assert "waiting for 1 object, 5m at the most" in outcome.stderr


# -- mistakes


def test_a_mistake_in_an_annotation_is_found_before_anything_is_sent(
    step: Step, kubectl: Kubectl, namespace: str, tmp_path: Path
) -> None:
    path = tmp_path / "release.yaml"
    path.write_text("""\
apiVersion: v1
kind: ConfigMap
metadata:
  name: one
  annotations:
    k8s-step/timeout: soon
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: two
  annotations:
    k8s-step/fail-after: ErrImagePul=2m
""")
    outcome = step("apply", "-f", str(path), "-n", namespace)
    assert outcome.code == 2, outcome.text
    assert "release.yaml:6: k8s-step/timeout: 'soon' is not a duration" in outcome.stderr
    assert "release.yaml:13: k8s-step/fail-after: " in outcome.stderr and "did you mean ErrImagePull?" in outcome.stderr
    assert kubectl("-n", namespace, "get", "configmap", "one", check=False).returncode == 1


def test_an_annotation_of_the_step_that_is_not_known(
    step: Step, kubectl: Kubectl, namespace: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "release.yaml", config_map("one"), annotated(config_map("two"), time_out="5m", other="x"))
    outcome = step("apply", "-f", path, "-n", namespace)
    assert outcome.code == 2, outcome.text
    lines = Path(path).read_text().splitlines()
    at = {name: next(number for number, line in enumerate(lines, 1) if name in line) for name in ("time-out", "other")}
    told = "this annotation of the step is not known"
    assert (
        f"release.yaml:{at['time-out']}: k8s-step/time-out: {told} (did you mean k8s-step/timeout?)" in outcome.stderr
    )
    assert f"release.yaml:{at['other']}: k8s-step/other: {told} (known are k8s-step/timeout, " in outcome.stderr
    assert kubectl("-n", namespace, "get", "configmap", "one", check=False).returncode == 1


def test_a_mistake_in_a_live_objects_annotation_is_told_and_passed_over(
    step: Step, kubectl: Kubectl, namespace: str
) -> None:
    kubectl("-n", namespace, "create", "deployment", "web", "--image=shop/web:1")
    kubectl("-n", namespace, "annotate", "deployment/web", "k8s-step/timeout=soon")
    outcome = step("status", "deployment/web", "-n", namespace)
    assert outcome.code == 0, outcome.text
    assert "ignored: k8s-step/timeout: 'soon' is not a duration" in outcome.stderr


def test_a_mistake_in_the_option(step: Step, tmp_path: Path) -> None:
    path = write(tmp_path / "release.yaml", deployment())
    outcome = step("apply", "-f", path, "--fail-after", "Crashloop=2")
    assert outcome.code == 2, outcome.text
    assert "--fail-after" in outcome.stderr and "did you mean CrashLoopBackOff?" in outcome.stderr
