from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from k8s_step.api.concurrency import gather, gather_writes, pause, write_begins, write_ends
from k8s_step.cancellation import CANCELLATION, Cancellation
from k8s_step.errors import CancelledError, StepError, StoppedError

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
    assert wakes == [1, 1]
    with cancellation.held(woken):
        pass  # it has been raised: what comes after it, such as cleaning up, is not cancelled again


def test_what_is_undivided_is_not_ended_halfway() -> None:
    cancellation, done = Cancellation(), []
    with pytest.raises(CancelledError, match="SIGTERM"):  # noqa: SIM117
        with cancellation.undivided():
            cancellation.ask(ASKED)
            done.append("all of it")
    assert done == ["all of it"]
    with cancellation.undivided():
        pass  # it has been raised


def test_a_cancellation_comes_before_an_error_of_what_is_undivided() -> None:
    cancellation = Cancellation()
    with pytest.raises(CancelledError), cancellation.undivided():
        cancellation.ask(ASKED)
        raise OSError
    with pytest.raises(OSError, match="its own"), cancellation.undivided():
        raise OSError("its own")


@pytest.mark.parametrize("place", ["here", "in another thread"])
def test_a_second_signal_waits_for_what_is_undivided(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cancellation, met = Cancellation(), list[Any]()
    monkeypatch.setattr("os._exit", met.append)
    begun, told = threading.Event(), threading.Event()

    def work() -> None:
        with cancellation.undivided():
            begun.set()
            if place == "here":
                cancellation.leave(15)
            assert told.wait(60) or met.append("in vain")
            met.append("done")

    with cancellation.leaving(lambda: met.append("last act")):
        if place == "here":
            told.set()
            work()
        else:
            thread = threading.Thread(target=work)
            thread.start()
            assert begun.wait(60)
            cancellation.leave(15)
            assert met == []
            told.set()
            thread.join(60)
    assert met == ["done", "last act", 143]


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
    cancellation.started()


def test_asked_before_it_is_held_back() -> None:
    """While the run starts, say: then nothing is begun at all."""
    cancellation, begun = Cancellation(), []
    cancellation.starting()
    cancellation.ask(ASKED)
    cancellation._is_starting = False
    with pytest.raises(CancelledError), cancellation.held(woken):
        begun.append(1)
    assert not begun


def test_what_deals_with_errors_does_not_swallow_it() -> None:
    def careless() -> None:
        try:
            Cancellation().ask(ASKED)
        except Exception:  # as joblogs, creations and Jinja2 do
            return

    with pytest.raises(CancelledError):
        careless()


FINALISER = """
import os, signal, sys, time
from k8s_step.cancellation import catch_signals
from k8s_step.errors import CancelledError
class Thing:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
        for _ in range(1000):  # the handler runs in here, and Python drops what it raises
            len("")
catch_signals()
try:
    Thing()
    while True:
        time.sleep(60)
except CancelledError as error:
    print(error.message)
"""


def test_one_that_is_raised_where_python_drops_it_comes_again() -> None:
    ended = subprocess.run([sys.executable, "-c", FINALISER], capture_output=True, text=True, timeout=60, check=False)
    assert (ended.stdout, ended.stderr) == ("cancelled by SIGTERM\n", "")


OTHER_THREAD = """
import queue, signal, threading, time
from k8s_step.cancellation import CANCELLATION, catch_signals
from k8s_step.errors import CancelledError
catch_signals()
messages = queue.SimpleQueue()
def other():
    time.sleep(0.2)  # the main thread waits by now, or else is about to
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
    time.sleep(60)
threading.Thread(target=other, daemon=True).start()
try:
    with CANCELLATION.held(lambda: messages.put(None)):
        print(messages.get())
except CancelledError as error:
    print(error.message)
"""


def test_a_signal_that_reaches_another_thread_ends_the_wait_of_the_main_one() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", OTHER_THREAD], capture_output=True, text=True, timeout=50, check=False
    )
    assert (ended.stdout, ended.stderr) == ("None\ncancelled by SIGTERM\n", "")


# -- writes that are under way

Write = Callable[[str], str]
Told = str | Exception


class Server:
    """Work whose write reaches the server at once, and is answered when ``answers`` says so."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.answers: dict[str, threading.Event] = {name: threading.Event() for name in "abcdef"}
        self.arrived = threading.Semaphore(0)
        self.left: list[str] = []

    def write(self, name: str) -> str:
        write_begins()
        self.arrives(name)
        write_ends(is_done=True)
        return f"{name} written"

    def arrives(self, name: str) -> None:
        """Tell the test that this is under way, and wait until it is answered."""
        self.sent.append(name)
        self.arrived.release()
        assert self.answers[name].wait(60)

    def all_under_way(self, count: int) -> None:
        for _ in range(count):
            assert self.arrived.acquire(timeout=60)


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    for answer in made.answers.values():
        answer.set()


def cancelled(
    work: Write, names: str, server: Server, under_way: int, answered: str = ""
) -> dict[str, str | Exception]:
    """What is told of a run that is cancelled once so many are under way; then some are answered."""
    server.answers["a"].set()
    found: dict[str, Told] = {}
    with pytest.raises(CancelledError, match="SIGTERM"):
        for name, result in gather_writes(work, list(names), max(under_way - 1, 1)):
            found[name] = result
            if name == "a":  # the main thread is here, as when a signal handler runs
                server.all_under_way(under_way)
                CANCELLATION.ask(ASKED)
                for each in answered:
                    server.answers[each].set()
    return found


@pytest.fixture
def no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second is over as soon as it begins."""
    monkeypatch.setattr("k8s_step.api.concurrency.LINGER", 0.0)


def test_what_is_answered_within_the_second_is_told_and_the_rest_not_begun(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("k8s_step.api.concurrency.LINGER", 60.0)
    found = cancelled(server.write, "abcdef", server, 4, answered="bcd")
    assert found == {name: f"{name} written" for name in "abcd"}
    assert sorted(server.sent) == list("abcd"), "e and f were not begun"


def is_unknown(result: Told) -> bool:
    return isinstance(result, StoppedError) and result.may_be_done


def test_what_is_not_answered_is_unknown(server: Server, no_time: None) -> None:
    found = cancelled(server.write, "ab", server, 2)
    assert found["a"] == "a written" and is_unknown(found["b"])


def test_what_has_not_written_yet_is_not_told_and_never_writes(server: Server, no_time: None) -> None:
    """A deletion reads first. Its answer may come after the run's last word, and then nothing more may be sent."""
    refused = threading.Event()

    def work(name: str) -> str:
        server.arrives(name)  # the read
        try:
            write_begins()
        except StoppedError:
            refused.set()
            raise
        return name

    assert cancelled(work, "ab", server, 2) == {"a": "a"}
    with CANCELLATION.held(woken):  # the run cleans up
        server.answers["b"].set()
        assert refused.wait(60)


def test_what_was_refused_and_is_tried_otherwise_is_not_told(server: Server, no_time: None) -> None:
    def work(name: str) -> str:
        write_begins()
        write_ends(is_done=False)  # a conflict, say
        server.arrives(name)
        return name

    assert cancelled(work, "ab", server, 2) == {"a": "a"}


def test_what_is_written_and_then_read_is_unknown_until_it_was_read(server: Server, no_time: None) -> None:
    def work(name: str) -> str:
        write_begins()
        write_ends(is_done=True)
        server.arrives(name)
        return name

    assert is_unknown(cancelled(work, "ab", server, 2)["b"])


def test_a_try_whose_answer_was_lost_may_have_been_done_whatever_becomes_of_the_next(server: Server) -> None:
    def work(name: str) -> str:
        write_begins()  # cut off
        write_begins()
        write_ends(is_done=False)  # no connection
        server.arrives(name)
        write_begins()
        return name

    assert is_unknown(cancelled(work, "ab", server, 2, answered="b")["b"])


def test_nobody_waits_for_another_try(server: Server) -> None:
    def work(name: str) -> str:
        server.arrives(name)
        pause(600 if name == "b" else 0, threading.Event())
        return name

    assert cancelled(work, "ab", server, 2, answered="b") == {"a": "a"}


def test_a_bug_is_no_matter_of_the_cancellation(server: Server) -> None:
    def work(name: str) -> str:
        server.arrives(name)
        if name == "b":
            raise ValueError("a bug")
        return name

    found = cancelled(work, "ab", server, 2, answered="b")
    assert isinstance(found["b"], ValueError) and not isinstance(found["b"], StepError)


def test_without_a_cancellation_it_is_as_gather() -> None:
    assert dict(gather_writes(str, [1, 2, 3], 2)) == dict(gather(str, [1, 2, 3], 2))


class Part:
    """A thread that takes part in a run: it waits until it is woken."""

    def __init__(self, cancellation: Cancellation) -> None:
        self._cancellation = cancellation
        self.waits, self._woken = threading.Event(), threading.Event()
        self.met: list[str] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with self._cancellation.taking_part():
            try:
                with self._cancellation.held(self._woken.set):
                    self.waits.set()
                    self._woken.wait(60)
                    self.met.append("woken")
            except CancelledError as error:
                self.met.append(error.message)
            with self._cancellation.waking(self._woken.set):
                self.met.append("not cancelled twice")

    def joined(self) -> list[str]:
        self._thread.join(60)
        return self.met


def test_every_part_of_the_run_is_cancelled_at_the_end_of_its_wait() -> None:
    cancellation = Cancellation()
    parts = [Part(cancellation) for _ in range(3)]
    assert all(part.waits.wait(60) for part in parts)
    with pytest.raises(CancelledError, match="SIGTERM"):
        cancellation.ask(ASKED)
    expected = ["woken", "cancelled by SIGTERM", "not cancelled twice"]
    assert [part.joined() for part in parts] == [expected] * 3


def test_a_part_that_begins_to_wait_later_is_cancelled_too() -> None:
    cancellation = Cancellation()
    with pytest.raises(CancelledError):
        cancellation.ask(ASKED)
    part = Part(cancellation)
    assert part.joined() == ["cancelled by SIGTERM", "not cancelled twice"]


def test_who_takes_no_part_is_left_alone() -> None:
    cancellation = Cancellation()
    with pytest.raises(CancelledError):
        cancellation.ask(ASKED)
    with cancellation.waking(woken):
        cancellation.check()
