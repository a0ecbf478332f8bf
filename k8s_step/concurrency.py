"""A few threads that do not outlive the run: nothing here keeps a cancelled step from ending."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from k8s_step.cancellation import CANCELLATION
from k8s_step.errors import CancelledError

Item = TypeVar("Item")
Result = TypeVar("Result")

LINGER = 1.0  # seconds that the writes under way are given to be answered when the run is cancelled
_thread = threading.local()


def gather(
    work: Callable[[Item], Result], items: Sequence[Item], limit: int
) -> Iterator[tuple[Item, Result | Exception]]:
    """Do ``work`` on up to ``limit`` items at a time; yield each with its result or exception, as they finish.

    Leaving the loop early lets the work under way end unseen and starts none of the rest.
    """
    crew = _Crew(work, items)
    crew.start(limit)
    try:
        for _ in items:
            found = crew.next()
            if found is not None:
                yield items[found[0]], found[1].error if isinstance(found[1], _Unsent) else found[1]
    finally:
        crew.stop()


def gather_writes(
    work: Callable[[Item], Result], items: Sequence[Item], limit: int
) -> Iterator[tuple[Item, Result | Exception]]:
    """As :func:`gather`, for work that changes something: what was changed is told even where the run is cancelled.

    Once it is, no further item is begun, and those under way have ``LINGER`` seconds to be answered. An item whose
    write was sent and not answered then comes with a :class:`CancelledError`: nobody knows what became of it. One for
    which nothing was sent does not come at all. Raises the run's :class:`CancelledError` at the end.
    """
    crew = _Crew(work, items)
    with CANCELLATION.held(crew.stop):
        crew.start(limit)
        try:
            for _ in items:
                found = crew.next()
                if found is None:
                    break
                if not isinstance(found[1], _Unsent):
                    yield items[found[0]], found[1]
            for index, result in crew.under_way(LINGER):
                yield items[index], result
        finally:
            crew.stop()


def count_write(by: int = 1) -> None:
    """Count a request of this thread's item that may change something; ``by=-1``: it surely did not."""
    writes = getattr(_thread, "writes", None)
    if writes is not None:
        writes.sent += by


@dataclass
class _Writes:
    """How many requests that may have changed something were sent for an item."""

    sent: int = 0


@dataclass(frozen=True)
class _Unsent:
    """The result of an item that was given up before anything was sent for it."""

    error: CancelledError


class _Crew(Generic[Item, Result]):
    """The threads that work on the items; ``_told`` are the items whose result has left the queue."""

    def __init__(self, work: Callable[[Item], Result], items: Sequence[Item]) -> None:
        self._work = work
        self._items = items
        self._waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[tuple[int, Result | Exception | _Unsent] | None] = queue.SimpleQueue()
        self._begun: dict[int, _Writes] = {}
        self._told: set[int] = set()
        self._stopped = threading.Event()

    def start(self, limit: int) -> None:
        """Begin, with up to ``limit`` threads."""
        for index in range(len(self._items)):
            self._waiting.put(index)
        for _ in range(min(max(limit, 1), len(self._items))):
            threading.Thread(target=self._work_off, daemon=True).start()

    def stop(self) -> None:
        """Begin no further item, and wake whoever waits in :meth:`next`. A signal handler may call it."""
        self._stopped.set()
        self._done.put(None)

    def next(self) -> tuple[int, Result | Exception | _Unsent] | None:
        """The index of an item and its result; ``None`` once the crew has been stopped."""
        found = self._done.get()
        if found is not None:
            self._told.add(found[0])
        return found

    def under_way(self, seconds: float) -> Iterator[tuple[int, Result | Exception]]:
        """What a stopped crew still had in hand; a :class:`CancelledError` for a write without an answer by then."""
        end = time.monotonic() + seconds
        while self._begun.keys() - self._told:
            try:
                found = self._done.get(timeout=max(end - time.monotonic(), 0.0))
            except queue.Empty:
                break
            if found is not None:
                self._told.add(found[0])
                if not isinstance(found[1], _Unsent):
                    yield found[0], found[1]
        for index in sorted(self._begun.keys() - self._told):
            if self._begun[index].sent > 0:
                yield index, CancelledError("cancelled before the server had answered")

    def _work_off(self) -> None:
        while not self._stopped.is_set():
            try:
                index = self._waiting.get_nowait()
            except queue.Empty:
                return
            _thread.writes = self._begun[index] = _Writes()
            self._done.put((index, self._result(index)))

    def _result(self, index: int) -> Result | Exception | _Unsent:
        if self._stopped.is_set():
            return _Unsent(CancelledError("the step was stopped"))
        try:
            return self._work(self._items[index])
        except CancelledError as error:
            return error if self._begun[index].sent > 0 else _Unsent(error)
        except Exception as error:
            return error
