"""Work on several items at once in daemon threads, which never keep a cancelled step from ending."""

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
_SLICE = 0.5  # seconds of a pause after which a thread looks whether the run is cancelled
LINGER = 1.0  # seconds that a cancelled run waits for answers to the writes under way


def gather(
    work: Callable[[Item], Result], items: Sequence[Item], limit: int
) -> Iterator[tuple[Item, Result | Exception]]:
    """Do ``work`` on up to ``limit`` items at a time; yield each with its result or exception, as they finish.

    A caller that leaves the loop early drops the results of the work under way, and no further item is started.
    """
    crew = _Crew(work, items)
    crew.start(limit)
    try:
        for _ in items:
            with CANCELLATION.waking(crew.stop):
                found = crew.next()
            if found is not None:
                yield found[0].item, found[1]
    finally:
        crew.stop()


def successes(
    results: Iterable[tuple[Item, Result | Exception]], on_error: Callable[[Item, StepError], None]
) -> Iterator[tuple[Item, Result]]:
    """The results of :func:`gather` without errors: ``on_error`` gets each :class:`StepError`, others are raised."""
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
    """Like :func:`gather`, for work that writes: each item that may have been written is yielded, even if cancelled.

    A cancelled run starts no further item and sends no further write; writes under way get ``LINGER`` seconds to be
    answered. An item whose write got no answer is then yielded with a :class:`StoppedError` whose ``may_be_done`` is
    true; an item for which no write was sent is left out. Raises the run's :class:`CancelledError` at the end.
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


def in_order(
    work: Callable[[Item], Iterator[Result]], items: Sequence[Item], limit: int
) -> Iterator[tuple[Item, Iterator[Result]]]:
    """Run the iterators that ``work`` makes, up to ``limit`` at a time, and yield each item with its results, in order.

    The results arrive as they are made, and raise what ``work`` raised. An item whose turn has not come yet is ahead
    by one result at the most, so that the results held are few. The caller takes an item's results before the next.
    """
    lanes = [_Lane(work, item) for item in items]
    waiting: queue.SimpleQueue[_Lane[Item, Result]] = queue.SimpleQueue()
    for lane in lanes:
        waiting.put(lane)
    for _ in range(min(max(limit, 1), len(lanes))):
        threading.Thread(target=_run_lanes, args=(waiting,), daemon=True).start()
    try:
        for lane in lanes:
            yield lane.item, lane.results()
    finally:
        for lane in lanes:
            lane.stop()


def _run_lanes(waiting: queue.SimpleQueue[_Lane[Any, Any]]) -> None:
    while True:
        try:
            lane = waiting.get_nowait()
        except queue.Empty:
            return
        lane.run()


class _Lane(Generic[Item, Result]):
    """The results of one item on their way from the thread that makes them to the one that takes them."""

    def __init__(self, work: Callable[[Item], Iterator[Result]], item: Item) -> None:
        self.item = item
        self._work = work
        self._turn = threading.Event()
        self._is_stopped = False
        self._room = threading.Semaphore()  # for one result that nobody has taken yet
        self._made: queue.SimpleQueue[tuple[Result] | Exception | None] = queue.SimpleQueue()

    def results(self) -> Iterator[Result]:
        self._turn.set()
        while (found := self._next()) is not None:
            if isinstance(found, Exception):
                raise found
            self._room.release()
            yield found[0]

    def _next(self) -> tuple[Result] | Exception | None:
        with CANCELLATION.waking(lambda: self._made.put(None)):
            return self._made.get()

    def run(self) -> None:
        if self._is_stopped:
            return
        try:
            self._room.acquire()
            for result in self._work(self.item):
                self._made.put((result,))
                self._turn.wait()
                self._room.acquire()  # before the next is made, not when it has been
                if self._is_stopped:
                    return
            self._made.put(None)
        except Exception as error:
            self._made.put(error)

    def stop(self) -> None:
        """Let the thread end after what it is making; who still takes its results gets an error."""
        self._is_stopped = True
        self._made.put(StoppedError("its results were given up"))
        self._turn.set()
        self._room.release()


# -- called by the client, in the thread that works on an item


def write_begins() -> None:
    """Record that a write is about to be sent. Raises :class:`StoppedError` once the run is cancelled."""
    task = _of_this_thread()
    if task is None:
        return
    task.open_writes += 1  # before the check, so that a crew stopped in between counts this write
    if task.crew.is_stopped:
        task.open_writes -= 1
        raise StoppedError("the step was stopped")


def write_ends(*, is_done: bool) -> None:
    """Record that the outcome of a write is known; ``is_done``: the server carried it out."""
    task = _of_this_thread()
    if task is not None:
        task.open_writes = 0 if is_done else task.open_writes - 1
        task.has_written = task.has_written or is_done


def pause(seconds: float, otherwise: threading.Event) -> None:
    """Wait ``seconds`` before another try, or until the crew is stopped; without a crew, until ``otherwise`` is set.

    Raises :class:`StoppedError` in a stopped crew.
    """
    task = _of_this_thread()
    woken = task.crew.released if task is not None else otherwise
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0 and not woken.wait(min(left, _SLICE)):
        CANCELLATION.check()
    if task is not None and task.crew.is_stopped:
        raise StoppedError("the step was stopped")


_thread = threading.local()


def _of_this_thread() -> _Task | None:
    return getattr(_thread, "task", None)


class _Task:
    """The work on one item. ``is_open``: the work has begun and its result has not been taken from the queue.

    ``open_writes``: writes that were sent and whose outcome is unknown. ``has_written``: one was carried out.
    """

    def __init__(self, item: Any, crew: _Crew[Any, Any]) -> None:
        self.item = item
        self.crew = crew
        self.is_open = False
        self.open_writes = 0
        self.has_written = False

    @property
    def may_be_done(self) -> bool:
        """Whether a write was carried out, or may have been."""
        return self.has_written or self.open_writes > 0


def _is_unsent(task: _Task, result: object) -> bool:
    """Whether the item was stopped before any write was sent; also sets ``may_be_done`` of a :class:`StoppedError`."""
    if not isinstance(result, StoppedError):
        return False
    result.may_be_done = task.may_be_done
    return not task.may_be_done


class _Crew(Generic[Item, Result]):
    """The threads that work on the items. Once ``is_stopped``, no item is started and no write is sent."""

    def __init__(self, work: Callable[[Item], Result], items: Sequence[Item]) -> None:
        self.is_stopped = False  # no lock around it: a signal handler sets it
        self.released = threading.Event()
        self._work = work
        self._tasks = [_Task(item, self) for item in items]
        self._waiting: queue.SimpleQueue[_Task] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[tuple[_Task, Result | Exception] | None] = queue.SimpleQueue()

    def start(self, limit: int) -> None:
        """Start up to ``limit`` threads."""
        for task in self._tasks:
            self._waiting.put(task)
        for _ in range(min(max(limit, 1), len(self._tasks))):
            threading.Thread(target=self._work_off, daemon=True).start()

    def stop(self) -> None:
        """Start no further item, and wake the thread that waits in :meth:`next`. Signal handlers may call this."""
        self.is_stopped = True
        self._done.put(None)

    def next(self) -> tuple[_Task, Result | Exception] | None:
        """The next finished task and its result; ``None`` once the crew has been stopped."""
        return self._closed(self._done.get())

    def under_way(self, seconds: float) -> Iterator[tuple[_Task, Result | Exception]]:
        """A stopped crew's open tasks as they end within ``seconds``, then a :class:`StoppedError` a lost write."""
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
