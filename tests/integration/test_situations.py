"""Situations of a release as rows: how it comes out, by which reason, and which pod, container and image are to blame.

Real controllers decide all of them; where no image plays a container's trouble, the row writes the pod's status itself.
More such rows: ``FAILING`` and ``PENDING`` in test_verdict (each image that a node can't run, each kind), ``SURGE`` and
``JOBS`` in test_kinds (every way to replace pods, every policy of Jobs), ``SOONER`` in test_patience.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.conftest import poll
from tests.controlplane.cluster import Cluster
from tests.integration.objects import (
    Object,
    autoscaler,
    claim,
    custom,
    definition,
    deployment,
    job,
    noted,
    pod,
    workload,
)
from tests.integration.outcomes import failures, statuses, the_failure
from tests.integration.releases import Releases
from tests.unit.samples import running, terminated, waiting

pytestmark = pytest.mark.usefixtures("played")

Act = Callable[[Releases], object]


@dataclass(frozen=True)
class Row:
    """What is released and what comes of it.

    ``before`` must become current first; ``act`` is what others do meanwhile; once it says ``until``, it is cancelled,
    once it says ``after``, its time is up.
    ``blamed`` is ``Deployment/web``: the first of ``made`` where it is left out.
    """

    made: tuple[Object, ...]
    code: int
    reason: str | None = ""
    container: str | None = None
    image: str | None = None
    words: str = ""
    before: tuple[Object, ...] = ()
    act: Act | None = None
    options: tuple[str, ...] = ()
    until: str = ""
    after: str = ""
    blamed: str = ""
    status: str = ""


HELD = "600s"  # how long the kubelet leaves a pod alone whose status a row writes


def held(replicas: int = 1, **more: Any) -> Object:
    return deployment(image="shop/web:1", replicas=replicas, create_delay=HELD, **more)


def all_say(*containers: Object, count: int = 1) -> Act:
    def act(release: Releases) -> None:
        for name in release.living(count):
            release.say(name, *containers)

    return act


def with_sidecar(made: Object) -> Object:
    """An init container that goes on beside the others."""
    sidecar = {"name": "proxy", "image": "shop/proxy:1", "restartPolicy": "Always"}
    made["spec"]["template"]["spec"]["initContainers"] = [sidecar]
    return made


def on_no_node(made: Object) -> Object:
    made["spec"]["template"]["spec"]["nodeSelector"] = {"disk": "none"}
    return made


PULL = 'failed to resolve reference "shop/web:1": '
LOOP = terminated(1, "Error")
LOW = "The node was low on resource: memory."


# -- pods of the new revision

PODS: dict[str, Row] = {
    f"a pull that says {words}": Row(
        (held(),),
        1,
        "ErrImagePull",
        "app",
        "shop/web:1",
        words,
        act=all_say(waiting("ErrImagePull", f"{PULL}{words}")),
    )
    for words in ("unauthorized: authentication required", "invalid repository", "manifest unknown: v1")
}


def _sidecar_crashes(release: Releases) -> None:
    (name,) = release.living(1)
    crashed = waiting("CrashLoopBackOff", restarts=2, last=LOOP) | {"name": "proxy", "image": "shop/proxy:1"}
    release.say(name, waiting("PodInitializing"), initContainerStatuses=[crashed])


def _second_restart_decides(release: Releases) -> None:
    (name,) = release.living(1)
    for restarts in (1, 2):
        release.say(name, waiting("CrashLoopBackOff", restarts=restarts, last=LOOP))


def _one_bad_pod_then_good(release: Releases) -> None:
    """The first is ready and the second crashes: no verdict, until the kubelet gets it going."""
    first, second = release.living(2)
    release.say_ready(first, running(ready=True))
    release.say(second, waiting("CrashLoopBackOff", restarts=5, last=LOOP))
    poll(lambda: release.read("deployment", "web")["status"].get("readyReplicas") == 1, "one ready pod")
    release.say_ready(second, running(ready=True, restarts=6))


def _caches_sync(release: Releases) -> None:
    (name,) = release.living(1)
    message = "failed to sync secret cache: timed out waiting for the condition"
    release.say(name, waiting("CreateContainerConfigError", message))
    poll(lambda: release.read("pod", name)["status"]["containerStatuses"][0]["state"].get("waiting"), "its word")
    release.say_ready(name, running(ready=True))


def _evicted_and_replaced(release: Releases) -> None:
    (name,) = release.living(1)
    release.say(name, phase="Failed", reason="Evicted", message=LOW)
    (other,) = release.living(1)
    release.say_ready(other, running(ready=True))


PODS |= {
    "a sidecar that crashes": Row(
        (with_sidecar(held()),), 1, "CrashLoopBackOff", "proxy", "shop/proxy:1", act=_sidecar_crashes
    ),
    "the second restart": Row((held(),), 1, "CrashLoopBackOff", "app", "shop/web:1", act=_second_restart_decides),
    "one bad pod among ready ones": Row((held(2),), 0, act=_one_bad_pod_then_good),
    "caches that sync": Row((held(),), 0, act=_caches_sync, options=("--fail-after", "CreateContainerConfigError=0s")),
    "an evicted pod is replaced": Row((held(),), 0, act=_evicted_and_replaced),
    "an evicted bare pod": Row(
        (noted(pod("bare", "shop/web:1"), create_delay=HELD),),
        1,
        "Evicted",
        words="low on resource",
        act=lambda release: release.say("bare", phase="Failed", reason="Evicted", message=LOW),
    ),
}


# -- what the workload itself says

FORBIDDEN = ("--fail-after", "FailedCreate=1s")  # sooner than the table's 15 s
WORKLOADS: dict[str, Row] = {
    "a Deployment's pods are forbidden": Row(
        (deployment(),), 1, "FailedCreate", words="violates PodSecurity", options=FORBIDDEN
    ),
    "a ReplicaSet's pods are forbidden": Row(
        (workload("ReplicaSet", "old-school", "shop/web:1"),),
        1,
        "FailedCreate",
        words="violates PodSecurity",
        options=FORBIDDEN,
    ),
}
ROLLOUTS: dict[str, Row] = {
    "the deadline of what no node takes": Row(
        (on_no_node(deployment(spec={"progressDeadlineSeconds": 1})),),
        1,
        "ProgressDeadlineExceeded",
        words="didn't match Pod's node affinity/selector",
    ),
    "a broken image under an autoscaler": Row(
        (deployment(image="shop/crash:2", replicas=None),),
        1,
        "CrashLoopBackOff",
        "app",
        "shop/crash:2",
        before=(deployment(replicas=None), autoscaler(3)),
    ),
    "old pods that do not go, with Recreate": Row(
        (deployment(image="shop/web:2", spec={"strategy": {"type": "Recreate"}}),),
        3,
        before=(deployment(spec={"strategy": {"type": "Recreate"}}, termination="60s"),),
        after="0 of 1 pods updated",
        status="in progress",
    ),
    "a DaemonSet with surge": Row(
        (
            workload(
                "DaemonSet",
                "agent",
                "shop/pull-denied:2",
                spec={"updateStrategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}},
            ),
        ),
        1,
        "ErrImagePull",
        "app",
        "shop/pull-denied:2",
        before=(workload("DaemonSet", "agent", "shop/web:1"),),
    ),
    "a StatefulSet's last pod goes first": Row(
        (workload("StatefulSet", "db", "shop/crash:2", spec={"replicas": 2}),),
        1,
        "CrashLoopBackOff",
        "app",
        "shop/crash:2",
        words="db-1",
        before=(workload("StatefulSet", "db", "shop/web:1", spec={"replicas": 2}),),
    ),
    "a Job restarted in place": Row(
        (
            {
                **job("once", "shop/job-fail:1"),
                "spec": {"backoffLimit": 1, "template": {"spec": pod("x", "shop/job-fail:1", "OnFailure")["spec"]}},
            },
        ),
        1,
        "BackoffLimitExceeded",
    ),
    "a claim that nobody provides for": Row(
        (claim("data", "unprovisioned"),),
        3,
        None,  # its events may tell more by then
        after="waiting for a volume",
        status="in progress",
    ),
}


# -- what others do while it is followed


def _deleted(kind: str, name: str) -> Act:
    return lambda release: release.kubectl("delete", kind, name, "--wait=false", "--cascade=background")


def _replaced(release: Releases) -> None:
    release.kubectl("delete", "job", "once", "--cascade=background")
    release.kubectl("create", "-f", "-", input=json.dumps(job("once", "shop/job-ok:1")))


def _undone(release: Releases) -> None:
    release.kubectl("rollout", "undo", "deployment/web")


SLOW = "shop/never-ready:2"
FOLLOWED: list[tuple[str, Object]] = [
    ("statefulset", workload("StatefulSet", "db", SLOW)),
    ("daemonset", workload("DaemonSet", "agent", SLOW)),
    ("replicaset", workload("ReplicaSet", "old-school", SLOW)),
    ("pod", pod("bare", SLOW)),
    ("job", job("once", "shop/job-hang:1")),
]
OTHERS: dict[str, Row] = {
    f"a {kind} is deleted": Row(
        (made,),
        1,
        "Deleted",
        words="deleted while it was followed",
        act=_deleted(kind, made["metadata"]["name"]),
        status="not found",
    )
    for kind, made in FOLLOWED
}
OTHERS |= {
    "a Job is deleted and made anew": Row(
        (job("once", "shop/job-hang:1"),),
        1,
        "Deleted",
        words="while it was followed",
        act=_replaced,
        status="not found",
    ),
    "a release is undone": Row(
        (deployment(image=SLOW),),
        1,
        "Superseded",
        words="somebody else changed what this run wrote",
        before=(deployment(image="shop/web:1"),),
        act=_undone,
    ),
    "a rollout is paused": Row(
        (deployment(image="shop/web:2", replicas=3, create_delay=HELD),),
        143,
        "ContainerCreating",
        before=(deployment(image="shop/web:1", replicas=3),),
        act=lambda release: release.kubectl("rollout", "pause", "deployment/web"),
        until="paused: resume it",
        status="in progress",
    ),
    "a Job is suspended": Row(
        (job("once", "shop/job-hang:1"),),
        143,
        "Paused",
        act=lambda release: release.kubectl("patch", "job", "once", "-p", '{"spec":{"suspend":true}}'),
        until="suspended: waiting until somebody resumes it",
        status="in progress",
    ),
}


ROWS = {**PODS, **ROLLOUTS, **OTHERS}


@pytest.mark.parametrize("name", ROWS)
def test_situation(name: str, release: Releases) -> None:
    play(ROWS[name], release)


@pytest.mark.parametrize("name", WORKLOADS)
def test_what_admission_forbids(name: str, release: Releases) -> None:
    namespace = release.namespace
    release.kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    play(WORKLOADS[name], release)


def play(row: Row, release: Releases) -> None:
    if row.before:
        earlier = release(*row.before)
        assert earlier.code == 0, earlier.text
    run = release.start(*row.made, options=row.options, own_clock=bool(row.after))
    if row.act:
        run.wait_for("waiting for 1 object")
        row.act(release)
    if row.until:
        run.wait_for(row.until, 60)
        run.signal(signal.SIGTERM)
    if row.after:
        run.wait_for(row.after)
        run.time_passes()
    outcome = run.wait()
    assert outcome.code == row.code, outcome.text
    first = f"{row.made[0]['kind']}/{row.made[0]['metadata']['name']}"
    expected = row.status or ("failed" if row.code else "current")
    assert statuses(outcome)[row.blamed or first] == expected, outcome.text
    assert row.words in " ".join(outcome.text.split())
    found = failures(outcome)
    assert list(found) == ([row.blamed or first] if row.code else []), outcome.text
    if found:
        blame(row, found[row.blamed or first])


def blame(row: Row, failure: Object) -> None:
    if row.reason is not None:
        assert failure["reason"] in (row.reason, row.reason.replace("ErrImagePull", "ImagePullBackOff"))
    if row.container is not None:
        assert (failure["container"], failure["image"]) == (row.container, row.image)
        assert failure["pod"].startswith(row.made[0]["metadata"]["name"])


# -- custom resources


@pytest.fixture
def group(release: Releases, cluster: Cluster) -> Iterator[str]:
    """The group of a kind Widget, which the server serves."""
    name = f"{release.namespace}.example"
    made = release(definition(name))
    assert made.code == 0, made.text
    yield name
    cluster.request("DELETE", f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.{name}")


def ready(status: str, **more: str) -> list[Object]:
    return [{"type": "Ready", "status": status, **more}]


def there(release: Releases, group: str, conditions: list[Object]) -> None:
    """A Widget that its controller has seen."""
    made = json.dumps(custom(group, "one", spec={"size": 1}))
    release.kubectl("apply", "--server-side", "--field-manager=k8s-step", "-f", "-", input=made)
    release.say("one", kind=f"widgets.{group}", observedGeneration=1, conditions=conditions)


def test_a_ready_of_the_generation_before(release: Releases, group: str) -> None:
    there(release, group, ready("True"))
    unchanged = release(custom(group, "one", spec={"size": 1}))
    assert (unchanged.code, statuses(unchanged)) == (0, {"Widget/one": "current"}), unchanged.text
    stale = release.timed_out(custom(group, "one", spec={"size": 2}), after="not yet seen generation 2")
    assert (stale.code, statuses(stale)) == (3, {"Widget/one": "in progress"}), stale.text
    assert "not yet seen generation 2" in the_failure(stale)["message"]
    release.say("one", kind=f"widgets.{group}", observedGeneration=2, conditions=ready("True"))
    good = release(custom(group, "one", spec={"size": 2}))
    assert good.code == 0, good.text


def test_why_it_is_not_ready_is_named_at_the_timeout(release: Releases, group: str) -> None:
    there(release, group, ready("False", reason="NoZone", message="there is no zone eu-9"))
    outcome = release.timed_out(custom(group, "one", spec={"size": 1}), after="there is no zone eu-9")
    assert (outcome.code, statuses(outcome)) == (3, {"Widget/one": "in progress"}), outcome.text
    failure = the_failure(outcome)
    assert (failure["reason"], failure["message"]) == ("NoZone", "there is no zone eu-9")
    assert failure["object"] == f"{group}/v1/Widget/{release.namespace}/one"


def test_a_custom_resource_is_deleted_while_it_is_followed(release: Releases, group: str) -> None:
    there(release, group, ready("False"))
    run = release.start(custom(group, "one", spec={"size": 1}))
    run.wait_for("waiting for 1 object")
    release.kubectl("delete", f"widgets.{group}", "one")
    outcome = run.wait()
    assert (outcome.code, statuses(outcome)) == (1, {"Widget/one": "not found"}), outcome.text
    assert the_failure(outcome)["reason"] == "Deleted"


def test_a_kind_whose_name_is_taken(release: Releases, group: str, cluster: Cluster) -> None:
    other = definition(group, "Gadget")
    other["spec"]["names"]["kind"] = "Widget"
    try:
        outcome = release(other)
    finally:
        cluster.request("DELETE", f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/gadgets.{group}")
    name = f"CustomResourceDefinition/gadgets.{group}"
    assert (outcome.code, statuses(outcome)) == (1, {name: "failed"}), outcome.text
    assert "Conflict" in the_failure(outcome)["reason"] and "already in use" in the_failure(outcome)["message"]
