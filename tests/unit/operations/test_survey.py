"""What a list of many objects is good for, and when each object is read by a GET all the same."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from k8s_step.api.client import Client, Pace
from k8s_step.api.request import Request
from k8s_step.connection.settings import Connection
from k8s_step.errors import UnauthorizedError, UnreachableError
from k8s_step.objects.address import Address
from k8s_step.objects.reference import Reference
from k8s_step.objects.resource import required
from k8s_step.operations.look import MANY
from k8s_step.operations.plan import ApplyOptions, Planned, Seen
from k8s_step.operations.survey import Survey
from tests.unit.loopback import Exchange, Loopback

NAMES = [f"map-{number}" for number in range(MANY)]


def planned(name: str, kind: str = "ConfigMap") -> Planned:
    return Planned(Address(required("v1", kind), Reference("v1", kind, "shop", name)), {"metadata": {"name": name}})


def item(name: str, **more: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "shop", **more}, "data": {"a": "b"}}


def listed(*items: Any, **metadata: Any) -> dict[str, Any]:
    return {"kind": "ConfigMapList", "apiVersion": "v1", "metadata": metadata, "items": list(items)}


def surveyed(body: Any, *, code: int = 200, kind: str = "ConfigMap") -> tuple[list[Seen], Counter[str]]:
    """What is seen of all objects where a list is answered so, and how often was listed and read."""

    def answer(exchange: Exchange) -> None:
        path = exchange.target.partition("?")[0]
        if path.endswith("s"):
            exchange.reply(code, body)
        else:
            exchange.reply(200, {"apiVersion": "v1", "kind": kind, **item(path.rpartition("/")[2])})

    with Loopback(answer) as server:
        client = Client(Connection(server.url, "test"), pace=Pace(sleep=lambda _: None))
        client.send(Request("GET", planned("first").path))
        before = len(server.exchanges)
        plan = [planned(name, kind) for name in NAMES]
        survey = Survey(client, plan, 4)
        seen = [survey.look(one, ApplyOptions()) for one in plan]
        client.close()
        asked = (exchange.target for exchange in server.exchanges[before:])
        return seen, Counter("list" if "?limit=" in target else "get" for target in asked)


def test_items_are_as_a_get_returns_them_and_the_others_are_absent() -> None:
    seen, asked = surveyed(listed(*map(item, NAMES[:-1]), item("another")))
    assert seen[0].live == {"apiVersion": "v1", "kind": "ConfigMap", **item("map-0")}
    assert [one.is_absent for one in seen] == [False] * (MANY - 1) + [True]
    assert asked == {"list": 1}


def test_an_empty_list() -> None:
    seen, asked = surveyed({**listed(), "items": None})
    assert all(one.is_absent for one in seen) and asked == {"list": 1}


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"kind": "ConfigMapList", "metadata": {}}, id="no-items"),
        pytest.param({"kind": "ConfigMapList", "metadata": {}, "items": "none"}, id="a-text"),
        pytest.param({"kind": "ConfigMapList", "metadata": {}, "items": {"map-0": {}}}, id="a-map"),
        pytest.param(listed(*map(item, NAMES), {"metadata": {}}), id="nameless"),
        pytest.param(listed(*map(item, NAMES), "text"), id="no-object"),
        pytest.param(listed(*map(item, NAMES[1:]), item("map-0", labels=["a"])), id="misshapen"),
    ],
)
def test_an_odd_list_says_nothing(body: Any) -> None:
    seen, asked = surveyed(body)
    assert asked == {"list": 1, "get": MANY}
    assert not any(one.is_absent for one in seen)


@pytest.mark.parametrize("remaining", [10**6, None])
def test_what_an_unfinished_list_has_told_is_kept(remaining: int | None) -> None:
    seen, asked = surveyed(listed(*map(item, NAMES[:5]), **{"continue": "x", "remainingItemCount": remaining}))
    assert asked == {"list": 1, "get": MANY - 5}
    assert not any(one.is_absent for one in seen)


def test_secrets_are_not_listed() -> None:
    assert surveyed(listed(), kind="Secret")[1] == {"get": MANY}


def test_a_list_that_breaks_off_again_and_again() -> None:
    assert surveyed(b'{"items": [')[1]["get"] == MANY


def test_each_object_gets_the_error_that_its_get_would_meet() -> None:
    body = {"kind": "Status", "code": 401, "reason": "Unauthorized", "message": "Unauthorized"}
    with pytest.raises(UnauthorizedError):
        surveyed(body, code=401)
    client = Client(Connection("http://127.0.0.1:1", "test"), pace=Pace(sleep=lambda _: None))
    survey = Survey(client, [planned(name) for name in NAMES], 4)
    with pytest.raises(UnreachableError):
        survey.look(planned(NAMES[-1]), ApplyOptions())
