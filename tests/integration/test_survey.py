"""A large release reads its objects by lists, where that is cheaper; what it does is what GETs would have led to."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Kubectl, Outcome, Step
from tests.controlplane.cluster import Cluster
from tests.faults.proxy import Action, Exchange, Proxy, Recorded, expired, fail, forbid, on, status
from tests.integration.objects import Object, config_map, deployment, obj, through, write
from tests.integration.outcomes import actions
from tests.integration.test_permissions import as_runner

MANY = 30
A_LIST = on("GET", "/configmaps$")


def settings(prefix: str = "s", count: int = MANY, **data: str) -> list[Object]:
    return [config_map(f"{prefix}-{number}", **{"a": "b", **data}) for number in range(count)]


def reads(proxy: Proxy) -> Counter[str]:
    """How often ConfigMaps were listed, and read by name."""
    found = proxy.matching(on("GET", "/configmaps", watch=False))
    return Counter("list" if _is_list(one) else "get" for one in found)


def _is_list(request: Recorded) -> bool:
    return request.path.endswith("/configmaps")


@pytest.fixture
def release(step: Step, namespace: str, proxy: Proxy, tmp_path: Path) -> Any:
    """Applies objects through the proxy, whose records hold this run alone."""

    def run(*objects: Object, words: tuple[str, ...] = ("apply",), **env: str | None) -> Outcome:
        proxy.requests.clear()
        path = write(tmp_path / "release.yaml", *objects)
        return step(*words, "-f", path, "-n", namespace, env={**through(proxy), **env}, report=True)

    return run


def test_one_list_tells_what_is_there_and_what_need_not_be_written(release: Any, proxy: Proxy) -> None:
    first = release(*settings())
    assert first.code == 0 and Counter(actions(first).values()) == {"created": MANY}, first.text
    assert reads(proxy) == {"list": 1}, "also for objects that are not there"

    again = release(*settings())
    assert again.code == 0 and Counter(actions(again).values()) == {"unchanged": MANY}, again.text
    assert [request.method for request in proxy.requests] == ["GET"]

    more = release(config_map("s-0", a="c"), *settings()[1:], *settings("t", 2))
    assert Counter(actions(more).values()) == {"configured": 1, "created": 2, "unchanged": MANY - 1}, more.text
    assert reads(proxy) == {"list": 1} and len(proxy.writes) == 3


def test_few_objects_are_read_by_name_whatever_else_is_there(release: Any, proxy: Proxy) -> None:
    assert release(*settings()).code == 0
    assert release(*settings(count=3)).code == 0
    assert reads(proxy) == {"get": 3}


def test_a_list_of_large_objects_of_others_is_left_after_its_first_page(release: Any, proxy: Proxy) -> None:
    assert release(*settings("others", 2 * MANY, data="x" * 20_000)).code == 0
    assert release(*settings("own", 20), words=("apply", "--no-preflight")).code == 0
    assert reads(proxy) == {"list": 1, "get": 20}


def test_small_objects_of_others_are_read_along_page_by_page(release: Any, proxy: Proxy) -> None:
    assert release(*settings("others", 2 * MANY)).code == 0
    assert release(*settings("own", 20), words=("apply", "--no-preflight")).code == 0
    assert reads(proxy) == {"list": 2}


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(forbid(), id="403"),
        pytest.param(status(404, "NotFound", "the server could not find the requested resource"), id="404"),
        pytest.param(status(405, "MethodNotAllowed", "the server does not allow this method"), id="405"),
        pytest.param(fail(500), id="500"),
    ],
)
def test_without_a_list_each_object_is_read_and_nothing_is_said_of_it(
    answer: Action, release: Any, proxy: Proxy
) -> None:
    assert release(*settings()).code == 0
    proxy.rule(A_LIST, answer, times=None)
    again = release(*settings())
    assert again.code == 0 and Counter(actions(again).values()) == {"unchanged": MANY}, again.text
    assert reads(proxy)["get"] == MANY
    told = [line for line in again.stderr.splitlines() if line.startswith(("warning", "note", "error"))]
    assert told == [] or "answers again" in told[-1], again.text


def test_a_token_that_may_not_list_is_refused_once(
    release: Any, cluster: Cluster, namespace: str, proxy: Proxy
) -> None:
    rules = [{"apiGroups": [""], "resources": ["configmaps", "serviceaccounts"], "verbs": ["get", "create", "patch"]}]
    runner = as_runner(cluster, cluster.token(namespace, rules=rules), proxy.url)
    accounts = [obj("v1", "ServiceAccount", f"account-{number}") for number in range(MANY)]
    outcome = release(*settings(), *accounts, words=("apply", "--concurrency", "1"), **runner)
    assert outcome.code == 0 and Counter(actions(outcome).values()) == {"created": 2 * MANY}, outcome.text
    assert Counter(one.code for one in proxy.requests if one.method == "GET") == {403: 1, 404: 2 * MANY}
    assert "may not" not in outcome.stderr


def test_a_list_that_grows_too_old_is_left(release: Any, proxy: Proxy) -> None:
    assert release(*settings("others", 2 * MANY)).code == 0
    proxy.rule(lambda one: "continue" in one.query, expired(goes_on=True), times=None)
    assert release(*settings("own", 20), words=("apply", "--no-preflight")).code == 0
    assert reads(proxy) == {"list": 2, "get": 20}


def test_secrets_are_read_by_name_alone(release: Any, proxy: Proxy) -> None:
    secrets = [
        obj("v1", "Secret", f"key-{number}", stringData={"password": f"hunter-{number}"}) for number in range(25)
    ]
    assert release(*secrets).code == 0
    assert release(*secrets).code == 0
    assert not proxy.matching(on("GET", "/secrets$"))


def test_objects_of_the_cluster_are_listed_too(release: Any, proxy: Proxy, namespace: str, kubectl: Kubectl) -> None:
    names = [f"{namespace}-{number}" for number in range(20)]
    classes = [obj("scheduling.k8s.io/v1", "PriorityClass", name, value=1) for name in names]
    try:
        assert Counter(actions(release(*classes)).values()) == {"created": 20}
        assert Counter(actions(release(*classes)).values()) == {"unchanged": 20}
        assert [request.method for request in proxy.requests] == ["GET"]
    finally:
        kubectl("delete", "priorityclass", *names)


def test_a_namespace_that_comes_with_the_release(
    step: Step, cluster: Cluster, namespace: str, proxy: Proxy, tmp_path: Path
) -> None:
    other = f"{namespace}-new"
    path = write(tmp_path / "r.yaml", obj("v1", "Namespace", other), *settings())
    try:
        outcome = step("apply", "-f", path, "-n", other, env=through(proxy), report=True)
        assert outcome.code == 0 and Counter(actions(outcome).values()) == {"created": MANY + 1}, outcome.text
        assert reads(proxy)["get"] == 0
    finally:
        cluster.delete_namespace(other)


@pytest.mark.parametrize("by", ["list", "get"])
def test_the_same_difference_and_the_same_fields_taken_over(
    by: str, step: Step, namespace: str, proxy: Proxy, kubectl: Kubectl, tmp_path: Path
) -> None:
    made = [deployment(f"web-{number}", "shop/web:1", replicas=0) for number in range(20)]
    kubectl("-n", namespace, "apply", "-f", write(tmp_path / "before.yaml", *made))
    if by == "get":
        proxy.rule(on("GET", "/deployments$", watch=False), forbid(), times=None)
    changed = [deployment("web-0", "shop/web:2", replicas=0), *made[1:]]
    path = write(tmp_path / "release.yaml", *changed)
    shown = step("diff", "-f", path, "-n", namespace, env=through(proxy))
    assert shown.code == 0 and shown.stdout.count("shop/web:2") == 1, shown.text
    assert shown.stdout.count("--- ") == shown.stdout.count("+++ ")
    assert "kind: Deployment" not in [line[1:].strip() for line in shown.stdout.splitlines() if line[:1] in "+-"]
    outcome = step("apply", "-f", path, "-n", namespace, env=through(proxy), report=True)
    assert outcome.code == 0, outcome.text
    live = json.loads(kubectl("-n", namespace, "get", "deployments", "-o", "json", "--show-managed-fields").stdout)
    managers = Counter(entry["manager"] for one in live["items"] for entry in one["metadata"]["managedFields"])
    assert managers["k8s-step"] == 20 and not managers["kubectl-client-side-apply"], managers


def test_an_object_that_appears_after_the_list(
    release: Any, cluster: Cluster, namespace: str, proxy: Proxy, kubectl: Kubectl
) -> None:
    def then_create(exchange: Exchange) -> None:
        exchange.forward()
        kubectl("-n", namespace, "create", "configmap", "s-7", "--from-literal=mine=1")

    proxy.rule(A_LIST, then_create, times=1)
    outcome = release(*settings())
    assert outcome.code == 0, outcome.text
    live = cluster.get(f"/api/v1/namespaces/{namespace}/configmaps/s-7")
    assert live["data"] == {"mine": "1", "a": "b"}, "the server has merged both"


def test_a_wrong_token_is_told_once(release: Any, proxy: Proxy) -> None:
    proxy.rule(on(), status(401, "Unauthorized", "Unauthorized"), times=None)
    outcome = release(*settings())
    assert outcome.code == 4, outcome.text
    assert len(proxy.requests) == 1 and f"{MANY - 1} " in outcome.stderr, outcome.text
