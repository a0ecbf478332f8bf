from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from k8s_step.api.concurrency import gather, in_order, successes
from k8s_step.errors import StepError


def test_every_item_with_its_result_or_exception() -> None:
    def work(item: int) -> int:
        if item == 3:
            raise ValueError("three")
        return item * 10

    found = dict(gather(work, [1, 2, 3], 2))
    assert {key: value for key, value in found.items() if key != 3} == {1: 10, 2: 20}
    assert isinstance(found[3], ValueError)


@pytest.mark.parametrize("limit", [0, 1, 3, 99])
def test_any_limit_ends(limit: int) -> None:
    assert sorted(result for _, result in gather(str, [1, 2, 3], limit) if isinstance(result, str)) == ["1", "2", "3"]


def test_nothing_to_do() -> None:
    assert list(gather(str, [], 4)) == []


def test_up_to_the_limit_at_a_time_and_no_more() -> None:
    together = threading.Barrier(3)
    running: list[int] = []
    most: list[int] = []
    lock = threading.Lock()

    def work(item: int) -> None:
        with lock:
            running.append(item)
            most.append(len(running))
        together.wait(10)  # passes only when three are in it at once
        with lock:
            running.remove(item)

    outcomes = [result for _, result in gather(work, range(6), 3)]
    assert outcomes == [None] * 6
    assert max(most) == 3


def test_leaving_early_starts_none_of_the_rest() -> None:
    started: list[int] = []
    first = threading.Event()

    def work(item: int) -> int:
        started.append(item)
        if item:
            first.wait(10)
        return item

    results = gather(work, list(range(50)), 2)
    assert next(results) == (0, 0)
    results.close()  # type: ignore[attr-defined]
    first.set()
    assert len(started) <= 4


def test_threads_do_not_keep_the_process() -> None:
    seen: list[bool] = []
    list(gather(lambda _: seen.append(threading.current_thread().daemon), [1], 1))
    assert seen == [True]


def test_successes_are_told_apart_from_refusals_and_bugs() -> None:
    refused: list[tuple[str, str]] = []
    found = [("a", 1), ("b", StepError("no")), ("c", 3)]
    kept = list(successes(iter(found), lambda item, error: refused.append((item, error.message))))
    assert (kept, refused) == ([("a", 1), ("c", 3)], [("b", "no")])
    with pytest.raises(ZeroDivisionError):
        list(successes(iter([("a", ZeroDivisionError())]), lambda item, error: refused.append((item, error.message))))


def test_in_order_however_they_end() -> None:
    first = threading.Event()

    def work(item: str) -> Iterator[str]:
        if item == "a":
            assert first.wait(60)
        first.set()
        yield f"{item}1"
        yield f"{item}2"

    found = [(item, list(results)) for item, results in in_order(work, ["a", "b", "c"], 2)]
    assert found == [(item, [f"{item}1", f"{item}2"]) for item in "abc"]


def test_an_error_comes_where_it_happened() -> None:
    def work(item: int) -> Iterator[int]:
        yield item
        if item == 1:
            raise StepError("one")
        yield -item

    found: list[object] = []
    for _, results in in_order(work, [0, 1, 2], 3):
        try:
            found += results
        except StepError as error:
            found.append(str(error))
    assert found == [0, 0, 1, "one", 2, -2]


def test_an_item_whose_turn_has_not_come_makes_one_result() -> None:
    made: list[tuple[str, int]] = []

    def work(item: str) -> Iterator[int]:
        for number in range(3):
            made.append((item, number))
            yield number

    lanes = in_order(work, ["a", "b"], 2)
    _, results = next(lanes)
    assert list(results) == [0, 1, 2]
    assert [number for item, number in made if item == "b"] in ([], [0])
    assert list(next(lanes)[1]) == [0, 1, 2]


def test_no_results_are_made_once_the_caller_has_left() -> None:
    ended = threading.Event()

    def work(_: str) -> Iterator[int]:
        try:
            yield from range(1000)
        finally:
            ended.set()

    lanes = in_order(work, ["a"], 1)
    _, results = next(lanes)
    assert next(results) == 0
    lanes.close()  # type: ignore[attr-defined]
    assert ended.wait(60)
