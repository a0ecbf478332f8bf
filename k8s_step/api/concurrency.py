"""A few threads that do not outlive the run: nothing here keeps a cancelled step from ending."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar

from k8s_step.cancellation import CANCELLATION
from k8s_step.errors import StepError, StoppedError

Item = TypeVar("Item")
Result = TypeVar("Result")
LINGER = 1.0  # seconds that the writes under way are given to be answered when the run is cancelled


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
                yield found[0].item, found[1]
    finally:
        crew.stop()


def successes(
    results: Iterable[tuple[Item, Result | Exception]], on_error: Callable[[Item, StepError], None]
) -> Iterator[tuple[Item, Result]]:
    """What :func:`gather` found without the errors: ``on_error`` is told each :class:`StepError`, others are raised."""
    for item, result in results:
        if isinstance(result, StepError):
            on_error(item, result)
        elif isinstance(result, Exception):
            raise result
        else:
            yield item, result


def gather_writes(
    work: Callable[[Item], Result], items: Sequence[Item], limit: int
) -> Iterator[tuple[Item, Result | Exception]]:
    """As :func:`gather`, for work that changes something: what was changed is told even where the run is cancelled.

    Once it is, no further item is begun and no further write sent, and what is under way has ``LINGER`` seconds to be
    answered. An item whose write was sent and not answered then comes with a :class:`StoppedError` that
    ``may_be_done``. One for which nothing was sent does not come at all. Raises the run's :class:`CancelledError` at
    the end.
    """
    crew = _Crew(work, items)
    with CANCELLATION.held(crew.stop):
        crew.start(limit)
        try:
            for _ in items:
                found = crew.next()
                if found is None:
                    break
                if not _is_unsent(*found):
                    yield found[0].item, found[1]
            for task, result in crew.under_way(LINGER):
                yield task.item, result
        finally:
            crew.stop()


# -- what a client asks and tells in the thread of an item


def write_begins() -> None:
    """A request that may change something is about to be sent. Raises :class:`StoppedError` where none may be."""
    task = _of_this_thread()
    if task is None:
        return
    task.open_writes += 1  # first: who asks from now on must not miss it
    if task.crew.is_stopped:
        task.open_writes -= 1
        raise StoppedError("the step was stopped")


def write_ends(*, is_done: bool) -> None:
    """It is known whether that request was done: it was answered, did not get there, or was looked for."""
    task = _of_this_thread()
    if task is not None:
        task.open_writes = 0 if is_done else task.open_writes - 1
        task.has_written = task.has_written or is_done


def pause(seconds: float, otherwise: threading.Event) -> None:
    """Wait before another try, which a stopped crew does not make; other threads until ``otherwise`` is set.

    Raises :class:`StoppedError`.
    """
    task = _of_this_thread()
    (task.crew.released if task is not None else otherwise).wait(seconds)
    if task is not None and task.crew.is_stopped:
        raise StoppedError("the step was stopped")


_thread = threading.local()


def _of_this_thread() -> _Task | None:
    return getattr(_thread, "task", None)


class _Task:
    """The work on one item, ``is_open`` from its beginning until its result is told.

    ``open_writes`` were sent, and it is not known what became of them.
    """

    def __init__(self, item: Any, crew: _Crew[Any, Any]) -> None:
        self.item = item
        self.crew = crew
        self.is_open = False
        self.open_writes = 0
        self.has_written = False

    @property
    def may_be_done(self) -> bool:
        """Whether something may have been changed."""
        return self.has_written or self.open_writes > 0


def _is_unsent(task: _Task, result: object) -> bool:
    """Whether the item was given up before anything was changed; else the error says that it may have been."""
    if not isinstance(result, StoppedError):
        return False
    result.may_be_done = task.may_be_done
    return not task.may_be_done


class _Crew(Generic[Item, Result]):
    """The threads that work on the items. ``is_stopped``: no further item is begun, and none writes any more."""

    def __init__(self, work: Callable[[Item], Result], items: Sequence[Item]) -> None:
        self.is_stopped = False  # no lock around it: a signal handler sets it
        self.released = threading.Event()
        self._work = work
        self._tasks = [_Task(item, self) for item in items]
        self._waiting: queue.SimpleQueue[_Task] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[tuple[_Task, Result | Exception] | None] = queue.SimpleQueue()

    def start(self, limit: int) -> None:
        """Begin, with up to ``limit`` threads."""
        for task in self._tasks:
            self._waiting.put(task)
        for _ in range(min(max(limit, 1), len(self._tasks))):
            threading.Thread(target=self._work_off, daemon=True).start()

    def stop(self) -> None:
        """Begin no further item, and wake whoever waits in :meth:`next`. A signal handler may call it."""
        self.is_stopped = True
        self._done.put(None)

    def next(self) -> tuple[_Task, Result | Exception] | None:
        """A task and its result; ``None`` once the crew has been stopped."""
        return self._closed(self._done.get())

    def under_way(self, seconds: float) -> Iterator[tuple[_Task, Result | Exception]]:
        """What a stopped crew still had in hand; a :class:`StoppedError` for a write without an answer by then."""
        self.released.set()
        end = time.monotonic() + seconds
        while any(task.is_open for task in self._tasks):
            try:
                found = self._closed(self._done.get(timeout=max(end - time.monotonic(), 0.0)))
            except queue.Empty:
                break
            if found is not None and not _is_unsent(*found):
                yield found
        for task in self._tasks:
            if task.is_open and task.may_be_done:
                late = StoppedError("it was not answered before the cancelled step had to end")
                late.may_be_done = True
                yield task, late

    def _closed(self, found: tuple[_Task, Result | Exception] | None) -> tuple[_Task, Result | Exception] | None:
        if found is not None:
            found[0].is_open = False
        return found

    def _work_off(self) -> None:
        while not self.is_stopped:
            try:
                task = self._waiting.get_nowait()
            except queue.Empty:
                return
            task.is_open = True
            _thread.task = task
            self._done.put((task, self._result(task)))

    def _result(self, task: _Task) -> Result | Exception:
        if self.is_stopped:
            return StoppedError("the step was stopped")
        try:
            return self._work(task.item)
        except Exception as error:
            return error
