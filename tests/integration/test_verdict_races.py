"""The verdict is on what was just written and on nothing else: not on the last release, not on its pods."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Kubectl, Outcome, Running, Step, poll
from tests.controlplane.cluster import Cluster
from tests.integration.objects import Object, deployment, pod, workload, write
from tests.integration.outcomes import actions, failures, statuses, the_failure

pytestmark = pytest.mark.usefixtures("played")


class Shop:
    """One Deployment, released again and again."""

    def __init__(self, step: Step, namespace: str, folder: Path) -> None:
        self.step, self.namespace, self.folder = step, namespace, folder

    def release(self, image: str, *more: str, **fields: Any) -> Outcome:
        return self.start(image, *more, **fields).wait()

    def start(self, image: str, *more: str, **fields: Any) -> Running:
        return self.put(deployment("web", image, **fields), *more)

    def put(self, made: Object, *more: str) -> Running:
        path = write(self.folder / "release.yaml", made)
        return self.step.start("apply", "-f", path, "-n", self.namespace, *more, report=True)

    def timed_out(self, made: Object, after: str) -> Outcome:
        path = write(self.folder / "release.yaml", made)
        return self.step.timed_out("apply", "-f", path, "-n", self.namespace, after=after, report=True)


@pytest.fixture
def shop(step: Step, namespace: str, tmp_path: Path) -> Shop:
    return Shop(step, namespace, tmp_path)


def test_green_before_and_broken_now_never_exits_0(shop: Shop) -> None:
    assert shop.release("shop/web:0").code == 0
    for number in range(1, 11):
        broken = shop.release(f"shop/pull-fail:{number}")
        assert broken.code == 1, broken.text
        assert the_failure(broken)["image"] == f"shop/pull-fail:{number}"
        if number % 3 == 0:
            good = shop.release(f"shop/web:{number}")
            assert good.code == 0, good.text


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet"])
def test_other_workloads_green_before_and_broken_now(kind: str, shop: Shop) -> None:
    policy = {"podManagementPolicy": "Parallel"} if kind == "StatefulSet" else {}
    assert shop.put(workload(kind, "db", "shop/web:0", spec=policy)).wait().code == 0
    for number in range(1, 4):
        broken = shop.put(workload(kind, "db", f"shop/pull-fail:{number}", spec=policy)).wait()
        assert broken.code == 1, broken.text
        assert the_failure(broken)["image"] == f"shop/pull-fail:{number}"
    good = shop.put(workload(kind, "db", "shop/web:4", spec=policy)).wait()
    assert good.code == 0, good.text


def test_a_broken_pod_that_holds_up_the_next_revision_is_named(shop: Shop, kubectl: Kubectl) -> None:
    """Kubernetes leaves it to a person to delete it."""
    assert shop.put(workload("StatefulSet", "db", "shop/pull-fail:1")).wait().code == 1
    stuck = shop.timed_out(workload("StatefulSet", "db", "shop/web:2"), "of an older revision holds it up")
    assert stuck.code == 3, stuck.text
    assert (the_failure(stuck)["pod"], the_failure(stuck)["image"]) == ("db-0", "shop/pull-fail:1")
    assert "pod db-0 of an older revision holds it up" in " ".join(stuck.stderr.split())
    kubectl("-n", shop.namespace, "delete", "pod", "db-0")
    good = shop.put(workload("StatefulSet", "db", "shop/web:2")).wait()
    assert good.code == 0, good.text


def test_broken_and_applied_again_unchanged_is_still_broken(shop: Shop) -> None:
    assert shop.release("shop/pull-fail:1").code == 1
    again = shop.release("shop/pull-fail:1")
    assert (again.code, actions(again)) == (1, {"Deployment/web": "unchanged"}), again.text


def test_broken_before_and_good_now_exits_0(shop: Shop, kubectl: Kubectl) -> None:
    assert shop.release("shop/crash:1", replicas=2).code == 1
    good = shop.release("shop/web:2", replicas=2, delay="500ms")
    assert good.code == 0, good.text
    assert good.report is not None and good.report["failures"] == []


def test_the_pods_of_the_last_release_are_not_blamed(shop: Shop) -> None:
    assert shop.release("shop/crash:1").code == 1
    late = shop.timed_out(deployment("web", "shop/never-ready:2"), "1 running but not ready")
    assert late.code == 3, late.text
    assert the_failure(late)["image"] == "shop/never-ready:2"
    assert "CrashLoopBackOff" not in late.text and "FATAL" not in late.text


def test_the_pods_of_somebody_else_are_not_blamed(shop: Shop, kubectl: Kubectl) -> None:
    other = pod("web-other", "shop/crash:1")
    other["metadata"]["labels"] = {"app": "web"}
    kubectl("-n", shop.namespace, "apply", "-f", "-", input=json.dumps(other))
    phase = "jsonpath={.status.containerStatuses[0].restartCount}"
    poll(lambda: kubectl("-n", shop.namespace, "get", "pod", "web-other", "-o", phase).stdout >= "2", "two restarts")
    good = shop.release("shop/web:1", delay="500ms")
    assert good.code == 0, good.text


def test_only_the_replicas_change(shop: Shop) -> None:
    assert shop.release("shop/web:1", replicas=1).code == 0
    for replicas in (3, 1, 0, 2):
        outcome = shop.release("shop/web:1", replicas=replicas)
        assert (outcome.code, actions(outcome)) == (0, {"Deployment/web": "configured"}), outcome.text


def test_the_servers_own_deadline(shop: Shop, cluster: Cluster) -> None:
    outcome = shop.release("shop/never-ready:1", spec={"progressDeadlineSeconds": 1})
    assert (outcome.code, the_failure(outcome)["reason"]) == (1, "ProgressDeadlineExceeded"), outcome.text
    pods = f"/api/v1/namespaces/{shop.namespace}/pods"
    poll(lambda: any(one["status"].get("containerStatuses") for one in cluster.get(pods)["items"]), "the pod's start")
    again = shop.release("shop/never-ready:1", spec={"progressDeadlineSeconds": 1})
    assert (again.code, actions(again)) == (1, {"Deployment/web": "unchanged"}), again.text
    failure = the_failure(again)
    assert (failure["reason"], failure["image"]) == ("ProgressDeadlineExceeded", "shop/never-ready:1")
    good = shop.release("shop/web:2", spec={"progressDeadlineSeconds": 120}, delay="500ms")
    assert good.code == 0, good.text


def test_without_failing_fast_only_the_server_decides(shop: Shop) -> None:
    outcome = shop.release("shop/pull-fail:1", "--no-fail-fast", spec={"progressDeadlineSeconds": 2})
    assert outcome.code == 1, outcome.text
    assert the_failure(outcome)["reason"] == "ProgressDeadlineExceeded"
    assert "ErrImagePull" in outcome.stderr or "ImagePullBackOff" in outcome.stderr, "seen, and not the verdict"


# -- while it is followed


def url(shop: Shop, name: str = "web") -> str:
    return f"/apis/apps/v1/namespaces/{shop.namespace}/deployments/{name}"


def test_deleted_while_it_is_followed(shop: Shop, cluster: Cluster) -> None:
    run = shop.start("shop/never-ready:1")
    run.wait_for("waiting for 1 object")
    assert cluster.request("DELETE", url(shop)).code == 200
    outcome = run.wait()
    assert (outcome.code, statuses(outcome)) == (1, {"Deployment/web": "not found"}), outcome.text
    assert "deleted while it was followed" in outcome.stderr
    assert the_failure(outcome)["reason"] == "Deleted"


def test_replaced_while_it_is_followed(shop: Shop, cluster: Cluster) -> None:
    run = shop.start("shop/never-ready:1")
    run.wait_for("waiting for 1 object")
    assert cluster.request("DELETE", url(shop)).code == 200
    other = deployment("web", "shop/web:1")
    poll(lambda: cluster.request("POST", url(shop, ""), other).code == 201, "the other Deployment")
    outcome = run.wait()
    assert (outcome.code, statuses(outcome)) == (1, {"Deployment/web": "not found"}), outcome.text


def test_changed_by_somebody_else_while_it_is_followed(shop: Shop, kubectl: Kubectl) -> None:
    """What is there is not ours any more: somebody's image is neither our success nor our broken pod."""
    run = shop.start("shop/never-ready:1")
    run.wait_for("waiting for 1 object")
    kubectl("-n", shop.namespace, "set", "image", "deployment/web", "app=shop/pull-fail:9")
    outcome = run.wait()
    assert outcome.code == 1, outcome.text
    failure = the_failure(outcome)
    assert (failure["reason"], failure["pod"]) == ("Superseded", None)
    assert "kubectl-set" in failure["message"]


# -- with a token of little power

DEPLOY = {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "list", "watch", "patch", "create"]}
FOLLOW = {"apiGroups": ["apps"], "resources": ["replicasets"], "verbs": ["get", "list", "watch"]}
PODS = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}


def as_robot(cluster: Cluster, namespace: str, *rules: dict[str, Any]) -> dict[str, str | None]:
    token = cluster.token(namespace, rules=rules)
    return {"KUBECONFIG": None, "K8S_API": cluster.server, "K8S_CA": str(cluster.ca), "K8S_TOKEN": token}


def test_without_logs_and_events(step: Step, cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    robot = as_robot(cluster, namespace, DEPLOY, FOLLOW, PODS)
    path = write(tmp_path / "release.yaml", deployment(image="shop/crash:1"))
    outcome = step("apply", "-f", path, "-n", namespace, env=robot, report=True)
    assert outcome.code == 1, outcome.text
    failure = failures(outcome)["Deployment/web"]
    assert (failure["reason"], failure["container"]) == ("CrashLoopBackOff", "app")
    assert "may not get pods/log" in outcome.stderr and "may not list events" in outcome.stderr


@pytest.mark.parametrize("rules", [(DEPLOY,), (DEPLOY, FOLLOW)], ids=["no-replicasets", "no-pods"])
def test_without_pods(
    rules: tuple[dict[str, Any], ...], step: Step, cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    robot = as_robot(cluster, namespace, *rules)
    good = write(tmp_path / "good.yaml", deployment(delay="500ms"))
    outcome = step("apply", "-f", good, "-n", namespace, env=robot)
    assert outcome.code == 0, outcome.text
    assert "pods" in outcome.stderr and "grant" in outcome.stderr
    bad = write(tmp_path / "bad.yaml", deployment(image="shop/pull-fail:1", spec={"progressDeadlineSeconds": 1}))
    outcome = step("apply", "-f", bad, "-n", namespace, env=robot, report=True)
    assert (outcome.code, the_failure(outcome)["reason"]) == (1, "ProgressDeadlineExceeded"), outcome.text


def test_a_token_that_may_only_get(step: Step, cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    """Neither list nor watch: each object is asked for by name."""
    only_get = {**DEPLOY, "verbs": ["get", "patch", "create"]}
    robot = as_robot(cluster, namespace, only_get)
    path = write(tmp_path / "release.yaml", deployment("one", delay="500ms"), deployment("two", delay="500ms"))
    outcome = step("apply", "-f", path, "-n", namespace, env=robot, report=True)
    assert outcome.code == 0, outcome.text
    assert "may not watch" in outcome.stderr


# -- several namespaces


def test_two_namespaces_in_one_release(step: Step, cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    other = cluster.namespace(f"{namespace}-other")
    objects = [deployment("web", "shop/web:1", namespace), deployment("web", "shop/pull-fail:1", other)]
    outcome = step("apply", "-f", write(tmp_path / "release.yaml", *objects), report=True)
    cluster.leave_namespace(other)
    assert outcome.code == 1, outcome.text
    assert the_failure(outcome)["object"] == f"apps/v1/Deployment/{other}/web"
    assert f"{other}/deployment.apps/web" in outcome.stderr
