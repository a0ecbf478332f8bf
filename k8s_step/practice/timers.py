"""Delayed actions on one background thread, which sleeps until the next action is due."""

from __future__ import annotations

import contextlib
import heapq
import itertools
import threading
import time
from collections.abc import Callable
from typing import Any

from k8s_step.practice.refusal import Refusal

Action = Callable[..., None]


class Timers:
    """Runs actions one at a time, so that controllers never race each other. A context manager."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._due: list[tuple[float, int, Action, tuple[Any, ...]]] = []
        self._waiting: set[tuple[Action, tuple[Any, ...]]] = set()
        self._order = itertools.count()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="practice-timers", daemon=True)

    def __enter__(self) -> Timers:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._condition:
            self._stopped = True
            self._condition.notify()
        self._thread.join()

    def after(self, seconds: float, action: Action, *args: Any) -> None:
        """Run ``action(*args)`` in ``seconds``, unless the same call is already waiting."""
        with self._condition:
            if (action, args) in self._waiting:
                return
            self._waiting.add((action, args))
            heapq.heappush(self._due, (time.monotonic() + seconds, next(self._order), action, args))
            self._condition.notify()

    def _run(self) -> None:
        while entry := self._next():
            action, args = entry
            with contextlib.suppress(Refusal):  # the object was deleted in the meantime
                action(*args)

    def _next(self) -> tuple[Action, tuple[Any, ...]] | None:
        with self._condition:
            while not self._stopped:
                wait = self._due[0][0] - time.monotonic() if self._due else None
                if wait is not None and wait <= 0:
                    _, _, action, args = heapq.heappop(self._due)
                    self._waiting.discard((action, args))
                    return action, args
                self._condition.wait(wait)
            return None
