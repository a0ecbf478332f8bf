"""The proxy of the fault tests itself: it passes everything on unchanged, records it, and misbehaves as told."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.conftest import poll
from tests.controlplane.cluster import Cluster
from tests.faults import proxy as faults
from tests.faults.proxy import Proxy, on

MAPS = "/api/v1/namespaces/{}/configmaps"


def _map(name: str) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"a": "b"}}


def test_passes_on_and_records(proxy: Proxy, namespace: str) -> None:
    path = MAPS.format(namespace)
    with requests.Session() as session:
        made = session.post(proxy.url + path, json=_map("one"), params={"fieldManager": "t"}, timeout=10)
        listed = session.get(proxy.url + path, params={"limit": "1"}, timeout=10)
    assert (made.status_code, listed.status_code) == (201, 200)
    assert listed.json()["kind"] == "ConfigMapList"
    post, get = proxy.requests
    assert (post.method, post.path, post.query, post.json["data"], post.code) == (
        "POST",
        path,
        {"fieldManager": "t"},
        {"a": "b"},
        201,
    )
    assert (get.method, get.query, get.code) == ("GET", {"limit": "1"}, 200)
    assert [request.line for request in proxy.writes] == [f"POST {path}?fieldManager=t 201"]


def test_a_token_passes_through_and_is_not_shown(proxy: Proxy, cluster: Cluster, namespace: str) -> None:
    token = cluster.token(namespace)
    answer = requests.get(f"{proxy.url}/api/v1/nodes", headers={"Authorization": f"Bearer {token}"}, timeout=10)
    assert answer.status_code == 403
    assert f"system:serviceaccount:{namespace}:ci" in answer.json()["message"]
    assert token not in repr(proxy.requests)


def test_without_the_admin_a_request_is_anonymous(proxy: Proxy) -> None:
    proxy.admin = False
    assert requests.get(f"{proxy.url}/api/v1/nodes", timeout=10).status_code == 403


@pytest.mark.parametrize(
    ("action", "code", "words"),
    [
        (faults.throttle(7), 429, "too many requests"),
        (faults.fail(503), 503, "unable to handle"),
        (faults.forbid("no"), 403, "no"),
        (faults.gone(), 410, "too old"),
        (faults.html(502), 502, "<h1>502"),
        (faults.garbage(), 200, '{"kind": "Sta'),
    ],
)
def test_answers_instead_of_the_server(proxy: Proxy, action: faults.Action, code: int, words: str) -> None:
    proxy.rule(on("GET", "/version$"), action)
    answer = requests.get(f"{proxy.url}/version", timeout=10)
    assert (answer.status_code, words in answer.text) == (code, True)
    assert answer.headers.get("Retry-After") == ("7" if code == 429 else None)
    assert requests.get(f"{proxy.url}/version", timeout=10).json()["gitVersion"]  # a rule counts its times


@pytest.mark.parametrize("reset", [False, True])
def test_cuts_before_and_after(proxy: Proxy, cluster: Cluster, namespace: str, reset: bool) -> None:
    path = MAPS.format(namespace)
    for name, action in (("before", faults.cut_before(reset=reset)), ("after", faults.cut_after(reset=reset))):
        proxy.rule(on("POST"), action)
        with pytest.raises(requests.ConnectionError):
            requests.post(proxy.url + path, json=_map(name), timeout=10)
    assert cluster.request("GET", f"{path}/before").code == 404
    assert cluster.request("GET", f"{path}/after").code == 200
    assert [request.fault for request in proxy.requests] == ["cut before", "cut after"]


def test_cuts_an_answer_in_the_middle(proxy: Proxy) -> None:
    proxy.rule(on("GET"), faults.cut_midway())
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        requests.get(f"{proxy.url}/version", timeout=10)


def test_streams_a_watch_event_by_event(proxy: Proxy, cluster: Cluster, namespace: str) -> None:
    path = MAPS.format(namespace)
    seen = [json.loads(line) for line in _watch(proxy, cluster, path, changes=2, take=2)]
    assert [event["object"]["metadata"]["name"] for event in seen] == ["m0", "m1"]


@pytest.mark.parametrize("action", [faults.cut_watch(after=1), faults.cut_watch(after=1, reset=True)])
def test_cuts_a_watch_after_some_events(proxy: Proxy, cluster: Cluster, namespace: str, action: faults.Action) -> None:
    proxy.rule(on(watch=True), action)
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        _watch(proxy, cluster, MAPS.format(namespace), changes=2, take=2)


def test_ends_a_watch_properly(proxy: Proxy, cluster: Cluster, namespace: str) -> None:
    proxy.rule(on(watch=True), faults.end_watch(after=1))
    assert len(_watch(proxy, cluster, MAPS.format(namespace), changes=2, take=9)) == 1


def test_a_watch_that_says_410(proxy: Proxy, cluster: Cluster, namespace: str) -> None:
    proxy.rule(on(watch=True), faults.gone_event(after=1))
    lines = _watch(proxy, cluster, MAPS.format(namespace), changes=1, take=9)
    assert [json.loads(line)["type"] for line in lines] == ["ADDED", "ERROR"]
    assert json.loads(lines[1])["object"]["code"] == 410


def _watch(proxy: Proxy, cluster: Cluster, path: str, *, changes: int, take: int) -> list[bytes]:
    """Watch through the proxy, make changes meanwhile, and return the lines that came."""
    version = cluster.get(path)["metadata"]["resourceVersion"]
    query = {"watch": "true", "resourceVersion": version, "timeoutSeconds": "20"}
    with requests.get(proxy.url + path, params=query, stream=True, timeout=25) as answer:
        lines = answer.iter_lines(chunk_size=None)
        got = []
        for number in range(changes):
            cluster.create(path, _map(f"m{number}"))
        for line in lines:
            got.append(line)
            if len(got) == take:
                break
    return got


def test_goes_away_and_comes_back_on_the_same_port(proxy: Proxy) -> None:
    url = f"{proxy.url}/version"
    with requests.Session() as session:
        assert session.get(url, timeout=10).status_code == 200
        proxy.stop()
        with pytest.raises(requests.ConnectionError):
            session.get(url, timeout=10)
        proxy.start()
        assert session.get(url, timeout=10).status_code == 200


def test_a_stalled_request_ends_with_the_proxy(proxy: Proxy) -> None:
    proxy.rule(on("GET"), faults.stall())
    with pytest.raises(requests.ReadTimeout):
        requests.get(f"{proxy.url}/version", timeout=0.2)
    proxy.stop()
    poll(lambda: proxy.requests[0].fault == "stalled", "the stalled request to be let go")


def test_delays(proxy: Proxy) -> None:
    rule = proxy.rule(on("GET"), faults.delay(600))
    with ThreadPoolExecutor() as pool:
        late = pool.submit(requests.get, f"{proxy.url}/version", timeout=60)
        poll(lambda: rule.used, "the request that is held")
        assert requests.get(f"{proxy.url}/version", timeout=60).status_code == 200
        assert not late.done(), "overtaken by the one that came after it"
        proxy.stopping.set()
        assert late.result(60).status_code == 200
