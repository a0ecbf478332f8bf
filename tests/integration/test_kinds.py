"""The verdict on each kind's own ways to roll out, and on what others do meanwhile, as the real controllers have it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Outcome, Step, poll
from tests.controlplane.cluster import Cluster
from tests.integration.objects import (
    Object,
    autoscaler,
    custom,
    definition,
    deployment,
    job,
    obj,
    template,
    workload,
    write,
)
from tests.integration.outcomes import actions, objects, statuses, the_failure
from tests.integration.releases import HELD, Releases

pytestmark = pytest.mark.usefixtures("played")

PULL = ("ErrImagePull", "ImagePullBackOff")


# -- Deployments

SURGE = {
    "a quarter of each": {},
    "no surge": {"strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}},
    "no surge, all at once": {"strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": "100%"}}},
    "none unavailable": {"strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}},
    "half unavailable": {"strategy": {"rollingUpdate": {"maxSurge": "50%", "maxUnavailable": "50%"}}},
    "recreate": {"strategy": {"type": "Recreate"}},
}


@pytest.mark.parametrize("spec", SURGE.values(), ids=SURGE)
def test_however_pods_are_replaced(spec: Object, release: Releases) -> None:
    """Good, broken (the new revision alone is blamed), and good again over what is left of the broken one."""
    assert release(deployment(image="shop/web:1", replicas=4, spec=spec)).code == 0
    broken = release(deployment(image="shop/pull-fail:2", replicas=4, spec=spec))
    assert (broken.code, the_failure(broken)["reason"] in PULL) == (1, True), broken.text
    assert the_failure(broken)["image"] == "shop/pull-fail:2"
    good = release(deployment(image="shop/web:3", replicas=4, spec=spec))
    assert good.code == 0, good.text
    images = {each["spec"]["containers"][0]["image"] for each in release.read("pods") if not deleted(each)}
    assert images == {"shop/web:3"}


def deleted(made: Object) -> bool:
    return bool(made["metadata"].get("deletionTimestamp"))


def test_no_green_while_old_pods_are_left(release: Releases) -> None:
    assert release(deployment(image="shop/web:1", replicas=2, termination="1s")).code == 0
    outcome = release(deployment(image="shop/web:2", replicas=2, termination="1s"))
    assert outcome.code == 0, outcome.text
    status = release.read("deployment", "web")["status"]
    assert (status["replicas"], status["updatedReplicas"], status["availableReplicas"]) == (2, 2, 2)


def test_available_and_not_just_ready(release: Releases) -> None:
    """Ready and not yet available for minutes: in progress; available as soon as that is asked of them no more."""
    made = deployment(replicas=2, spec={"minReadySeconds": 500})
    ready = release.timed_out(made, after="0 of 2 updated pods available")
    assert (ready.code, statuses(ready)) == (3, {"Deployment/web": "in progress"}), ready.text
    poll(lambda: release.read("deployment", "web")["status"].get("readyReplicas") == 2, "two ready pods")
    assert "availableReplicas" not in release.read("deployment", "web")["status"]
    outcome = release(deployment(replicas=2, spec={"minReadySeconds": 1}))
    assert outcome.code == 0, outcome.text
    assert release.read("deployment", "web")["status"]["availableReplicas"] == 2


def test_paused(release: Releases) -> None:
    """As its manifest says: there is nothing to wait for, however often it is asked, and that is said."""
    for command, action in (("apply", "created"), ("apply", "unchanged"), ("status", "none")):
        paused = release(deployment(spec={"paused": True}), command=command)
        assert (paused.code, statuses(paused)) == (0, {"Deployment/web": "current"}), paused.text
        assert actions(paused) == {"Deployment/web": action}
        assert "(paused, as its manifest says)" in paused.stderr
        assert "paused  -        paused, as its manifest says" in paused.stdout
    resumed = release(deployment(spec={"paused": False}))
    assert resumed.code == 0, resumed.text
    unchanged = release(deployment(spec={"paused": True}))
    assert unchanged.code == 0, f"all pods are of this template: {unchanged.text}"


ANOTHER = '{"metadata": {"annotations": {"version": "2"}}}'  # a template, so that there would be pods to wait for
PAUSES = {
    "json": """[{"op": "add", "path": "/spec/paused", "value": true},
        {"op": "add", "path": "/spec/template/metadata/annotations", "value": {"version": "2"}}]""",
    "merge": f'{{"spec": {{"paused": true, "template": {ANOTHER}}}}}',
    "strategic": f'{{"spec": {{"paused": true, "template": {ANOTHER}}}}}',
}


@pytest.mark.parametrize("how", PAUSES)
def test_paused_by_a_patch_of_ours(how: str, release: Releases, step: Step) -> None:
    """Whatever its form, it is our own pause: there is nothing to wait for."""
    assert release(deployment(image="shop/web:1")).code == 0
    options = ("-n", release.namespace, "--type", how, "-p", PAUSES[how])
    outcome = step("patch", "deployment/web", *options, report=True)
    assert (outcome.code, statuses(outcome)) == (0, {"Deployment/web": "current"}), outcome.text
    assert "(paused, as its manifest says)" in outcome.stderr


@pytest.mark.parametrize("how", ["json", "merge"])
def test_paused_by_a_manifest_that_a_patch_brings_about(
    how: str, release: Releases, step: Step, tmp_path: Path
) -> None:
    """The patch itself need not say so: the object is paused already."""
    assert release(deployment(image="shop/web:1")).code == 0
    release.kubectl("patch", "deployment", "web", "-p", '{"spec": {"paused": true}}')
    path = write(tmp_path / "web.yaml", deployment(image="shop/web:2", spec={"paused": True}))
    options = ("-n", release.namespace, "-f", path, "--from-manifest", "--type", how)
    outcome = step("patch", *options, report=True)
    assert (outcome.code, statuses(outcome)) == (0, {"Deployment/web": "current"}), outcome.text


def test_paused_by_somebody_else(release: Releases) -> None:
    """The manifest says nothing of it: waited for, and told."""
    assert release(deployment(image="shop/web:1")).code == 0
    release.kubectl("patch", "deployment", "web", "-p", '{"spec": {"paused": true}}')
    outcome = release.timed_out(deployment(image="shop/web:2"), after="paused: resume it")
    assert (outcome.code, statuses(outcome)) == (3, {"Deployment/web": "in progress"}), outcome.text


@pytest.mark.parametrize("before", ["shop/web:1", "shop/crash:1"])
def test_scaled_to_zero(before: str, release: Releases) -> None:
    release(deployment(image=before, replicas=2))
    outcome = release(deployment(image="shop/crash:2", replicas=0))
    assert (outcome.code, statuses(outcome)) == (0, {"Deployment/web": "current"}), outcome.text
    assert release.read("deployment", "web")["status"].get("replicas", 0) == 0


def test_as_many_replicas_as_an_autoscaler_wants(release: Releases) -> None:
    first = release(deployment(replicas=None), autoscaler(3))
    assert (first.code, set(statuses(first).values())) == (0, {"current"}), first.text
    poll(lambda: release.read("deployment", "web")["spec"]["replicas"] == 3, "the autoscaler")
    second = release(deployment(image="shop/web:2", replicas=None), autoscaler(3))
    assert second.code == 0, second.text
    assert release.read("deployment", "web")["status"]["updatedReplicas"] == 3


# -- StatefulSets


def stateful(image: str, replicas: int = 2, **spec: Any) -> Object:
    return workload("StatefulSet", "db", image, spec={"replicas": replicas, **spec})


def images(release: Releases) -> list[str]:
    pods = sorted(release.read("pods"), key=lambda pod: str(pod["metadata"]["name"]))
    return [pod["spec"]["containers"][0]["image"] for pod in pods]


def test_a_partition_keeps_the_pods_below_it(release: Releases) -> None:
    assert release(stateful("shop/web:1", 3)).code == 0
    strategy = {"updateStrategy": {"rollingUpdate": {"partition": 2}}}
    outcome = release(stateful("shop/web:2", 3, **strategy))
    assert outcome.code == 0, outcome.text
    assert images(release) == ["shop/web:1", "shop/web:1", "shop/web:2"]
    broken = release(stateful("shop/pull-fail:3", 3, **strategy))
    assert (broken.code, the_failure(broken)["pod"]) == (1, "db-2"), broken.text


def test_on_delete_is_current_at_once(release: Releases) -> None:
    strategy = {"updateStrategy": {"type": "OnDelete"}}
    assert release(stateful("shop/web:1", **strategy)).code == 0
    outcome = release(stateful("shop/pull-fail:2", **strategy))
    assert outcome.code == 0, outcome.text
    assert images(release) == ["shop/web:1"] * 2
    assert "as pods are deleted (OnDelete)" in objects(outcome)["StatefulSet/db"]["message"]


def test_ordered_pods_wait_for_the_first(release: Releases) -> None:
    outcome = release(stateful("shop/pull-fail:1", 3))
    assert (outcome.code, the_failure(outcome)["pod"]) == (1, "db-0"), outcome.text
    assert len(release.read("pods")) == 1


@pytest.mark.parametrize(("policy", "code"), [("OrderedReady", 3), ("Parallel", 0)])
def test_a_broken_first_pod_of_an_older_revision(policy: str, code: int, release: Releases) -> None:
    """With OrderedReady it is never replaced: it must be named, for somebody has to delete it."""
    assert release(stateful("shop/pull-fail:1", podManagementPolicy=policy)).code == 1
    made = stateful("shop/web:2", podManagementPolicy=policy)
    mended = release.timed_out(made, after="delete it") if code else release(made)
    assert mended.code == code, mended.text
    if code:
        assert "db-0" in the_failure(mended)["pod"]
        assert "delete it" in mended.stderr
        release.kubectl("delete", "pod", "db-0", "--wait=false")
        last = release(stateful("shop/web:2", podManagementPolicy=policy))
        assert last.code == 0, last.text


# -- DaemonSets


def test_a_daemon_set_that_no_node_asks_for(release: Releases) -> None:
    made = workload("DaemonSet", "agent", "shop/pull-fail:1")
    made["spec"]["template"]["spec"]["nodeSelector"] = {"disk": "none"}
    outcome = release(made)
    assert (outcome.code, statuses(outcome)) == (0, {"DaemonSet/agent": "current"}), outcome.text


def test_daemons_on_delete(release: Releases) -> None:
    strategy = {"updateStrategy": {"type": "OnDelete"}}
    assert release(workload("DaemonSet", "agent", "shop/web:1", spec=strategy)).code == 0
    outcome = release(workload("DaemonSet", "agent", "shop/pull-fail:2", spec=strategy))
    assert outcome.code == 0, outcome.text
    assert set(images(release)) == {"shop/web:1"}


# -- Jobs

FAIL_JOB = {"rules": [{"action": "FailJob", "onExitCodes": {"operator": "In", "values": [3]}}]}
JOBS: list[tuple[str, Object, int, str, int]] = [
    # image, spec, exit code, reason, failed pods
    ("job-fail", {"backoffLimit": 0}, 1, "BackoffLimitExceeded", 1),
    ("job-fail", {"backoffLimit": 1}, 1, "BackoffLimitExceeded", 2),
    ("job-fail", {"backoffLimit": 6, "podFailurePolicy": FAIL_JOB}, 1, "PodFailurePolicy", 1),
    ("job-hang", {"activeDeadlineSeconds": 1}, 1, "DeadlineExceeded", 1),
    (
        "job-fail",
        {"backoffLimitPerIndex": 0, "completionMode": "Indexed", "completions": 2, "parallelism": 2},
        1,
        "FailedIndexes",
        2,
    ),
    ("job-ok", {"completionMode": "Indexed", "completions": 3, "parallelism": 2}, 0, "", 0),
    (
        "job-ok",
        {
            "completionMode": "Indexed",
            "completions": 3,
            "parallelism": 1,
            "successPolicy": {"rules": [{"succeededCount": 1}]},
        },
        0,
        "",
        0,
    ),
    ("job-ok", {"parallelism": 2, "completions": None}, 0, "", 0),
    ("job-fail", {"suspend": True}, 0, "", 0),
    ("job-ok", {"ttlSecondsAfterFinished": 0}, 0, "", 0),
    ("job-fail", {"ttlSecondsAfterFinished": 0}, 1, "BackoffLimitExceeded", 1),
]


@pytest.mark.parametrize(
    ("image", "spec", "code", "reason", "failed"), JOBS, ids=[f"{row[0]}-{'-'.join(row[1])}" for row in JOBS]
)
def test_jobs(image: str, spec: Object, code: int, reason: str, failed: int, release: Releases) -> None:
    made = job("once", f"shop/{image}:1")
    kept = {name: value for name, value in spec.items() if value is not None}
    made["spec"] = {**made["spec"], **kept}
    if "backoffLimitPerIndex" in spec:
        del made["spec"]["backoffLimit"]
    outcome = release(made)
    assert (outcome.code, statuses(outcome)) == (code, {"Job/once": "failed" if code else "current"}), outcome.text
    if reason:
        failure = the_failure(outcome)
        assert (failure["reason"], failure["object"].rpartition("/")[2]) == (reason, "once")
    if reason and "ttlSecondsAfterFinished" not in spec and image == "job-fail":
        assert (failure["container"], failure["image"]) == ("app", f"shop/{image}:1")
        assert failure["pod"].startswith("once-")
    if "ttlSecondsAfterFinished" not in spec:
        status = release.read("job", "once")["status"]
        assert status.get("failed", 0) + len(status.get("uncountedTerminatedPods", {}).get("failed", [])) <= failed


# -- the other kinds


def test_a_replication_controller(release: Releases) -> None:
    def made(image: str) -> Object:
        spec = {"replicas": 2, "selector": {"app": "old"}, "template": template("old", image)}
        return obj("v1", "ReplicationController", "old", spec=spec)

    assert release(made("shop/web:1")).code == 0
    release.kubectl("delete", "rc", "old")
    broken = release(made("shop/crash:1"))
    assert (broken.code, the_failure(broken)["reason"]) == (1, "CrashLoopBackOff"), broken.text


_BACKEND = {"service": {"name": "web", "port": {"number": 80}}}
_ONCE = {"template": {"spec": job("x", "shop/job-fail:1")["spec"]["template"]["spec"]}}
QUIET: list[Object] = [
    autoscaler(1, target="nope"),
    obj("policy/v1", "PodDisruptionBudget", "web", spec={"minAvailable": 9, "selector": {"matchLabels": {"a": "b"}}}),
    obj("networking.k8s.io/v1", "Ingress", "web", spec={"defaultBackend": _BACKEND}),
    obj("batch/v1", "CronJob", "nightly", spec={"schedule": "0 3 1 1 *", "jobTemplate": {"spec": _ONCE}}),
]


def test_kinds_that_are_done_when_they_are_taken(release: Releases) -> None:
    outcome = release(*QUIET)
    assert outcome.code == 0, outcome.text
    assert set(statuses(outcome).values()) == {"current"}
    changed = json.loads(json.dumps(QUIET))
    changed[1]["spec"]["minAvailable"] = 8
    changed[3]["spec"]["schedule"] = "0 4 1 1 *"
    second = release(*changed)
    assert (second.code, set(statuses(second).values())) == (0, {"current"}), second.text


def test_an_api_service_of_the_servers_own(release: Releases, cluster: Cluster) -> None:
    group = f"{release.namespace}.example"
    spec = {"group": group, "version": "v1", "groupPriorityMinimum": 100, "versionPriority": 10}
    try:
        outcome = release(obj("apiregistration.k8s.io/v1", "APIService", f"v1.{group}", spec=spec))
    finally:
        cluster.request("DELETE", f"/apis/apiregistration.k8s.io/v1/apiservices/v1.{group}")
    assert (outcome.code, set(statuses(outcome).values())) == (0, {"current"}), outcome.text


def test_a_definition_that_is_given_another_kind_is_not_failed_by_the_name_of_before(
    release: Releases, widgets: str, cluster: Cluster
) -> None:
    made = definition(widgets, "Gadget")
    names = made["spec"]["names"]
    names["listKind"] = "GadgetList"
    try:
        taken = release({**made, "spec": {**made["spec"], "names": {**names, "kind": "Widget"}}})
        assert taken.code == 1 and "already in use" in taken.text, taken.text
        outcome = release(made)
    finally:
        cluster.request("DELETE", f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/gadgets.{widgets}")
    assert outcome.code == 0, outcome.text


@pytest.fixture
def widgets(release: Releases, cluster: Cluster) -> Iterator[str]:
    """The API group of Widgets, which nobody controls."""
    group = f"{release.namespace}.example"
    try:
        assert release(definition(group)).code == 0
        yield group
    finally:
        cluster.request("DELETE", f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.{group}")


def test_what_tells_nothing_is_current_and_that_is_said_however_it_is_asked(release: Releases, widgets: str) -> None:
    """Created, unchanged, and by the verdict alone: one line for all of them, and a field of each."""
    made = [custom(widgets, f"one-{number}", spec={"size": 1}) for number in range(6)]
    settings = obj("v1", "ConfigMap", "settings", data={})
    for command, action in (("apply", "created"), ("apply", "unchanged"), ("status", "none")):
        outcome = release(*made, settings, command=command)
        assert (outcome.code, set(statuses(outcome).values())) == (0, {"current"}), outcome.text
        assert set(actions(outcome).values()) == {action}
        (line,) = [line for line in outcome.stderr.splitlines() if "could be judged" in line]
        assert line.startswith("note: widget.") and line.endswith(
            "do not tell whether they are ready: nothing could be judged"
        )
        assert " and 1 more " in line
        judged = {entry["name"]: entry["judged"] for entry in outcome.report["objects"]}
        assert judged == {**{f"one-{number}": False for number in range(6)}, "settings": True}
        assert outcome.stdout.count("nothing could be judged") == 6, "the table says so too"


CLAIMS: dict[str, tuple[Object, tuple[int, str, str]]] = {
    # what its controller writes: exit code, state, a part of the message
    "half updated": (
        {
            "updatedReplicas": 1,
            "availableReplicas": 3,
            "conditions": [
                {"type": "Available", "status": "True"},
                {"type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated", "message": "is progressing"},
            ],
        },
        (3, "in progress", "is progressing"),
    ),
    "given up": (
        {
            "availableReplicas": 3,
            "conditions": [
                {"type": "Available", "status": "True"},
                {"type": "Progressing", "status": "False", "reason": "RolloutAborted", "message": "it was aborted"},
            ],
        },
        (1, "failed", "it was aborted"),
    ),
    "too few": (
        {"availableReplicas": 2, "conditions": [{"type": "Available", "status": "True"}]},
        (3, "in progress", "2 of 3 replicas available"),
    ),
    "not synced": (
        {
            "conditions": [
                {"type": "Ready", "status": "True"},
                {"type": "Synced", "status": "False", "message": "denied"},
            ]
        },
        (3, "in progress", "denied"),
    ),
    "ready as a boolean": ({"conditions": [{"type": "Ready", "status": True}]}, (0, "current", "ready")),
    "failed for good": ({"phase": "Failed", "message": "no such zone"}, (1, "failed", "no such zone")),
}


@pytest.mark.parametrize(("claimed", "expected"), CLAIMS.values(), ids=CLAIMS)
def test_what_a_custom_resource_tells_of_itself(
    claimed: Object, expected: tuple[int, str, str], release: Releases, widgets: str
) -> None:
    made = custom(widgets, "one", spec={"replicas": 3})
    assert release(made, options=("--no-wait",)).code == 0
    release.say("one", kind=f"widgets.{widgets}", **claimed)
    fatal = ("--fail-after", "Failed=0s")
    is_waited_for = expected[1] == "in progress"
    outcome = release.timed_out(made, after=expected[2]) if is_waited_for else release(made, options=fatal)
    found = objects(outcome)["Widget/one"]
    assert (outcome.code, found["status"]) == expected[:2], outcome.text
    assert expected[2] in found["message"] and found["judged"]


# -- what others do while it is followed


def meanwhile(release: Releases, act: Callable[[Releases], object]) -> Outcome:
    """A good release whose pods don't start before somebody else has done something to it."""
    run = release.start(deployment(image="shop/web:1", replicas=2, create_delay=HELD))
    run.wait_for("waiting for 1 object")
    poll(lambda: release.read("pods"), "the first pod")
    act(release)

    def ended() -> bool:
        release.let_start()
        return run.process.poll() is not None

    poll(ended, "the end", 60)
    return run.wait()


def set_image(release: Releases) -> None:
    release.kubectl("set", "image", "deployment/web", "app=shop/web:9")


def newer_apply(release: Releases) -> None:
    newer = json.dumps(deployment(image="shop/web:9", replicas=2))
    release.kubectl("apply", "--server-side", "--force-conflicts", "--field-manager=k8s-step", "-f", "-", input=newer)


def drop_container(release: Releases) -> None:
    patch = [{"op": "replace", "path": "/spec/template/spec/containers/0/name", "value": "other"}]
    release.kubectl("patch", "deployment", "web", "--type=json", "-p", json.dumps(patch))


@pytest.mark.parametrize(
    ("act", "field", "who"),
    [
        (set_image, 'containers[name="app"].image', "kubectl-set (Update"),
        (newer_apply, 'containers[name="app"].image', "k8s-step (Apply"),
        (drop_container, 'containers[name="app"]', "gone"),
    ],
    ids=["set image", "a newer release", "another container"],
)
def test_a_newer_write_of_the_same_fields_is_said_and_fails(
    act: Callable[[Releases], object], field: str, who: str, release: Releases
) -> None:
    outcome = meanwhile(release, act)
    assert (outcome.code, the_failure(outcome)["reason"]) == (1, "Superseded"), outcome.text
    message = the_failure(outcome)["message"]
    assert f".spec.template.spec.{field}" in message and who in message
    assert "let releases take turns" in outcome.stderr


def restart(release: Releases) -> None:
    release.kubectl("rollout", "restart", "deployment/web")


def annotate_template(release: Releases) -> None:
    patch = {"spec": {"template": {"metadata": {"annotations": {"reloader.example/last": "7"}}}}}
    release.kubectl("patch", "deployment", "web", "-p", json.dumps(patch))


@pytest.mark.parametrize("act", [restart, annotate_template])
def test_a_newer_revision_that_keeps_ours_is_said_and_followed(
    act: Callable[[Releases], object], release: Releases
) -> None:
    outcome = meanwhile(release, act)
    assert (outcome.code, statuses(outcome)) == (0, {"Deployment/web": "current"}), outcome.text
    assert outcome.stderr.count("what this run wrote still stands") == 1
    live = release.read("deployment", "web")
    assert live["metadata"]["generation"] == live["status"]["observedGeneration"] == 2
    assert live["status"]["updatedReplicas"] == live["status"]["availableReplicas"] == 2


def test_scaled_by_somebody_while_it_is_followed(release: Releases) -> None:
    outcome = meanwhile(release, lambda release: release.kubectl("scale", "deployment/web", "--replicas=3"))
    assert outcome.code == 0, outcome.text
    assert release.read("deployment", "web")["status"]["availableReplicas"] == 3
    assert "somebody else" not in outcome.stderr


def test_a_broken_restart_of_ours_is_still_our_failure(release: Releases) -> None:
    run = release.start(deployment(image="shop/crash:1", replicas=1))
    run.wait_for("waiting for 1 object")
    restart(release)
    outcome = run.wait()
    assert (outcome.code, the_failure(outcome)["reason"]) == (1, "CrashLoopBackOff"), outcome.text
