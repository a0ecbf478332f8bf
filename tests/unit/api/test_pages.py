"""Lists in pages: what a list that grew too old goes on with, and what is no list."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from k8s_step.api.client import Client
from k8s_step.api.pages import ListPage, Pager
from k8s_step.api.request import Request
from k8s_step.connection.settings import Connection
from k8s_step.errors import GoneError, UnreachableError
from tests.unit.loopback import Exchange, Handler, Loopback, in_turn

PODS = Request("GET", "/api/v1/namespaces/shop/pods", (("labelSelector", "app=web"),), where="pods in shop")
OLD = {"kind": "Status", "status": "Failure", "code": 410, "reason": "Expired", "message": "too old"}


def page(*names: str, token: str = "", version: str = "7", left: int | None = None) -> Handler:
    metadata = {"resourceVersion": version, "continue": token, "remainingItemCount": left}
    body = {"metadata": metadata, "items": [{"metadata": {"name": name}} for name in names]}
    return lambda exchange: exchange.reply(200, body)


def too_old(token: str = "") -> Handler:
    return lambda exchange: exchange.reply(410, {**OLD, "metadata": {"continue": token}})


def read(work: Callable[[Pager], Any], *handlers: Handler, **how: Any) -> tuple[Any, list[str], list[str]]:
    """What ``work`` makes of a pager, what was asked for, and the notices."""
    told: list[str] = []
    with Loopback(in_turn(*handlers)) as server:
        client = Client(Connection(server.url, "test"))
        made = work(Pager(client.until(time.monotonic() + 60), limit=2, notice=told.append, **how))
        client.close()
        return made, [exchange.target.partition("?")[2] for exchange in server.exchanges], told


def names(pager: Pager) -> tuple[list[str], str]:
    found = pager.whole(PODS)
    return [item["metadata"]["name"] for item in found.items], found.version


FIRST = "labelSelector=app%3Dweb&limit=2"


def test_pages_with_the_tokens_of_the_server() -> None:
    made, asked, told = read(names, page("a", "b", token="x"), page("c", version="8"))
    assert made == (["a", "b", "c"], "8")
    assert (asked, told) == ([FIRST, f"{FIRST}&continue=x"], [])


def test_the_rest_as_it_is_now() -> None:
    made, asked, told = read(names, page("a", "b", token="x"), too_old("y"), page("d"))
    assert made[0] == ["a", "b", "d"]
    assert asked[1:] == [f"{FIRST}&continue=x", f"{FIRST}&continue=y"]
    assert told == [
        "pods in shop: the list grew too old for the server while it was read;"
        " the rest is read as it is now, so the list is of two moments"
    ]


def test_a_list_that_starts_over_holds_nothing_of_before() -> None:
    made, asked, told = read(names, page("a", "b", token="x"), too_old(), page("b", token="z"), page("c"))
    assert made[0] == ["b", "c"]
    assert asked == [FIRST, f"{FIRST}&continue=x", FIRST, f"{FIRST}&continue=z"]
    assert told[0].endswith("; starting over")


def test_a_list_of_one_moment_comes_in_one_answer_then() -> None:
    """A watch goes on from the list's version: with two moments, what happened between them would be missed."""
    handlers = (page("a", "b", token="x"), too_old("y"), page("b", "c", "d", version="9"))
    made, asked, _ = read(names, *handlers, of_one_moment=True)
    assert made == (["b", "c", "d"], "9")
    assert asked == [FIRST, f"{FIRST}&continue=x", "labelSelector=app%3Dweb"]


def test_pages_come_as_they_arrive() -> None:
    def first(pager: Pager) -> ListPage:
        return next(iter(pager.pages(PODS)))

    made, asked, _ = read(first, page("a", "b", token="x", left=5))
    assert ([item["metadata"]["name"] for item in made.items], made.remaining, asked) == (["a", "b"], 5, [FIRST])


def test_what_is_always_too_old_is_given_up() -> None:
    def work(pager: Pager) -> None:
        with pytest.raises(GoneError, match="too old"):
            pager.whole(PODS)

    rounds: list[Handler] = [handler for _ in range(4) for handler in (page("a", token="x"), too_old())]
    assert len(read(work, *rounds)[1]) == 8


def test_a_first_page_that_is_too_old_is_refused() -> None:
    def work(pager: Pager) -> None:
        with pytest.raises(GoneError):
            pager.whole(PODS)

    assert len(read(work, too_old("y"))[1]) == 1


@pytest.mark.parametrize("body", [{"items": None}, {}])
def test_an_empty_list(body: dict[str, Any]) -> None:
    assert read(names, lambda exchange: exchange.reply(200, body))[0] == ([], "0")


@pytest.mark.parametrize(
    "body", [{"items": "a"}, {"items": [1]}, {"items": {}}, {"items": [{}]}, {"items": [{"metadata": 1}]}]
)
def test_what_is_no_list(body: dict[str, Any]) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.reply(200, body)

    def work(pager: Pager) -> None:
        with pytest.raises(UnreachableError, match="the list of pods in shop is none of Kubernetes' own"):
            pager.whole(PODS)

    read(work, answer)
