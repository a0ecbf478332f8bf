"""``--logs``: what the new pods say while they are followed, a line with its pod, bounded and masked."""

from __future__ import annotations

import json
import re
import signal
import time
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Kubectl, Outcome, Step, poll
from tests.controlplane.cluster import Cluster
from tests.faults.proxy import Proxy, cut_watch, end_watch, forbid, on, stall
from tests.integration.objects import Object, deployment, job, obj, pod, through, workload, write
from tests.integration.outcomes import statuses, the_failure
from tests.integration.releases import HELD, Releases
from tests.integration.test_permissions import as_runner, printed, split
from tests.integration.test_rollback import Shop, went_back
from tests.integration.test_waves import annotated
from tests.unit.samples import running

pytestmark = pytest.mark.usefixtures("played")

USUAL = ["starting", "listening on :8080"]
CRASHED = ["starting", "connecting to db:5432", "FATAL: password authentication failed"]
AGAIN = [*CRASHED, *CRASHED[:-1]]  # the last line is written as a run ends
LOGS = ("--logs",)


@pytest.fixture
def shop(step: Step, kubectl: Kubectl, namespace: str, tmp_path: Path) -> Shop:
    return Shop(step, kubectl, namespace, tmp_path)


def logs(text: str) -> dict[str, list[str]]:
    """The lines by pod, or by pod and container."""
    found: dict[str, list[str]] = {}
    for whose, line in re.findall(r"(?m)^pod/(\S+) \| (.*)$", text):
        found.setdefault(whose, []).append(line)
    return found


def release(shop: Shop, *made: Object, options: tuple[str, ...] = LOGS, **more: Any) -> Outcome:
    outcome = shop.release(*made, options=options, **more)
    assert outcome.code == 0, outcome.text
    return outcome


def test_every_container_of_each_new_pod(shop: Shop) -> None:
    web = deployment(init="shop/migrate:1", replicas=2)
    containers = web["spec"]["template"]["spec"]
    containers["containers"].append({"name": "beside", "image": "shop/beside:1"})
    containers["initContainers"].append({"name": "always", "image": "shop/sidecar:1", "restartPolicy": "Always"})
    found = logs(release(shop, web, deployment("plain")).stderr)
    pods = {name.partition("/")[0] for name in found}
    assert sorted(pod.partition("-")[0] for pod in pods) == ["plain", "web", "web"]
    (plain,) = (pod for pod in pods if pod.startswith("plain-"))
    expected = {f"{pod}/{name}" for pod in pods - {plain} for name in ("init", "always", "app", "beside")}
    assert set(found) == {plain} | expected
    assert all(lines == USUAL for lines in found.values())


def test_old_pods_and_what_is_unchanged_say_nothing(shop: Shop) -> None:
    release(shop, deployment(log="of the first"))
    assert logs(release(shop, deployment(log="of the first")).stderr) == {}
    found = logs(release(shop, deployment(log="of the second", replicas=2)).stderr)
    assert list(found.values()) == [["of the second"]] * 2


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet"])
def test_pods_of_an_older_template_say_nothing(kind: str, shop: Shop) -> None:
    release(shop, workload(kind, "db", "shop/db:1", log="of the first"), options=())
    found = logs(release(shop, workload(kind, "db", "shop/db:1", log="of the second")).stderr)
    assert found and {line for lines in found.values() for line in lines} == {"of the second"}


def test_bare_pods_and_jobs_are_among_them(shop: Shop) -> None:
    found = logs(release(shop, pod("alone", "shop/web:1"), job("migrate", "shop/job-ok:1")).stderr)
    assert found.pop("alone") == USUAL
    ((name, lines),) = found.items()
    assert name.startswith("migrate-") and lines == ["migrating", "applied 0001_users", "applied 0002_orders", "done"]


def test_a_job_that_runs_at_each_release_is_told_once(shop: Shop) -> None:
    made = job("migrate", "shop/job-ok:1")
    made["metadata"]["annotations"] = {"k8s-step/run": "always"}
    outcome = release(shop, made)
    assert logs(outcome.stderr) == {} and outcome.stderr.count("job.batch/migrate | migrating") == 1


def test_lines_come_while_the_rollout_goes_on(shop: Shop) -> None:
    run = shop.start(deployment(image="shop/never-ready:1"), options=LOGS)
    run.wait_for("| GET /healthz 503")
    assert run.process.poll() is None
    run.signal(signal.SIGTERM)
    assert run.wait().code == 143


def test_a_container_that_restarts_goes_on(shop: Shop) -> None:
    (lines,) = logs(release(shop, deployment(image="shop/crash-once:1")).stderr).values()
    assert lines == AGAIN


def test_a_failure_has_its_evidence_besides(shop: Shop) -> None:
    outcome = shop.release(deployment(image="shop/crash:1"), options=LOGS)
    assert outcome.code == 1, outcome.text
    (lines,) = logs(outcome.stderr).values()
    assert lines[:6] == CRASHED * 2 and the_failure(outcome)["logs"] == CRASHED


def test_a_rollback_streams_nothing(shop: Shop) -> None:
    release(shop, deployment(log="good"), options=())
    outcome = shop.release(deployment(image="shop/crash:1", log="bad"), options=(*LOGS, "--rollback-on-failure"))
    went_back(outcome)
    assert {line for lines in logs(outcome.stderr).values() for line in lines} == {"bad"}


def test_those_of_one_wave_end_with_it(shop: Shop) -> None:
    outcome = release(shop, deployment("first", log_every="5ms", delay="1s"), annotated(deployment("second"), wave="1"))
    first, second = outcome.stderr.split("wave 2 of 2")
    assert [name.partition("-")[0] for name in logs(first)] == ["first"]
    assert [name.partition("-")[0] for name in logs(second)] == ["second"]


@pytest.mark.parametrize("how", [None, cut_watch, end_watch], ids=["whole", "cut", "ended"])
def test_a_log_without_end_ends_with_the_verdict(how: Any, shop: Shop, proxy: Proxy) -> None:
    """Every line once, from the first one on, though its answers break off."""
    for after in (0, 3, 9) if how else ():
        proxy.rule(on("GET", "/log$", query={"follow": "true"}), how(after=after), times=1)
    web = deployment(log_every="20ms", delay="2s")
    (lines,) = logs(release(shop, web, env=through(proxy)).stderr).values()
    assert len(lines) >= 50, "it was ready two seconds after it began"
    assert lines == [f"tick {number}" for number in range(len(lines))]


@pytest.mark.parametrize(
    ("recovers", "code", "status"), [(True, 0, "current"), (False, 3, "in progress")], ids=["recovers", "stays so"]
)
def test_what_falls_back_while_its_pods_are_awaited_is_followed_on(
    recovers: bool, code: int, status: str, shop: Shop, proxy: Proxy
) -> None:
    """The watch of the pods lags, and no time passes: the last look is over and the pods are still awaited."""
    releases = Releases(shop.step, shop._kubectl, shop.namespace, shop.folder)
    proxy.rule(on("GET", "/pods$"), stall(), times=None)
    path = write(shop.folder / "release.yaml", deployment(create_delay=HELD))
    words = ("apply", "-f", path, "-n", shop.namespace, *LOGS, "--log-format", "json")
    run = shop.step.start(*words, env=through(proxy), report=True, clock_stands=True)

    def is_told(*statuses: str) -> bool:
        lines = [json.loads(line) for line in run.text.splitlines() if line.startswith("{") and line.endswith("}")]
        told = [line["status"] for line in lines if line["event"] == "progress"]
        return [status for status, _ in groupby(told)][1:] == list(statuses)

    (name,) = releases.living(1)
    releases.say_ready(name, running(ready=True))
    poll(lambda: is_told("current"), "the success")
    poll(lambda: proxy.matching(on("GET", "/deployments/web$"))[-1].code == 200, "the last look")
    conditions = [{"type": kind, "status": "False"} for kind in ("ContainersReady", "Ready")]
    releases.say(name, running(ready=False), phase="Running", conditions=conditions)
    poll(lambda: is_told("current", "in progress"), "the fall")
    run.time_passes(6)
    if recovers:
        releases.say_ready(name, running(ready=True))
        poll(lambda: is_told("current", "in progress", "current"), "the recovery")
    poll(lambda: run.process.poll() is not None or run.time_passes(6), "the end")
    outcome = run.wait()
    assert (outcome.code, statuses(outcome)) == (code, {"Deployment/web": status}), outcome.text


def test_a_log_that_does_not_come_holds_nothing_up(shop: Shop, proxy: Proxy) -> None:
    proxy.rule(on("GET", "/log$"), stall(), times=None)
    outcome = release(shop, deployment(replicas=2), env=through(proxy))
    assert logs(outcome.stderr) == {}
    assert re.search(r"note: the log of pod/web-\S+ did not arrive to its end, nor those of 1 more", outcome.stderr)


def test_the_log_of_one_pod_is_cut(shop: Shop) -> None:
    lines = "\n".join(map(str, range(1200)))
    ((name, told),) = logs(release(shop, deployment(log=lines)).stderr).items()
    assert told[:-1] == [str(number) for number in range(1000)]
    assert told[-1] == f"… more than 1000 lines: kubectl logs -n {shop.namespace} pod/{name} has the rest"


def test_many_pods_are_told_of_and_not_streamed(shop: Shop) -> None:
    outcome = release(shop, deployment(replicas=25))
    assert len(logs(outcome.stderr)) == 20
    assert "note: the logs of 5 more containers are not shown: 20 are streamed at a time" in outcome.stderr


def test_all_logs_together_are_cut(shop: Shop) -> None:
    outcome = release(shop, deployment(replicas=12, log="\n".join(["a line"] * 1000)))
    assert sum(map(len, logs(outcome.stderr).values())) == 10_000
    assert outcome.stderr.count("no more logs are shown: these were 10000 lines") == 1


def test_without_permission_it_is_told_once_and_the_verdict_is_the_same(shop: Shop, proxy: Proxy) -> None:
    proxy.rule(on("GET", "/log$"), forbid(), times=None)
    outcome = release(shop, deployment(replicas=3), deployment("other"), env=through(proxy))
    assert logs(outcome.stderr) == {} and set(statuses(outcome).values()) == {"current"}
    assert outcome.stderr.count("grant get on pods and pods/log") == 1, outcome.text
    assert f"note: no logs: grant get on pods and pods/log in namespace {shop.namespace}" in outcome.stderr


def test_the_printed_role_is_enough(shop: Shop, cluster: Cluster, proxy: Proxy) -> None:
    path = write(shop.folder / "release.yaml", deployment(image="shop/crash-once:1"))
    words = ("-f", path, "-n", shop.namespace, "--logs")
    rules, _ = split(printed(shop.step("permissions", *words)), shop.namespace)
    runner = as_runner(cluster, cluster.token(shop.namespace, rules=rules), proxy.url)
    outcome = shop.step("apply", *words, env=runner)
    assert outcome.code == 0 and list(logs(outcome.stderr).values()) == [AGAIN], outcome.text
    assert [one.line for one in proxy.requests if one.code == 403 and "pods" in one.path] == []


@pytest.mark.parametrize("log_format", ["github", "gitlab", "plain"])
def test_secrets_are_masked_and_no_line_commands_the_ci_system(log_format: str, shop: Shop) -> None:
    keys = annotated(obj("v1", "Secret", "keys", stringData={"password": "correct-horse"}), wave="-1")
    log = "it is correct-horse\n::error::not mine\n  ::set-env name=A::b\nsee ##[error]this\n\x1b[31mred\x1b[0m\nlast"
    if log_format == "gitlab":
        log += "\n\x1b[0Ksection_start:1:mine\r\x1b[0KMine"
    system = {"GITHUB_ACTIONS": "true"} if log_format != "gitlab" else {"GITLAB_CI": "true"}
    outcome = release(shop, keys, deployment(log=log), options=(*LOGS, "--log-format", log_format), env=system)
    (lines,) = logs(outcome.stderr).values()
    assert lines[0] == "it is ***" and lines[1] == "::error::not mine" and "last" in lines
    assert not re.search(r"(?m)^\s*::(error|set-env)|##\[error\]", outcome.text) or log_format == "gitlab"
    assert "\x1b[31m" not in outcome.text and "\x1b[0Ksection_start:1:mine" not in outcome.text


def test_programs_read_the_lines(shop: Shop) -> None:
    outcome = release(shop, deployment(init="shop/migrate:1"), options=(*LOGS, "--log-format", "json"))
    events = [json.loads(line) for line in outcome.stderr.splitlines()]
    told = [one for one in events if one["event"] == "log"]
    assert {one["container"] for one in told} == {"init", "app"}
    assert all(one["object"].startswith(f"v1/Pod/{shop.namespace}/web-") for one in told)
    assert [one["line"] for one in told if one["container"] == "app"] == USUAL


def change(shop: Shop, verb: str) -> tuple[str, ...]:
    """The words that have a verb replace the pods of ``deployment/web``, or add to them."""
    words = {
        "patch": ("deployment/web", "--image", "app=shop/web:2"),
        "restart": ("deployment/web",),
        "scale": ("deployment/web", "--replicas", "3"),
        "undo": ("deployment/web",),
    }
    if verb in words:
        return words[verb]
    return (
        "-f",
        write(shop.folder / f"{verb}.yaml", deployment("new" if verb == "create" else "web", "shop/web:3", delay="1s")),
    )


@pytest.mark.parametrize("verb", ["create", "patch", "replace", "restart", "scale", "undo"])
def test_all_that_follow_a_rollout_have_it(verb: str, shop: Shop) -> None:
    release(shop, deployment(image="shop/web:1", delay="1s"), options=())
    release(shop, deployment(image="shop/web:2" if verb == "undo" else "shop/web:1", delay="1s"), options=())
    written = time.time()
    poll(lambda: time.time() > written + 1, "times of whole seconds to tell them apart")
    outcome = shop.step(verb, *change(shop, verb), "-n", shop.namespace, "--logs")
    assert outcome.code == 0, outcome.text
    found = logs(outcome.stderr)
    assert list(found.values()) == [USUAL] * (2 if verb == "scale" else 1), outcome.text


def test_status_follows_what_another_has_begun(shop: Shop) -> None:
    release(shop, deployment(image="shop/never-ready:1"), options=("--no-wait",))
    run = shop.step.start("status", "deployment/web", "-n", shop.namespace, "--logs")
    run.wait_for("| GET /healthz 503")
    run.signal(signal.SIGTERM)
    assert run.wait().code == 143


def test_what_is_not_followed_has_no_logs(shop: Shop) -> None:
    outcome = release(shop, deployment(), options=(*LOGS, "--no-wait"))
    assert logs(outcome.stderr) == {} and "no logs are shown: with --no-wait nothing is followed" in outcome.stderr
    assert logs(release(shop, deployment("other"), options=(*LOGS, "--dry-run")).stderr) == {}
