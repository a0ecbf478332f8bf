"""Each verb against each fault, through a misbehaving proxy in front of the real server.

What the contract promises: everything goes through in the end, and no create or JSON patch is ever done twice.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Kubectl, Step, poll
from tests.controlplane.cluster import Cluster
from tests.faults import proxy as faults
from tests.faults.proxy import Action, Match, Proxy, Recorded, on
from tests.integration.objects import config_map, deployment, job, through, write
from tests.integration.outcomes import actions

FAULTS: Mapping[str, Callable[[], Action]] = {
    "throttled": lambda: faults.throttle(1),
    "internal-error": lambda: faults.fail(500),
    "unavailable": lambda: faults.fail(503),
    "bad-gateway": lambda: faults.html(502),
    "cut-before": lambda: faults.cut_before(),
    "reset-before": lambda: faults.cut_before(reset=True),
    "cut-after": lambda: faults.cut_after(),
    "reset-after": lambda: faults.cut_after(reset=True),
    "half-an-answer": lambda: faults.cut_midway(),
}
LOST = ("cut-after", "reset-after", "half-an-answer")  # the server did it, and nobody was told


def reached(request: Recorded) -> bool:
    """Whether the server itself got it."""
    return request.fault in ("", "cut after", "cut midway") or request.fault.endswith("after it was done")


def about(method: str, name: str) -> Match:
    """Requests with this method for the object of this name, which a POST has in its body."""

    def match(request: Recorded) -> bool:
        if "dryRun" in request.query:
            return False
        named = request.path.endswith(f"/{name}") or f'"name":"{name}"'.encode() in request.body
        return request.method == method and named

    return match


@dataclass(frozen=True)
class Row:
    """A verb: its write, what it does to a ConfigMap a fault, and how often the write may reach the server."""

    verb: str
    method: str
    action: str
    exists: bool
    times: int = 1
    options: tuple[str, ...] = ()


ROWS = [
    Row("create", "POST", "created", exists=False),
    Row("replace", "PUT", "replaced", exists=True),
    Row("apply", "PATCH", "created", exists=False, times=2, options=("--no-preflight",)),
    Row("apply", "PATCH", "configured", exists=True, times=2, options=("--no-preflight",)),
    Row("delete", "DELETE", "deleted", exists=True, times=2),
]


@pytest.mark.parametrize("row", ROWS, ids=[f"{row.verb}-{row.action}" for row in ROWS])
def test_every_fault_is_survived(
    row: Row, step: Step, kubectl: Kubectl, namespace: str, proxy: Proxy, tmp_path: Path
) -> None:
    if row.exists:
        kubectl(
            "create", "-n", namespace, "-f", write(tmp_path / "before.yaml", *(config_map(name) for name in FAULTS))
        )
    for name, action in FAULTS.items():
        proxy.rule(about(row.method, name), action())
    path = write(tmp_path / "release.yaml", *(config_map(name, state="new") for name in FAULTS))
    outcome = step(row.verb, "-f", path, "-n", namespace, *row.options, env=through(proxy), report=True)
    assert outcome.code == 0, outcome.text
    listed = json.loads(kubectl("-n", namespace, "get", "cm", "-o", "json").stdout)["items"]
    live = {one["metadata"]["name"]: one.get("data") for one in listed if one["metadata"]["name"] in FAULTS}
    assert live == ({} if row.verb == "delete" else {name: {"state": "new"} for name in FAULTS})
    for name in FAULTS:
        tried = proxy.matching(about(row.method, name))
        most = row.times if name in LOST else 1
        assert 1 <= sum(map(reached, tried)) <= most, (name, [request.line for request in tried])
        told = actions(outcome)[f"ConfigMap/{name}"]
        assert told in ((row.action, "configured") if name in LOST and row.verb == "apply" else (row.action,)), name


def test_retry_after_is_waited_for(step: Step, namespace: str, proxy: Proxy, tmp_path: Path) -> None:
    proxy.rule(on("POST"), faults.throttle(1))
    path = write(tmp_path / "release.yaml", config_map())
    assert step("create", "-f", path, "-n", namespace, env=through(proxy)).code == 0
    refused, taken = proxy.matching(on("POST"))
    assert (refused.code, taken.code) == (429, 201)
    assert taken.begun - refused.begun >= 1


@pytest.mark.parametrize("fault", FAULTS)
def test_reads_are_repeated(fault: str, step: Step, namespace: str, proxy: Proxy, kubectl: Kubectl) -> None:
    kubectl("-n", namespace, "create", "configmap", "settings")
    proxy.rule(on("GET", "/settings$"), FAULTS[fault]())
    outcome = step("status", "cm/settings", "-n", namespace, env=through(proxy))
    assert outcome.code == 0, outcome.text
    assert proxy.writes == []


# -- never twice


@pytest.fixture
def made(kubectl: Kubectl, namespace: str) -> str:
    """A Deployment whose arguments a JSON patch makes longer by one."""
    one = deployment(replicas=0)
    one["spec"]["template"]["spec"]["containers"][0]["args"] = ["first"]
    kubectl("create", "-n", namespace, "-f", "-", input=json.dumps(one))
    poll(lambda: _live(kubectl, namespace)["metadata"]["annotations"], "the controller to have seen it")
    return "/spec/template/spec/containers/0/args/-"


def _live(kubectl: Kubectl, namespace: str) -> dict[str, Any]:
    found = json.loads(kubectl("-n", namespace, "get", "deployment", "web", "-o", "json").stdout)
    found["metadata"].setdefault("annotations", {})
    return dict(found)


def arguments(kubectl: Kubectl, namespace: str) -> list[str]:
    return list(_live(kubectl, namespace)["spec"]["template"]["spec"]["containers"][0]["args"])


def append(path: str) -> tuple[str, ...]:
    """The words of a JSON patch that would append twice if it were done twice."""
    operation = json.dumps([{"op": "add", "path": path, "value": "second"}])
    return ("patch", "deployment/web", "--type", "json", "-p", operation)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_json_patch_is_done_once(
    fault: str, made: str, step: Step, kubectl: Kubectl, namespace: str, proxy: Proxy
) -> None:
    proxy.rule(on("PATCH"), FAULTS[fault]())
    outcome = step(*append(made), "-n", namespace, env=through(proxy), report=True)
    assert (outcome.code, actions(outcome)) == (0, {"Deployment/web": "configured"}), outcome.text
    assert arguments(kubectl, namespace) == ["first", "second"]
    assert sum(map(reached, proxy.matching(on("PATCH")))) == 1


@pytest.mark.parametrize("fault", FAULTS)
def test_a_generated_name_is_created_once(
    fault: str, step: Step, kubectl: Kubectl, namespace: str, proxy: Proxy, tmp_path: Path
) -> None:
    one = job("x", "x/job-ok")
    one["metadata"] = {"generateName": "migrate-"}
    proxy.rule(on("POST", "/jobs$"), FAULTS[fault]())
    path = write(tmp_path / "release.yaml", one)
    outcome = step("create", "-f", path, "-n", namespace, env=through(proxy), report=True)
    assert (outcome.code, list(actions(outcome).values())) == (0, ["created"]), outcome.text
    listed = json.loads(kubectl("-n", namespace, "get", "jobs", "-o", "json").stdout)["items"]
    assert [f"Job/{one['metadata']['name']}" for one in listed] == list(actions(outcome))
    assert sum(map(reached, proxy.matching(on("POST", "/jobs$")))) == 1


def test_a_create_that_comes_through_after_we_gave_it_up(
    step: Step, kubectl: Kubectl, namespace: str, proxy: Proxy, tmp_path: Path
) -> None:
    """The first try arrives late, when the second is under way or done: one of them is refused, and no harm is done."""
    proxy.rule(on("POST"), faults.delay(1.5))
    one = config_map()
    one["metadata"] = {"generateName": "late-"}
    options = ("-n", namespace, "--request-timeout", "1s")
    outcome = step("create", "-f", write(tmp_path / "release.yaml", one), *options, env=through(proxy), report=True)
    assert (outcome.code, list(actions(outcome).values())) == (0, ["created"]), outcome.text
    poll(lambda: all(request.code or request.fault for request in proxy.writes), "the late one to be through")
    shown = kubectl("-n", namespace, "get", "cm", "-o", "jsonpath={.items[*].metadata.name}").stdout.split()
    assert [f"ConfigMap/{name}" for name in shown if name.startswith("late-")] == list(actions(outcome))


def test_a_json_patch_that_comes_through_after_we_gave_it_up(
    made: str, step: Step, kubectl: Kubectl, namespace: str, proxy: Proxy
) -> None:
    proxy.rule(on("PATCH"), faults.delay(1.5))
    outcome = step(*append(made), "-n", namespace, "--request-timeout", "1s", env=through(proxy), report=True)
    assert outcome.code == 0, outcome.text
    poll(lambda: all(request.code or request.fault for request in proxy.writes), "the late one to be through")
    assert arguments(kubectl, namespace) == ["first", "second"]


def test_somebody_elses_object_is_not_taken_for_ours(
    step: Step, kubectl: Kubectl, namespace: str, proxy: Proxy, tmp_path: Path
) -> None:
    """The create is lost before it was sent, and meanwhile another has made one of that name."""

    def theirs(exchange: faults.Exchange) -> None:
        kubectl("-n", namespace, "create", "configmap", "settings", "--from-literal=made=theirs")
        exchange.cut("cut before")

    proxy.rule(on("POST"), theirs)
    path = write(tmp_path / "release.yaml", config_map(made="ours"))
    outcome = step("create", "-f", path, "-n", namespace, env=through(proxy), report=True)
    assert (outcome.code, actions(outcome)) == (4, {"ConfigMap/settings": "none"}), outcome.text
    assert "it already exists" in outcome.stderr


def test_a_replacement_that_somebody_else_followed_up_is_a_conflict(
    step: Step, kubectl: Kubectl, namespace: str, proxy: Proxy, tmp_path: Path
) -> None:
    kubectl("-n", namespace, "create", "configmap", "settings", "--from-literal=tone=soft")

    def lost_and_changed(exchange: faults.Exchange) -> None:
        exchange.ask().read()
        patch = json.dumps({"data": {"tone": "shrill"}})
        kubectl("-n", namespace, "patch", "configmap", "settings", "-p", patch, "--field-manager=night-shift")
        exchange.cut("cut after")

    proxy.rule(on("PUT"), lost_and_changed)
    path = write(tmp_path / "release.yaml", config_map(tone="loud"))
    outcome = step("replace", "-f", path, "-n", namespace, env=through(proxy))
    assert outcome.code == 4, outcome.text
    assert ".data.tone by night-shift" in outcome.stderr
    assert len(proxy.matching(on("PUT", query={"fieldManager": "k8s-step"}))) >= 1


def test_who_may_not_look_is_told_that_nobody_knows(
    step: Step, cluster: Cluster, kubectl: Kubectl, namespace: str, proxy: Proxy, tmp_path: Path
) -> None:
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["create"]}]
    token = cluster.token(namespace, rules=rules)
    proxy.rule(on("POST"), faults.cut_after())
    path = write(tmp_path / "release.yaml", config_map())
    outcome = step("create", "-f", path, "-n", namespace, env=through(proxy, K8S_TOKEN=token))
    assert outcome.code == 5, outcome.text
    assert "the answer to its creation was lost, and this token may not look whether it is there" in outcome.stderr
    assert len(proxy.matching(on("POST"))) == 1


# -- collections


@pytest.mark.parametrize("fault", FAULTS)
def test_a_collection_is_deleted(fault: str, step: Step, kubectl: Kubectl, namespace: str, proxy: Proxy) -> None:
    for name in ("one", "two"):
        kubectl("-n", namespace, "create", "configmap", name)
        kubectl("-n", namespace, "label", "configmap", name, "app=web")
    proxy.rule(on("DELETE"), FAULTS[fault]())
    outcome = step("delete", "cm", "-l", "app", "-n", namespace, env=through(proxy), report=True)
    assert outcome.code == 0, outcome.text
    assert actions(outcome) == {"ConfigMap/one": "deleted", "ConfigMap/two": "deleted"}
    assert kubectl("-n", namespace, "get", "cm", "-l", "app", "-o", "name").stdout == ""
    assert sum(map(reached, proxy.matching(on("DELETE")))) == 1


# -- a fault that lasts


@pytest.mark.parametrize("fault", ["throttled", "unavailable", "cut-before"])
@pytest.mark.parametrize(
    ("method", "words"),
    [
        ("POST", ("create", "-f", "{new}")),
        ("PUT", ("replace", "-f", "{old}")),
        ("PATCH", ("apply", "-f", "{old}")),
        ("PATCH", ("patch", "cm/old", "--type", "json", "-p", '[{{"op":"add","path":"/data","value":{{}}}}]')),
        ("DELETE", ("delete", "cm/old")),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_a_fault_that_lasts_changes_nothing(
    fault: str,
    method: str,
    words: tuple[str, ...],
    step: Step,
    kubectl: Kubectl,
    namespace: str,
    proxy: Proxy,
    tmp_path: Path,
) -> None:
    kubectl("-n", namespace, "create", "configmap", "old", "--from-literal=a=b")
    files = {
        "new": write(tmp_path / "new.yaml", config_map("new")),
        "old": write(tmp_path / "old.yaml", config_map("old", a="c")),
    }
    proxy.rule(on(method), FAULTS[fault](), times=None)
    line = [word.format(**files) for word in words]
    outcome = step(*line, "-n", namespace, "--timeout", "2s", env=through(proxy))
    assert outcome.code == (3 if fault == "throttled" else 5), outcome.text
    assert not any(map(reached, proxy.matching(on(method))))
    assert "Traceback" not in outcome.text
    shown = kubectl("-n", namespace, "get", "cm", "-o", "jsonpath={range .items[*]}{.metadata.name}{.data.a} {end}")
    assert "oldb" in shown.stdout and "new" not in shown.stdout


# -- request headers of one's own


def test_headers_of_ones_own_arrive_with_every_request(
    step: Step, kubectl: Kubectl, namespace: str, proxy: Proxy, tmp_path: Path
) -> None:
    env = through(proxy, K8S_HEADERS="X-Pipeline: job-42\nX-Team: shop")
    path = write(tmp_path / "release.yaml", config_map(), deployment())
    options = ("-n", namespace)
    merge = ("--type", "merge", "-p", '{"data":{"a":"b"}}')
    for words in (
        ("create", "-f", path),
        ("replace", "-f", path),
        ("apply", "-f", path, "--force-conflicts"),
        ("patch", "cm/settings", *merge),
        ("status", "-f", path),
        ("delete", "-f", path),
    ):
        outcome = step(*words, *options, env=env)
        assert outcome.code == 0, outcome.text
    assert {request.method for request in proxy.requests} == {"GET", "POST", "PUT", "PATCH", "DELETE"}
    assert any(request.watch for request in proxy.requests)
    for request in proxy.requests:
        own = {name.lower(): value for name, value in request.headers.items()}
        assert (own.get("x-pipeline"), own.get("x-team")) == ("job-42", "shop"), request.line


def test_a_flag_wins_over_the_variable(step: Step, namespace: str, proxy: Proxy, tmp_path: Path) -> None:
    env = through(proxy, K8S_HEADERS="X-Pipeline: job-42")
    path = write(tmp_path / "release.yaml", config_map())
    options = ("-n", namespace, "--header", "X-Pipeline: job-43", "--header", "X-Stage: test")
    assert step("create", "-f", path, *options, env=env).code == 0
    assert {request.headers["X-Pipeline"] for request in proxy.requests} == {"job-43"}
    assert {request.headers["X-Stage"] for request in proxy.requests} == {"test"}


def test_a_json_patch_gets_past_those_who_are_faster(
    made: str, step: Step, kubectl: Kubectl, namespace: str, proxy: Proxy
) -> None:
    """Its guard is for lost answers: somebody else's change in the middle is no reason to refuse it."""

    def annotated(exchange: faults.Exchange) -> None:
        kubectl("-n", namespace, "annotate", "deployment", "web", "seen=yes", "--overwrite")
        exchange.forward()

    proxy.rule(on("PATCH"), annotated)
    outcome = step(*append(made), "-n", namespace, env=through(proxy), report=True)
    assert (outcome.code, actions(outcome)) == (0, {"Deployment/web": "configured"}), outcome.text
    assert arguments(kubectl, namespace) == ["first", "second"]
    assert _live(kubectl, namespace)["metadata"]["annotations"]["seen"] == "yes"
