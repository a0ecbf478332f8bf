from __future__ import annotations

from typing import Any

import pytest

from k8s_step.objects.kinds import pods
from k8s_step.verdict import podfailures
from k8s_step.verdict.podfailures import AT_ONCE, CONTAINER_GRACE, IMAGE_GRACE, complaint, symptoms
from tests.unit.samples import container, pod, running, terminated, waiting

IMAGE = "registry.example:5000/shop/web:1.0"
PULL = f'failed to pull and unpack image "{IMAGE}": failed to resolve reference "{IMAGE}": '
GRACES = [
    ("ErrImagePull", f"{PULL}{IMAGE}: not found", AT_ONCE),
    ("ErrImagePull", f"{PULL}pull access denied, repository does not exist or may require authorization", AT_ONCE),
    ("ErrImagePull", f"{PULL}unexpected status from HEAD request to https://r/v2/: 401 Unauthorized", AT_ONCE),
    ("ErrImagePull", "manifest unknown: manifest unknown", AT_ONCE),
    ("ErrImagePull", "invalid reference format", AT_ONCE),
    ("ErrImagePull", f"{PULL}429 Too Many Requests - toomanyrequests: rate limit, authentication denied", IMAGE_GRACE),
    ("ErrImagePull", f"{PULL}unexpected status: 503 Service Unavailable", IMAGE_GRACE),
    ("ErrImagePull", f"{PULL}dial tcp: lookup registry.example: no such host", IMAGE_GRACE),
    ("ErrImagePull", f"{PULL}dial tcp 10.0.0.1:443: i/o timeout", IMAGE_GRACE),
    ("ErrImagePull", f"{PULL}dial tcp 10.0.0.1:443: connect: connection refused", IMAGE_GRACE),
    ("ErrImagePull", f"{PULL}x509: certificate signed by unknown authority", IMAGE_GRACE),
    ("ErrImagePull", "error parsing HTTP 200 response body: invalid character '<' looking for value", IMAGE_GRACE),
    ("ErrImagePull", "", IMAGE_GRACE),
    ("ImagePullBackOff", f'Back-off pulling image "{IMAGE}"', IMAGE_GRACE),
    ("ImagePullBackOff", f'Back-off pulling image "{IMAGE}": ErrImagePull: {IMAGE}: not found', AT_ONCE),
    ("RegistryUnavailable", f"image pull failed for {IMAGE} because the registry is unavailable.", IMAGE_GRACE),
    ("SignatureValidationFailed", "no signature was found", IMAGE_GRACE),
    ("InvalidImageName", "couldn't parse image reference", AT_ONCE),
    ("ErrImageNeverPull", "is not present with pull policy of Never", AT_ONCE),
    ("CreateContainerConfigError", 'secret "db" not found', CONTAINER_GRACE),
    ("CreateContainerConfigError", "couldn't find key password in Secret shop/db", CONTAINER_GRACE),
    ("CreateContainerError", "context deadline exceeded", CONTAINER_GRACE),
    ("RunContainerError", "exec: no such file or directory", CONTAINER_GRACE),
]


@pytest.mark.parametrize(("reason", "message", "grace"), GRACES)
def test_the_grace_of_a_waiting_reason(reason: str, message: str, grace: float) -> None:
    (symptom,) = symptoms(pod(waiting(reason, message)))
    assert (symptom.reason, symptom.message, symptom.grace, symptom.container) == (reason, message, grace, "app")


@pytest.mark.parametrize(
    ("image", "message", "grace"),
    [
        ("shop/web:503", 'failed to resolve reference "docker.io/shop/web:503": docker.io/shop/web:503: not found', 0),
        ("shop/timeout-proxy:1", "docker.io/shop/timeout-proxy:1: not found", 0),
        ("shop/web:1", "GET https://r.example/v2/shop/web/manifests/500: not found", 0),
        ("shop/invalid-cards:1", 'Back-off pulling image "shop/invalid-cards:1"', 60),
        ("shop/access-denied:1", "dial tcp 10.0.0.1:443: connect: connection reset by peer shop/access-denied", 60),
        ("shop/web@sha256:0503", "shop/web@sha256:0503: not found", 0),
    ],
)
def test_the_words_of_the_image_itself_do_not_count(image: str, message: str, grace: float) -> None:
    state = {"waiting": {"reason": "ErrImagePull", "message": message}}
    (symptom,) = symptoms(pod(container(state, image=image)))
    assert symptom.grace == grace


@pytest.mark.parametrize("kind", ["secret", "configmap"])
def test_a_cache_that_syncs_is_no_symptom(kind: str) -> None:
    message = f"failed to sync {kind} cache: timed out waiting for the condition"
    assert symptoms(pod(waiting("CreateContainerConfigError", message))) == []


@pytest.mark.parametrize("reason", ["ContainerCreating", "PodInitializing", "SomethingNew", ""])
def test_other_waiting_reasons_are_no_symptoms(reason: str) -> None:
    assert symptoms(pod(waiting(reason))) == []


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (waiting("CrashLoopBackOff", "back-off 10s", restarts=0, last=terminated(1)), None),
        (waiting("CrashLoopBackOff", "back-off 10s", restarts=1, last=terminated(1)), None),
        (waiting("CrashLoopBackOff", "", restarts=2, last=terminated(1)), "exited with code 1, restarted 2 times"),
        (waiting("CrashLoopBackOff", "", restarts=2, last=terminated(0, "Completed")), "exited with code 0, restarted"),
        (waiting("CrashLoopBackOff", "back-off 20s", restarts=2), "back-off 20s"),
        (waiting("CrashLoopBackOff", "", restarts=3, last=terminated(137, "Error", signal=9)), "killed by signal 9"),
        (waiting("CrashLoopBackOff", "", restarts=3, last=terminated(1, message="no db\n")), "3 times: no db"),
        (
            waiting("CrashLoopBackOff", "", restarts=2, last=terminated(139)),
            "exited with code 139 (SIGSEGV), restarted 2",
        ),
        (waiting("CrashLoopBackOff", "", restarts=2, last=terminated(127)), "exited with code 127, restarted 2 times"),
        (container(terminated(1), restarts=2), "exited with code 1"),
        (container(terminated(1), restarts=1), None),
        (container(terminated(0, "Completed"), restarts=5), None),
        (running(restarts=7, last=terminated(1)), None),
    ],
)
def test_a_crash_loop_begins_at_the_second_restart(status: dict[str, Any], expected: str | None) -> None:
    found = symptoms(pod(status))
    assert [symptom.reason for symptom in found] == (["CrashLoopBackOff"] if expected else [])
    assert expected is None or expected in found[0].message


@pytest.mark.parametrize(
    "status",
    [
        waiting("CrashLoopBackOff", restarts=2, last=terminated(137, "OOMKilled")),
        container(terminated(137, "OOMKilled"), restarts=2),
    ],
)
def test_out_of_memory_is_named(status: dict[str, Any]) -> None:
    (symptom,) = symptoms(pod(status))
    assert symptom.reason == "OOMKilled"
    assert symptom.message == "killed for using more memory than its limit, exit code 137 (SIGKILL), restarted 2 times"
    assert symptom.crashed


def test_a_container_that_never_started_is_not_said_to_have_crashed_in_a_loop() -> None:
    last = terminated(128, "StartError", message="exec: /app: no such file")
    (symptom,) = symptoms(pod(waiting("CrashLoopBackOff", "back-off 10s", restarts=1, last=last)))
    assert (symptom.reason, symptom.family, symptom.grace) == ("RunContainerError", "RunContainerError", 15)
    assert symptom.message == "exec: /app: no such file"


def test_init_containers_come_first() -> None:
    init = container({"waiting": {"reason": "InvalidImageName"}}, name="migrate")
    found = symptoms(pod(waiting("CreateContainerError"), init=(init,)))
    assert [symptom.container for symptom in found] == ["migrate", "app"]


GATE = 'corresponding condition of pod readiness gate "lb" does not exist.'
GATED = pod(running(ready=True))
GATED["status"]["conditions"] = [
    {"type": "Ready", "status": "False", "reason": "ReadinessGatesNotReady", "message": GATE}
]
JOB = [{"kind": "Job", "uid": "job-1", "controller": True}]

UNSCHEDULABLE = {
    "kind": "Pod",
    "metadata": {"name": "web-1", "uid": "u"},
    "status": {
        "phase": "Pending",
        "conditions": [
            {
                "type": "PodScheduled",
                "status": "False",
                "reason": "Unschedulable",
                "message": "0/3 nodes are available: 3 Insufficient cpu.",
            }
        ],
    },
}


@pytest.mark.parametrize(
    ("given", "reason", "message"),
    [
        (pod(running(ready=True), ready=True), None, None),
        (pod(running(ready=True, restarts=3, last=terminated(1)), ready=True), None, None),
        (pod(container(terminated(0, "Completed")), phase="Succeeded"), None, None),
        (pod(running()), "ContainersNotReady", ""),
        (pod(running(restarts=1, last=terminated(0, "Completed"))), "ContainersNotReady", ""),
        (pod(running(restarts=1, last=terminated(2))), "Error", "exited with code 2, restarted once"),
        (pod(container(terminated(3)), phase="Failed"), "Error", "exited with code 3"),
        (pod(waiting("ContainerCreating"), phase="Pending"), "ContainerCreating", ""),
        (pod(waiting("ErrImagePull", "no"), phase="Pending"), "ErrImagePull", "no"),
        (UNSCHEDULABLE, "Unschedulable", "0/3 nodes are available: 3 Insufficient cpu."),
        ({"status": {"phase": "Failed", "reason": "Evicted", "message": "low on memory"}}, "Evicted", "low on memory"),
        ({"status": {"phase": "Pending"}}, "Pending", ""),
        ({}, "Pending", ""),
        (GATED, "ReadinessGatesNotReady", GATE),
        (pod(running(ready=True), ready=True, ownerReferences=JOB), "Running", ""),
        (pod(running(), ownerReferences=JOB), "ContainersNotReady", ""),
        (pod(container(terminated(0, "Completed")), phase="Succeeded", ownerReferences=JOB), None, None),
    ],
)
def test_what_a_pod_has_to_complain_of(given: dict[str, Any], reason: str | None, message: str | None) -> None:
    found = complaint(given)
    assert (found and found.reason, found and found.message) == (reason, message)


@pytest.mark.parametrize(
    ("given", "phrase"),
    [
        (pod(running(ready=True), ready=True), ""),
        (pod(running()), "running but not ready"),
        (pod(waiting("ContainerCreating"), phase="Pending"), "ContainerCreating"),
        (pod(phase="Pending"), "pending"),
        (UNSCHEDULABLE, "unschedulable: 0/3 nodes are available: 3 Insufficient cpu."),
        ({"status": {"conditions": None, "containerStatuses": None}}, "pending"),
    ],
)
def test_what_a_pod_waits_for(given: dict[str, Any], phrase: str) -> None:
    assert podfailures.waiting_for(given) == phrase


def test_who_is_alive() -> None:
    assert pods.is_alive(pod(running()))
    assert not pods.is_alive(pod(phase="Failed"))
    assert not pods.is_alive(pod(phase="Succeeded"))
    assert not pods.is_alive(pod(running(), deletionTimestamp="2026-11-22T10:00:00Z"))


def test_the_owner_is_the_controller() -> None:
    references = [{"kind": "Other", "uid": "a"}, {"kind": "ReplicaSet", "uid": "b", "controller": True}]
    assert pods.controller_of({"metadata": {"ownerReferences": references}})["uid"] == "b"
    assert pods.controller_of({"metadata": {"ownerReferences": None}}) == {}
    assert pods.controller_of({}) == {}


@pytest.mark.parametrize(
    "status",
    [None, {}, {"containerStatuses": [{}]}, {"containerStatuses": [{"state": None, "lastState": None, "name": None}]}],
)
def test_a_pod_that_says_little_is_read_all_the_same(status: Any) -> None:
    given = {"metadata": {"name": "x", "uid": "u"}, "status": status}
    assert symptoms(given) == []
    assert complaint(given) is not None
