from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from k8s_step.cancellation import CANCELLATION, Cancellation
from k8s_step.concurrency import count_write, gather, gather_writes
from k8s_step.errors import CancelledError

ASKED = CancelledError("cancelled by SIGTERM")


def woken() -> None:
    """What a test's holder does when it is woken."""


def test_nobody_holds_it_back() -> None:
    with pytest.raises(CancelledError, match="SIGTERM"):
        Cancellation().ask(ASKED)


def test_held_back_until_the_context_ends() -> None:
    cancellation, wakes = Cancellation(), []
    with pytest.raises(CancelledError, match="SIGTERM"):  # noqa: SIM117
        with cancellation.held(lambda: wakes.append(1)):
            cancellation.ask(ASKED)
            cancellation.ask(CancelledError("cancelled by SIGINT"))
            assert cancellation.is_asked
    assert wakes == [1, 1]
    assert not cancellation.is_asked, "what comes after it, such as cleaning up, may send requests again"


def test_an_inner_context_leaves_it_to_the_outer_one() -> None:
    cancellation, passed = Cancellation(), []
    with pytest.raises(CancelledError):  # noqa: SIM117
        with cancellation.held(woken):
            with cancellation.held(woken):
                cancellation.ask(ASKED)
            passed.append("inner")
    assert passed == ["inner"]


def test_held_back_while_the_run_starts() -> None:
    cancellation = Cancellation()
    cancellation.starting()
    cancellation.ask(ASKED)
    with pytest.raises(CancelledError, match="SIGTERM"):
        cancellation.started()
    cancellation.started()


def test_an_error_within_the_context_comes_first() -> None:
    cancellation = Cancellation()
    with pytest.raises(ValueError, match="a bug"), cancellation.held(woken):
        cancellation.ask(ASKED)
        raise ValueError("a bug")
    assert not cancellation.is_asked


# -- writes that are under way


class Server:
    """Work whose write reaches the server at once, and is answered when ``answers`` says so."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.answers: dict[str, threading.Event] = {name: threading.Event() for name in "abcdef"}
        self.arrived = threading.Semaphore(0)

    def write(self, name: str) -> str:
        if CANCELLATION.is_asked:
            raise CancelledError("the step was stopped")
        count_write()
        self.sent.append(name)
        self.arrived.release()
        self.answers[name].wait(10)
        return f"{name} written"


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    for answer in made.answers.values():
        answer.set()


def cancel_when_sent(server: Server, count: int, then: list[str]) -> None:
    """Ask from the main thread, as a signal handler does: ``gather_writes`` calls it when the first item is told."""
    for _ in range(count):
        assert server.arrived.acquire(timeout=10)
    CANCELLATION.ask(ASKED)
    for name in then:
        server.answers[name].set()


def test_what_is_answered_within_the_second_is_told_and_the_rest_not_begun(server: Server) -> None:
    server.answers["a"].set()
    found = {}
    with pytest.raises(CancelledError, match="SIGTERM"):
        for name, result in gather_writes(server.write, list("abcdef"), 3):
            found[name] = str(result)
            if name == "a":
                cancel_when_sent(server, 4, list("bcd"))
    assert found == {name: f"{name} written" for name in "abcd"}
    assert sorted(server.sent) == list("abcd"), "e and f were not begun"


def test_what_is_not_answered_is_unknown(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("k8s_step.concurrency.LINGER", 0.0)
    server.answers["a"].set()
    found = {}
    with pytest.raises(CancelledError, match="SIGTERM"):
        for name, result in gather_writes(server.write, ["a", "b"], 1):
            found[name] = result
            if name == "a":
                cancel_when_sent(server, 2, [])
    assert found["a"] == "a written" and isinstance(found["b"], CancelledError)


def test_what_was_not_sent_is_not_told() -> None:
    begun = threading.Event()

    def work(name: str) -> str:
        if name == "read":
            begun.set()
            while not CANCELLATION.is_asked:
                begun.wait(0.01)
            raise CancelledError("the step was stopped")  # as the client does before it sends
        return name

    found = []
    with pytest.raises(CancelledError, match="SIGTERM"):
        for name, _ in gather_writes(work, ["written", "read"], 1):
            found.append(name)
            assert begun.wait(10)
            CANCELLATION.ask(ASKED)
    assert found == ["written"]


def test_a_write_that_was_surely_not_done_is_not_told(server: Server) -> None:
    def work(name: str) -> str:
        count_write()
        count_write(-1)
        while name == "throttled" and not CANCELLATION.is_asked:
            server.answers["a"].wait(0.01)
        if CANCELLATION.is_asked:
            raise CancelledError("the step was stopped")
        return name

    found = []
    with pytest.raises(CancelledError):
        for name, _ in gather_writes(work, ["first", "throttled"], 1):
            found.append(name)
            CANCELLATION.ask(ASKED)
    assert found == ["first"]


def test_without_a_cancellation_it_is_as_gather() -> None:
    assert dict(gather_writes(str, [1, 2, 3], 2)) == dict(gather(str, [1, 2, 3], 2))
