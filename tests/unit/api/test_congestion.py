"""The window against a server that is simulated: event by event, with a clock of its own, the same each time."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from k8s_step.api.congestion import FIRST, Window

_MOST = 32
_RETRY_AFTER = 1.0


class Fixed(Window):
    """As many at once as it was told, whatever is answered."""

    def __init__(self, limit: int, clock: Callable[[], float]) -> None:
        super().__init__(limit, clock)
        self.limit = limit

    def answered(self, *_: object) -> None:
        pass

    def throttled(self, *_: object) -> None:
        pass


@dataclass
class Server:
    """Serves ``seats`` requests at once, each for ``service`` seconds; takes ``rate`` a second at the most, if any."""

    round_trip: float = 0.025
    seats: int = 1000
    service: float = 0.002
    rate: float = 0.0
    now: float = 0.0
    refused: int = 0
    most: int = 0
    limits: list[int] = field(default_factory=list)
    _events: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _order: itertools.count[int] = field(default_factory=itertools.count)

    def take(self, requests: int, make: Callable[[int, Callable[[], float]], Window], most: int = _MOST) -> float:
        """The seconds until all requests are answered, sent by ``most`` threads within the window."""
        self._window, self._most = make(most, lambda: self.now), most
        self._free, self._left, self._threads, self._inside = [0.0] * self.seats, requests, most, 0
        self._tokens, self._at = self.rate, 0.0
        self._send()
        while self._events:
            self.now, _, event = heapq.heappop(self._events)
            event()
            self._send()
        return self.now

    def _send(self) -> None:
        while self._left and self._threads and self._inside < self._window.limit:
            if self._window.held_until > self.now:
                return self._later(self._window.held_until, lambda: None)
            self._left, self._threads, self._inside = self._left - 1, self._threads - 1, self._inside + 1
            self.most = max(self.most, self._inside)
            self._serve(self.now, self._window.epoch)
        return None

    def _serve(self, begun: float, epoch: int) -> None:
        if not self._has_token():
            return self._later(self.now + self.round_trip + 0.0005, lambda: self._refuse(epoch))
        end = max(heapq.heappop(self._free), self.now + self.round_trip / 2) + self.service
        heapq.heappush(self._free, end)
        return self._later(end + self.round_trip / 2, lambda: self._answer(begun))

    def _answer(self, begun: float) -> None:
        self._window.answered("GET", self.now - begun, self._inside)
        self.limits.append(self._window.limit)
        self._inside, self._threads = self._inside - 1, self._threads + 1

    def _refuse(self, epoch: int) -> None:
        self.refused += 1
        self._window.throttled(epoch, _RETRY_AFTER)
        self._inside -= 1
        self._later(self.now + _RETRY_AFTER, self._again)

    def _again(self) -> None:
        self._left, self._threads = self._left + 1, self._threads + 1

    def _has_token(self) -> bool:
        if not self.rate:
            return True
        self._tokens, self._at = min(self.rate, self._tokens + (self.now - self._at) * self.rate), self.now
        has_one = self._tokens >= 1
        self._tokens -= has_one
        return has_one

    def _later(self, when: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (when, next(self._order), event))


@pytest.mark.parametrize("round_trip", [0.0002, 0.005, 0.025, 0.2])
@pytest.mark.parametrize("requests", [1, 3, 16, 17, 24, 48, 100, 500])
def test_a_server_that_answers_quickly_is_never_served_slower_than_by_sixteen(requests: int, round_trip: float) -> None:
    adapts = Server(round_trip).take(requests, Window)
    assert adapts <= Server(round_trip).take(requests, Fixed, 16)


def test_it_grows_while_answers_come_quickly() -> None:
    server = Server()
    assert server.take(500, Window) < 0.65 * Server().take(500, Fixed, 16)
    assert server.limits[0] == FIRST and server.most == _MOST


@pytest.mark.parametrize("most", [1, 2, 5, 16, 20, 64])
def test_it_never_goes_beyond_what_it_is_told(most: int) -> None:
    server = Server()
    server.take(500, Window, most)
    assert server.most == most


def test_a_server_with_a_ration_is_soon_asked_for_no_more_than_that() -> None:
    adapts, fixed = Server(0.001, rate=20), Server(0.001, rate=20)
    fixed.take(1000, Fixed, 16)
    assert adapts.take(1000, Window) <= 1000 / 20 + 2
    assert adapts.refused < 150 < 700 < fixed.refused


@pytest.mark.parametrize(("seats", "service"), [(1, 0.05), (2, 0.2), (1, 1.0)])
def test_a_small_server_gets_fewer_at_once_and_loses_no_time(seats: int, service: float) -> None:
    server = Server(seats=seats, service=service)
    seconds = server.take(300, Window)
    assert seconds <= Server(seats=seats, service=service).take(300, Fixed, 16)
    assert all(limit < FIRST for limit in server.limits[100:])
    assert min(server.limits) >= 4, "slow answers alone never starve it"


def test_one_seat_for_all_is_not_starved_by_refusals() -> None:
    server = Server(0.001, rate=1)
    server.take(30, Window)
    assert min(server.limits) == 1
    assert server.now <= 31


def test_answers_that_always_take_long_are_no_sign_of_trouble() -> None:
    """A webhook of two seconds, say: fewer at once would not make it quicker."""
    server = Server(service=2.0)
    server.take(300, Window)
    assert server.limits[-1] == _MOST


def test_kinds_that_take_long_are_not_measured_by_others() -> None:
    window = Window(_MOST, lambda: 0.0)
    for _ in range(200):
        window.answered("GET", 0.002, window.limit)
        window.answered("PATCH", 3.0, window.limit)
    assert window.limit == _MOST


def test_seconds_lost_among_our_own_threads_are_no_sign_of_trouble() -> None:
    window = Window(_MOST, lambda: 0.0)
    for number in range(200):
        window.answered("GET", 0.002 if number == 0 else 0.1, window.limit)
    assert window.limit == FIRST, "and more threads would be no help"


def test_one_moment_of_slowness_is_no_sign_of_trouble_and_a_second_is() -> None:
    window = Window(_MOST, lambda: 0.0)
    for seconds, limit in ((0.1, 32), (2.0, 32), (0.1, 32), (2.0, 32), (2.0, 16)):
        for _ in range(window.limit):
            window.answered("GET", seconds, window.limit)
        assert window.limit == limit


def test_what_is_not_in_use_does_not_grow() -> None:
    window = Window(_MOST, lambda: 0.0)
    for _ in range(200):
        window.answered("GET", 0.002, 3)
    assert window.limit == FIRST


def test_refusals_of_one_moment_halve_once() -> None:
    window = Window(_MOST, lambda: 0.0)
    epoch = window.epoch
    for _ in range(5):
        window.throttled(epoch)
    assert (window.limit, window.epoch) == (FIRST // 2, 1)


def test_after_trouble_it_grows_by_one_a_second() -> None:
    now = [0.0]
    window = Window(_MOST, lambda: now[0])
    window.throttled(window.epoch)
    limits = []
    for tick in range(31):
        now[0] = tick / 10
        for _ in range(30):
            window.answered("GET", 0.002, window.limit)
        limits.append(window.limit)
    assert (limits[9], limits[10], limits[20], limits[30]) == (8, 9, 10, 11)


def test_the_server_is_left_alone_for_as_long_as_it_says_within_reason() -> None:
    window = Window(_MOST, lambda: 100.0)
    window.throttled(window.epoch)
    assert window.held_until < 100
    window.throttled(window.epoch, 2.0)
    assert window.held_until == 102
    window.throttled(window.epoch, 3600.0)
    assert window.held_until == 105
