"""A limit on concurrent requests that adapts to the server (``congestion``)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager

from k8s_step.api.congestion import Window


class Limiter:
    """Lets as many callers in as the server bears, at most ``most``; none for as long as it wants to be left alone.

    >>> limiter = Limiter(8)
    >>> with limiter.slot(): limiter.throttled(limiter.epoch)
    >>> limiter.limit
    4
    """

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._window = Window(most, clock)
        self._clock = clock
        self._inside = 0
        self._is_open = True
        self._changed = threading.Condition()

    @property
    def limit(self) -> int:
        """The present limit."""
        return self._window.limit

    @property
    def epoch(self) -> int:
        """How often the limit was lowered."""
        return self._window.epoch

    @contextmanager
    def slot(self, timeout: float | None = None) -> Iterator[bool]:
        """Wait for a place, at most ``timeout`` seconds; yields whether there is one."""
        with self._changed:
            has_place = self._wait(timeout) and self._is_open
            self._inside += has_place
        try:
            yield has_place
        finally:
            with self._changed:
                self._inside -= has_place
                self._changed.notify()

    def answered(self, kind: Hashable, seconds: float) -> None:
        """Count an answer that took so long; answers of one ``kind`` take about as long as each other."""
        with self._changed:
            before = self.limit
            self._window.answered(kind, seconds, self._inside)
            self._changed.notify(max(self.limit - before, 0))

    def throttled(self, epoch: int, retry_after: float | None = None) -> None:
        """Halve the limit after a 429, and let nobody in for ``retry_after`` seconds; see :class:`Window`."""
        with self._changed:
            self._window.throttled(epoch, retry_after)

    def close(self) -> None:
        """Release every waiting caller without a place."""
        with self._changed:
            self._is_open = False
            self._changed.notify_all()

    def _wait(self, timeout: float | None) -> bool:
        end = None if timeout is None else self._clock() + timeout
        while not self._has_place():
            waits = [moment - self._clock() for moment in (end, self._held_until) if moment is not None]
            if end is not None and end <= self._clock():
                return False
            self._changed.wait(min(waits, default=None))
        return True

    @property
    def _held_until(self) -> float | None:
        return self._window.held_until if self._window.held_until > self._clock() else None

    def _has_place(self) -> bool:
        return not self._is_open or (self._inside < self.limit and self._held_until is None)
