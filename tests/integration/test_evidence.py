"""What a failed release leaves the engineer with: why, what it usually means, what to check, what could not be had."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Outcome, Step, poll
from tests.controlplane.cluster import Cluster
from tests.faults import proxy as faults
from tests.faults.proxy import Proxy, on
from tests.integration.objects import Object, claim, deployment, job, obj, through, workload, write
from tests.integration.outcomes import failures, statuses, the_failure

pytestmark = pytest.mark.usefixtures("played")


def apply(step: Step, namespace: str, folder: Path, *options: str, made: Sequence[Object], **more: Any) -> Outcome:
    path = write(folder / "release.yaml", *made)
    return step("apply", "-f", path, "-n", namespace, *options, report=True, **more)


def unfolded(outcome: Outcome) -> str:
    return " ".join(outcome.stderr.split())


# -- why it is not current


def named(name: str, image: str = "shop/web:1", spec: Object | None = None, **container: Any) -> Object:
    made = deployment(name, image)
    made["spec"]["template"]["spec"] |= spec or {}
    made["spec"]["template"]["spec"]["containers"][0] |= container
    return made


def mounting(name: str, claim_name: str) -> Object:
    return named(name, spec={"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": claim_name}}]})


HEALTHZ = {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 10}
LIVE = {"tcpSocket": {"port": 5432}, "periodSeconds": 5}
PROBE = "readiness: httpGet :8080/healthz, every 10s, timeout 1s"
MOUNT = 'MountVolume.SetUp failed for volume "config" : configmap "web" not found'
CRASHED = {"logs_of": "the run that crashed"}
NOT_CURRENT: list[tuple[Object, dict[str, Any]]] = [
    # what is released, and what its failure holds: a text is a part of the field
    (named("crash", "shop/crash:1"), {"exit_code": 1, "signal": None, "advice": "an error of its own", **CRASHED}),
    (named("absent", "shop/no-command:1"), {"exit_code": 127, "signal": None, "advice": "not in the image", **CRASHED}),
    (
        named("native", "shop/segfault:1"),
        {
            "message": "exited with code 139 (SIGSEGV)",
            "exit_code": 139,
            "signal": "SIGSEGV",
            "advice": "segmentation fault",
            **CRASHED,
        },
    ),
    (
        named("oom", "shop/oom:1"),
        {"reason": "OOMKilled", "message": "exit code 137 (SIGKILL)", "signal": "SIGKILL", "probe": None, **CRASHED},
    ),
    (
        named("stuck", "shop/liveness:1", livenessProbe=LIVE),
        {
            "exit_code": 137,
            "probe": "liveness: tcpSocket :5432, every 5s, timeout 1s",
            "advice": "liveness probe fails",
        },
    ),
    (
        named("unready", "shop/never-ready:1", readinessProbe=HEALTHZ),
        {
            "reason": "ContainersNotReady",
            "message": "Readiness probe failed: HTTP probe failed with statuscode: 503",
            "probe": PROBE,
            "probe_answer": "HTTP probe failed with statuscode: 503",
            "check": "what does it wait for?",
            "logs": ["listening on :8080", "GET /healthz 503"],
            "logs_of": "the current run",
            "events": "Unhealthy: Readiness probe failed",
        },
    ),
    (
        named("homeless", spec={"nodeSelector": {"disk": "none"}}),
        {
            "reason": "Unschedulable",
            "message": "3 node(s) didn't match Pod's node affinity/selector",
            "node": None,
            "check": "nodeSelector",
            "events": "FailedScheduling: 0/",
        },
    ),
    (
        mounting("unbound", "data"),
        {
            "reason": "Unschedulable",
            "message": "unbound immediate PersistentVolumeClaims",
            "claims": ["data: Pending, storage class no-such-class, 1Gi"],
            "events": "persistentvolumeclaim ProvisioningFailed: storageclass",
            "advice": "a claim of the pod has no volume",
        },
    ),
    (mounting("claimless", "gone"), {"reason": "Unschedulable", "claims": "gone: there is no claim of this name"}),
    (claim("data", "no-such-class"), {"reason": "ProvisioningFailed", "message": '"no-such-class" not found'}),
    (deployment("mounts", create_delay="1h"), {"reason": "ContainerCreating", "message": f"FailedMount: {MOUNT}"}),
]


def test_why_it_is_not_current(step: Step, cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    """Looked at once, when all of it has happened: in one run, which goes on after the first has failed."""
    path = write(tmp_path / "release.yaml", *(made for made, _ in NOT_CURRENT))
    assert step("apply", "-f", path, "-n", namespace, "--no-wait").code == 0
    poll(lambda: _has_happened(cluster, namespace), "all that keeps them from being current")
    run = step.start("status", "-f", path, "-n", namespace, "--no-fail-fast", report=True, own_clock=True)
    for made, _ in NOT_CURRENT:
        run.wait_for(f"/{made['metadata']['name']}: ")
    run.time_passes()
    outcome = run.wait()
    assert outcome.code == 3, outcome.text
    found, shown = failures(outcome), unfolded(outcome)
    for made, expected in NOT_CURRENT:
        failure = found[f"{made['kind']}/{made['metadata']['name']}"]
        for field, value in expected.items():
            is_part = isinstance(value, str) and value in str(failure[field])
            assert is_part or failure[field] == value, f"{field} of {failure}"
        assert failure["missing"] == [] and failure["advice"] and failure["check"]
        assert failure["reason"] in shown and f"check {failure['check']}" in shown
    for told in (f"probe {PROBE}", "claim data: Pending, storage class no-such-class, 1Gi"):
        assert told in shown


def _has_happened(cluster: Cluster, namespace: str) -> bool:
    """Two restarts of what crashes, and an event of each other kind."""
    pods = [one for one in _listed(cluster, namespace, "pods") if one["status"].get("containerStatuses")]
    for one in pods:
        if one["status"]["containerStatuses"][0]["state"].get("waiting", {}).get("reason") == "ContainerCreating":
            _event(cluster, one["metadata"], "FailedMount", MOUNT)
    crashed = [one for one in pods if one["status"]["containerStatuses"][0]["restartCount"] >= 2]
    reasons = [each["reason"] for each in _listed(cluster, namespace, "events")]
    scheduled = reasons.count("FailedScheduling") >= 3
    return (
        len(crashed) >= 5 and scheduled and {"FailedMount", "Killing", "Unhealthy", "ProvisioningFailed"} <= {*reasons}
    )


def _listed(cluster: Cluster, namespace: str, plural: str) -> list[dict[str, Any]]:
    return list(cluster.get(f"/api/v1/namespaces/{namespace}/{plural}")["items"])


def _event(cluster: Cluster, about: Mapping[str, Any], reason: str, message: str) -> None:
    involved = {"apiVersion": "v1", "kind": "Pod", "name": about["name"], "uid": about["uid"]}
    now = about["managedFields"][-1]["time"]
    event = obj("v1", "Event", f"{about['name']}.{reason.lower()}", type="Warning", reason=reason, message=message)
    event |= {"involvedObject": {**involved, "namespace": about["namespace"]}, "firstTimestamp": now, "count": 1}
    cluster.create(f"/api/v1/namespaces/{about['namespace']}/events", {**event, "lastTimestamp": now})


# -- pods that may not be created: quota and admission

AFTER = ("--fail-after", "FailedCreate=2s")
TEMPLATE = {"metadata": {"labels": {"app": "rc"}}, "spec": {"containers": [{"name": "app", "image": "shop/web:1"}]}}
REFUSED: list[Object] = [
    deployment(),
    workload("ReplicaSet", "rs", "shop/web:1"),
    workload("StatefulSet", "db", "redis:7"),
    workload("DaemonSet", "agent", "agent:1"),
    job("migrate", "shop/job-ok:1"),
    obj("v1", "ReplicationController", "rc", spec={"selector": {"app": "rc"}, "template": TEMPLATE}),
]


def limited(cluster: Cluster, namespace: str, pods: int) -> None:
    quota = obj("v1", "ResourceQuota", "small", spec={"hard": {"pods": str(pods)}})
    cluster.create(f"/api/v1/namespaces/{namespace}/resourcequotas", quota)


def test_a_quota_that_is_used_up(step: Step, cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    """A run for each kind, all at the same time."""
    limited(cluster, namespace, pods=0)
    runs = []
    for made in REFUSED:
        path = write(tmp_path / f"{made['kind']}.yaml", made)
        runs.append(step.start("apply", "-f", path, "-n", namespace, *AFTER, report=True))
    for made, run in zip(REFUSED, runs, strict=True):
        outcome = run.wait()
        assert outcome.code == 1, outcome.text
        assert statuses(outcome) == {f"{made['kind']}/{made['metadata']['name']}": "failed"}
        failure = the_failure(outcome)
        assert failure["reason"] == "FailedCreate"
        assert "exceeded quota: small, requested: pods=1, used: pods=0, limited: pods=0" in failure["message"]
        assert "quota is used up" in failure["advice"] and "quota" in failure["check"]
        assert sum("FailedCreate: " in line for line in failure["events"]) == 1  # each try names another pod


def test_a_selector_of_expressions_alone(
    step: Step, cluster: Cluster, namespace: str, tmp_path: Path, proxy: Proxy
) -> None:
    """Neither the watches nor the evidence ask for what is another workload's."""
    limited(cluster, namespace, pods=0)
    made = deployment()
    made["spec"]["selector"] = {"matchExpressions": [{"key": "app", "operator": "In", "values": ["web", "api"]}]}
    outcome = apply(step, namespace, tmp_path, *AFTER, made=[made], env=through(proxy))
    assert (outcome.code, the_failure(outcome)["reason"]) == (1, "FailedCreate"), outcome.text
    assert sum("FailedCreate: " in line for line in the_failure(outcome)["events"]) == 1, "its ReplicaSet's events"
    asked = [one for one in proxy.requests if one.method == "GET" and re.search("/(pods|replicasets)$", one.path)]
    assert {one.query.get("labelSelector") for one in asked} == {"app in (web,api)"}
    lists = [one for one in asked if one.path.endswith("/replicasets") and not one.watch]
    assert len(lists) == 2, "the watch's and the evidence's"


def test_a_statefulset_that_gets_one_pod_of_three(step: Step, cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    limited(cluster, namespace, pods=1)
    made = workload("StatefulSet", "db", "redis:7", spec={"replicas": 3})
    outcome = apply(step, namespace, tmp_path, *AFTER, made=[made])
    assert outcome.code == 1, outcome.text
    failure = the_failure(outcome)
    assert failure["reason"] == "FailedCreate" and 'pods "db-1" is forbidden: exceeded quota' in failure["message"]


def test_what_admission_says(step: Step, cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    words = "images must come from registry.example"
    group, name = "admissionregistration.k8s.io", f"only-{namespace}"
    pods = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    only_here = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    spec = {
        "matchConstraints": {"resourceRules": [pods], "namespaceSelector": only_here},
        "validations": [{"expression": "false", "message": words}],
    }
    policy = obj(f"{group}/v1", "ValidatingAdmissionPolicy", name, spec=spec)
    bound = {"policyName": name, "validationActions": ["Deny"]}
    binding = obj(f"{group}/v1", "ValidatingAdmissionPolicyBinding", name, spec=bound)
    paths = [f"/apis/{group}/v1/{one['kind'].lower()[:-1]}ies" for one in (policy,)]
    paths.append(f"/apis/{group}/v1/validatingadmissionpolicybindings")
    for path, one in zip(paths, (policy, binding), strict=True):
        cluster.create(path, one)
    try:
        probe = json.dumps(obj("v1", "Pod", "probe", spec={"containers": [{"name": "a", "image": "a"}]}))
        url = f"/api/v1/namespaces/{namespace}/pods"
        poll(lambda: cluster.request("POST", url, probe, dryRun="All").code >= 400, "the policy in force")
        made = workload("StatefulSet", "db", "redis:7")
        outcome = apply(step, namespace, tmp_path, *AFTER, made=[made])
    finally:
        for path in paths:
            cluster.request("DELETE", f"{path}/{name}")
    assert outcome.code == 1, outcome.text
    failure = the_failure(outcome)
    assert failure["reason"] == "FailedCreate"
    assert failure["message"].endswith(f"denied request: {words}")
    assert "policy" in failure["advice"]


def test_without_permission_for_events_it_goes_on(step: Step, cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    limited(cluster, namespace, pods=0)
    token = cluster.token(namespace, rules=RULES)
    environment = {"KUBECONFIG": None, "K8S_API": cluster.server, "K8S_CA": str(cluster.ca), "K8S_TOKEN": token}
    path = write(tmp_path / "release.yaml", workload("StatefulSet", "db", "redis:7"))
    run = step.start("apply", "-f", path, "-n", namespace, *AFTER, env=environment, report=True)
    run.wait_for("whose pods may not be created is not seen early: grant list on events")
    run.signal(signal.SIGTERM)
    outcome = run.wait()
    assert outcome.code == 143, outcome.text
    (missing,) = the_failure(outcome)["missing"]
    told = f"this token may not list events in namespace {namespace}: grant list on events"
    assert told in missing and told in unfolded(outcome)


RULES = [
    {"apiGroups": ["apps"], "resources": ["deployments", "statefulsets", "replicasets"], "verbs": ["*"]},
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]},
]


# -- what can't be had


def test_a_token_that_may_read_neither_logs_nor_events(
    step: Step, cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    token = cluster.token(namespace, rules=RULES)
    environment = {"KUBECONFIG": None, "K8S_API": cluster.server, "K8S_CA": str(cluster.ca), "K8S_TOKEN": token}
    outcome = apply(step, namespace, tmp_path, made=[deployment(image="shop/crash:1")], env=environment)
    assert outcome.code == 1, outcome.text
    failure = the_failure(outcome)
    assert (failure["reason"], failure["exit_code"], failure["logs"], failure["events"]) == (
        "CrashLoopBackOff",
        1,
        [],
        [],
    )
    for what in ("list events", "get pods/log"):
        verb, resource = what.split()
        told = f"this token may not {what} in namespace {namespace}: grant {verb} on {resource}"
        assert told in unfolded(outcome) and any(told in line for line in failure["missing"])
    assert "k8s-step permissions -f" in outcome.stderr


def _cut(proxy: Proxy) -> None:
    proxy.rule(on("GET", "/log$|/events$"), faults.cut_before(), times=None)


def _gone(proxy: Proxy) -> None:
    proxy.rule(on("GET", "/log$|/events$"), faults.stall(), times=None)


@pytest.mark.parametrize("away", [_cut, _gone], ids=["cut", "silent"])
def test_a_server_that_is_away_by_then(
    away: Callable[[Proxy], None], step: Step, namespace: str, proxy: Proxy, tmp_path: Path
) -> None:
    away(proxy)
    outcome = apply(step, namespace, tmp_path, made=[deployment(image="shop/crash:1")], env=through(proxy))
    assert outcome.code == 1, outcome.text
    failure = the_failure(outcome)
    assert (failure["reason"], failure["pod"][:4]) == ("CrashLoopBackOff", "web-")
    (missing,) = failure["missing"]
    assert "no evidence: the server does not answer" in missing and "Traceback" not in outcome.text
    asked = [one for one in proxy.requests if one.path.endswith(("/log", "/events"))]
    assert 1 <= len(asked) <= 3


# -- cancelled


def test_a_cancelled_run_leaves_the_evidence_so_far(step: Step, namespace: str, tmp_path: Path) -> None:
    path = write(
        tmp_path / "release.yaml", named("web", "shop/never-ready:1", readinessProbe=HEALTHZ), deployment("good")
    )
    run = step.start("apply", "-f", path, "-n", namespace, report=True)
    run.wait_for("running but not ready")
    run.signal(signal.SIGTERM)
    outcome = run.wait()
    assert outcome.code == 143, outcome.text
    failure = the_failure(outcome)
    assert failure["object"].endswith("/web") and failure["reason"] == "ContainersNotReady"
    assert (failure["probe_answer"] and failure["logs"] and failure["events"]) or failure["missing"]  # no time left
    assert "deployment.apps/web is not current: ContainersNotReady" in outcome.stderr


def test_cancelled_while_the_evidence_is_gathered_what_is_known_is_told(
    step: Step, namespace: str, proxy: Proxy, tmp_path: Path
) -> None:
    rule = proxy.rule(on("GET", "/events$|/log$"), faults.stall(), times=None)
    path = write(tmp_path / "release.yaml", deployment(image="shop/crash:1"))
    run = step.start("apply", "-f", path, "-n", namespace, env=through(proxy), report=True)
    poll(lambda: rule.used, "the request for evidence")
    run.signal(signal.SIGTERM)
    outcome = run.wait()
    assert outcome.code == 143, outcome.text
    failure = the_failure(outcome)
    assert (failure["reason"], failure["exit_code"], failure["container"]) == ("CrashLoopBackOff", 1, "app")
    assert "deployment.apps/web failed: CrashLoopBackOff" in outcome.stderr
