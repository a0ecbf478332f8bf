"""The verdict on each kind and each way to fail, as the command gives it: exit code, reason, who is to blame."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import Kubectl, Step, poll
from tests.controlplane.cluster import Cluster
from tests.integration.objects import (
    RELEASES,
    Object,
    claim,
    config_map,
    custom,
    definition,
    deployment,
    job,
    obj,
    pod,
    service,
    workload,
    write,
)
from tests.integration.outcomes import failures, objects, statuses, the_failure

pytestmark = pytest.mark.usefixtures("played")

NOT_FOUND = ("ErrImagePull", "ImagePullBackOff")
CRASH_LOG = ["starting", "connecting to db:5432", "FATAL: password authentication failed"]


# -- failed, as early as the table says

FAILING: list[tuple[Object, tuple[str, ...], str, str]] = [
    # the release, the reasons it may give, the container to blame, words the user must see
    (deployment(image="shop/pull-fail:2"), NOT_FOUND, "app", "shop/pull-fail:2: not found"),
    (deployment(image="shop/pull-denied:2"), NOT_FOUND, "app", "pull access denied"),
    (deployment(image="shop/invalid-name:2"), ("InvalidImageName",), "app", "invalid reference format"),
    (deployment(image="shop/never-pull:2"), ("ErrImageNeverPull",), "app", "pull policy of Never"),
    (deployment(image="shop/crash:2"), ("CrashLoopBackOff",), "app", "FATAL: password authentication failed"),
    (deployment(init="shop/crash:2"), ("CrashLoopBackOff",), "init", "FATAL: password authentication failed"),
    (deployment(init="shop/pull-fail:2"), NOT_FOUND, "init", "shop/pull-fail:2: not found"),
    (deployment(image="shop/oom:2"), ("OOMKilled",), "app", "loading the catalogue into memory"),
    (
        deployment(image="shop/crash-ready:2", spec={"minReadySeconds": 5}),
        ("CrashLoopBackOff",),
        "app",
        "FATAL: password authentication failed",
    ),
    (workload("StatefulSet", "db", "shop/crash:2"), ("CrashLoopBackOff",), "app", "FATAL: password"),
    (workload("StatefulSet", "db", "shop/pull-fail:2"), NOT_FOUND, "app", "shop/pull-fail:2: not found"),
    (workload("DaemonSet", "agent", "shop/pull-fail:2"), NOT_FOUND, "app", "shop/pull-fail:2: not found"),
    (workload("DaemonSet", "agent", "shop/crash:2"), ("CrashLoopBackOff",), "app", "FATAL: password"),
    (workload("ReplicaSet", "old-school", "shop/pull-fail:2"), NOT_FOUND, "app", "shop/pull-fail:2: not found"),
    (job("migrate", "shop/job-fail:2"), ("BackoffLimitExceeded",), "app", 'relation "orders" already exists'),
    (job("migrate", "shop/pull-fail:2"), NOT_FOUND, "app", "shop/pull-fail:2: not found"),
    (
        pod("once", "shop/web:2", "Never", initContainers=[{"name": "init", "image": "shop/crash:2"}]),
        ("Error", "PodFailed"),
        "init",
        "FATAL: password authentication failed",
    ),
    (pod("bare", "shop/pull-fail:2"), NOT_FOUND, "app", "shop/pull-fail:2: not found"),
    (pod("bare", "shop/crash:2"), ("CrashLoopBackOff",), "app", "FATAL: password authentication failed"),
]


def _case(row: tuple[Object, tuple[str, ...], str, str]) -> str:
    made, reasons, container, _ = row
    return f"{made['kind']}-{container}-{reasons[0]}"


@pytest.mark.parametrize(("made", "reasons", "container", "words"), FAILING, ids=map(_case, FAILING))
def test_a_release_that_cannot_work_fails(
    made: Object, reasons: tuple[str, ...], container: str, words: str, step: Step, namespace: str, tmp_path: Path
) -> None:
    outcome = step("apply", "-f", write(tmp_path / "release.yaml", made), "-n", namespace, report=True)
    assert outcome.code == 1, outcome.text
    kind, name = made["kind"], made["metadata"]["name"]
    failure = the_failure(outcome)
    assert failure["object"] == f"{made['apiVersion']}/{kind}/{namespace}/{name}"
    assert failure["reason"] in reasons
    assert failure["container"] == container
    assert failure["pod"].startswith(name)
    assert failure["image"].startswith("shop/")
    assert outcome.report is not None and outcome.report["result"] == "failed"
    assert statuses(outcome) == {f"{kind}/{name}": "failed"}
    unfolded = " ".join(outcome.stderr.split())
    for told in (words, failure["reason"], failure["pod"], failure["image"], "release.yaml:1"):
        assert told in unfolded
    assert "events, newest first" in outcome.stderr and failure["events"]


@pytest.mark.parametrize(
    ("made", "log"),
    [
        (deployment(image="shop/crash:2"), CRASH_LOG),
        (deployment(init="shop/crash:2"), CRASH_LOG),
        (deployment(image="shop/oom:2"), ["starting", "loading the catalogue into memory"]),
        (
            job("migrate", "shop/job-fail:2"),
            ["migrating", "applied 0001_users", 'ERROR: relation "orders" already exists'],
        ),
        (deployment(image="shop/pull-fail:2"), []),
    ],
    ids=["crash", "init", "oom", "job", "never-ran"],
)
def test_the_last_lines_of_the_run_that_crashed(
    made: Object, log: list[str], step: Step, namespace: str, tmp_path: Path
) -> None:
    outcome = step("apply", "-f", write(tmp_path / "release.yaml", made), "-n", namespace, report=True)
    assert outcome.code == 1, outcome.text
    failure = the_failure(outcome)
    assert failure["logs"] == log
    assert failure["logs_of"] == ("the run that crashed" if log else None)
    shown = [line.strip() for line in outcome.stderr.splitlines()]
    assert all(f"| {line}" in shown for line in log)


@pytest.mark.parametrize(
    ("image", "words"),
    [("shop/pull-fail:2", "shop/pull-fail:2: not found"), ("shop/crash:2", "FATAL: password authentication failed")],
    ids=["pull", "crash"],
)
@pytest.mark.parametrize("path", RELEASES)
def test_a_whole_release_with_one_bad_image(path: Path, image: str, words: str, step: Step, namespace: str) -> None:
    loaded = [one for one in yaml.safe_load_all(path.read_text()) if one and one["kind"] == "Deployment"]
    made = loaded[0]
    (container,) = made["spec"]["template"]["spec"]["containers"]
    name = re.sub(r"(@.*|:\$\{.*|:[^:/]+)$", "", container["image"])
    replaced = ("--image", f"{name}={image}")
    outcome = step("apply", "-f", str(path), "-n", namespace, *replaced, report=True)
    assert outcome.code == 1, outcome.text
    failure = failures(outcome)[f"Deployment/{made['metadata']['name']}"]
    assert (failure["container"], failure["image"]) == (container["name"], image)
    unfolded = " ".join(outcome.stderr.split())
    for told in (f"deployment.apps/{made['metadata']['name']}", failure["pod"], container["name"], image, words):
        assert told in unfolded


def test_only_the_last_lines_of_a_long_log(step: Step, namespace: str, tmp_path: Path) -> None:
    lines = [f"line {number}" for number in range(1, 101)]
    made = deployment(image="shop/crash:2", log="\n".join(lines))
    outcome = step("apply", "-f", write(tmp_path / "release.yaml", made), "-n", namespace, report=True)
    assert outcome.code == 1, outcome.text
    shown = the_failure(outcome)["logs"]
    assert shown == lines[-len(shown) :] and 5 <= len(shown) <= 50


def test_several_pods_with_one_cause_are_told_once(step: Step, namespace: str, tmp_path: Path) -> None:
    path = write(tmp_path / "release.yaml", deployment(image="shop/crash:2", replicas=3))
    outcome = step("apply", "-f", path, "-n", namespace, report=True)
    assert outcome.code == 1, outcome.text
    assert the_failure(outcome)["alike"] == 2
    assert outcome.stderr.count("FATAL: password authentication failed") == 1


def test_one_bad_object_among_good_ones(step: Step, namespace: str, tmp_path: Path) -> None:
    release = [deployment("good"), deployment("bad", "shop/pull-fail:2"), service("web")]
    outcome = step("apply", "-f", write(tmp_path / "release.yaml", *release), "-n", namespace, report=True)
    assert outcome.code == 1, outcome.text
    assert objects(outcome)["Deployment/bad"]["status"] == "failed"
    assert list(failures(outcome)) == ["Deployment/bad"]


LASTING = {"config-error": "CreateContainerConfigError", "create-error": "CreateContainerError"}


def test_what_may_pass_is_fatal_only_when_it_lasts(
    step: Step, cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    """All at the same time: each takes its 15 seconds of grace."""
    quota = obj("v1", "ResourceQuota", "none", spec={"hard": {"pods": "0"}})
    quotas = cluster.namespace(f"{namespace}-quota")
    cluster.create(f"/api/v1/namespaces/{quotas}/resourcequotas", quota)
    reasons = {**LASTING, "run-error": "RunContainerError", "web": "FailedCreate"}
    runs = {}
    for word in reasons:
        path = write(tmp_path / f"{word}.yaml", deployment(word, f"shop/{word}:2"))
        where = quotas if word == "web" else namespace
        runs[word] = step.start("apply", "-f", path, "-n", where, report=True)
    for word, reason in reasons.items():
        outcome = runs[word].wait()
        assert (outcome.code, the_failure(outcome)["reason"]) == (1, reason), outcome.text
        before, _, verdict = outcome.stderr.partition(f"deployment.apps/{word}: failed")
        assert verdict and ("exceeded quota" if word == "web" else reason) in before, "told before it was the verdict"
    cluster.leave_namespace(quotas)
    assert "exceeded quota" in the_failure(outcome)["message"]


# -- not fatal: named at the timeout

PENDING: list[tuple[Object, str, str]] = [
    # the object, the reason in the report (and in the log before), words of the message
    (deployment("never-ready", "shop/never-ready:2"), "ContainersNotReady", "never-ready"),
    (deployment("busy", "shop/pull-rate-limited:2"), "ErrImagePull", "toomanyrequests"),
    (deployment("down", "shop/pull-unavailable:2"), "ErrImagePull", "503 Service Unavailable"),
    (deployment("unset", "shop/config-error:2"), "CreateContainerConfigError", 'secret "app-secrets" not found'),
    (pod("homeless", "shop/web:1", nodeSelector={"disk": "none"}), "Unschedulable", "nodes are available"),
    (claim("unprovisioned", "unprovisioned"), "ProvisioningFailed", "waiting for a volume"),
    (service("front", "LoadBalancer", no_address="true"), "", "waiting for a load balancer address"),
    (job("hang", "shop/job-hang:2"), "Running", "0 of 1 completions"),
]


@pytest.mark.parametrize(("made", "reason", "words"), PENDING, ids=[row[0]["metadata"]["name"] for row in PENDING])
def test_what_is_not_fatal_is_named_at_the_timeout(
    made: Object, reason: str, words: str, step: Step, namespace: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "release.yaml", made, deployment("good"))
    graces = ("--fail-after", "ErrImagePull=9h", "--fail-after", "CreateContainerConfigError=9h")
    run = step.start("apply", "-f", path, "-n", namespace, *graces, report=True, own_clock=True)
    run.wait_for("deployment.apps/good: current")
    run.wait_for(f"{made['metadata']['name']}: ")
    run.time_passes()
    outcome = run.wait()
    assert outcome.code == 3, outcome.text
    assert outcome.report is not None and outcome.report["result"] == "timed_out"
    name = f"{made['kind']}/{made['metadata']['name']}"
    assert statuses(outcome) == {name: "in progress", "Deployment/good": "current"}
    failure = the_failure(outcome)
    assert failure["object"].endswith(f"/{made['metadata']['name']}")
    assert failure["reason"] in (reason, reason.replace("ErrImagePull", "ImagePullBackOff"))
    assert words in " ".join(outcome.stderr.split())
    assert "timed out" in outcome.stderr


# -- current

GOOD: list[Object] = [
    deployment("web", replicas=3),
    deployment("late", delay="500ms"),
    deployment("asleep", "shop/crash:1", replicas=0),
    deployment("stumbles", "shop/crash-once:1"),
    deployment("pulls-again", "shop/pull-retry:1"),
    workload("StatefulSet", "db", "redis:7", spec={"replicas": 2}),
    workload("DaemonSet", "agent", "agent:1"),
    workload("DaemonSet", "nowhere", "agent:1"),
    workload("ReplicaSet", "old-school", "shop/web:1", spec={"replicas": 2}),
    job("migrate", "shop/job-ok:1"),
    job("later", "shop/job-fail:1", suspend=True),
    pod("bare", "shop/web:1"),
    pod("once", "shop/job-ok:1", "Never"),
    claim("at-once", "immediate"),
    claim("at-first-use", "wait-for-consumer"),
    service("inside"),
    service("outside", "LoadBalancer"),
    obj("v1", "ServiceAccount", "robot"),
]


def test_every_kind_becomes_current(step: Step, namespace: str, tmp_path: Path, kubectl: Kubectl) -> None:
    nowhere = next(made for made in GOOD if made["metadata"]["name"] == "nowhere")
    nowhere["spec"]["template"]["spec"]["nodeSelector"] = {"disk": "none"}
    outcome = step("apply", "-f", write(tmp_path / "release.yaml", *GOOD), "-n", namespace, report=True)
    assert outcome.code == 0, outcome.text
    assert set(statuses(outcome).values()) == {"current"} and len(statuses(outcome)) == len(GOOD)
    assert outcome.report is not None and outcome.report["failures"] == []
    live = json.loads(kubectl("-n", namespace, "get", "deploy,sts,job,pvc,svc", "-o", "json").stdout)["items"]
    status = {f"{one['kind']}/{one['metadata']['name']}": one["status"] for one in live}
    assert status["Deployment/web"]["availableReplicas"] == 3
    assert status["StatefulSet/db"]["readyReplicas"] == 2
    assert status["Job/migrate"]["succeeded"] == 1
    assert status["PersistentVolumeClaim/at-once"]["phase"] == "Bound"
    assert status["PersistentVolumeClaim/at-first-use"]["phase"] == "Pending"
    assert status["Service/outside"]["loadBalancer"]["ingress"]


def test_without_waiting_nothing_is_followed(step: Step, namespace: str, tmp_path: Path) -> None:
    path = write(tmp_path / "release.yaml", deployment(image="shop/pull-fail:2"))
    outcome = step("apply", "-f", path, "-n", namespace, "--no-wait", report=True)
    assert (outcome.code, statuses(outcome)) == (0, {"Deployment/web": "in progress"}), outcome.text


def test_a_job_that_is_cleared_away_when_it_is_done(step: Step, namespace: str, tmp_path: Path) -> None:
    path = write(tmp_path / "release.yaml", job("migrate", "shop/job-ok:1", ttlSecondsAfterFinished=0), deployment())
    outcome = step("apply", "-f", path, "-n", namespace, report=True)
    assert (outcome.code, statuses(outcome)["Job/migrate"]) == (0, "current"), outcome.text


def test_what_is_being_deleted_is_not_current(step: Step, cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    held = config_map("held", a="b")
    held["metadata"]["finalizers"] = ["example.com/hold"]
    path = write(tmp_path / "release.yaml", held)
    assert step("apply", "-f", path, "-n", namespace).code == 0
    url = f"/api/v1/namespaces/{namespace}/configmaps/held"
    assert cluster.request("DELETE", url).code == 200
    outcome = step.timed_out("apply", "-f", path, "-n", namespace, after="example.com/hold", report=True)
    freed = cluster.request(
        "PATCH", url, '{"metadata":{"finalizers":null}}', content_type="application/merge-patch+json"
    )
    assert freed.code == 200
    assert (outcome.code, statuses(outcome)) == (3, {"ConfigMap/held": "terminating"}), outcome.text
    assert "example.com/hold" in outcome.stderr


# -- custom resources


def _with_status(
    cluster: Cluster, group: str, namespace: str, name: str, conditions: list[dict[str, Any]], **more: Any
) -> None:
    path = f"/apis/{group}/v1/namespaces/{namespace}/widgets/{name}/status"
    body = json.dumps({"status": {"conditions": conditions, **more}})
    answer = cluster.request("PATCH", path, body, content_type="application/merge-patch+json")
    assert answer.code == 200, answer.text


def _is_there(cluster: Cluster, group: str, namespace: str, name: str) -> bool:
    return cluster.request("GET", f"/apis/{group}/v1/namespaces/{namespace}/widgets/{name}").code == 200


@pytest.mark.parametrize(
    ("before", "after", "code"),
    [
        ({"type": "Ready", "status": "False"}, {"type": "Ready", "status": "True"}, 0),
        ({"type": "Available", "status": "Unknown"}, {"type": "Available", "status": "True"}, 0),
        ({"type": "Reconciling", "status": "True"}, {"type": "Reconciling", "status": "False"}, 0),
        ({"type": "Ready", "status": "False"}, {"type": "Stalled", "status": "True", "message": "no such zone"}, 1),
    ],
    ids=["ready", "available", "reconciled", "stalled"],
)
def test_custom_resources_by_their_conditions(
    before: dict[str, Any],
    after: dict[str, Any],
    code: int,
    step: Step,
    cluster: Cluster,
    namespace: str,
    tmp_path: Path,
) -> None:
    group = f"{namespace}.example"
    path = write(tmp_path / "release.yaml", custom(group, "one", spec={"size": 1}), definition(group))
    run = step.start("apply", "-f", path, "-n", namespace, report=True)
    poll(lambda: _is_there(cluster, group, namespace, "one"), "the custom resource")
    _with_status(cluster, group, namespace, "one", [before], observedGeneration=1)
    run.wait_for("one: ")
    _with_status(cluster, group, namespace, "one", [after], observedGeneration=1)
    outcome = run.wait()
    cluster.request("DELETE", f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.{group}")
    assert outcome.code == code, outcome.text
    if code:
        assert (the_failure(outcome)["reason"], the_failure(outcome)["message"]) == ("Stalled", "no such zone")
