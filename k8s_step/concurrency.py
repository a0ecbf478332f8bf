"""A few threads that do not outlive the run: nothing here keeps a cancelled step from ending."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def gather(
    work: Callable[[Item], Result], items: Sequence[Item], limit: int
) -> Iterator[tuple[Item, Result | Exception]]:
    """Do ``work`` on up to ``limit`` items at a time; yield each with its result or exception, as they finish.

    Leaving the loop early lets the work under way end unseen and starts none of the rest.
    """
    waiting: queue.SimpleQueue[Item] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[Item, Result | Exception]] = queue.SimpleQueue()
    stopped = threading.Event()
    for item in items:
        waiting.put(item)
    for _ in range(min(max(limit, 1), len(items))):
        threading.Thread(target=_work_off, args=(work, waiting, done, stopped), daemon=True).start()
    try:
        for _ in items:
            yield done.get()
    finally:
        stopped.set()


def _work_off(
    work: Callable[[Item], Result],
    waiting: queue.SimpleQueue[Item],
    done: queue.SimpleQueue[tuple[Item, Result | Exception]],
    stopped: threading.Event,
) -> None:
    while not stopped.is_set():
        try:
            item = waiting.get_nowait()
        except queue.Empty:
            return
        try:
            done.put((item, work(item)))
        except Exception as error:
            done.put((item, error))
