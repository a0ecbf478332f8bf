"""Exit 0 says that all is current at the end; whatever is broken when the verdict falls is told as broken.

The pods are held back and written by the test's own hand: none of this depends on who is faster.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import pytest

from tests.conftest import Outcome, Running, Step, poll
from tests.controlplane.cluster import Cluster
from tests.faults import proxy as faults
from tests.faults.proxy import Exchange, Proxy, on
from tests.integration.objects import (
    Object,
    config_map,
    custom,
    definition,
    deployment,
    job,
    noted,
    obj,
    pod,
    service,
    through,
    workload,
    write,
)
from tests.integration.outcomes import failures, statuses, the_failure
from tests.integration.releases import HELD, Releases
from tests.unit.samples import running, terminated, waiting

pytestmark = pytest.mark.usefixtures("played")

FALLEN = "was current and is not any more"
NOT_READY = [{"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": "False"}]
LOOP = waiting("CrashLoopBackOff", restarts=5, last=terminated(1))


def held(name: str, image: str = "shop/web:1", **more: Any) -> Object:
    return deployment(name, image, create_delay=HELD, **more)


def pod_of(release: Releases, name: str) -> str:
    """The name of the one living pod of a Deployment."""
    (found,) = release.living_of(name)
    return found


def ready(release: Releases, name: str) -> None:
    release.say_ready(pod_of(release, name), running(ready=True))


def unready(release: Releases, name: str, container: Object) -> None:
    image = f"shop/{name if name in BROKEN else 'web'}:1"  # its log is its play's
    release.say(pod_of(release, name), {**container, "image": image}, phase="Running", conditions=NOT_READY)


def half_done(release: Releases, *options: str, own_clock: bool = False) -> Running:
    """A release in which ``web`` has become current, and ``slow`` waits for the test."""
    run = release.start(held("web"), held("slow"), options=options, own_clock=own_clock)
    ready(release, "web")
    run.wait_for("deployment.apps/web: current")
    return run


# -- what was current


def test_a_deployment_whose_pod_crashes_while_another_rolls_out(release: Releases) -> None:
    run = half_done(release)
    unready(release, "web", LOOP)
    outcome = run.wait()
    assert (outcome.code, statuses(outcome)) == (1, {"Deployment/web": "failed", "Deployment/slow": "in progress"})
    assert (the_failure(outcome)["reason"], the_failure(outcome)["container"]) == ("CrashLoopBackOff", "app")
    assert f"CrashLoopBackOff: {FALLEN}: exited with code 1" in outcome.stderr


@pytest.mark.parametrize("kind", ["ConfigMap", "Secret"])
def test_data_that_somebody_overwrites_while_another_rolls_out(kind: str, release: Releases) -> None:
    made = obj("v1", kind, "settings", data={"tone": "c29mdA=="})
    run = release.start(made, held("slow"))
    run.wait_for("waiting for")
    release.living_of("slow")
    body = '{"data": {"tone": "bG91ZA=="}}'
    release.kubectl("patch", kind.lower(), "settings", "--type", "merge", "-p", body, "--field-manager", "night-shift")
    ready(release, "slow")
    outcome = run.wait()
    assert (outcome.code, statuses(outcome)) == (1, {f"{kind}/settings": "failed", "Deployment/slow": "current"})
    assert the_failure(outcome)["reason"] == "Superseded" and ".data.tone by night-shift" in outcome.stderr


def test_data_that_somebody_adds_to_is_still_as_it_was_written(release: Releases) -> None:
    run = release.start(config_map(tone="soft"), held("slow"))
    run.wait_for("waiting for")
    release.living_of("slow")
    release.kubectl("patch", "configmap", "settings", "--type", "merge", "-p", '{"data": {"pitch": "low"}}')
    ready(release, "slow")
    assert run.wait().code == 0, run.text


def test_one_that_falls_back_is_waited_for_until_it_recovers(release: Releases) -> None:
    run = half_done(release)
    unready(release, "web", running())
    run.wait_for(f"deployment.apps/web: {FALLEN}: 0 of 1 updated pods available")
    ready(release, "slow")
    run.wait_for("deployment.apps/slow: current")
    ready(release, "web")
    outcome = run.wait()
    assert outcome.code == 0, outcome.text
    assert "deployment.apps/web: current again" in outcome.stderr
    assert outcome.stderr.count(FALLEN) == 1


def test_one_that_falls_back_and_stays_so_is_not_current_in_time(release: Releases) -> None:
    run = half_done(release, own_clock=True)
    unready(release, "web", running())
    run.wait_for(FALLEN)
    ready(release, "slow")
    run.wait_for("deployment.apps/slow: current")
    run.time_passes()
    outcome = run.wait()
    assert (outcome.code, the_failure(outcome)["reason"]) == (3, "ContainersNotReady"), outcome.text
    assert statuses(outcome) == {"Deployment/web": "in progress", "Deployment/slow": "current"}


def test_without_failing_fast_a_fall_is_the_servers_to_judge(release: Releases) -> None:
    run = half_done(release, "--no-fail-fast")
    unready(release, "web", LOOP)
    run.wait_for(FALLEN)
    ready(release, "slow")
    run.wait_for("deployment.apps/slow: current")
    ready(release, "web")
    assert run.wait().code == 0, run.text


def test_a_pod_that_fails_after_it_was_ready(release: Releases) -> None:
    run = release.start(noted(pod("bare", "shop/web:1", policy="Never"), create_delay=HELD), held("slow"))
    release.living(2)
    release.say_ready("bare", running(ready=True))
    run.wait_for("pod/bare: current")
    release.say("bare", phase="Failed", reason="Evicted", message="The node was low on resource: memory.")
    outcome = run.wait()
    assert (outcome.code, the_failure(outcome)["reason"]) == (1, "Evicted"), outcome.text
    assert statuses(outcome) == {"Pod/bare": "failed", "Deployment/slow": "in progress"}


def test_a_deployment_deleted_after_it_was_current(release: Releases) -> None:
    run = half_done(release)
    release.kubectl("delete", "deployment", "web", "--wait=false")
    outcome = run.wait()
    assert (outcome.code, statuses(outcome)["Deployment/web"]) == (1, "not found"), outcome.text
    assert f"Deleted: {FALLEN}: deleted while it was followed" in outcome.stderr


def test_a_deployment_given_a_bad_image_after_it_was_current(release: Releases) -> None:
    run = half_done(release)
    release.kubectl("set", "image", "deployment/web", "app=shop/pull-fail:9")
    outcome = run.wait()
    assert (outcome.code, the_failure(outcome)["reason"]) == (1, "Superseded"), outcome.text
    assert "kubectl-set" in the_failure(outcome)["message"]


def test_status_judges_the_revision_that_somebody_made_meanwhile(release: Releases, step: Step) -> None:
    """It wrote nothing, so nothing of it is superseded: the new pods are judged as the old ones were."""
    release.start(held("web"), held("slow"), options=("--no-wait",)).wait()
    run = step.start("status", "deployment/web", "deployment/slow", "-n", release.namespace, report=True)
    run.wait_for("waiting for 2 objects")
    ready(release, "web")
    run.wait_for("deployment.apps/web: current")
    release.kubectl("set", "image", "deployment/web", "app=shop/web:9")
    run.wait_for(FALLEN)
    unready(release, "web", waiting("InvalidImageName"))
    outcome = run.wait()
    assert (outcome.code, the_failure(outcome)["reason"]) == (1, "InvalidImageName"), outcome.text
    assert the_failure(outcome)["image"] == "shop/web:9"


def test_a_job_that_is_complete_stays_so_when_its_ttl_deletes_it(release: Releases, cluster: Cluster) -> None:
    run = release.start(job("once", "shop/job-ok:1", ttlSecondsAfterFinished=0), held("slow"))
    run.wait_for("job.batch/once: current")
    release.kubectl("wait", "--for=delete", "job/once", "--timeout=60s")
    ready(release, "slow")
    outcome = run.wait()
    assert (outcome.code, statuses(outcome)["Job/once"]) == (0, "current"), outcome.text


# -- what nothing watched: current from the answer to its write


def delete(kind: str) -> Callable[[Releases], str]:
    return lambda release: release.kubectl("delete", kind, "web", "--wait=false")


def replace(release: Releases) -> None:
    release.kubectl("delete", "configmap", "web")
    release.kubectl("create", "configmap", "web", "--from-literal=a=b")


MEANWHILE: dict[str, tuple[Callable[[Releases], object], str, str]] = {
    "a ConfigMap that is deleted": (delete("configmap"), "ConfigMap/web", "Deleted"),
    "one that is another of its name": (replace, "ConfigMap/web", "Deleted"),
    "a Service that is deleted": (delete("service"), "Service/web", "Deleted"),
    "a Deployment that is deleted": (delete("deployment"), "Deployment/web", "Deleted"),
    "a Deployment whose pod crashes": (lambda release: unready(release, "web", LOOP), "Deployment/web", "CrashLoop"),
    "a Deployment of another image": (
        lambda release: release.kubectl("set", "image", "deployment/web", "app=shop/web:9"),
        "Deployment/web",
        "Superseded",
    ),
}


@pytest.mark.parametrize("case", MEANWHILE)
def test_what_was_unchanged_and_current_is_looked_at_once_more(case: str, release: Releases) -> None:
    act, blamed, reason = MEANWHILE[case]
    unchanged = (config_map("web", a="b"), config_map("more", a="b"), service("web"), held("web"))
    first = release.start(*unchanged)
    ready(release, "web")
    assert first.wait().code == 0, first.text
    run = release.start(*unchanged, held("slow"))
    pod_of(release, "slow")
    run.wait_for("waiting for 1 object")
    act(release)
    ready(release, "slow")
    outcome = run.wait()
    assert outcome.code == 1, outcome.text
    assert {name: found["reason"][: len(reason)] for name, found in failures(outcome).items()} == {blamed: reason}
    assert FALLEN in outcome.stderr


def test_what_was_written_before_a_kind_was_waited_for_is_looked_at_too(
    step: Step, release: Releases, cluster: Cluster, proxy: Proxy, tmp_path: Path
) -> None:
    """The CRD's establishment is kept from the step until its ConfigMap has been deleted."""
    group, deleted = f"{release.namespace}.example", threading.Event()

    def hold(exchange: Exchange) -> None:
        assert deleted.wait(60)
        exchange.forward()

    rule = proxy.rule(on("GET", "customresourcedefinitions$", watch=True), hold)
    path = write(tmp_path / "release.yaml", config_map("web", a="b"), definition(group), custom(group, "one"))
    words = ("apply", "-f", path, "-n", release.namespace, "--no-preflight")
    run = step.start(*words, env=through(proxy), report=True)
    poll(lambda: rule.used, "the watch of the CRD")
    release.kubectl("delete", "configmap", "web")
    deleted.set()
    outcome = run.wait()
    cluster.request("DELETE", f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.{group}")
    assert (outcome.code, statuses(outcome)["ConfigMap/web"]) == (1, "not found"), outcome.text


def test_what_went_back_is_current_at_the_end_too(release: Releases) -> None:
    """Exit 6 says of what was restored what exit 0 says of a release."""
    recreated = {"strategy": {"type": "Recreate"}}
    first = release.start(held("web"), held("slow", spec=recreated))
    ready(release, "web")
    ready(release, "slow")
    assert first.wait().code == 0, first.text
    bad = (held("web", "shop/web:2"), held("slow", "shop/web:2", spec=recreated))
    run = release.start(*bad, options=("--rollback-on-failure",))
    run.wait_for("waiting for 2 objects")
    pod_of(release, "slow")
    unready(release, "web", waiting("InvalidImageName"))
    told = ("waiting for 1 object", "deployment.apps/web: current")  # the other one, or first both
    poll(lambda: any(words in run.text.partition("rolling back")[2] for words in told), "the first of two")
    unready(release, "web", running())
    run.wait_for(f"deployment.apps/web: {FALLEN}")
    ready(release, "slow")
    run.wait_for("deployment.apps/slow: current")
    ready(release, "web")
    outcome = run.wait()
    assert outcome.code == 6, outcome.text
    assert "deployment.apps/web: current again" in outcome.stderr


def test_the_last_look_does_without_what_the_token_may_not(
    step: Step, release: Releases, cluster: Cluster, tmp_path: Path
) -> None:
    """Neither list nor watch: each object is asked for by name, and what was deleted is missed all the same."""
    rules = (
        {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "patch", "create"]},
        {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "patch", "create"]},
    )
    token = cluster.token(release.namespace, rules=rules)
    robot = {"KUBECONFIG": None, "K8S_API": cluster.server, "K8S_CA": str(cluster.ca), "K8S_TOKEN": token}
    path = write(tmp_path / "release.yaml", config_map("web", a="b"), config_map("more", a="b"), held("slow"))
    run = step.start("apply", "-f", path, "-n", release.namespace, env=robot, report=True)
    pod_of(release, "slow")
    run.wait_for("waiting for 1 object")
    release.kubectl("delete", "configmap", "web")
    ready(release, "slow")
    outcome = run.wait()
    assert (outcome.code, statuses(outcome)["ConfigMap/web"]) == (1, "not found"), outcome.text


def test_a_watch_that_is_behind_calls_nothing_current_that_is_gone(
    step: Step, release: Releases, proxy: Proxy, tmp_path: Path
) -> None:
    bare = noted(pod("bare", "shop/web:1", policy="Never"), create_delay=HELD)
    path = write(tmp_path / "release.yaml", held("web"), bare)
    run = step.start("apply", "-f", path, "-n", release.namespace, env=through(proxy), report=True)
    ready(release, "web")
    run.wait_for("deployment.apps/web: current")
    stalled = proxy.rule(on("GET", "/deployments$", watch=True), faults.stall(), times=None)
    proxy.hang_up()
    release.kubectl("delete", "deployment", "web", "--cascade=orphan")
    release.say_ready("bare", running(ready=True))
    outcome = run.wait()
    assert stalled.used and (outcome.code, statuses(outcome)["Deployment/web"]) == (1, "not found"), outcome.text


def test_the_last_look_costs_one_list_a_kind_and_no_values(
    step: Step, release: Releases, proxy: Proxy, tmp_path: Path
) -> None:
    path = write(
        tmp_path / "release.yaml",
        *(config_map(f"c{number}", a="b") for number in range(20)),
        *(held(f"web-{number}") for number in range(3)),
        service("web"),
    )
    run = step.start("apply", "-f", path, "-n", release.namespace, env=through(proxy), report=True)
    release.living(3)
    run.wait_for("waiting for 3 objects")
    before = len(proxy.requests)
    for number in range(3):
        ready(release, f"web-{number}")
    assert run.wait().code == 0, run.text
    looks = [
        one for one in proxy.requests[before:] if not one.watch and "PartialObjectMetadata" in one.headers["Accept"]
    ]
    names = sorted(one.path.rpartition(f"/{release.namespace}/")[2] for one in looks)
    assert names == ["configmaps", "deployments", "services/web"]


# -- several broken at once

BROKEN = {"crash": "CrashLoopBackOff", "oom": "OOMKilled", "config-error": "CreateContainerConfigError"}
UNFINISHED = ("pending", "unready")


def test_whatever_is_broken_is_told_when_the_first_one_fails(release: Releases, tmp_path: Path) -> None:
    run = three_broken(release, tmp_path)
    unready(release, "crash", waiting("CrashLoopBackOff", restarts=2, last=terminated(1)))
    outcome = run.wait()
    assert outcome.code == 1, outcome.text
    check_broken(outcome, tmp_path)
    assert set(failures(outcome)) == {f"Deployment/{name}" for name in BROKEN}


def test_whatever_is_broken_is_told_when_the_run_is_cancelled(release: Releases, tmp_path: Path) -> None:
    """What was merely unfinished has its evidence then, too, and is no failure in JUnit."""
    run = three_broken(release, tmp_path)
    run.signal(signal.SIGTERM)
    outcome = run.wait()
    assert outcome.code == 143, outcome.text
    check_broken(outcome, tmp_path)
    assert set(failures(outcome)) >= {f"Deployment/{name}" for name in (*BROKEN, "unready")}


def test_whatever_is_broken_is_told_when_time_is_up_for_another(release: Releases, tmp_path: Path) -> None:
    """The others have more time than passes: only what is late or broken is told of."""
    late = held("late")
    late["metadata"]["annotations"] = {"k8s-step/timeout": "1h"}
    run = three_broken(release, tmp_path, late, own_clock=True)
    run.time_passes(2 * 3600)
    outcome = run.wait()
    assert outcome.code == 3, outcome.text
    check_broken(outcome, tmp_path, "late")


def test_pods_that_may_not_be_created_are_told_before_their_grace_is_over(
    release: Releases, cluster: Cluster, tmp_path: Path
) -> None:
    """A StatefulSet says so by its events alone, which nobody asks for before the grace is over."""
    release.start(held("crash", "shop/crash:1"), options=("--no-wait",)).wait()
    pod_of(release, "crash")
    quota = obj("v1", "ResourceQuota", "small", spec={"hard": {"pods": "1"}})
    cluster.create(f"/api/v1/namespaces/{release.namespace}/resourcequotas", quota)
    poll(
        lambda: release.read("resourcequota", "small").get("status", {}).get("used", {}).get("pods") == "1", "the quota"
    )
    made = (held("crash", "shop/crash:1"), workload("StatefulSet", "db", "shop/web:1"))
    run = release.start(*made, options=("--fail-after", "FailedCreate=10m"))
    run.wait_for("statefulset.apps/db: 0 of 1")
    poll(lambda: [one for one in release.read("events") if one["reason"] == "FailedCreate"], "the refusal")
    unready(release, "crash", LOOP)
    outcome = run.wait()
    assert outcome.code == 1, outcome.text
    found = failures(outcome)
    assert {name: one["reason"] for name, one in found.items()} == {
        "Deployment/crash": "CrashLoopBackOff",
        "StatefulSet/db": "FailedCreate",
    }
    assert "exceeded quota: small" in found["StatefulSet/db"]["message"]


def three_broken(release: Releases, folder: Path, *more: Object, own_clock: bool = False) -> Running:
    """A release that knows what is wrong with three; the test says when the verdict falls."""
    made = [held(name, f"shop/{name}:1") for name in (*BROKEN, *UNFINISHED)]
    graces = ("--fail-after", "CreateContainerConfigError=9h", "--timeout", "9h")
    run = release.start(*made, *more, options=(*graces, "--junit", str(folder / "junit.xml")), own_clock=own_clock)
    unready(release, "oom", waiting("CrashLoopBackOff", restarts=1, last=terminated(137, "OOMKilled")))
    unready(release, "crash", waiting("CrashLoopBackOff", restarts=1, last=terminated(1)))
    unready(release, "config-error", waiting("CreateContainerConfigError", 'secret "app-secrets" not found'))
    unready(release, "unready", running())
    for name, told in {
        **dict.fromkeys(("crash", "oom"), "CrashLoopBackOff"),
        "config-error": "CreateContainer",
    }.items():
        run.wait_for(f"deployment.apps/{name}: 0 of 1 updated pods available; new pods: 1 {told}")
    run.wait_for("deployment.apps/unready: 0 of 1 updated pods available; new pods: 1 running but not ready")
    return run


def check_broken(outcome: Outcome, folder: Path, *late: str) -> None:
    found = failures(outcome)
    assert {name: found[f"Deployment/{name}"]["reason"] for name in BROKEN} == BROKEN
    assert "FATAL: password authentication failed" in found["Deployment/crash"]["logs"]
    assert "loading the catalogue into memory" in found["Deployment/oom"]["logs"]
    assert "app-secrets" in found["Deployment/config-error"]["message"]
    for name, reason in BROKEN.items():
        assert f"deployment.apps/{name} ({reason})" in outcome.stderr.splitlines()[-1]
    cases = {str(case.get("name")): case for case in Xml.parse(folder / "junit.xml").getroot().iter("testcase")}
    told = {name.rpartition("/")[2]: [child.tag for child in case] for name, case in cases.items() if "/" in name}
    assert told == {**{name: ["failure"] for name in (*BROKEN, *late)}, **{name: ["skipped"] for name in UNFINISHED}}
    for name, reason in BROKEN.items():
        (failure,) = cases[f"deployment.apps/{name}"]
        assert failure.get("type") == reason and reason in str(failure.text)
