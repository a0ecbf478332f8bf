"""What is gathered for a failure, from recorded objects and a server that answers as told."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from k8s_step.api.client import Client, Manner
from k8s_step.connection.settings import Connection
from k8s_step.objects.reference import Reference
from k8s_step.objects.resource import required
from k8s_step.report.formats.plain import Plain
from k8s_step.rollout import diagnose as module
from k8s_step.rollout.diagnose import CANCELLED, diagnose
from k8s_step.verdict.evidence.finding import Finding
from k8s_step.verdict.judgement import Blame, Judgement
from k8s_step.verdict.podfailures import complaint
from k8s_step.verdict.states import State
from k8s_step.verdict.target import Target
from tests.unit.loopback import Exchange, Loopback
from tests.unit.samples import container, running, terminated, waiting
from tests.unit.samples import pod as made_pod

Object = dict[str, Any]
WRITTEN = "2026-11-22T10:00:00Z"
PROBE = {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 10, "timeoutSeconds": 1}


class Server:
    """Events by the uid they are about, a log by its query, and other objects by their path; 404 else."""

    def __init__(self, stack: ExitStack) -> None:
        self.events: dict[str, list[Object]] = {}
        self.logs: dict[str, bytes] = {}
        self.objects: dict[str, Object] = {}
        self.refuses: Mapping[str, int] = {}
        self.cuts = ""  # the ending of paths that end without an answer
        self.asked: list[tuple[str, dict[str, str]]] = []
        self._loopback = stack.enter_context(Loopback(self._answer))
        self.client = Client(Connection(self._loopback.url, "test"), Manner(10.0))
        stack.callback(self.client.close)

    def _answer(self, exchange: Exchange) -> None:
        url = urlsplit(exchange.target)
        query = dict(parse_qsl(url.query))
        self.asked.append((url.path, query))
        if self.cuts and url.path.endswith(self.cuts):
            return exchange.close()
        for ending, code in self.refuses.items():
            if url.path.endswith(ending):
                return exchange.reply(code, {"kind": "Status", "message": "no"})
        if url.path.endswith("/events"):
            uid = query["fieldSelector"].removeprefix("involvedObject.uid=")
            return exchange.reply(200, {"items": self.events.get(uid, [])})
        if url.path.endswith("/log"):
            return self._log(exchange, query)
        found = self.objects.get(url.path)
        return exchange.reply(200 if found else 404, found or {"kind": "Status", "message": "not found"})

    def _log(self, exchange: Exchange, query: dict[str, str]) -> None:
        """As a kubelet cuts it: the last lines first, of those the first bytes."""
        log = self.logs.get("previous" if query.get("previous") else "current")
        if log is None:
            return exchange.reply(400, {"kind": "Status", "message": "previous terminated container not found"})
        tail = b"\n".join(log.splitlines()[-int(query["tailLines"]) :])
        return exchange.reply(200, tail[: int(query["limitBytes"])], content_type="text/plain")

    def count(self, ending: str) -> int:
        return sum(path.endswith(ending) for path, _ in self.asked)


@pytest.fixture
def server() -> Iterator[Server]:
    with ExitStack() as stack:
        yield Server(stack)


def pod(*statuses: Object, name: str = "web-1", **more: Any) -> Object:
    found = made_pod(*statuses, name=name, owner="rs-1", namespace="shop", **more)
    app = {"name": "app", "image": "shop/web:2", "readinessProbe": PROBE, "livenessProbe": PROBE}
    return {**found, "spec": {"nodeName": "node-1", "containers": [app]}}


def workload(kind: str = "Deployment", api_version: str = "apps/v1", **more: Any) -> Object:
    metadata = {"name": "web", "namespace": "shop", "uid": "web-uid", "creationTimestamp": WRITTEN}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **more}


def target(*pods: Object, obj: Object | None = None, reason: str = "", message: str = "0 of 3", **more: Any) -> Target:
    """With the pods' own complaints as what is blamed."""
    made = obj or workload()
    blamed = tuple(Blame(each, found) for each in pods if (found := complaint(each)) is not None)
    judgement = Judgement(more.pop("state", State.IN_PROGRESS), message, reason, blamed)
    reference = Reference.to(made, "web.yaml", 1)
    return Target(reference, required(made["apiVersion"], made["kind"]), made, judgement=judgement, **more)


def event(reason: str, message: str, second: int = 5, kind: str = "Pod", **more: Any) -> Object:
    involved = {"kind": kind, "fieldPath": "spec.containers{app}"}
    about = {"involvedObject": involved, "type": "Warning", "reason": reason, "message": message}
    return {**about, "lastTimestamp": f"2026-11-22T10:00:{second:02d}Z", **more}


def found(server: Server, *targets: Target) -> list[Finding]:
    *_, last = diagnose(server.client, targets)
    return last


def printed(finding: Finding) -> str:
    return Plain(print, print).finding_text(finding, "failed")


CRASHING = waiting("CrashLoopBackOff", "back-off", restarts=2, last=terminated(137))


def test_a_crash_as_it_is_printed(server: Server) -> None:
    crashed = pod(CRASHING)
    server.events["uid-web-1"] = [event("BackOff", "Back-off restarting failed container app", 9, count=3)]
    server.logs["previous"] = b"starting\nFATAL: no database\n"
    (finding,) = found(server, target(crashed, pod(CRASHING, name="web-2"), state=State.FAILED))
    assert (
        printed(finding)
        == """\
deployment.apps/web failed: CrashLoopBackOff (web.yaml:1)
  message    exited with code 137 (SIGKILL), restarted 2 times
  namespace  shop
  pod        web-1 on node node-1, and 1 more pod likewise
  container  app
  image      shop/web:2
  likely     it was killed: it did not end in time after a failed liveness probe, or memory ran out
  check      events (Killing, Unhealthy), memory limits of container and node, terminationGracePeriodSeconds
  last lines of the run that crashed:
  | starting
  | FATAL: no database
  events, newest first:
    10:00:09Z pod BackOff: Back-off restarting failed container app (3 times)"""
    )
    assert (finding.exit_code, finding.signal, finding.alike) == (137, "SIGKILL", 1)
    assert server.count("/log") == 1


def test_a_container_that_a_probe_had_stopped(server: Server) -> None:
    server.events["uid-web-1"] = [
        event("Unhealthy", "Liveness probe failed: Get http://10.1.2.3:8080/healthz: context deadline exceeded", 8),
        event("Killing", "Container app failed liveness probe, will be restarted", 9, type="Normal"),
    ]
    (finding,) = found(server, target(pod(CRASHING), state=State.FAILED))
    assert finding.reason == "CrashLoopBackOff"
    assert finding.probe == "liveness: httpGet :8080/healthz, every 10s, timeout 1s"
    assert finding.probe_answer == "Get http://10.1.2.3:8080/healthz: context deadline exceeded"
    assert "liveness probe fails" in finding.advice and "does not answer in time" in finding.advice
    assert f"  answered   {finding.probe_answer}" in printed(finding).splitlines()


def test_a_container_that_is_not_ready(server: Server) -> None:
    server.events["uid-web-1"] = [event("Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 404")]
    server.logs["current"] = b"listening\n"
    (finding,) = found(server, target(pod(running())))
    assert finding.probe_answer == "HTTP probe failed with statuscode: 404"
    assert (
        printed(finding)
        == """\
deployment.apps/web failed: ContainersNotReady (web.yaml:1)
  message    Readiness probe failed: HTTP probe failed with statuscode: 404
  namespace  shop
  pod        web-1 on node node-1
  container  app
  image      shop/web:2
  probe      readiness: httpGet :8080/healthz, every 10s, timeout 1s
  likely     it runs, but its readiness probe does not succeed: there is no such path
  check      the probe's path, and the prefix that the program is served under
  last lines of the current run:
  | listening
  events, newest first:
    10:00:05Z pod Unhealthy: Readiness probe failed: HTTP probe failed with statuscode: 404"""
    )


def test_the_probe_of_the_spec_where_no_event_tells_its_answer(server: Server) -> None:
    server.refuses = {"/events": 403}
    (finding,) = found(server, target(pod(running())))
    assert (finding.probe, finding.probe_answer) == ("readiness: httpGet :8080/healthz, every 10s, timeout 1s", "")


def test_a_deadline_that_passed_and_what_held_its_pods_up(server: Server) -> None:
    """The object's own reason comes first; the probe's answer stands where the pod's condition says nothing."""
    unready = pod(running())
    vague = {"type": "ContainersReady", "status": "False", "message": "containers with unready status: [app]"}
    unready["status"]["conditions"].append(vague)
    server.events["uid-web-1"] = [event("Unhealthy", "Readiness probe failed: dial tcp: connect: connection refused")]
    said = 'ReplicaSet "web-1" has timed out progressing.'
    given = target(unready, state=State.FAILED, reason="ProgressDeadlineExceeded", message=said)
    (finding,) = found(server, given)
    assert finding.reason == "ProgressDeadlineExceeded"
    assert finding.message == (
        'ReplicaSet "web-1" has timed out progressing; ContainersNotReady: Readiness probe failed: dial tcp: connect:'
        " connection refused"
    )
    assert "nothing listens there" in finding.advice and "0.0.0.0" in finding.check


MOUNT = 'MountVolume.SetUp failed for volume "config" : configmap "web" not found'


def test_a_pod_that_only_events_explain(server: Server) -> None:
    creating = pod(waiting("ContainerCreating"), phase="Pending")
    server.events["uid-web-1"] = [event("FailedScheduling", "0/3 nodes", 9), event("FailedMount", MOUNT, 6)]
    (finding,) = found(server, target(creating))
    assert (finding.reason, finding.message) == ("ContainerCreating", f"FailedMount: {MOUNT}")
    assert "Secret, ConfigMap or key that a volume shows" in finding.advice
    given = target(creating, state=State.FAILED, reason="ProgressDeadlineExceeded", message="it has timed out.")
    (finding,) = found(server, given)
    assert finding.message == f"it has timed out; ContainerCreating: FailedMount: {MOUNT}"


def test_a_warning_of_before_the_release_explains_nothing(server: Server) -> None:
    creating = pod(waiting("ContainerCreating"), phase="Pending")
    server.events["uid-web-1"] = [event("FailedMount", MOUNT, lastTimestamp="2026-11-22T09:59:59Z")]
    (finding,) = found(server, target(creating))
    assert finding.message == "0 of 3"


def test_an_object_without_pods_is_explained_by_its_own_events(server: Server) -> None:
    service = workload("Service", "v1")
    warning = event("SyncLoadBalancerFailed", "Error syncing load balancer: quota exceeded", kind="Service")
    server.events["web-uid"] = [warning]
    (finding,) = found(server, target(obj=service, message="waiting for a load balancer address"))
    assert finding.reason == "SyncLoadBalancerFailed"
    assert finding.message == "waiting for a load balancer address; Error syncing load balancer: quota exceeded"
    assert finding.advice


QUOTA = 'pods "web-abc-1" is forbidden: exceeded quota: small, requested: pods=1, used: pods=3, limited: pods=3'


def test_what_the_server_repairs_by_itself_explains_nothing(server: Server) -> None:
    service = workload("Service", "v1")
    warning = event("ClusterIPNotAllocated", "Cluster IP [IPv4]: 10.0.0.7 is not allocated; repairing", kind="Service")
    server.events["web-uid"] = [warning]
    (finding,) = found(server, target(obj=service, message="waiting for a load balancer address"))
    assert (finding.reason, finding.message) == ("", "waiting for a load balancer address")


def test_pods_that_may_not_be_created(server: Server) -> None:
    """The Deployment says so itself; how often, its newest ReplicaSet's events tell."""
    template = {"spec": {"containers": [{"name": "app"}]}}
    deployment = workload(spec={"selector": {"matchLabels": {"app": "web"}}, "template": template})
    owners = [{"kind": "Deployment", "uid": "web-uid", "controller": True}]
    sets = [
        {"metadata": {"name": f"web-{uid}", "uid": uid, "ownerReferences": owners}, "spec": {"template": each}}
        for uid, each in (("rs-old", {"spec": {}}), ("rs-new", template))
    ]
    server.objects["/apis/apps/v1/namespaces/shop/replicasets"] = {"items": sets}
    for uid in ("rs-old", "rs-new"):
        words = f"Error creating: {QUOTA} ({uid})"
        server.events[uid] = [event("FailedCreate", words, second, kind="ReplicaSet") for second in (1, 2)]
    state = State.FAILED
    (finding,) = found(server, target(obj=deployment, state=state, reason="FailedCreate", message=QUOTA))
    assert (finding.reason, finding.message) == ("FailedCreate", QUOTA)
    assert finding.events == (f"10:00:02Z replicaset FailedCreate: Error creating: {QUOTA} (rs-new) (2 times)",)
    assert "quota is used up" in finding.advice and "quota" in finding.check
    assert ("/apis/apps/v1/namespaces/shop/replicasets", {"labelSelector": "app=web", "limit": "500"}) in server.asked


def pending(message: str, *claims: str) -> Object:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    found = pod(phase="Pending")
    found["status"]["conditions"] = [condition]
    volumes = [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in claims]
    return {**found, "spec": {"containers": found["spec"]["containers"], "volumes": volumes}}


def claim(name: str, phase: str) -> Object:
    metadata = {"name": name, "namespace": "shop", "uid": f"uid-{name}"}
    spec = {"storageClassName": "fast", "resources": {"requests": {"storage": "1Gi"}}}
    told = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata}
    return {**told, "spec": spec, "status": {"phase": phase}}


def test_claims_that_are_not_bound(server: Server) -> None:
    path = "/api/v1/namespaces/shop/persistentvolumeclaims"
    server.objects = {f"{path}/{name}": claim(name, phase) for name, phase in (("data", "Pending"), ("logs", "Bound"))}
    words = 'storageclass.storage.k8s.io "fast" not found'
    server.events["uid-data"] = [event("ProvisioningFailed", words, kind="PersistentVolumeClaim")]
    told = "0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims."
    (finding,) = found(server, target(pending(told, "data", "logs", "gone")))
    assert (finding.reason, finding.message) == ("Unschedulable", told)
    assert finding.claims == (
        "data: Pending, storage class fast, 1Gi",
        "gone: there is no claim of this name in namespace shop",
    )
    assert (
        printed(finding)
        == """\
deployment.apps/web failed: Unschedulable (web.yaml:1)
  message    0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims.
  namespace  shop
  pod        web-1
  claim      data: Pending, storage class fast, 1Gi
  claim      gone: there is no claim of this name in namespace shop
  likely     a claim of the pod has no volume yet
  check      the claim named here: is it there, and who provisions it?
  events, newest first:
    10:00:05Z persistentvolumeclaim ProvisioningFailed: storageclass.storage.k8s.io "fast" not found"""
    )


def test_why_no_node_takes_it(server: Server) -> None:
    told = "0/3 nodes are available: 1 node(s) had untolerated taint {gpu: true}, 2 Insufficient cpu."
    (finding,) = found(server, target(pending(told)))
    assert (finding.reason, finding.message, finding.node) == ("Unschedulable", told, "")
    assert "taint" in finding.advice and "no node has room" in finding.advice
    assert finding.missing == ()


def test_a_job_that_is_still_at_work(server: Server) -> None:
    at_work = pod(running(ready=True), ready=True)
    at_work["metadata"]["ownerReferences"] = [{"kind": "Job", "uid": "web-uid", "controller": True}]
    server.logs["current"] = b"waiting for the lock\n"
    job = workload("Job", "batch/v1")
    (finding,) = found(server, target(at_work, obj=job, message="0 of 1 completions, 1 active"))
    assert (finding.reason, finding.message) == ("Running", "0 of 1 completions, 1 active")
    assert (finding.logs, finding.logs_of) == (("waiting for the lock",), "the current run")


def test_the_runs_that_failed_say_more_than_those_at_work(server: Server) -> None:
    at_work, failed = pod(running(ready=True), ready=True), pod(container(terminated(3)), phase="Failed", name="web-2")
    for each in (at_work, failed):
        each["metadata"]["ownerReferences"] = [{"kind": "Job", "uid": "web-uid", "controller": True}]
    job, said = workload("Job", "batch/v1"), "Job has reached the specified backoff limit"
    given = target(at_work, failed, obj=job, state=State.FAILED, reason="BackoffLimitExceeded", message=said)
    (finding,) = found(server, given)
    assert (finding.reason, finding.pod, finding.exit_code) == ("BackoffLimitExceeded", "web-2", 3)
    assert finding.message == f"{said}; Error: exited with code 3"


# -- which run the lines are of

RUNS: list[tuple[Object, dict[str, bytes], str, tuple[str, ...]]] = [
    (CRASHING, {"previous": b"crashed", "current": b"runs again"}, "crashed", ()),
    (CRASHING, {"current": b"crashed"}, "crashed", ()),
    (container(terminated(1), restarts=2), {"previous": b"before", "current": b"crashed"}, "crashed", ()),
    (running(restarts=1, last=terminated(1)), {"previous": b"crashed", "current": b"runs again"}, "crashed", ()),
    (CRASHING, {"previous": b"\n"}, "", ("the run that crashed logged nothing",)),
    (CRASHING, {}, "", ("no logs: previous terminated container not found",)),
]


@pytest.mark.parametrize("is_init", [False, True], ids=["app", "init"])
@pytest.mark.parametrize(("status", "logs", "line", "missing"), RUNS)
def test_the_run_that_crashed(
    status: Object, logs: dict[str, bytes], line: str, missing: tuple[str, ...], is_init: bool, server: Server
) -> None:
    server.logs = logs
    given = pod(init=({**status, "name": "app"},), phase="Pending") if is_init else pod(status)
    (finding,) = found(server, target(given, state=State.FAILED))
    assert (finding.logs, finding.missing) == ((line,) if line else (), missing)
    assert finding.logs_of == ("the run that crashed" if line else "")


# -- bounded


def test_megabytes_of_log(server: Server) -> None:
    server.logs["previous"] = b"\n".join([b"x" * 1_000_000, *(b"line %d" % number for number in range(99))])
    (finding,) = found(server, target(pod(CRASHING)))
    assert finding.logs == tuple(f"line {number}" for number in range(79, 99))
    (_, query) = next(one for one in server.asked if one[0].endswith("/log"))
    assert query["tailLines"] == "20" and int(query["limitBytes"]) < 1_000_000


def test_of_lines_that_are_too_long_the_last_one_is_kept(server: Server) -> None:
    server.logs["previous"] = b"\n".join(b"%d " % number + b"x" * 100_000 for number in range(50))
    (finding,) = found(server, target(pod(CRASHING)))
    (line,) = finding.logs
    assert line.startswith("49 x") and len(line) < 20_000


def test_many_causes(server: Server) -> None:
    targets = []
    for number in range(30):
        made = workload()
        made["metadata"] |= {"name": f"web-{number}"}
        targets.append(target(pod(CRASHING, name=f"pod-{number}"), obj=made))
    server.logs["previous"] = b"FATAL"
    told = found(server, *targets)
    assert [one.reference.name for one in told] == [f"web-{number}" for number in range(30)]
    assert [one.logs for one in told] == [("FATAL",)] * 20 + [()] * 10
    assert told[-1].reason == "CrashLoopBackOff" and "first 20" in told[-1].missing[0]


def test_what_is_known_without_asking_comes_first(server: Server) -> None:
    first = next(diagnose(server.client, [target(pod(CRASHING))]))
    assert [(one.reason, one.pod, one.exit_code) for one in first] == [("CrashLoopBackOff", "web-1", 137)]
    assert server.asked == []


def test_no_time_at_all(server: Server) -> None:
    *_, last = diagnose(server.client, [target(pod(CRASHING))], limit=0.0)
    assert last[0].missing == ("no events: there was no time left to ask", "no logs: there was no time left to ask")
    assert server.asked == []


# -- what can't be had


def test_a_token_that_may_not(server: Server) -> None:
    server.refuses = {"/events": 403, "/log": 403, "/data": 403}
    given = pending("pod has unbound immediate PersistentVolumeClaims", "data")
    crashed = pod(CRASHING)
    hint = "(k8s-step permissions -f … prints the Role)"
    told = found(server, target(given), target(crashed))
    assert told[0].missing == (
        f"no events: this token may not list events in namespace shop: grant list on events {hint}",
        "no claims: this token may not get persistentvolumeclaims in namespace shop: grant get on"
        f" persistentvolumeclaims {hint}",
    )
    assert told[1].missing == (
        f"no events: this token may not list events in namespace shop: grant list on events {hint}",
        f"no logs: this token may not get pods/log in namespace shop: grant get on pods/log {hint}",
    )
    assert printed(told[1]).splitlines()[-1].startswith("  no logs: this token may not get pods/log")


def test_a_server_that_is_gone_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    said: list[str] = []
    client = Client(Connection(f"http://127.0.0.1:{port}", "test"), notice=said.append)
    client._outages.has_answered = True  # it did, while the rollout was followed
    targets = [target(pod(CRASHING, name=f"pod-{number}")) for number in range(12)]
    *_, told = diagnose(client, targets)
    client.close()
    assert {one.reason for one in told} == {"CrashLoopBackOff"}
    (missing,) = {one.missing for one in told}
    assert len(missing) == 1 and "no evidence: the server does not answer" in missing[0]
    assert "connection refused" in missing[0]


def test_a_node_that_is_away_costs_its_logs_only(server: Server) -> None:
    server.events["uid-web-1"] = [event("BackOff", "Back-off")]
    server.refuses = {"/log": 500}
    (finding,) = found(server, target(pod(CRASHING)))
    assert finding.events == ("10:00:05Z pod BackOff: Back-off",)
    (missing,) = finding.missing
    assert missing.startswith("no logs: ")


def test_a_kubelet_that_does_not_answer_is_not_the_server(server: Server) -> None:
    """A log goes through the node's kubelet: the connection that ends there says nothing of the server itself."""
    server.events["uid-web-2"] = [event("BackOff", "Back-off")]
    server.cuts = "/log"
    group = [pod(CRASHING), pod(waiting("ImagePullBackOff", "no such tag"), name="web-2")]
    crashed, pulled = found(server, *(target(each) for each in group))
    (missing,) = crashed.missing
    assert missing.startswith("no logs: ") and "no evidence" not in missing
    assert (pulled.events, pulled.missing) == (("10:00:05Z pod BackOff: Back-off",), ())


def test_a_bug_of_ours_costs_the_evidence_of_one_cause(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: Any) -> Any:
        raise KeyError("uid")

    monkeypatch.setattr(module.events, "event_lines", broken)
    (finding,) = found(server, target(pod(CRASHING)))
    assert finding.reason == "CrashLoopBackOff"
    assert finding.missing == ("no evidence: KeyError ('uid'), a bug of k8s-step",)


@pytest.mark.parametrize("judgement", [None, Judgement(State.NOT_FOUND, "deleted while it was followed", "Deleted")])
def test_what_was_not_judged_or_is_gone(judgement: Judgement | None, server: Server) -> None:
    given = target()
    given.judgement = judgement
    (finding,) = found(server, given)
    assert finding.reason == (judgement.reason if judgement else "")


def test_the_evidence_of_a_cancelled_run_is_given_less_than_a_second(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No request of it may last longer, and the run ends within the second that it promises."""
    deadlines: list[float] = []
    until = server.client.until

    def noted(deadline: float) -> Client:
        deadlines.append(deadline)
        return until(deadline)

    monkeypatch.setattr(server.client, "until", noted)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: 1000.0))
    list(diagnose(server.client, [target(pod(CRASHING))], CANCELLED))
    assert deadlines and max(deadlines) < 1001.0
