"""Verdicts that other tools get wrong, as read from their sources: one test for each mistake, which would catch it."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.conftest import Step
from tests.controlplane.cluster import Cluster
from tests.faults import proxy as faults
from tests.faults.proxy import Proxy, on
from tests.integration.objects import Object, custom, definition, deployment, job, through, workload, write
from tests.integration.outcomes import failures, objects, statuses, the_failure
from tests.integration.releases import Releases
from tests.unit.samples import running, terminated, waiting

PULL = ("ErrImagePull", "ImagePullBackOff")


def living(release: Releases, image: str) -> list[str]:
    """The pods of this image that nobody has asked to go."""
    pods = [pod for pod in release.read("pods") if not pod["metadata"].get("deletionTimestamp")]
    return [pod["metadata"]["name"] for pod in pods if pod["spec"]["containers"][0]["image"] == image]


# -- kubectl rollout status


@pytest.mark.usefixtures("played")
def test_kubectl_waits_out_the_deadline_for_an_image_that_does_not_exist(release: Releases) -> None:
    outcome = release(deployment(image="shop/pull-fail:1"))
    assert outcome.code == 1 and the_failure(outcome)["reason"] in PULL, outcome.text
    conditions = release.read("deployment", "web")["status"]["conditions"]
    assert "ProgressDeadlineExceeded" not in [one["reason"] for one in conditions]


NOTHING: list[tuple[tuple[str, ...], int]] = [
    (("status", "deployment/nope"), 4),
    (("status", "deployments", "-l", "app=nope"), 4),
    (("status",), 2),
    (("apply", "-f", "nothing-*.yaml"), 2),
    (("apply", "-f", "empty.yaml"), 2),
]


@pytest.mark.parametrize(("words", "code"), NOTHING, ids=[" ".join(row[0]) for row in NOTHING])
def test_kubectl_is_content_with_matching_nothing(
    words: tuple[str, ...], code: int, step: Step, namespace: str, tmp_path: Path
) -> None:
    (tmp_path / "empty.yaml").write_text("# nothing yet\n---\n")
    outcome = step(*words, "-n", namespace, cwd=tmp_path)
    assert outcome.code == code and "error: " in outcome.stderr, outcome.text


# -- rollout-status


@pytest.mark.usefixtures("played")
def test_rollout_status_reports_the_previous_rollouts_success(
    step: Step, release: Releases, proxy: Proxy, tmp_path: Path
) -> None:
    """All that is known is the answer to the write: the new spec, and the status of the old one."""
    assert release(deployment(image="shop/web:1")).code == 0
    proxy.rule(on("GET", watch=True), faults.stall(), times=None)
    path = write(tmp_path / "next.yaml", deployment(image="shop/web:2"))
    words = ("apply", "-f", path, "-n", release.namespace)
    outcome = step.timed_out(*words, after="waiting for 1 object", env=through(proxy), report=True)
    assert (outcome.code, statuses(outcome)) == (3, {"Deployment/web": "in progress"}), outcome.text


@pytest.mark.usefixtures("played")
@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet"])
def test_rollout_status_passes_what_runs_and_is_not_ready(kind: str, release: Releases) -> None:
    outcome = release.timed_out(workload(kind, "web", "shop/never-ready:1"), after="running but not ready")
    assert (outcome.code, statuses(outcome)) == (3, {f"{kind}/web": "in progress"}), outcome.text
    assert [pod["status"].get("phase") for pod in release.read("pods")][:1] == ["Running"]


# -- kapp


@pytest.mark.usefixtures("played")
def test_kapp_does_not_look_at_updated_replicas(release: Releases) -> None:
    """Paused: observed, available, and not one pod of the new revision."""
    assert release(deployment(image="shop/web:1", replicas=2)).code == 0
    release.kubectl("patch", "deployment", "web", "-p", '{"spec": {"paused": true}}')
    outcome = release.timed_out(deployment(image="shop/web:2", replicas=2), after="0 of 2 pods updated")
    status = release.read("deployment", "web")["status"]
    assert (status["availableReplicas"], status.get("updatedReplicas", 0)) == (2, 0)
    assert (outcome.code, statuses(outcome)) == (3, {"Deployment/web": "in progress"}), outcome.text
    assert "0 of 2 pods updated" in outcome.stderr


def test_kapp_is_done_at_once_with_a_custom_resource_it_has_no_rule_for(release: Releases, cluster: Cluster) -> None:
    group = f"{release.namespace}.example"
    try:
        assert release(definition(group)).code == 0
        outcome = release(custom(group, "one", spec={"size": 1}))
    finally:
        cluster.request("DELETE", f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.{group}")
    assert (outcome.code, statuses(outcome)) == (0, {"Widget/one": "current"}), outcome.text
    assert objects(outcome)["Widget/one"]["seconds"] >= 5, "its controller is given time to take note"


# -- krane


@pytest.mark.usefixtures("played")
def test_krane_fails_a_job_at_the_first_failure_of_two(release: Releases) -> None:
    made = job("once", "shop/job-fail:1")
    made["spec"]["backoffLimit"] = 1
    run = release.start(made)
    run.wait_for("1 failed", 60)
    run.signal(signal.SIGTERM)
    outcome = run.wait()
    assert (outcome.code, statuses(outcome)) == (143, {"Job/once": "in progress"}), outcome.text


@pytest.mark.usefixtures("played")
def test_krane_passes_a_job_that_has_been_active_for_five_seconds(release: Releases) -> None:
    outcome = release.timed_out(job("once", "shop/job-hang:1"), after="0 of 1 completions")
    assert (outcome.code, statuses(outcome)) == (3, {"Job/once": "in progress"}), outcome.text


@pytest.mark.usefixtures("played")
def test_krane_waits_for_a_pull_that_was_denied(release: Releases) -> None:
    """Sooner than what may pass, such as a registry's rate limit, is given up: 60 s."""
    outcome = release(deployment(image="shop/pull-denied:1"))
    assert outcome.code == 1 and the_failure(outcome)["reason"] in PULL, outcome.text


# -- Helm


@pytest.mark.usefixtures("played")
def test_helm_blames_a_pod_of_an_old_replica_set(release: Releases) -> None:
    assert release(deployment(image="shop/web:1", create_delay="0s")).code == 0
    (old,) = living(release, "shop/web:1")
    release.say(old, waiting("CrashLoopBackOff", restarts=9, last=terminated(1)))
    held = deployment(image="shop/web:2", create_delay="600s")
    run = release.start(held)
    (new,) = release.living(1)
    assert release.read("pod", old)["status"]["containerStatuses"][0]["restartCount"] >= 9, "still there, still broken"
    release.say_ready(new, running(ready=True))
    outcome = run.wait()
    assert outcome.code == 0, outcome.text
    assert "CrashLoopBackOff" not in outcome.text


@pytest.mark.usefixtures("played")
def test_helm_passes_over_what_failed_while_others_are_waited_for(release: Releases) -> None:
    outcome = release(deployment("slow", "shop/never-ready:1"), deployment("bad", "shop/pull-fail:1"))
    assert outcome.code == 1, outcome.text
    assert statuses(outcome) == {"Deployment/slow": "in progress", "Deployment/bad": "failed"}
    assert list(failures(outcome)) == ["Deployment/bad"]


# -- kluctl


@pytest.mark.usefixtures("played")
def test_kluctl_passes_while_old_pods_are_ready(release: Releases) -> None:
    spec = {"strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}}
    assert release(deployment(image="shop/web:1", replicas=3, spec=spec)).code == 0
    outcome = release(deployment(image="shop/web:2", replicas=3, spec=spec))
    assert outcome.code == 0, outcome.text
    assert living(release, "shop/web:1") == []
    assert len(living(release, "shop/web:2")) == 3


# -- kubedog


@pytest.mark.usefixtures("played")
def test_kubedog_counts_one_error_again_at_each_update(release: Releases) -> None:
    run = release.start(deployment(create_delay="600s"))
    (name,) = release.living(1)
    release.say(name, waiting("CrashLoopBackOff", restarts=1, last=terminated(1)))
    for number in range(5):
        release.kubectl("label", "pod", name, f"seen={number}", "--overwrite")
    run.wait_for("1 CrashLoopBackOff")
    release.say_ready(name, running(ready=True, restarts=1))
    outcome = run.wait()
    assert outcome.code == 0, outcome.text


# -- the Azure action


def rendered(step: Step, folder: Path, *images: str) -> tuple[int, str, list[str]]:
    names = ("registry:5000/app:1", "registry:5000/app", "registry:5000/application:1", "app:1")
    made: list[Object] = [deployment(f"web-{number}", image) for number, image in enumerate(names)]
    words = [word for image in images for word in ("--image", image)]
    outcome = step("render", "-f", write(folder / "release.yaml", *made), "-o", "json", *words)
    items = json.loads(outcome.stdout)["items"] if outcome.code == 0 else []
    return outcome.code, outcome.stderr, [one["spec"]["template"]["spec"]["containers"][0]["image"] for one in items]


def test_azure_takes_the_registrys_port_for_a_tag(step: Step, tmp_path: Path) -> None:
    code, told, images = rendered(step, tmp_path, "registry:5000/app=registry:5000/app:2")
    expected = ["registry:5000/app:2", "registry:5000/app:2", "registry:5000/application:1", "app:1"]
    assert (code, images) == (0, expected), told


def test_azure_passes_over_an_image_that_no_manifest_has(step: Step, tmp_path: Path) -> None:
    code, told, _ = rendered(step, tmp_path, "registry:5000/app=registry:5000/app:2", "registry:5000/ap=x:2")
    assert code == 2 and "registry:5000/ap" in told and "registry:5000/app" in told, told
