"""A server that is ill for a while, and one that stays so: in every verb, for each answer of the table of ailments."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from k8s_step.connection.ailments import (
    AGGREGATED,
    AILMENTS,
    AWAY,
    BUSY,
    DOUBLE,
    ETCD,
    QUOTA_RACE,
    RACE,
    WEBHOOK,
    Ailment,
    Patience,
)
from tests.conftest import Kubectl, Outcome, Step, poll
from tests.controlplane.cluster import Cluster
from tests.faults import proxy as faults
from tests.faults.proxy import Action, Match, Proxy, on
from tests.faults.test_retries import about, reached
from tests.integration.objects import config_map, deployment, job, obj, through, write
from tests.integration.outcomes import actions, objects

PASSING = [one for one in AILMENTS if one.patience is not Patience.NONE and one is not AGGREGATED]
WRITING = [ETCD, WEBHOOK, QUOTA_RACE, AWAY]


def playing(one: Ailment, *, late: bool = False, **headers: str) -> Action:
    """The example of a row of the table; ``late``: given when the server has done what it was asked."""
    said = one.example
    assert said is not None
    if not said.is_status:
        return faults.plain(said.code, said.message)
    return faults.status(said.code, said.reason, said.message, {"kind": said.kind}, late=late, **headers)


def named(one: Ailment) -> str:
    return f"one-{AILMENTS.index(one)}"


# -- every answer


METHODS = {"apply": "PATCH", "create": "POST", "replace": "PUT", "delete": "DELETE"}
OWN = {"create": [DOUBLE], "replace": [DOUBLE, RACE], "delete": [DOUBLE]}  # there it is the caller's own conflict


@pytest.mark.parametrize("verb", METHODS)
def test_every_ill_answer_that_passes_is_ridden_out(
    verb: str, step: Step, kubectl: Kubectl, namespace: str, proxy: Proxy, tmp_path: Path
) -> None:
    """One object an answer, all in one run: each is as it must be in the end, and nothing reached the server twice."""
    passing = [one for one in PASSING if one not in OWN.get(verb, [])]
    names = [named(one) for one in passing]
    if verb != "create":
        before = write(tmp_path / "before.yaml", *(config_map(name) for name in names))
        kubectl("create", "-n", namespace, "-f", before)
    method = METHODS[verb]
    for one in passing:
        proxy.rule(about(method, named(one)), playing(one), times=2)
    path = write(tmp_path / "release.yaml", *(config_map(name, state="new") for name in names))
    options = ("--no-preflight",) if verb == "apply" else ()
    outcome = step(verb, "-f", path, "-n", namespace, *options, env=through(proxy), report=True)
    assert outcome.code == 0, outcome.text
    listed = json.loads(kubectl("-n", namespace, "get", "cm", "-o", "json").stdout)["items"]
    live = {one["metadata"]["name"]: one.get("data") for one in listed if one["metadata"]["name"] in names}
    assert live == ({} if verb == "delete" else {name: {"state": "new"} for name in names})
    for one in passing:
        tried = proxy.matching(about(method, named(one)))
        assert (len(tried), sum(map(reached, tried))) == (3, 1), one.title
    told = [line for line in outcome.stderr.splitlines() if line.endswith("trying again")]
    assert len(told) <= 1 + len({one.over for one in passing}), outcome.stderr


@pytest.mark.parametrize("verb", ["apply", "create"])
def test_what_was_done_though_the_answer_is_ill_is_not_done_twice(
    verb: str, step: Step, kubectl: Kubectl, namespace: str, proxy: Proxy, tmp_path: Path
) -> None:
    method = "PATCH" if verb == "apply" else "POST"
    proxy.rule(about(method, "settings"), playing(ETCD, late=True))
    options = ("--no-preflight",) if verb == "apply" else ()
    path = write(tmp_path / "release.yaml", config_map(state="new"))
    outcome = step(verb, "-f", path, "-n", namespace, *options, env=through(proxy), report=True)
    assert (outcome.code, actions(outcome)) == (0, {"ConfigMap/settings": "created"}), outcome.text
    live = json.loads(kubectl("-n", namespace, "get", "cm", "settings", "-o", "json").stdout)
    assert live["data"] == {"state": "new"}
    assert len(proxy.matching(about("POST", "settings"))) == (1 if verb == "create" else 0)


# -- every verb


@dataclass(frozen=True)
class Verb:
    """A run of a verb, the request that the server is ill at, and what must hold of the namespace afterwards."""

    words: Sequence[str]
    match: Match
    check: str = ""  # a path of kubectl's jsonpath
    expected: str = ""
    ailments: Sequence[Ailment] = tuple(WRITING)


def _of(method: str, path: str) -> Match:
    return on(method, path)


DATA = ("cm/settings", "{.data.a}")
VERBS: dict[str, Verb] = {
    "apply": Verb(("apply", "-f", "{new}", "--no-preflight"), _of("PATCH", "/settings$"), "{.data.a}", "new"),
    "apply with its dry run": Verb(("apply", "-f", "{both}"), _of("PATCH", "/settings$"), "{.data.a}", "new"),
    "patch strategic": Verb(
        ("patch", "cm/settings", "-p", '{{"data":{{"a":"new"}}}}'), _of("PATCH", "/settings$"), "{.data.a}", "new"
    ),
    "patch merge": Verb(
        ("patch", "cm/settings", "--type", "merge", "-p", '{{"data":{{"a":"new"}}}}'),
        _of("PATCH", "/settings$"),
        "{.data.a}",
        "new",
    ),
    "patch json": Verb(
        ("patch", "cm/settings", "--type", "json", "-p", '[{{"op":"replace","path":"/data/a","value":"new"}}]'),
        _of("PATCH", "/settings$"),
        "{.data.a}",
        "new",
    ),
    "patch apply": Verb(
        ("patch", "cm/settings", "--type", "apply", "-p", '{{"data":{{"b":"new"}}}}'),
        _of("PATCH", "/settings$"),
        "{.data.b}",
        "new",
    ),
    "create": Verb(("create", "-f", "{fresh}"), _of("POST", "/configmaps$"), "{.data.a}", "old"),
    "replace": Verb(("replace", "-f", "{new}"), _of("PUT", "/settings$"), "{.data.a}", "new"),
    "delete one": Verb(("delete", "cm/other"), _of("DELETE", "/other$"), "{.data.a}", "old"),
    "delete -f": Verb(("delete", "-f", "{other}"), _of("DELETE", "/other$"), "{.data.a}", "old"),
    "delete -l": Verb(("delete", "cm", "-l", "app=other"), _of("DELETE", "/configmaps$"), "{.data.a}", "old"),
    "status": Verb(("status", "cm/settings"), _of("GET", "/settings$"), ailments=(ETCD, AWAY, BUSY)),
    "status -f": Verb(("status", "-f", "{new}"), _of("GET", "/settings$"), ailments=(ETCD, AWAY, BUSY)),
    "get": Verb(("get", "cm/settings"), _of("GET", "/settings$"), ailments=(ETCD, AWAY, BUSY)),
    "get -o name": Verb(("get", "cm", "-o", "name"), _of("GET", "/configmaps$"), ailments=(ETCD, AWAY, BUSY)),
    "get, discovery": Verb(("get", "certificatesigningrequests"), _of("GET", "^/apis?$"), ailments=(ETCD, AWAY, BUSY)),
    "diff": Verb(("diff", "-f", "{new}"), _of("PATCH", "/settings$")),
    "permissions": Verb(
        ("permissions", "-f", "{new}", "--check"), _of("POST", "/selfsubjectrulesreviews$"), ailments=(ETCD, AWAY, BUSY)
    ),
    "run": Verb(("run", "-f", "{job}"), _of("POST", "/jobs$")),
    "restart": Verb(("restart", "deployment/web"), _of("PATCH", "/web$")),
    "scale": Verb(("scale", "deployment/web", "--replicas", "1"), _of("PATCH", "/web/scale$")),
    "undo": Verb(("undo", "deployment/web"), _of("PATCH", "/web$")),
}


def _settings(**data: str) -> dict[str, Any]:
    return config_map("settings", **data)


def _other() -> dict[str, Any]:
    made = config_map("other", a="old")
    made["metadata"]["labels"] = {"app": "other"}
    return made


@pytest.fixture
def files(kubectl: Kubectl, namespace: str, tmp_path: Path) -> dict[str, str]:
    """What the verbs work on is in the namespace; the manifests they name by their words."""
    there = write(tmp_path / "there.yaml", _settings(a="old"), _other())
    kubectl("-n", namespace, "apply", "--server-side", "--field-manager=k8s-step", "-f", there)
    return {
        "new": write(tmp_path / "new.yaml", _settings(a="new")),
        "both": write(tmp_path / "both.yaml", _settings(a="new"), config_map("second", a="new")),
        "fresh": write(tmp_path / "fresh.yaml", config_map("fresh", a="old")),
        "other": write(tmp_path / "other.yaml", _other()),
        "job": write(tmp_path / "job.yaml", job("migrate", "shop/job-ok:1")),
    }


def _prepare(verb: str, kubectl: Kubectl, namespace: str) -> None:
    if verb not in ("restart", "scale", "undo"):
        return
    kubectl("-n", namespace, "create", "-f", "-", input=json.dumps(deployment(replicas=0)))
    if verb == "undo":
        revision = "jsonpath={.metadata.annotations.deployment\\.kubernetes\\.io/revision}"
        told: Callable[[], str] = lambda: kubectl("-n", namespace, "get", "deploy/web", "-o", revision).stdout  # noqa: E731
        poll(lambda: told() == "1", "the first revision")
        kubectl("-n", namespace, "set", "image", "deploy/web", "app=shop/web:2")
        poll(lambda: told() == "2", "the second revision")


def call(name: str, step: Step, namespace: str, proxy: Proxy, files: dict[str, str], *more: str) -> Outcome:
    line = [word.format(**files) for word in VERBS[name].words]
    return step(*line, "-n", namespace, *more, env=through(proxy), report=True)


def late(name: str, step: Step, namespace: str, proxy: Proxy, files: dict[str, str]) -> Outcome:
    """A run whose time is up once it has said that it tries again: with no other request under way by then."""
    line = [*(word.format(**files) for word in VERBS[name].words), "--concurrency", "1"]
    return step.timed_out(*line, "-n", namespace, after="; trying again", env=through(proxy), report=True)


@pytest.mark.usefixtures("played")
@pytest.mark.parametrize("name", VERBS)
def test_a_burst_is_ridden_out_in_every_verb(
    name: str, step: Step, kubectl: Kubectl, namespace: str, proxy: Proxy, files: dict[str, str]
) -> None:
    verb = VERBS[name]
    _prepare(name, kubectl, namespace)
    rules = [proxy.rule(verb.match, playing(one)) for one in verb.ailments]
    outcome = call(name, step, namespace, proxy, files)
    assert outcome.code == 0, outcome.text
    assert [rule.used for rule in rules] == [1] * len(rules), [request.line for request in proxy.requests]
    assert "refused" not in outcome.text
    if verb.check:
        about_it = "cm/fresh" if name == "create" else "cm/settings"
        shown = kubectl("-n", namespace, "get", about_it, "-o", f"jsonpath={verb.check}").stdout
        assert shown == verb.expected
    if name.startswith("delete"):
        assert kubectl("-n", namespace, "get", "cm", "-l", "app=other", "-o", "name").stdout == ""


@pytest.mark.usefixtures("played")
@pytest.mark.parametrize("name", VERBS)
def test_what_lasts_is_no_refusal_in_any_verb(
    name: str, step: Step, kubectl: Kubectl, namespace: str, proxy: Proxy, files: dict[str, str]
) -> None:
    _prepare(name, kubectl, namespace)
    proxy.rule(VERBS[name].match, playing(ETCD), times=None)
    outcome = late(name, step, namespace, proxy, files)
    assert outcome.code == 5, outcome.text
    assert outcome.report is not None and outcome.report["result"] == "unreachable"
    assert "etcdserver: leader changed" in outcome.stderr and "refused" not in outcome.text
    assert "Traceback" not in outcome.text
    assert outcome.stderr.count("; trying again") <= 1
    assert not any(map(reached, proxy.matching(VERBS[name].match)))


@pytest.mark.parametrize(
    ("one", "code"),
    [(BUSY, 3), (QUOTA_RACE, 3), (RACE, 3), (WEBHOOK, 5), (AWAY, 5)],
    ids=["busy", "quota", "race", "webhook", "away"],
)
def test_what_lasts_until_the_deadline(
    one: Ailment, code: int, step: Step, namespace: str, proxy: Proxy, files: dict[str, str]
) -> None:
    """A deadline that comes before the table's own 30 seconds."""
    proxy.rule(on("PATCH", "/settings$"), playing(one), times=None)
    words = ("apply", "-f", files["new"], "-n", namespace, "--no-preflight", "--timeout", "25s")
    outcome = step.timed_out(*words, after="; trying again", env=through(proxy))
    assert outcome.code == code, outcome.text
    assert "new.yaml:1" in outcome.stderr


def test_a_conflict_on_a_quota_that_lasts_is_no_refusal(
    step: Step, namespace: str, proxy: Proxy, files: dict[str, str]
) -> None:
    """Its 30 seconds are over long before the deadline."""
    proxy.rule(on("PATCH", "/settings$"), playing(QUOTA_RACE), times=None)
    words = ("apply", "-f", files["new"], "-n", namespace, "--no-preflight")
    running = step.start(*words, env=through(proxy), own_clock=True)
    running.wait_for("; trying again")
    running.time_passes(40)
    outcome = running.wait()
    assert outcome.code == 5, outcome.text
    assert 'resourcequotas "compute"' in outcome.stderr


# -- a conflict that is somebody's


def test_a_conflict_of_ones_own_is_not_tried_again(
    step: Step, kubectl: Kubectl, namespace: str, proxy: Proxy, tmp_path: Path
) -> None:
    """An apply that names a resourceVersion, and one that wants another manager's field: once each."""
    kubectl("-n", namespace, "create", "configmap", "settings", "--from-literal=a=b")
    pinned = config_map(a="c")
    pinned["metadata"]["resourceVersion"] = "1"
    for made in (pinned, config_map(a="c")):
        proxy.clear()
        path = write(tmp_path / "release.yaml", made)
        outcome = step("apply", "-f", path, "-n", namespace, "--no-preflight", env=through(proxy))
        assert outcome.code == 4, outcome.text
        assert len(proxy.writes) == 1


# -- halfway


def test_a_release_that_ends_halfway_tells_of_each_object(
    step: Step, kubectl: Kubectl, namespace: str, proxy: Proxy, tmp_path: Path
) -> None:
    """One is written, one perhaps, one surely not, and what comes after them was never sent.

    Nothing is on its way when time is up, as then it might be done: the webhook asks for a pause before the next try.
    """
    kubectl("-n", namespace, "create", "configmap", "settings", "--from-literal=tone=soft")
    proxy.rule(on("PATCH", "/perhaps$"), playing(ETCD), times=None)
    proxy.rule(on("PATCH", "/surely-not$"), playing(WEBHOOK, Retry_After="20"), times=None)
    made = [config_map(name, a="b") for name in ("written", "perhaps", "surely-not")]
    path = write(tmp_path / "release.yaml", *made, deployment(replicas=0))
    running = step.start(
        "apply", "-f", path, "-n", namespace, "--no-preflight", env=through(proxy), report=True, own_clock=True
    )
    running.wait_for("created")
    running.wait_for("leader changed; trying again")
    running.wait_for('"check"; trying again')
    running.time_passes()
    outcome = running.wait()
    assert outcome.code == 5, outcome.text
    assert actions(outcome) == {
        "ConfigMap/written": "created",
        "ConfigMap/perhaps": "unknown",
        "ConfigMap/surely-not": "none",
        "Deployment/web": "none",
    }
    assert re.search(r"^unknown +configmap/perhaps$", outcome.stderr, re.M)
    assert "not sent: deployment.apps/web" in outcome.stderr


@pytest.mark.parametrize(
    ("is_readable", "code", "word"), [(True, 6, "deleted"), (False, 5, "")], ids=["a webhook", "all of it"]
)
def test_a_release_that_a_webhook_holds_up_for_good_is_rolled_back(
    is_readable: bool, code: int, word: str, step: Step, kubectl: Kubectl, namespace: str, proxy: Proxy, tmp_path: Path
) -> None:
    """The rest of the server is well, so that what was written can go; where nothing can be read it can't."""
    held_up = on("PATCH", "/held-up$")
    proxy.rule(held_up, playing(WEBHOOK), times=None)
    path = write(tmp_path / "release.yaml", config_map("written", a="b"), config_map("held-up", a="b"))
    words = ("apply", "-f", path, "-n", namespace, "--no-preflight", "--rollback-on-failure")
    running = step.start(*words, env=through(proxy), report=True, own_clock=True)
    running.wait_for("created")
    running.wait_for("; trying again")
    if not is_readable:
        proxy.rule(on("GET"), playing(ETCD), times=None)
    running.time_passes(40)
    outcome = running.wait()
    assert outcome.code == code, outcome.text
    assert objects(outcome)["ConfigMap/written"].get("rolled_back", "") == word
    there = kubectl("-n", namespace, "get", "cm", "written", "--ignore-not-found", "-o", "name").stdout
    assert bool(there) is not is_readable


def test_a_deletion_that_ends_halfway_tells_of_each_object(
    step: Step, kubectl: Kubectl, namespace: str, proxy: Proxy, tmp_path: Path
) -> None:
    path = write(tmp_path / "release.yaml", config_map(a="b"), deployment(replicas=0))
    kubectl("-n", namespace, "create", "-f", path)
    proxy.rule(on("DELETE", "/web$"), playing(ETCD), times=None)
    words = ("delete", "-f", path, "-n", namespace)
    outcome = step.timed_out(*words, after="; trying again", env=through(proxy), report=True)
    assert outcome.code == 5, outcome.text
    assert actions(outcome) == {"Deployment/web": "unknown", "ConfigMap/settings": "none"}
    assert "not sent: configmap/settings" in outcome.stderr


def test_a_collection_that_may_have_been_deleted_is_unknown(
    step: Step, namespace: str, proxy: Proxy, files: dict[str, str]
) -> None:
    """It is not, where a look shows that they are all still there; here that look has no answer either."""

    def ill_from_here_on(exchange: faults.Exchange) -> None:
        proxy.rule(on("GET", "/configmaps$"), playing(ETCD), times=None)
        playing(ETCD)(exchange)

    proxy.rule(on("DELETE", "/configmaps$"), ill_from_here_on, times=None)
    outcome = late("delete -l", step, namespace, proxy, files)
    assert (outcome.code, actions(outcome)) == (5, {"ConfigMap/other": "unknown"}), outcome.text


# -- an aggregated API whose server is down


@dataclass(frozen=True)
class Group:
    """An aggregated API's group, and what the server says of why it is not available."""

    name: str
    reason: str

    @property
    def telling(self) -> str:
        return f"the API {self.name}/v1 is not available: its APIService v1.{self.name} says {self.reason}: "


@pytest.fixture
def down(cluster: Cluster, namespace: str) -> Iterator[Group]:
    """The group of an APIService whose Service has no endpoints, on the real control plane."""
    name = f"{namespace.partition('-')[0]}.example"
    service = {"metadata": {"name": "nobody"}, "spec": {"selector": {"app": "nobody"}, "ports": [{"port": 443}]}}
    made = cluster.request("POST", f"/api/v1/namespaces/{namespace}/services", {**service, "kind": "Service"})
    assert made.code == 201, made.text
    spec = {
        "group": name,
        "version": "v1",
        "groupPriorityMinimum": 100,
        "versionPriority": 100,
        "insecureSkipTLSVerify": True,
        "service": {"name": "nobody", "namespace": namespace, "port": 443},
    }
    path = "/apis/apiregistration.k8s.io/v1/apiservices"
    api_service = obj("apiregistration.k8s.io/v1", "APIService", f"v1.{name}", spec=spec)
    made = cluster.request("POST", path, api_service)
    assert made.code == 201, made.text
    condition = lambda: _condition(cluster, f"{path}/v1.{name}")  # noqa: E731
    poll(lambda: condition().get("reason") == "MissingEndpoints", "the APIService to be judged")
    poll(lambda: cluster.request("GET", f"/apis/{name}/v1").code == 503, "the aggregator to know of it")
    yield Group(name, "MissingEndpoints")
    cluster.request("DELETE", f"{path}/v1.{name}")


def _condition(cluster: Cluster, path: str) -> dict[str, Any]:
    conditions = (cluster.get(path).get("status") or {}).get("conditions") or []
    return dict(next((one for one in conditions if one["type"] == "Available"), {}))


def release_of(down: Group, folder: Path) -> str:
    return write(folder / "release.yaml", config_map(a="b"), obj(f"{down.name}/v1", "Widget", "one"))


@pytest.mark.parametrize("verb", ["apply", "status"])
def test_an_aggregated_api_that_is_down_is_named_soon(
    verb: str, down: Group, step: Step, namespace: str, proxy: Proxy, tmp_path: Path
) -> None:
    """Twelve seconds after the first sign, where an hour would be left."""
    words = (verb, "-f", release_of(down, tmp_path), "-n", namespace, "--timeout", "1h")
    running = step.start(*words, env=through(proxy), report=True, own_clock=True)
    running.wait_for("; trying again")
    running.time_passes(12)
    outcome = running.wait()
    assert outcome.code == 5, outcome.text
    assert down.telling in outcome.stderr
    assert "release.yaml:8: " in outcome.stderr
    assert "proxy in between" not in outcome.stderr
    assert proxy.writes == []


def test_an_aggregated_api_whose_apiservice_may_not_be_read(
    down: Group, step: Step, cluster: Cluster, namespace: str, proxy: Proxy, tmp_path: Path
) -> None:
    token = cluster.token(namespace, rules=[{"apiGroups": ["*"], "resources": ["widgets"], "verbs": ["*"]}])
    words = ("apply", "-f", release_of(down, tmp_path), "-n", namespace)
    outcome = step.timed_out(*words, after="; trying again", env=through(proxy, K8S_TOKEN=token))
    assert outcome.code == 5, outcome.text
    telling = f"the API {down.name}/v1 is not available: its APIService v1.{down.name} may not be read"
    assert telling in outcome.stderr and "release.yaml:8: " in outcome.stderr


def test_a_kind_of_an_aggregated_api_that_is_down(down: Group, step: Step, namespace: str, proxy: Proxy) -> None:
    words = ("get", f"widgets.{down.name}", "-n", namespace)
    outcome = step.timed_out(*words, after="; trying again", env=through(proxy))
    assert outcome.code == 5, outcome.text
    assert down.telling in outcome.stderr


def test_an_aggregated_api_that_went_away_after_its_kinds_were_read(
    down: Group, step: Step, namespace: str, proxy: Proxy, tmp_path: Path
) -> None:
    """Discovery is answered; the objects are not: each names its own line."""
    kinds = {"kind": "APIResourceList", "groupVersion": f"{down.name}/v1", "resources": [_WIDGETS]}
    found = lambda exchange: exchange.answer(200, json.dumps(kinds).encode(), {"Content-Type": "application/json"})  # noqa: E731
    proxy.rule(on("GET", f"^/apis/{down.name}/v1$"), found)
    words = ("apply", "-f", release_of(down, tmp_path), "-n", namespace)
    outcome = step.timed_out(*words, after="; trying again", env=through(proxy))
    assert outcome.code == 5, outcome.text
    assert down.telling in outcome.stderr
    assert "release.yaml:8: " in outcome.stderr
    assert proxy.writes == []


_WIDGETS = {
    "name": "widgets",
    "singularName": "widget",
    "namespaced": True,
    "kind": "Widget",
    "verbs": ["get", "patch"],
}
