"""How the command ends: each exit code, what it says then, and the result file."""

from __future__ import annotations

import json
import signal
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Outcome, Running, Step, poll
from tests.controlplane.cluster import Cluster
from tests.faults import proxy as faults
from tests.faults.proxy import Proxy, on
from tests.integration.objects import config_map, deployment, obj, through, write
from tests.integration.outcomes import actions, objects, statuses


def result(outcome: Outcome) -> tuple[str, int]:
    """What the result file says: the word and the exit code."""
    assert outcome.report is not None, outcome.text
    return outcome.report["result"], outcome.report["exit_code"]


# -- 2: nothing was sent


INVALID: dict[str, tuple[list[str], str, list[str]]] = {
    # name: (more arguments, the manifest, words on stderr)
    "unknown variable": ([], "kind: ConfigMap\napiVersion: v1\nmetadata:\n  name: ${NAMEE}\n", ["NAMEE", "r.yaml:4"]),
    "duplicate key": ([], "kind: ConfigMap\nkind: Secret\n", ["kind", "r.yaml:2"]),
    "no kind": ([], "apiVersion: v1\nmetadata: {name: a}\n", ["kind", "r.yaml:1"]),
    "no name": ([], "apiVersion: v1\nkind: ConfigMap\n", ["metadata", "r.yaml:1"]),
    "broken YAML": ([], "a: [1,\nb: 2", ["r.yaml:"]),
    "no such option": (["--forse"], "", ["--forse"]),
    "not a duration": (["--timeout", "soon"], "", ["--timeout", "soon"]),
    "not a number": (["--concurrency", "many"], "", ["--concurrency", "many"]),
    "no such log format": (["--log-format", "xml"], "", ["xml", "json"]),
    "image not in the release": (
        ["--image", "shop/web=shop/web:2"],
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n",
        ["shop/web"],
    ),
    "two namespaces": (
        ["-n", "one"],
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: two}\n",
        ["one", "two", "r.yaml:1"],
    ),
    "the same object twice": (
        [],
        2 * "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n",
        ["r.yaml:6", "r.yaml:2"],
    ),
}


@pytest.mark.parametrize(("more", "text", "words"), INVALID.values(), ids=INVALID)
def test_bad_input_is_found_before_the_first_request(
    more: list[str], text: str, words: list[str], step: Step, proxy: Proxy, tmp_path: Path
) -> None:
    (tmp_path / "r.yaml").write_text(text)
    outcome = step("apply", "-f", "r.yaml", *more, env=through(proxy))
    assert outcome.code == 2, outcome.text
    assert [word for word in words if word not in outcome.stderr] == [], outcome.stderr
    assert "Traceback" not in outcome.text and outcome.stdout == ""
    assert proxy.requests == []


TOKENS = ("--token", "a-token-given-twice", "--token-file", "/dev/null")
MOVES: dict[str, tuple[list[str], str]] = {
    # what is said wrongly: the command line, and the next move
    "a duration": (["apply", "--timeout", "soon"], "(90s, 5m, 1h30m or plain seconds)"),
    "a grace": (
        ["apply", "--fail-after", "x"],
        "(ImagePullBackOff=2m, CrashLoopBackOff=5 (restarts), Unschedulable=never)",
    ),
    "a reason": (["apply", "--fail-after", "ErrImagePul=2m"], "(did you mean ErrImagePull?)"),
    "an image": (["apply", "-f", "r.yaml", "--image", "web"], "such as web=registry.example/web:1.2"),
    "another image's name": (["apply", "-f", "web.yaml", "--image", "shop/wb=shop/wb:2"], "did you mean shop/web?"),
    "a header": (["get", "pods", "--header", "bad"], "(X-Pipeline: job-42, say)"),
    "a file in UTF-16": (["apply", "-f", "utf-16.yaml"], "(it looks like UTF-16: save it as UTF-8)"),
    "a namespace": (["apply", "-f", "r.yaml", "-n", "one"], "(drop one of the two)"),
    "an object twice": (["apply", "-f", "r.yaml", "-f", "again.yaml"], "(keep one of the two)"),
    "the step's credentials": (
        ["apply", "-f", "token.yaml"],
        '(to pass it on purpose, say --var K8S_TOKEN="$K8S_TOKEN")',
    ),
    "nothing to delete": (["delete"], "(KIND/NAME, -f PATH, or KIND -l SELECTOR)"),
    "a kind to delete": (["delete", "pods"], "(which ones? pods/NAME, pods -l SELECTOR, or pods --all)"),
    "all and some": (["delete", "pods", "--all", "-l", "a=b"], "(drop one of the two)"),
    "nothing to get": (["get"], "(KIND, KIND/NAME, or KIND -l SELECTOR)"),
    "an object and a selector": (["get", "pods/x", "-l", "a=b"], "(KIND/NAME, or KIND -l SELECTOR)"),
    "a field selector": (
        ["get", "pods", "--field-selector", "a"],
        "(status.phase=Failed, say; = and != only, joined by",
    ),
    "no patch": (["patch", "deployment/x"], "(-f FILE, -p TEXT or --image CONTAINER=REF)"),
    "no number": (["scale", "deployment/x"], "(say --replicas N)"),
    "nothing to look at": (["status"], "(KIND/NAME, KIND -l SELECTOR, or -f PATH)"),
    "two tokens": (["get", "pods", *TOKENS], "(give one of them; a K8S_ variable counts as well)"),
    "a server": (["get", "pods", "--server", "ftp://127.0.0.1"], "(it looks like https://10.0.0.1:6443)"),
    "a password": (["get", "pods", "--server", "https://me:pass-word@127.0.0.1"], "(use --token)"),
}


@pytest.mark.parametrize(("words", "move"), MOVES.values(), ids=MOVES)
def test_the_next_move_is_said(words: list[str], move: str, step: Step, tmp_path: Path) -> None:
    """Without a server: none of these gets as far."""
    write(tmp_path / "r.yaml", obj("v1", "ConfigMap", "a", "two"))
    write(tmp_path / "again.yaml", obj("v1", "ConfigMap", "a", "two"))
    write(tmp_path / "web.yaml", deployment(image="shop/web:1"))
    write(tmp_path / "token.yaml", obj("v1", "ConfigMap", "a", data={"a": "${K8S_TOKEN}"}))
    (tmp_path / "utf-16.yaml").write_bytes("kind: ConfigMap\n".encode("utf-16"))
    nowhere = [] if {"--server", "--token"} & {*words} else ["--server", "http://127.0.0.1:9"]
    outcome = step(*words, *nowhere, env={"KUBECONFIG": None})
    assert outcome.code == 2, outcome.text
    assert move in outcome.stderr


def test_all_mistakes_are_told_at_once(step: Step, proxy: Proxy, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("kind: ConfigMap\napiVersion: v1\nmetadata:\n  name: ${ONE}\n")
    (tmp_path / "b.yaml").write_text("kind: ConfigMap\napiVersion: v1\nmetadata:\n  name: ${TWO}\n")
    outcome = step("apply", "-f", "a.yaml", "-f", "b.yaml", env=through(proxy), report=True)
    assert result(outcome) == ("invalid", 2)
    for words in ("a.yaml:4", "ONE", "b.yaml:4", "TWO"):
        assert words in outcome.stderr
    assert proxy.requests == []


@pytest.mark.parametrize("option", ["--report", "--junit"])
def test_a_result_file_that_cannot_be_written_is_found_first(
    option: str, step: Step, proxy: Proxy, tmp_path: Path
) -> None:
    path = write(tmp_path / "release.yaml", config_map(a="b"))
    outcome = step("apply", "-f", path, option, str(tmp_path / "nowhere" / "result"), env=through(proxy))
    assert outcome.code == 2, outcome.text
    assert option in outcome.stderr and "nowhere" in outcome.stderr
    assert proxy.requests == []


@pytest.mark.parametrize("given", [[], ["-f", "nothing-*.yaml"], ["-f", "empty.yaml"]], ids=["none", "glob", "empty"])
def test_no_manifest_at_all(given: list[str], step: Step, proxy: Proxy, tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").write_text("---\n# nothing\n---\n")
    outcome = step("apply", *given, env=through(proxy))
    assert outcome.code == 2, outcome.text
    assert proxy.requests == []


def test_no_cluster_lists_where_it_looked(step: Step, cluster: Cluster, tmp_path: Path) -> None:
    path = write(tmp_path / "release.yaml", config_map(a="b"))
    outcome = step("apply", "-f", path, env={"KUBECONFIG": None}, report=True)
    assert result(outcome) == ("invalid", 2)
    for place in ("K8S_API", "KUBECONFIG", ".kube/config"):
        assert place in outcome.stderr


# -- 4: refused


def direct(cluster: Cluster, token: str, **more: str) -> dict[str, str | None]:
    """The environment of a job that has but the address, the CA and a token."""
    return {"KUBECONFIG": None, "K8S_API": cluster.server, "K8S_CA": str(cluster.ca), "K8S_TOKEN": token, **more}


def test_a_wrong_token(step: Step, cluster: Cluster, tmp_path: Path) -> None:
    path = write(tmp_path / "release.yaml", config_map(a="b"), config_map("other", a="b"))
    outcome = step("apply", "-f", path, env=direct(cluster, "not-the-right-one"), report=True)
    assert result(outcome) == ("refused", 4)
    assert "Unauthorized" in outcome.stderr and "token" in outcome.stderr
    assert outcome.stderr.count("Unauthorized") == 1, "told once, however many objects it befalls"
    assert "not-the-right-one" not in outcome.text


def test_forbidden_names_verb_and_resource(step: Step, cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    token = cluster.token(namespace, "powerless")
    path = write(tmp_path / "release.yaml", config_map(a="b"))
    outcome = step("apply", "-f", path, "-n", namespace, env=direct(cluster, token), report=True)
    assert result(outcome) == ("refused", 4)
    assert 'cannot patch resource "configmaps"' in outcome.stderr and namespace in outcome.stderr
    assert "release.yaml:1" in outcome.stderr
    assert token not in outcome.text


def test_a_namespace_that_is_not_there(step: Step, cluster: Cluster, tmp_path: Path) -> None:
    path = write(tmp_path / "release.yaml", config_map(a="b"), deployment())
    outcome = step("apply", "-f", path, "-n", "nowhere", report=True)
    assert result(outcome) == ("refused", 4)
    assert "no namespace nowhere" in outcome.stderr and "release.yaml:1" in outcome.stderr
    assert set(actions(outcome).values()) == {"none"}


def test_a_kind_that_the_server_does_not_serve(step: Step, namespace: str, proxy: Proxy, tmp_path: Path) -> None:
    path = write(tmp_path / "release.yaml", config_map(a="b"), obj("no.example/v1", "Nothing", "one"))
    outcome = step("apply", "-f", path, "-n", namespace, env=through(proxy), report=True)
    assert outcome.code in (2, 4), outcome.text
    assert "Nothing" in outcome.stderr and "no.example/v1" in outcome.stderr and "release.yaml:" in outcome.stderr
    assert proxy.writes == []


def test_what_the_server_finds_invalid(step: Step, namespace: str, tmp_path: Path) -> None:
    (tmp_path / "web.yaml").write_text(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  replicas: -1\n"
        "  selector: {matchLabels: {app: web}}\n  template:\n    metadata: {labels: {app: web}}\n"
        "    spec: {containers: [{name: app, image: nginx}]}\n"
    )
    outcome = step("apply", "-f", "web.yaml", "-n", namespace, report=True)
    assert result(outcome) == ("refused", 4)
    assert "spec.replicas" in outcome.stderr and "web.yaml:5" in outcome.stderr


def test_a_field_nobody_knows(step: Step, namespace: str, tmp_path: Path) -> None:
    made = deployment()
    made["spec"]["replica"] = 3
    outcome = step("apply", "-f", write(tmp_path / "release.yaml", made), "-n", namespace, report=True)
    assert result(outcome) == ("refused", 4)
    assert "replica" in outcome.stderr and "release.yaml:" in outcome.stderr


def test_what_was_refused_stops_what_comes_after(step: Step, namespace: str, proxy: Proxy, tmp_path: Path) -> None:
    bad = obj("v1", "ConfigMap", "Bad_Name", data={"a": "b"})
    path = write(tmp_path / "release.yaml", deployment(), bad, config_map(a="b"))
    outcome = step("apply", "-f", path, "-n", namespace, "--no-preflight", env=through(proxy), report=True)
    assert result(outcome) == ("refused", 4)
    assert actions(outcome) == {"Deployment/web": "none", "ConfigMap/Bad_Name": "none", "ConfigMap/settings": "created"}
    assert not any("deployments" in request.path for request in proxy.writes)


# -- 5: not reached


def _free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


def test_nothing_listens(step: Step, tmp_path: Path) -> None:
    url = f"https://127.0.0.1:{_free_port()}"
    path = write(tmp_path / "release.yaml", config_map(a="b"), deployment())
    outcome = step("apply", "-f", path, env={"K8S_API": url, "K8S_TOKEN": "hush-hush-hush"}, report=True)
    assert result(outcome) == ("unreachable", 5)
    assert url in outcome.stderr and "hush-hush-hush" not in outcome.text


def test_a_server_of_another_ca(step: Step, cluster: Cluster, tmp_path: Path) -> None:
    path = write(tmp_path / "release.yaml", config_map(a="b"))
    environment = {"KUBECONFIG": None, "K8S_API": cluster.server, "K8S_TOKEN": "hush-hush-hush"}
    outcome = step("apply", "-f", path, env=environment, report=True)
    assert result(outcome) == ("unreachable", 5)
    assert "certificate" in outcome.stderr


# -- 130 and 143: cancelled


def cancelled(run: Running, number: signal.Signals) -> Outcome:
    """Send the signal; the step must end by itself, long before the server gives an answer that is held back."""
    run.signal(number)
    return run.wait(timeout=30)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)], ids=["TERM", "INT"])
@pytest.mark.usefixtures("played")
def test_cancelled_while_following(
    number: signal.Signals, code: int, step: Step, namespace: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "release.yaml", deployment("slow", "shop/never-ready:1"), deployment("good"))
    run = step.start("apply", "-f", path, "-n", namespace, report=True)
    run.wait_for("good: current")
    outcome = cancelled(run, number)
    assert outcome.code == code, outcome.text
    assert result(outcome) == ("cancelled", code)
    assert statuses(outcome) == {"Deployment/slow": "in progress", "Deployment/good": "current"}
    assert actions(outcome) == {"Deployment/slow": "created", "Deployment/good": "created"}
    assert objects(outcome)["Deployment/slow"]["message"]
    assert "deployment.apps/slow" in outcome.stdout and "in progress" in outcome.stdout
    assert "cancelled" in outcome.stderr and "Traceback" not in outcome.text


@pytest.mark.usefixtures("played")
@pytest.mark.parametrize(
    ("stalled", "second"),
    [
        (on("GET", "configmaps/first"), "none"),
        (on("PATCH", "configmaps/first"), "created"),
        (on("GET", "/pods"), "created"),
        (on("GET", "deployments", watch=True), "created"),
    ],
    ids=["read", "apply", "list", "watch"],
)
def test_cancelled_while_the_server_does_not_answer(
    stalled: faults.Match, second: str, step: Step, namespace: str, proxy: Proxy, tmp_path: Path
) -> None:
    rule = proxy.rule(stalled, faults.stall(), times=None)
    slow = deployment("slow", "shop/never-ready:1")
    path = write(tmp_path / "release.yaml", config_map("first", a="b"), config_map("second", a="b"), slow)
    run = step.start("apply", "-f", path, "-n", namespace, "--no-preflight", env=through(proxy), report=True)
    poll(lambda: rule.used, "the request that is not answered")
    if second == "created":
        run.wait_for("configmap/second")
    outcome = cancelled(run, signal.SIGTERM)
    assert outcome.code == 143, outcome.text
    assert result(outcome) == ("cancelled", 143)
    assert actions(outcome)["ConfigMap/second"] == second


@pytest.mark.usefixtures("played")
def test_cancelled_while_the_evidence_is_gathered(step: Step, namespace: str, proxy: Proxy, tmp_path: Path) -> None:
    rule = proxy.rule(on("GET", "/log$"), faults.stall(), times=None)
    path = write(tmp_path / "release.yaml", deployment(image="shop/crash:1"))
    run = step.start("apply", "-f", path, "-n", namespace, env=through(proxy), report=True)
    poll(lambda: rule.used, "the request for the log")
    outcome = cancelled(run, signal.SIGTERM)
    assert outcome.code == 143, outcome.text
    assert statuses(outcome) == {"Deployment/web": "failed"}
    assert "CrashLoopBackOff" in outcome.stderr


def test_a_second_signal_does_not_cost_the_result_file(
    step: Step, namespace: str, proxy: Proxy, tmp_path: Path
) -> None:
    rule = proxy.rule(on("PATCH"), faults.stall(), times=None)
    path = write(tmp_path / "release.yaml", config_map(a="b"))
    run = step.start("apply", "-f", path, "-n", namespace, env=through(proxy), report=True)
    poll(lambda: rule.used, "the request that is not answered")
    run.signal(signal.SIGTERM)
    run.wait_for("cancelled")
    outcome = cancelled(run, signal.SIGTERM)
    assert outcome.code == 143, outcome.text
    assert result(outcome) == ("cancelled", 143)


# -- what the environment may not change


def test_other_ca_bundles_and_proxies_of_the_environment(
    step: Step, cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    other = tmp_path / "other.pem"
    other.write_text("-----BEGIN CERTIFICATE-----\nnot one of ours\n-----END CERTIFICATE-----\n")
    bundles = {name: str(other) for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")}
    proxies = dict.fromkeys(("HTTPS_PROXY", "https_proxy", "HTTP_PROXY"), "http://user:pass@127.0.0.1:9")
    path = write(tmp_path / "release.yaml", config_map(a="b"))
    outcome = step("apply", "-f", path, "-n", namespace, env={**bundles, **proxies}, report=True)
    assert (outcome.code, actions(outcome)) == (0, {"ConfigMap/settings": "created"}), outcome.text


# -- the result file and the streams


@pytest.mark.usefixtures("played")
def test_the_result_file_as_the_contract_has_it(step: Step, cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    path = write(tmp_path / "release.yaml", config_map(a="b"), deployment(image="shop/crash:1"))
    outcome = step("apply", "-f", path, "-n", namespace, "--junit", str(tmp_path / "junit.xml"), report=True)
    report = outcome.report
    assert report is not None, outcome.text
    head = {key: report[key] for key in ("command", "result", "exit_code", "server", "context")}
    assert head == {"command": "apply", "result": "failed", "exit_code": 1, "server": cluster.server, "context": "test"}
    assert report["started"].endswith("Z") and report["seconds"] > 0
    web = objects(outcome)["Deployment/web"]
    assert (
        web.items()
        >= {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "namespace": namespace,
            "name": "web",
            "file": path,
            "action": "created",
            "status": "failed",
        }.items()
    )
    assert web["line"] > 1
    (failure,) = report["failures"]
    assert set(failure) >= {"object", "reason", "message", "pod", "container", "logs", "events"}
    junit = (tmp_path / "junit.xml").read_text()
    assert 'tests="2"' in junit and 'failures="1"' in junit and "FATAL: password authentication failed" in junit


def test_data_on_stdout_progress_on_stderr(step: Step, namespace: str, tmp_path: Path) -> None:
    path = write(tmp_path / "release.yaml", config_map(a="b"), deployment())
    outcome = step("apply", "-f", path, "-n", namespace)
    assert outcome.code == 0, outcome.text
    head, *rows = outcome.stdout.splitlines()
    assert head.split()[:3] == ["OBJECT", "ACTION", "STATUS"]
    assert [row.split()[:3] for row in rows] == [
        ["configmap/settings", "created", "current"],
        ["deployment.apps/web", "created", "current"],
    ]
    assert "succeeded" in outcome.stderr and "OBJECT" not in outcome.stderr
    first = outcome.stderr.splitlines()[0]
    assert "https://127.0.0.1" in first and "kubeconfig" in first and namespace in first


@pytest.mark.usefixtures("played")
@pytest.mark.parametrize("image", ["shop/web:1", "shop/pull-fail:1"])
def test_json_lines(image: str, step: Step, namespace: str, tmp_path: Path) -> None:
    path = write(tmp_path / "release.yaml", deployment(image=image))
    outcome = step("apply", "-f", path, "-n", namespace, "--log-format", "json", report=True)
    lines = [json.loads(line) for line in outcome.stderr.splitlines()]
    assert outcome.code == ("pull-fail" in image), outcome.text
    assert all(set(line) >= {"time", "event"} for line in lines)
    events = [line["event"] for line in lines]
    assert events[0] == "connected" and events[-1] == "finished" and {"acted", "progress"} <= set(events)
    assert _without_times(lines[-1])["objects"] == _without_times(outcome.report or {})["objects"]


def _without_times(report: Mapping[str, Any]) -> dict[str, Any]:
    return {**report, "objects": [{**entry, "seconds": 0} for entry in report["objects"]]}
