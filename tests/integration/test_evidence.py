"""What a failed release leaves the engineer with: why, what it usually means, what to check, what could not be had."""

from __future__ import annotations

import json
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

Failure = Mapping[str, Any]


def apply(step: Step, namespace: str, folder: Path, *options: str, made: Sequence[Object], **more: Any) -> Outcome:
    path = write(folder / "release.yaml", *made)
    return step("apply", "-f", path, "-n", namespace, *options, report=True, **more)


def unfolded(outcome: Outcome) -> str:
    return " ".join(outcome.stderr.split())


# -- probes


def probed(image: str, **probe: Any) -> Object:
    made = deployment(image=image)
    own = {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 10, **probe}
    made["spec"]["template"]["spec"]["containers"][0]["readinessProbe"] = own
    return made


def test_a_probe_and_its_answer(step: Step, namespace: str, tmp_path: Path) -> None:
    outcome = apply(step, namespace, tmp_path, "--timeout", "2s", made=[probed("shop/never-ready:1")])
    assert outcome.code == 3, outcome.text
    failure = the_failure(outcome)
    assert failure["reason"] == "ContainersNotReady"
    assert failure["probe"] == "readiness: httpGet :8080/healthz, every 10s, timeout 1s"
    assert failure["probe_answer"] == "HTTP probe failed with statuscode: 503"
    assert failure["message"] == "Readiness probe failed: HTTP probe failed with statuscode: 503"
    assert failure["logs"] == ["listening on :8080", "GET /healthz 503"] and failure["logs_of"] == "the current run"
    assert failure["advice"] and failure["check"]
    shown = [line.split() for line in outcome.stderr.splitlines()]
    assert ["probe", *failure["probe"].split()] in shown


STOPPED: list[tuple[str, int, str | None, str]] = [
    # the image, its exit code, the signal in that, a word of what it usually means
    ("shop/crash:1", 1, None, "an error of its own"),
    ("shop/no-command:1", 127, None, "not in the image"),
    ("shop/segfault:1", 139, "SIGSEGV", "segmentation fault"),
    ("shop/oom:1", 137, "SIGKILL", "more memory than its limit"),
    ("shop/liveness:1", 137, "SIGKILL", "its liveness probe fails, so the kubelet stops and restarts it"),
]


def test_how_a_program_ended(step: Step, cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    """All of them in one run, which goes on after the first has failed."""
    made = []
    for image, *_ in STOPPED:
        one = deployment(image.partition("/")[2].partition(":")[0], image)
        probe = {"tcpSocket": {"port": 5432}, "periodSeconds": 5}
        one["spec"]["template"]["spec"]["containers"][0]["livenessProbe"] = probe
        made.append(one)
    assert apply(step, namespace, tmp_path, "--no-wait", made=made).code == 0

    def restarts() -> list[int]:
        pods = cluster.get(f"/api/v1/namespaces/{namespace}/pods")["items"]
        return [one["restartCount"] for pod in pods for one in pod["status"].get("containerStatuses", [])]

    poll(lambda: len(restarts()) == len(made) and min(restarts()) >= 2, "two restarts of each")
    path = str(tmp_path / "release.yaml")
    outcome = step("status", "-f", path, "-n", namespace, "--no-fail-fast", "--timeout", "4s", report=True)
    assert outcome.code == 3, outcome.text
    found = failures(outcome)
    for one, (image, code, signal_name, words) in zip(made, STOPPED, strict=True):
        failure = found[f"Deployment/{one['metadata']['name']}"]
        assert (failure["image"], failure["exit_code"], failure["signal"]) == (image, code, signal_name)
        assert words in failure["advice"] and failure["check"]
        assert f"exit code {code}" in failure["message"] or f"exited with code {code}" in failure["message"]
        assert (f"({signal_name})" in failure["message"]) == bool(signal_name)
        assert failure["logs_of"] == "the run that crashed" and failure["logs"]
        assert failure["probe"] == ("liveness: tcpSocket :5432, every 5s, timeout 1s" if "live" in image else None)


# -- claims and nodes


def mounting(name: str) -> Object:
    made = deployment()
    made["spec"]["template"]["spec"]["volumes"] = [{"name": "data", "persistentVolumeClaim": {"claimName": name}}]
    return made


def test_claims_that_are_missing_or_not_bound(step: Step, namespace: str, tmp_path: Path) -> None:
    made = [claim("data", "no-such-class"), mounting("data"), mounting("gone")]
    made[2]["metadata"]["name"] = "other"
    outcome = apply(step, namespace, tmp_path, "--timeout", "3s", made=made)
    assert outcome.code == 3, outcome.text
    found = failures(outcome)
    assert found["Deployment/web"]["reason"] == "Unschedulable"
    assert "unbound immediate PersistentVolumeClaims" in found["Deployment/web"]["message"]
    assert found["Deployment/web"]["claims"] == ["data: Pending, storage class no-such-class, 1Gi"]
    assert any("ProvisioningFailed: storageclass" in line for line in found["Deployment/web"]["events"])
    assert found["Deployment/other"]["claims"] == [f"gone: there is no claim of this name in namespace {namespace}"]
    itself = found["PersistentVolumeClaim/data"]
    assert itself["reason"] == "ProvisioningFailed" and '"no-such-class" not found' in itself["message"]
    assert "claim data: Pending, storage class no-such-class" in unfolded(outcome)


def test_why_no_node_takes_a_pod(step: Step, namespace: str, tmp_path: Path) -> None:
    made = deployment()
    made["spec"]["template"]["spec"]["nodeSelector"] = {"disk": "none"}
    outcome = apply(step, namespace, tmp_path, "--timeout", "2s", made=[made])
    assert outcome.code == 3, outcome.text
    failure = the_failure(outcome)
    assert failure["reason"] == "Unschedulable" and failure["node"] is None
    assert failure["message"].startswith("0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector")
    assert "nodeSelector" in failure["check"]
    assert any("FailedScheduling" in line for line in failure["events"])


def test_a_pod_that_only_events_explain(step: Step, cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    """A volume that can't be mounted: the kubelet says so in an event, and nowhere else."""
    path = write(tmp_path / "release.yaml", deployment(create_delay="1h"))
    run = step.start("apply", "-f", path, "-n", namespace, "--timeout", "8s", report=True)
    pods = lambda: cluster.get(f"/api/v1/namespaces/{namespace}/pods")["items"]  # noqa: E731
    poll(lambda: [one for one in pods() if one["status"].get("containerStatuses")], "a pod that is being created")
    about = pods()[0]["metadata"]
    words = 'MountVolume.SetUp failed for volume "config" : configmap "web" not found'
    _event(cluster, about, "FailedMount", words)
    outcome = run.wait()
    assert outcome.code == 3, outcome.text
    failure = the_failure(outcome)
    assert (failure["reason"], failure["message"]) == ("ContainerCreating", f"FailedMount: {words}")
    assert "volume" in failure["advice"] and failure["check"]


def _event(cluster: Cluster, about: Mapping[str, Any], reason: str, message: str) -> None:
    involved = {"apiVersion": "v1", "kind": "Pod", "name": about["name"], "uid": about["uid"]}
    now = about["managedFields"][-1]["time"]
    event = obj("v1", "Event", f"{about['name']}.{reason.lower()}", type="Warning", reason=reason, message=message)
    event |= {"involvedObject": {**involved, "namespace": about["namespace"]}, "firstTimestamp": now, "count": 1}
    cluster.create(f"/api/v1/namespaces/{about['namespace']}/events", {**event, "lastTimestamp": now})


# -- pods that may not be created: quota and admission

AFTER = ("--fail-after", "FailedCreate=1s")
ALL_KINDS: list[Object] = [
    deployment(),
    workload("ReplicaSet", "web", "shop/web:1"),
    workload("StatefulSet", "web", "shop/web:1"),
    workload("DaemonSet", "web", "shop/web:1"),
    job("web", "shop/job-ok:1"),
]
CONTROLLER = obj(
    "v1",
    "ReplicationController",
    "web",
    spec={"selector": {"app": "web"}, "template": workload("DaemonSet", "web", "shop/web:1")["spec"]["template"]},
)


@pytest.mark.parametrize("made", [*ALL_KINDS, CONTROLLER], ids=lambda made: str(made["kind"]))
def test_a_quota_that_is_used_up(made: Object, step: Step, cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    quota = obj("v1", "ResourceQuota", "small", spec={"hard": {"pods": "0"}})
    cluster.create(f"/api/v1/namespaces/{namespace}/resourcequotas", quota)
    outcome = apply(step, namespace, tmp_path, *AFTER, made=[made])
    assert outcome.code == 1, outcome.text
    failure = the_failure(outcome)
    assert failure["reason"] == "FailedCreate"
    assert "exceeded quota: small, requested: pods=1, used: pods=0, limited: pods=0" in failure["message"]
    assert "quota is used up" in failure["advice"] and "quota" in failure["check"]
    assert sum("FailedCreate: " in line for line in failure["events"]) == 1  # each try names another pod
    assert statuses(outcome) == {f"{made['kind']}/web": "failed"}


def test_a_statefulset_that_gets_one_pod_of_three(step: Step, cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    quota = obj("v1", "ResourceQuota", "small", spec={"hard": {"pods": "1"}})
    cluster.create(f"/api/v1/namespaces/{namespace}/resourcequotas", quota)
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
    quota = obj("v1", "ResourceQuota", "small", spec={"hard": {"pods": "0"}})
    cluster.create(f"/api/v1/namespaces/{namespace}/resourcequotas", quota)
    token = cluster.token(namespace, rules=RULES)
    environment = {"KUBECONFIG": None, "K8S_API": cluster.server, "K8S_CA": str(cluster.ca), "K8S_TOKEN": token}
    made = [workload("StatefulSet", "db", "redis:7")]
    outcome = apply(step, namespace, tmp_path, *AFTER, "--timeout", "3s", made=made, env=environment)
    assert outcome.code == 3, outcome.text
    assert outcome.stderr.count("whose pods may not be created is not seen early: grant list on events") == 1
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
    path = write(tmp_path / "release.yaml", probed("shop/never-ready:1"), deployment("good"))
    run = step.start("apply", "-f", path, "-n", namespace, report=True)
    run.wait_for("running but not ready")
    run.signal(signal.SIGTERM)
    outcome = run.wait()
    assert outcome.code == 143, outcome.text
    failure = the_failure(outcome)
    assert failure["object"].endswith("/web") and failure["reason"] == "ContainersNotReady"
    assert failure["probe_answer"] == "HTTP probe failed with statuscode: 503"
    assert failure["logs"] and failure["events"]
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
