"""Every play, seen through the real kubectl: what the pod says, its events, its logs."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import Kubectl, poll
from tests.controlplane import plays
from tests.controlplane.cluster import Cluster

pytestmark = pytest.mark.usefixtures("played")


class Stage:
    """A namespace in which pods are put up and looked at."""

    def __init__(self, cluster: Cluster, kubectl: Kubectl, namespace: str) -> None:
        self._cluster = cluster
        self._kubectl = kubectl
        self._namespace = namespace

    def kubectl(self, *args: str, **options: Any) -> str:
        return str(self._kubectl("-n", self._namespace, *args, **options).stdout)

    def put(
        self, *images: str, name: str = "pod", init: tuple[str, ...] = (), policy: str = "Always", **notes: str
    ) -> None:
        spec = {
            "containers": [{"name": f"c{number}", "image": image} for number, image in enumerate(images)],
            "initContainers": [{"name": f"i{number}", "image": image} for number, image in enumerate(init)],
            "restartPolicy": policy,
        }
        annotations = {f"{plays.PREFIX}/{key.replace('_', '-')}": value for key, value in notes.items()}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "annotations": annotations}, "spec": spec}
        self.kubectl("apply", "-f", "-", input=json.dumps(pod))

    def pod(self, name: str = "pod") -> dict[str, Any]:
        return self._cluster.request("GET", f"/api/v1/namespaces/{self._namespace}/pods/{name}").body

    def until(self, condition: Callable[[dict[str, Any]], Any], what: str, name: str = "pod") -> dict[str, Any]:
        seen: dict[str, Any] = {}

        def check() -> bool:
            seen.update(self.pod(name))
            return bool(condition(seen))

        poll(check, what)
        return seen

    def events(self) -> list[tuple[str, str, str]]:
        found = json.loads(self.kubectl("get", "events", "-o", "json"))["items"]
        return [
            (each["type"], each["reason"], each["message"]) for each in found if each["involvedObject"]["kind"] == "Pod"
        ]


@pytest.fixture
def stage(cluster: Cluster, kubectl: Kubectl, namespace: str) -> Stage:
    return Stage(cluster, kubectl, namespace)


def container(pod: dict[str, Any], number: int = 0, kind: str = "containerStatuses") -> dict[str, Any]:
    statuses = pod["status"].get(kind) or [{}] * (number + 1)
    return dict(statuses[number])


def waiting(pod: dict[str, Any], kind: str = "containerStatuses") -> dict[str, Any]:
    return dict((container(pod, kind=kind).get("state") or {}).get("waiting") or {})


def condition(pod: dict[str, Any], name: str) -> dict[str, Any]:
    return next((dict(each) for each in pod["status"].get("conditions", ()) if each["type"] == name), {})


def ready(pod: dict[str, Any]) -> bool:
    return condition(pod, "Ready").get("status") == "True"


def test_an_ordinary_deployment_is_ready_at_once(stage: Stage) -> None:
    stage.kubectl("create", "deployment", "web", "--image=nginx:1.29", "--replicas=3")
    stage.kubectl("rollout", "status", "deployment/web", "--timeout=20s")
    pods = json.loads(stage.kubectl("get", "pods", "-l", "app=web", "-o", "json"))["items"]
    assert len({pod["status"]["podIP"] for pod in pods}) == 3
    for pod in pods:
        assert (pod["status"]["phase"], container(pod)["ready"], container(pod)["started"]) == ("Running", True, True)
        types = {each["type"] for each in pod["status"]["conditions"]}
        assert types >= {"PodScheduled", "Initialized", "ContainersReady", "Ready"}
        assert container(pod)["imageID"].startswith("docker.io/library/nginx@sha256:")


def test_a_new_revision_replaces_the_old_pods(stage: Stage) -> None:
    stage.kubectl("create", "deployment", "web", "--image=nginx:1", "--replicas=2")
    stage.kubectl("rollout", "status", "deployment/web", "--timeout=20s")
    stage.kubectl("set", "image", "deployment/web", "nginx=nginx:2")
    stage.kubectl("rollout", "status", "deployment/web", "--timeout=20s")
    poll(
        lambda: (
            stage.kubectl("get", "pods", "-o", "jsonpath={.items[*].spec.containers[0].image}") == "nginx:2 nginx:2"
        ),
        "the old pods to be gone",
    )


@pytest.mark.parametrize("put", [{"images": ("app:ready-after-1s",)}, {"images": ("app",), "delay": "1s"}])
def test_ready_after_a_while(stage: Stage, put: dict[str, Any]) -> None:
    stage.put(*put.pop("images"), **put)
    pod = stage.until(lambda pod: container(pod).get("started"), "the container to run")
    assert (pod["status"]["phase"], ready(pod), container(pod)["ready"]) == ("Running", False, False)
    assert condition(pod, "Ready")["reason"] == "ContainersNotReady"
    stage.until(ready, "the pod to be ready")


def test_creating_for_a_while(stage: Stage) -> None:
    stage.put("app", create_delay="1s")
    stage.until(lambda pod: waiting(pod).get("reason") == "ContainerCreating", "ContainerCreating")
    stage.until(ready, "the pod to be ready")


@pytest.mark.parametrize(
    ("image", "words"),
    [
        ("pull-fail:1", "docker.io/library/pull-fail:1: not found"),
        ("registry.example:5000/shop/pull-fail", "registry.example:5000/shop/pull-fail:latest: not found"),
        ("pull-rate-limited", "429 Too Many Requests"),
        ("pull-denied", "pull access denied"),
        ("pull-unavailable", "503 Service Unavailable"),
    ],
)
def test_failed_pulls(stage: Stage, image: str, words: str) -> None:
    stage.put(image)
    first = stage.until(lambda pod: waiting(pod).get("reason") == "ErrImagePull", "ErrImagePull")
    assert first["status"]["phase"] == "Pending"
    assert words in waiting(first)["message"]
    then = stage.until(lambda pod: waiting(pod).get("reason") == "ImagePullBackOff", "ImagePullBackOff")
    assert waiting(then)["message"] == f'Back-off pulling image "{image}": ErrImagePull: {waiting(first)["message"]}'
    stage.until(lambda pod: waiting(pod).get("reason") == "ErrImagePull", "ErrImagePull again")
    event = ("Warning", "Failed", f'Failed to pull image "{image}": {waiting(first)["message"]}')
    poll(lambda: event in stage.events(), "the kubelet's event")
    refused = stage._kubectl("-n", stage._namespace, "logs", "pod", check=False)
    assert "is waiting to start" in refused.stderr


def test_a_pull_that_works_the_second_time(stage: Stage) -> None:
    stage.put("pull-retry")
    stage.until(ready, "the pod to be ready")
    # ErrImagePull itself soon passes; its event stays.
    poll(lambda: any("503 Service Unavailable" in message for _, _, message in stage.events()), "the kubelet's event")


@pytest.mark.parametrize(
    ("image", "reason", "words"),
    [
        ("config-error", "CreateContainerConfigError", 'secret "app-secrets" not found'),
        ("create-error", "CreateContainerError", "is reserved"),
        ("run-error", "RunContainerError", "no such file or directory"),
        ("invalid-name", "InvalidImageName", "invalid reference format"),
        ("never-pull", "ErrImageNeverPull", "pull policy of Never"),
    ],
)
def test_containers_that_never_start(stage: Stage, image: str, reason: str, words: str) -> None:
    stage.put(image)
    pod = stage.until(lambda pod: waiting(pod).get("reason") == reason, reason)
    assert words in waiting(pod)["message"]
    assert (pod["status"]["phase"], ready(pod)) == ("Pending", False)
    poll(lambda: any(words in message for _, _, message in stage.events()), "the kubelet's event")


@pytest.mark.parametrize(
    ("image", "reason", "code"), [("crash", "Error", 1), ("oom", "OOMKilled", 137), ("liveness", "Error", 137)]
)
def test_crash_loops(stage: Stage, image: str, reason: str, code: int) -> None:
    stage.put(image)
    pod = stage.until(
        lambda pod: waiting(pod).get("reason") == "CrashLoopBackOff" and container(pod)["restartCount"] >= 2,
        "two restarts",
    )
    ended = container(pod)["lastState"]["terminated"]
    assert (ended["reason"], ended["exitCode"], pod["status"]["phase"]) == (reason, code, "Running")
    assert waiting(pod)["message"].startswith("back-off 20s restarting failed container=c0 pod=pod_")
    assert not ready(pod)
    stage.until(lambda pod: container(pod)["restartCount"] >= 3, "another restart")
    poll(lambda: any(reason == "BackOff" for _, reason, _ in stage.events()), "the kubelet's event")
    words = "Container c0 failed liveness probe, will be restarted"
    poll(lambda: image != "liveness" or ("Normal", "Killing", words) in stage.events(), "the event of its end")


def test_logs_of_the_run_that_crashed(stage: Stage) -> None:
    stage.put("crash")
    stage.until(lambda pod: waiting(pod).get("reason") == "CrashLoopBackOff", "CrashLoopBackOff")
    log = stage.kubectl("logs", "pod", "-c", "c0", "--previous")
    assert log.splitlines() == ["starting", "connecting to db:5432", "FATAL: password authentication failed"]
    assert stage.kubectl("logs", "pod", "--previous", "--tail=1") == "FATAL: password authentication failed\n"


def test_no_previous_log_where_nothing_ended(stage: Stage) -> None:
    stage.put("nginx", log="one\ntwo")
    stage.until(ready, "the pod to be ready")
    assert stage.kubectl("logs", "pod") == "one\ntwo\n"
    refused = stage._kubectl("-n", stage._namespace, "logs", "pod", "--previous", check=False)
    assert 'previous terminated container "c0" in pod "pod" not found' in refused.stderr


def test_crashes_once_then_runs(stage: Stage) -> None:
    stage.put("crash-once")
    pod = stage.until(ready, "the pod to be ready")
    assert (container(pod)["restartCount"], container(pod)["lastState"]["terminated"]["exitCode"]) == (1, 1)


def test_is_ready_for_a_moment_before_each_crash(stage: Stage) -> None:
    stage.put("crash-ready")
    stage.until(ready, "the pod to be ready")
    stage.until(lambda pod: waiting(pod).get("reason") == "CrashLoopBackOff", "CrashLoopBackOff")


def test_never_ready(stage: Stage) -> None:
    stage.put("never-ready")
    pod = stage.until(lambda pod: container(pod).get("started"), "the container to run")
    assert (pod["status"]["phase"], ready(pod)) == ("Running", False)
    poll(lambda: any(reason == "Unhealthy" for _, reason, _ in stage.events()), "the probe's event")


def test_an_init_container_that_crashes(stage: Stage) -> None:
    stage.put("nginx", init=("busybox", "init-crash"))
    pod = stage.until(
        lambda pod: container(pod, 1, "initContainerStatuses").get("restartCount", 0) >= 2, "two restarts"
    )
    assert container(pod, 0, "initContainerStatuses")["state"]["terminated"]["exitCode"] == 0
    assert (waiting(pod)["reason"], pod["status"]["phase"]) == ("PodInitializing", "Pending")
    assert condition(pod, "Initialized")["status"] == "False"


def test_an_init_container_whose_image_is_not_there(stage: Stage) -> None:
    stage.put("nginx", init=("pull-fail",))
    stage.until(
        lambda pod: waiting(pod, "initContainerStatuses").get("reason") == "ImagePullBackOff", "ImagePullBackOff"
    )


def test_one_bad_container_of_two(stage: Stage) -> None:
    stage.put("nginx", "crash")
    pod = stage.until(lambda pod: container(pod, 1).get("restartCount", 0) >= 1, "a restart")
    assert (container(pod, 0)["ready"], container(pod, 1)["ready"], ready(pod)) == (True, False, False)


@pytest.mark.parametrize(
    ("image", "condition", "code"), [("job-ok", "Complete", 0), ("job-fail", "Failed", 3), ("perl", "Complete", 0)]
)
def test_jobs(stage: Stage, image: str, condition: str, code: int) -> None:
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "job"},
        "spec": {
            "backoffLimit": 0,
            "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": image}]}},
        },
    }
    stage.kubectl("apply", "-f", "-", input=json.dumps(job))
    stage.kubectl("wait", f"--for=condition={condition}", "job/job", "--timeout=20s")
    pod = json.loads(stage.kubectl("get", "pods", "-l", "job-name=job", "-o", "json"))["items"][0]
    assert container(pod)["state"]["terminated"]["exitCode"] == code
    assert pod["status"]["phase"] == ("Failed" if code else "Succeeded")


def test_a_jobs_log_is_followed_to_its_end(stage: Stage) -> None:
    stage.put("job-ok", policy="Never", delay="1s")
    stage.until(lambda pod: container(pod).get("started"), "the container to run")
    log = stage.kubectl("logs", "-f", "pod")
    assert log.splitlines() == ["migrating", "applied 0001_users", "applied 0002_orders", "done"]
    stage.until(lambda pod: pod["status"]["phase"] == "Succeeded", "the pod to succeed")


def test_terminating_for_a_while(stage: Stage) -> None:
    stage.put("nginx", termination="1s")
    stage.until(ready, "the pod to be ready")
    stage.kubectl("delete", "pod", "pod", "--wait=false")
    assert stage.pod()["metadata"]["deletionTimestamp"]
    poll(lambda: stage.pod().get("code") == 404, "the pod to be gone")


def test_load_balancers_get_an_address(stage: Stage) -> None:
    stage.kubectl("create", "service", "loadbalancer", "shop", "--tcp=80")
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "none", "annotations": {f"{plays.PREFIX}/no-address": "true"}},
        "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]},
    }
    stage.kubectl("apply", "-f", "-", input=json.dumps(service))
    address = "jsonpath={.status.loadBalancer.ingress[0].ip}"
    poll(lambda: stage.kubectl("get", "service", "shop", "-o", address).startswith("203.0.113."), "an address")
    assert stage.kubectl("get", "service", "none", "-o", address) == ""


def test_claims_get_volumes(stage: Stage, cluster: Cluster, namespace: str) -> None:
    for name in ("immediate", "wait-for-consumer", "unprovisioned"):
        spec = {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": name,
            "resources": {"requests": {"storage": "1Gi"}},
        }
        claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": spec}
        stage.kubectl("apply", "-f", "-", input=json.dumps(claim))
    phase = "jsonpath={.status.phase}"
    poll(lambda: stage.kubectl("get", "pvc", "immediate", "-o", phase) == "Bound", "the claim to be bound")
    assert stage.kubectl("get", "pvc", "wait-for-consumer", "-o", phase) == "Pending"
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "user"},
        "spec": {
            "containers": [{"name": "app", "image": "nginx"}],
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "wait-for-consumer"}}],
        },
    }
    stage.kubectl("apply", "-f", "-", input=json.dumps(pod))
    poll(lambda: stage.kubectl("get", "pvc", "wait-for-consumer", "-o", phase) == "Bound", "the claim to be bound")
    assert stage.kubectl("get", "pvc", "unprovisioned", "-o", phase) == "Pending"
    cluster.volume(namespace, "unprovisioned")
    poll(lambda: stage.kubectl("get", "pvc", "unprovisioned", "-o", phase) == "Bound", "the claim to be bound")


@pytest.mark.parametrize("kind", ["DaemonSet", "StatefulSet"])
def test_other_workloads(stage: Stage, kind: str) -> None:
    spec: dict[str, Any] = {
        "selector": {"matchLabels": {"app": "x"}},
        "template": {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "app", "image": "nginx"}]}},
    }
    if kind == "StatefulSet":
        spec.update(serviceName="x", replicas=3)
    workload = {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "x"}, "spec": spec}
    stage.kubectl("apply", "-f", "-", input=json.dumps(workload))
    stage.kubectl("rollout", "status", f"{kind.lower()}/x", "--timeout=20s")
    assert len(stage.kubectl("get", "pods", "-l", "app=x", "-o", "name").split()) == 3
