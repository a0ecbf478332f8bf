"""Watches of a server that says what no API server says: they are resumed, and nothing is lost."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from k8s_step.api.client import Client, Pace
from k8s_step.api.watch import Event, Scope, Watch
from k8s_step.connection.settings import Connection
from k8s_step.errors import ApiError
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
    watch = Watch(client, Scope(DEPLOYMENTS, "shop", name), "5", notices.append, _stopped=Unhurried())
    types = [found.type for _, found in zip(range(count), watch, strict=False)]
    watch.stop()
    client.close()
    return types, notices


def test_a_watch_that_ends_at_once_is_asked_for_with_pauses() -> None:
    """The first time without one, as after a cut; an event ends the row of failures."""
    paused = Unhurried()
    notices: list[str] = []
    with Loopback(in_turn(*[saying()] * 5, saying(event(6)), saying(event(7)), saying(), saying(event(8)))) as server:
        client = Client(Connection(server.url, "test"))
        watch = Watch(client, Scope(DEPLOYMENTS, "shop"), "5", notices.append, _stopped=paused)
        found = [
            (one.object["metadata"]["resourceVersion"], paused.waits) for _, one in zip(range(3), watch, strict=False)
        ]
        watch.stop()
        client.close()
    assert found == [("6", 4), ("7", 4), ("8", 4)]
    assert notices == ["lost the watch of deployments.apps in shop, resuming: the watch ended at once, without a line"]


def refuse(code: int, reason: str) -> Handler:
    return lambda exchange: exchange.reply(code, {"kind": "Status", "code": code, "reason": reason, "message": "no"})


forbid = refuse(403, "Forbidden")
REFUSALS = pytest.mark.parametrize("refusal", [forbid, refuse(405, "MethodNotAllowed")], ids=["403", "405"])


@REFUSALS
@pytest.mark.parametrize("name", [None, "web"])
def test_a_watch_that_is_forbidden_for_a_while_is_a_watch_again(name: str | None, refusal: Handler) -> None:
    listed = {"metadata": {"resourceVersion": "9"}, "items": [deployment(9)]}
    left = [refusal, refusal, saying(event(10))]

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


def resumed(*answers: Handler, version: str = "5") -> tuple[list[str], list[str]]:
    """The types of four events of a watch by name that is refused once, and the requests after the two polls."""

    def handler(exchange: Exchange) -> None:
        (watches if "watch=true" in exchange.target else gets).pop(0)(exchange)

    watches, gets = [forbid, saying(event(30))], list(answers)
    with Loopback(handler) as server:
        client = Client(Connection(server.url, "test"))
        watch = Watch(client, Scope(DEPLOYMENTS, "shop", "web"), version, _stopped=Unhurried())
        types = [found.type for _, found in zip(range(len(answers) + 1), watch, strict=False)]
        watch.stop()
        client.close()
        return types, [exchange.target for exchange in server.exchanges][3:]


def found_at(version: int) -> Handler:
    return lambda exchange: exchange.reply(200, deployment(version))


missing = refuse(404, "NotFound")


@pytest.mark.parametrize(
    ("polls", "known", "begins"),
    [([8, 9], "5", "9"), ([8, 8], "20", "20"), ([8, 9], "", "9")],
    ids=["newer", "older than a bookmark", "no version known"],
)
def test_a_watch_by_name_goes_on_from_what_was_read_meanwhile(polls: list[int], known: str, begins: str) -> None:
    types, targets = resumed(*map(found_at, polls), version=known)
    assert types == ["LISTED", "LISTED", "MODIFIED"]
    assert f"resourceVersion={begins}&" in targets[0]


def test_a_watch_by_name_of_what_was_created_anew_meanwhile() -> None:
    _, targets = resumed(missing, found_at(9))
    assert "resourceVersion=9&" in targets[0]


def test_a_watch_by_name_of_what_is_gone_begins_with_a_list() -> None:
    types, targets = resumed(found_at(9), missing, forbid_nothing(20))
    assert types == ["LISTED", "LISTED", "LISTED", "MODIFIED"]
    assert "fieldSelector=metadata.name%3Dweb" in targets[0] and "watch=true" not in targets[0]
    assert "resourceVersion=20&" in targets[1]


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


@REFUSALS
def test_where_listing_is_forbidden_too_there_is_nothing_left(refusal: Handler) -> None:
    with Loopback(refusal) as server, pytest.raises(ApiError, match="no"):
        polled(server, 1)


# -- lists in pages, tables, and what ends a watch that has not begun


def pages_of(*handlers: Handler, count: int, **more: Any) -> tuple[list[Event], list[str]]:
    """So many events of a watch without a version, and the requests that were made for them."""
    with Loopback(in_turn(*handlers)) as server:
        client = Client(Connection(server.url, "test"))
        watch = Watch(client, Scope(DEPLOYMENTS, "shop"), in_pages=True, **more)
        events = [found for _, found in zip(range(count), watch, strict=False)]
        watch.stop()
        client.close()
        return events, [exchange.target for exchange in server.exchanges]


def page(*versions: int, token: str = "") -> Handler:
    metadata = {"resourceVersion": "9", **({"continue": token} if token else {})}
    return lambda exchange: exchange.reply(200, {"metadata": metadata, "items": [deployment(one) for one in versions]})


def test_a_list_comes_page_by_page() -> None:
    events, targets = pages_of(page(1, 2, token="more"), page(3), saying(event(10)), count=3)
    found = [(one.type, len(one.items), one.begins, one.ends) for one in events]
    assert found == [("PAGE", 2, True, False), ("PAGE", 1, False, True), ("MODIFIED", 0, False, False)]
    assert "continue=more" in targets[1] and "resourceVersion=9" in targets[2]
    assert events[0].items[0]["kind"] == "Deployment"


def table(*rows: dict[str, Any], **more: Any) -> dict[str, Any]:
    metadata = {"resourceVersion": "9"}
    return {"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata, "rows": list(rows), **more}


def test_a_table_brings_rows_and_its_columns_once() -> None:
    columns = [{"name": "Name"}]
    listed = table({"cells": ["web"], "object": deployment(8)}, columnDefinitions=columns)
    changed = {"type": "MODIFIED", "object": table({"cells": ["web"], "object": deployment(10)})}
    bookmark = {"type": "BOOKMARK", "object": table({"cells": [], "object": {"metadata": {"resourceVersion": "11"}}})}
    lines = [json.dumps(one).encode() for one in (changed, bookmark)]
    handlers = [lambda exchange: exchange.reply(200, listed), saying(*lines), saying(event(12))]
    events, targets = pages_of(*handlers, count=3, as_table=True)
    rows = [events[0].items[0], events[1].object, events[2].object]
    assert [row.get("cells") for row in rows] == [["web"], ["web"], None], "the last came from a server without tables"
    assert [row["object"]["metadata"]["resourceVersion"] for row in rows] == ["8", "10", "12"]
    assert [one.columns for one in events] == [tuple(columns), (), ()]
    assert "includeObject=Object" in targets[0] and "resourceVersion=11" in targets[2]


@pytest.mark.parametrize("answer", [500, 404])
def test_trouble_ends_a_watch_that_has_not_begun(answer: int) -> None:
    def handler(exchange: Exchange) -> None:
        exchange.reply(answer, {"kind": "Status", "code": answer, "message": "no"})

    with Loopback(handler) as server:
        client = Client(Connection(server.url, "test"), pace=Pace(sleep=lambda _: None))
        watch = Watch(client, Scope(DEPLOYMENTS, "shop"), in_pages=True, first=client)
        with pytest.raises(ApiError):
            next(iter(watch))
        client.close()


def test_a_list_that_is_read_anew_is_told() -> None:
    gone = json.dumps({"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": "too old"}}).encode()
    notices: list[str] = []
    events, _ = pages_of(page(1), saying(event(10), gone), page(1, 11), count=3, notice=notices.append)
    assert [one.type for one in events] == ["PAGE", "MODIFIED", "PAGE"] and events[2].begins
    assert notices == ["the server has forgotten what happened to deployments.apps in shop meanwhile: listed anew"]


def test_a_watch_that_is_held_back_is_asked_for_a_short_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until one brings something before it ends."""
    monkeypatch.setattr("k8s_step.api.watch._QUIET", 0.2)
    monkeypatch.setattr("k8s_step.api.watch._HELD_UP", 0.1)

    def silent(exchange: Exchange) -> None:
        exchange.begin_chunks()
        left.wait(60)

    def early(exchange: Exchange) -> None:
        monkeypatch.setattr("k8s_step.api.watch._EARLY", -1.0)
        saying(event(11))(exchange)

    left = threading.Event()
    events, targets = first(3, silent, saying(event(10)), early, saying(event(12)))
    left.set()
    assert [found.object["metadata"]["resourceVersion"] for found in events] == ["10", "11", "12"]
    lasting = [dict(pair.split("=") for pair in one.partition("?")[2].split("&"))["timeoutSeconds"] for one in targets]
    assert lasting[:4] == ["290", "10", "10", "290"]
