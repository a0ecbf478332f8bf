"""Watches of a server that says what no API server says: they are resumed, and nothing is lost."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from k8s_step.api.client import Client
from k8s_step.api.watch import Event, Scope, Watch
from k8s_step.connection.settings import Connection
from k8s_step.errors import ForbiddenError
from k8s_step.objects.resource import Resource
from tests.unit.loopback import Exchange, Handler, Loopback, in_turn

DEPLOYMENTS = Resource("apps", "v1", "Deployment", "deployments", True)


def deployment(version: int, **more: Any) -> dict[str, Any]:
    metadata = {"name": "web", "namespace": "shop", "resourceVersion": str(version)}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, **more}


def event(version: int, **more: Any) -> bytes:
    return json.dumps({"type": "MODIFIED", "object": deployment(version, **more)}).encode()


def saying(*lines: bytes) -> Handler:
    def handler(exchange: Exchange) -> None:
        exchange.begin_chunks()
        for line in lines:
            exchange.chunk(line + b"\n")
        exchange.chunk(b"")

    return handler


def first(count: int, *handlers: Handler, version: str | None = "5") -> tuple[list[Event], list[str]]:
    """So many events, and the requests that were made for them."""
    with Loopback(in_turn(*handlers)) as server:
        client = Client(Connection(server.url, "test"))
        watch = Watch(client, Scope(DEPLOYMENTS, "shop"), version)
        events = [found for _, found in zip(range(count), watch, strict=False)]
        watch.stop()
        client.close()
        return events, [exchange.target for exchange in server.exchanges]


NO_EVENTS = {
    "null": b"null",
    "a list": b"[]",
    "a word": b'"MODIFIED"',
    "no object": b'{"type": "MODIFIED"}',
    "an object that is none": b'{"type": "MODIFIED", "object": 1}',
    "no type": b'{"object": {"metadata": {}}}',
    "a type that is none": b'{"type": {}, "object": {"metadata": {}}}',
    "metadata that is none": b'{"type": "MODIFIED", "object": {"metadata": "a"}}',
    "no metadata": b'{"type": "MODIFIED", "object": {"kind": "Deployment"}}',
    "no name": b'{"type": "DELETED", "object": {"metadata": {"uid": "a"}}}',
    "a spec that is a list": event(7, spec=[]),
    "conditions that are words": event(7, status={"conditions": ["Available"]}),
    "nested too deeply": b"[" * 100_000,
    "cut": event(7)[:-5],
    "not UTF-8": b"\xff\xfe",
}


@pytest.mark.parametrize("line", NO_EVENTS.values(), ids=NO_EVENTS)
def test_what_is_no_event_is_a_cut(line: bytes) -> None:
    events, targets = first(2, saying(event(6), line), saying(event(8)))
    assert [found.object["metadata"]["resourceVersion"] for found in events] == ["6", "8"]
    assert ["resourceVersion=5" in targets[0], "resourceVersion=6" in targets[1]] == [True, True]


@pytest.mark.parametrize(
    "body", [{"items": "a"}, {"items": [1]}, {"metadata": [1]}, {"items": [{"spec": 1}]}, {"items": [{}]}]
)
def test_what_is_no_list_is_asked_for_again(body: dict[str, Any]) -> None:
    good = {"metadata": {"resourceVersion": "9"}, "items": [deployment(9)]}
    handlers = (lambda exchange: exchange.reply(200, body), lambda exchange: exchange.reply(200, good))
    events, targets = first(1, *handlers, version=None)
    assert [found.type for found in events] == ["LISTED"] and len(targets) >= 2


def test_an_error_whose_code_is_no_number() -> None:
    error = {"type": "ERROR", "object": {"kind": "Status", "code": [], "message": []}}
    events, _ = first(1, saying(json.dumps(error).encode()), saying(event(8)))
    assert [found.object["metadata"]["resourceVersion"] for found in events] == ["8"]


# -- where watching is forbidden


class Unhurried(threading.Event):
    """Waits for nothing, and counts how often it was asked to."""

    waits = 0

    def wait(self, timeout: float | None = None) -> bool:
        self.waits += 1
        return self.is_set()


def polled(server: Loopback, count: int, name: str | None = None) -> tuple[list[str], list[str]]:
    """The types of so many events, and the notices."""
    notices: list[str] = []
    client = Client(Connection(server.url, "test"))
    watch = Watch(client, Scope(DEPLOYMENTS, "shop", name), "5", notices.append, Unhurried())
    types = [found.type for _, found in zip(range(count), watch, strict=False)]
    watch.stop()
    client.close()
    return types, notices


def forbid(exchange: Exchange) -> None:
    exchange.reply(403, {"kind": "Status", "code": 403, "reason": "Forbidden", "message": "no"})


@pytest.mark.parametrize("name", [None, "web"])
def test_a_watch_that_is_forbidden_for_a_while_is_a_watch_again(name: str | None) -> None:
    listed = {"metadata": {"resourceVersion": "9"}, "items": [deployment(9)]}
    left = [forbid, forbid, saying(event(10))]

    def handler(exchange: Exchange) -> None:
        if "watch=true" in exchange.target:
            return left.pop(0)(exchange)
        return exchange.reply(200, listed if name is None else deployment(9))

    with Loopback(handler) as server:
        types, notices = polled(server, 6, name)
    assert types == [*["LISTED"] * 5, "MODIFIED"], "a list and one more, then a list and two more"
    assert notices == [
        "may not watch deployments.apps in shop: asking again every 2 s instead",
        "may watch deployments.apps in shop again",
    ]


def test_a_watch_that_stays_forbidden_is_tried_ever_less_often() -> None:
    def handler(exchange: Exchange) -> None:
        if "watch=true" in exchange.target:
            return forbid(exchange)
        return exchange.reply(200, {"metadata": {"resourceVersion": "9"}, "items": []})

    with Loopback(handler) as server:
        types, notices = polled(server, 90)
        asked = "".join("w" if "watch=true" in exchange.target else "l" for exchange in server.exchanges)
    assert types == ["LISTED"] * 90 and len(notices) == 1
    assert [len(lists) for lists in asked.split("w")[1:7]] == [2, 3, 5, 9, 17, 17]


def test_a_list_that_is_lost_while_polling_is_asked_for_again() -> None:
    handlers = [forbid, forbid_nothing(9), lambda exchange: exchange.reply(200, {"items": [{}]}), forbid_nothing(10)]
    with Loopback(in_turn(*handlers)) as server:
        assert polled(server, 2)[0] == ["LISTED", "LISTED"]


def forbid_nothing(version: int) -> Handler:
    return lambda exchange: exchange.reply(200, {"metadata": {"resourceVersion": str(version)}, "items": []})


def test_where_listing_is_forbidden_too_there_is_nothing_left() -> None:
    with Loopback(forbid) as server, pytest.raises(ForbiddenError):
        polled(server, 1)
