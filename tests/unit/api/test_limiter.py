from __future__ import annotations

import threading
import time
from contextlib import ExitStack

from k8s_step.api.limiter import Limiter
from tests.conftest import poll


def entered(limiter: Limiter, count: int) -> list[bool]:
    """Start so many callers that stay for a moment; whether each had a place, as far as they have come."""
    found: list[bool] = []

    def enter() -> None:
        with limiter.slot() as has_place:
            found.append(has_place)

    for _ in range(count):
        threading.Thread(target=enter, daemon=True).start()
    return found


def test_no_more_than_the_limit_is_inside() -> None:
    limiter = Limiter(2)
    with limiter.slot() as first, limiter.slot() as second, limiter.slot(timeout=0) as third:
        assert (first, second, third) == (True, True, False)
    with limiter.slot(timeout=0) as again:
        assert again


def test_callers_that_wait_get_the_places_of_those_who_leave() -> None:
    limiter = Limiter(2)
    with limiter.slot(), limiter.slot():
        found = entered(limiter, 5)
        assert found == []
    poll(lambda: found == [True] * 5, "all to have had a place")


def test_a_limit_that_grows_lets_waiting_callers_in() -> None:
    limiter = Limiter(32)
    with ExitStack() as stack:
        for _ in range(16):
            assert stack.enter_context(limiter.slot(timeout=0))
        found = entered(limiter, 4)
        for _ in range(16):
            limiter.answered("GET", 0.001)
        poll(lambda: found == [True] * 4, "all to have had a place")


def test_nobody_is_let_in_while_the_server_wants_to_be_left_alone() -> None:
    limiter = Limiter(8)
    begun = time.monotonic()
    limiter.throttled(limiter.epoch, 0.2)
    with limiter.slot(timeout=0) as at_once:
        assert not at_once
    found = entered(limiter, 8)
    poll(lambda: found == [True] * 8, "all to have had a place")
    assert time.monotonic() - begun >= 0.2


def test_closing_releases_those_who_wait() -> None:
    limiter = Limiter(1)
    with limiter.slot():
        found = entered(limiter, 3)
        limiter.close()
        poll(lambda: found == [False] * 3, "all to be released")


def test_closing_releases_those_whom_the_server_keeps_waiting() -> None:
    limiter = Limiter(1)
    limiter.throttled(limiter.epoch, 3600)
    found = entered(limiter, 3)
    limiter.close()
    poll(lambda: found == [False] * 3, "all to be released")
