from __future__ import annotations

import re

import pytest

from k8s_step.verdict import podfailures
from k8s_step.verdict.evidence import advice as table
from k8s_step.verdict.evidence.advice import Advice, advice, probe_advice
from k8s_step.verdict.terms import patience

QUOTA = 'pods "web-0" is forbidden: exceeded quota: small, requested: pods=1, used: pods=3, limited: pods=3'
WEBHOOK = 'admission webhook "policy.example.com" denied the request: image must come from registry.example'

WORDS = [
    # reason, message, exit code, a word of what it means, a word of what to check
    ("ErrImagePull", "registry.example/web:1: not found", None, "no such image or tag", "was it pushed"),
    ("ImagePullBackOff", "manifest unknown", None, "no such image or tag", "was it pushed"),
    ("ErrImagePull", "pull access denied, repository does not exist or may require", None, "may not read", "imagePull"),
    ("ErrImagePull", "401 Unauthorized", None, "may not read", "imagePullSecrets"),
    ("ErrImagePull", "429 Too Many Requests - toomanyrequests: denied", None, "limits how often", "mirror"),
    ("ErrImagePull", "503 Service Unavailable", None, "registry is down", "DNS"),
    ("ErrImagePull", "dial tcp 10.0.0.1:443: i/o timeout", None, "registry is down", "firewall"),
    ("ErrImagePull", "x509: certificate signed by unknown authority", None, "does not trust", "CA"),
    ("ErrImagePull", "no match for platform in manifest: not found", None, "architecture", "kubernetes.io/arch"),
    ("ErrImagePull", "", None, "cannot get the image", "registry"),
    ("CrashLoopBackOff", "", 1, "error of its own", "last lines"),
    ("CrashLoopBackOff", "", 42, "error of its own", "last lines"),
    ("CrashLoopBackOff", "", 0, "as if its work were done", "foreground"),
    ("CrashLoopBackOff", "", 126, "can't be executed", "chmod +x"),
    ("CrashLoopBackOff", "", 127, "not in the image", "PATH"),
    ("BackoffLimitExceeded", "Job has reached the specified backoff limit", 137, "killed", "memory"),
    ("Error", "", 139, "segmentation fault", "architecture"),
    ("CrashLoopBackOff", "", 143, "asked to end", "Killing"),
    ("BackoffLimitExceeded", "", None, "backoffLimit", "last lines"),
    ("OOMKilled", "", 137, "more memory than its limit", "limits.memory"),
    ("RunContainerError", 'exec: "/app": stat /app: no such file or directory', 128, "not in the image", "PATH"),
    ("RunContainerError", 'exec: "/app": permission denied', 128, "may not be executed", "chmod +x"),
    ("StartError", "exec format error", 128, "another architecture", "kubernetes.io/arch"),
    ("CreateContainerConfigError", 'secret "db" not found', None, "Secret, ConfigMap or key", "namespace"),
    ("CreateContainerConfigError", "couldn't find key password in Secret shop/db", None, "not this key", "kubectl"),
    ("CreateContainerConfigError", "container has runAsNonRoot and image will run as root", None, "root", "USER"),
    ("FailedCreate", QUOTA, None, "quota is used up", "maxSurge"),
    ("FailedCreate", "failed quota: small: must specify limits.cpu for: app", None, "wants each", "limits"),
    ("FailedCreate", WEBHOOK, None, "policy of the cluster", "names the policy"),
    ("FailedCreate", 'failed calling webhook "x": context deadline exceeded', None, "does not answer", "behind"),
    ("FailedCreate", 'violates PodSecurity "restricted:latest": privileged', None, "Pod Security", "securityContext"),
    ("FailedCreate", "error looking up service account shop/robot: not found", None, "does not exist", "spelled"),
    ("FailedCreate", "maximum cpu usage per Container is 1, but limit is 2", None, "LimitRange", "limitrange"),
    ("FailedMount", 'MountVolume.SetUp failed for volume "c" : configmap "c" not found', None, "ConfigMap", "name"),
    ("FailedAttachVolume", 'Multi-Attach error for volume "x"', None, "another pod", "Recreate"),
    ("Unschedulable", "0/3 nodes are available: 3 Insufficient cpu.", None, "no node has room", "requests"),
    ("Unschedulable", "1 node(s) had untolerated taint {a: b}", None, "taint", "tolerations"),
    ("Unschedulable", "pod has unbound immediate PersistentVolumeClaims", None, "claim", "provisions"),
    ("Unschedulable", "", None, "no node can take the pod", "tolerations"),
    ("", "waiting for a load balancer address", None, "given the Service an address", "controller"),
]


@pytest.mark.parametrize(("reason", "message", "code", "likely", "check"), WORDS)
def test_what_it_means_and_what_to_check(reason: str, message: str, code: int | None, likely: str, check: str) -> None:
    found = advice(reason, message, code)
    assert likely in found.likely
    assert found.check and check in found.check


def test_of_several_causes_that_keep_nodes_away_all_are_named() -> None:
    message = "0/5 nodes are available: 2 Insufficient memory, 3 node(s) had untolerated taint {gpu: true}."
    found = advice("Unschedulable", message)
    assert "no node has room" in found.likely and "taint" in found.likely
    assert "resources.requests" in found.check and "tolerations" in found.check


def test_what_the_status_says_and_what_the_event_says_mean_the_same() -> None:
    message = "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) were unschedulable."
    assert advice("FailedScheduling", message) == advice("Unschedulable", message)
    assert "cordoned" in advice("FailedScheduling", message).likely


@pytest.mark.parametrize(
    ("kind", "answer", "likely", "check"),
    [
        ("readiness", "", "its readiness probe does not succeed", "answer"),
        ("readiness", "HTTP probe failed with statuscode: 401", "wants credentials", "without them"),
        ("readiness", "Get http://10.0.0.1:80/: http: server gave HTTP response to HTTPS client", "HTTPS", "scheme"),
        ("readiness", 'exec: "curl": executable file not found in $PATH: unknown', "not in the image", "curl"),
        (
            "liveness",
            "dial tcp 10.0.0.1:80: connect: connection refused",
            "kubelet stops and restarts it: no",
            "0.0.0.0",
        ),
        ("startup", "context deadline exceeded", "its startup probe does not succeed: it does not", "timeoutSeconds"),
        (
            "liveness",
            "cat: can't open '/tmp/healthy': No such file or directory",
            "kubelet stops and restarts it",
            "longer to start",
        ),
    ],
)
def test_what_a_probes_answer_means(kind: str, answer: str, likely: str, check: str) -> None:
    found = probe_advice(kind, answer)
    assert likely in found.likely and check in found.check


@pytest.mark.parametrize(
    "reason", [*podfailures._WAITING, *patience.REASONS, "ProgressDeadlineExceeded", "BackoffLimitExceeded", "Evicted"]
)
def test_every_reason_of_the_table_has_advice(reason: str) -> None:
    assert all(advice(reason))


def test_no_advice_is_better_than_a_guess() -> None:
    assert advice("SomethingNew", "x") == Advice()
    assert advice("SomethingNew", "x", 1) == Advice()


def test_reasons_are_spelled_as_kubernetes_spells_them() -> None:
    spelled = {*table.BY_REASON, *table._BY_WORDS, *table._ENDED} - {""}
    assert [reason for reason in spelled if not re.fullmatch("[A-Z][A-Za-z]+", reason)] == []
