"""Lists read page by page: what is printed before the next page comes, and how little is kept."""

from __future__ import annotations

import json
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from k8s_step.api.client import Client
from k8s_step.api.concurrency import in_order
from k8s_step.connection.settings import Connection
from k8s_step.errors import UnreachableError
from k8s_step.objects.resource import required
from k8s_step.objects.selection import Group
from k8s_step.operations.get import OBJECTS, Page, Reader
from k8s_step.report.printers.documents import JSON, Documents
from tests.unit.loopback import Exchange, Handler, Loopback, in_turn

MAPS = Group(required("v1", "ConfigMap"), "shop")


def answer(names: list[str], token: str = "", **data: str) -> Handler:
    items = [{"metadata": {"name": name, "namespace": "shop"}, "data": data} for name in names]
    return lambda exchange: exchange.reply(200, {"metadata": {"continue": token}, "items": items})


def too_old(token: str = "") -> Handler:
    body = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old", "metadata": {"continue": token}}
    return lambda exchange: exchange.reply(410, body)


@contextmanager
def reading(handler: Handler, **how: Any) -> Iterator[tuple[Reader, Loopback, list[str]]]:
    told: list[str] = []
    with Loopback(handler) as server:
        client = Client(Connection(server.url, "test")).until(time.monotonic() + 60)
        yield Reader(client, OBJECTS, 2, told.append, **how), server, told
        client.close()


def names(pages: Iterator[Page]) -> list[list[str]]:
    return [[entry.name for entry in page.entries] for page in pages]


def test_a_page_is_there_before_the_next_has_come() -> None:
    go_on = threading.Event()

    def second(exchange: Exchange) -> None:
        assert go_on.wait(60)
        answer(["c"])(exchange)

    with reading(in_turn(answer(["a", "b"], "x"), second)) as (reader, _, _told):
        lists = in_order(reader.final, [MAPS], 4)
        _, pages = next(lists)
        assert [entry.name for entry in next(pages).entries] == ["a", "b"]
        go_on.set()
        assert names(pages) == [["c"]]


def test_no_more_than_one_page_ahead() -> None:
    handlers = [answer([f"a{n}", f"b{n}"], "x") for n in range(8)]
    with reading(in_turn(*handlers, answer(["z"]))) as (reader, server, _):
        for _, pages in in_order(reader.final, [MAPS], 4):
            for taken, _page in enumerate(pages, 1):
                assert taken <= len(server.exchanges) <= taken + 1


def test_one_that_starts_over_goes_on_with_what_was_not_printed() -> None:
    handlers = (answer(["a", "b"], "x"), too_old(), answer(["a", "c"], "y"), answer(["d"]))
    with reading(in_turn(*handlers)) as (reader, _, told):
        assert names(reader.final(MAPS)) == [["a", "b"], ["c"], ["d"]]
    assert "starting over" in told[-1]


def test_one_that_is_to_start_over_is_printed_when_it_is_whole() -> None:
    handlers = (answer(["a", "b"], "x"), too_old("rest"), answer(["a", "c"], "y"), answer(["d"]))
    with reading(in_turn(*handlers), goes_on=False) as (reader, server, told):
        pages = reader.final(MAPS)
        assert [entry.name for entry in next(pages).entries] == ["a", "c"]
        assert len(server.exchanges) == 4, "nothing before the last page"
        assert names(pages) == [["d"]]
        assert "continue" not in server.exchanges[2].target
    assert "starting over" in told[-1]


@pytest.mark.parametrize("items", [[7], [{}], [{"metadata": {}}], {"a": {}}, "a", 7, {}, ""], ids=str)
@pytest.mark.parametrize("form", [{}, {"kind": "Table"}], ids=["list", "table"])
def test_what_is_no_list_of_objects(form: dict[str, str], items: Any) -> None:
    body = {**form, "metadata": {}, "rows" if form else "items": items}
    with (
        reading(lambda exchange: exchange.reply(200, body)) as (reader, _, _told),
        pytest.raises(UnreachableError, match="none of Kubernetes' own"),
    ):
        list(reader.final(MAPS))


def peak_of(pages: int) -> int:
    """Bytes at the most while so many pages of 250 objects are printed."""
    left = iter(range(pages, 0, -1))

    def page(exchange: Exchange) -> None:
        number = next(left)
        items = [{"metadata": {"name": f"m-{number}-{at}"}, "data": {"text": "x" * 2000}} for at in range(250)]
        token = "more" if number > 1 else ""
        exchange.reply(200, json.dumps({"metadata": {"continue": token}, "items": items}).encode())

    count: list[int] = []
    write: Callable[[str], None] = lambda text: count.append(text.count('"name"'))  # noqa: E731
    printer = Documents(write, lambda item: item, JSON, is_one=False)
    with reading(page, show=printer.show) as (reader, _, _told):
        tracemalloc.start()
        for _, found in in_order(reader.final, [MAPS], 4):
            for each in found:
                printer.add(each.resource, (), each.items)
        printer.end()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert sum(count) == 250 * pages
    return peak


def test_a_long_list_takes_hardly_more_than_a_short_one() -> None:
    """A page is half a megabyte; twenty of them take less than three more than four do."""
    assert peak_of(20) < peak_of(4) + 3 * 250 * 2000
