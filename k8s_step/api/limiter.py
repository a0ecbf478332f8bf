"""A limit on concurrent requests, lowered when the server answers 429."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Limiter:
    """Lets at most ``limit`` callers in; halves the limit on a 429 and raises it again as requests succeed.

    >>> limiter = Limiter(8)
    >>> with limiter.slot(): limiter.throttled(limiter.epoch)
    >>> limiter.limit
    4
    """

    def __init__(self, limit: int) -> None:
        self._most = max(limit, 1)
        self._limit = float(self._most)
        self._inside = 0
        self._is_open = True
        self._changed = threading.Condition()
        self.epoch = 0  # counts the times the limit was lowered

    @property
    def limit(self) -> int:
        """The present limit."""
        return int(self._limit)

    @contextmanager
    def slot(self, timeout: float | None = None) -> Iterator[bool]:
        """Wait for a place, at most ``timeout`` seconds; yields whether there is one."""
        with self._changed:
            has_place = self._changed.wait_for(self._has_place, timeout) and self._is_open
            self._inside += has_place
        try:
            yield has_place
        finally:
            with self._changed:
                self._inside -= has_place
                self._changed.notify()

    def throttled(self, epoch: int) -> None:
        """Halve the limit after a 429, unless another request of the same ``epoch`` has already halved it."""
        with self._changed:
            if epoch == self.epoch:
                self._limit = max(self._limit / 2, 1.0)
                self.epoch += 1

    def succeeded(self) -> None:
        """Raise the limit a little after a success."""
        if self._limit < self._most:
            with self._changed:
                self._limit = min(self._limit + 1 / self._limit, self._most)
                self._changed.notify()

    def close(self) -> None:
        """Release every waiting caller without a place."""
        with self._changed:
            self._is_open = False
            self._changed.notify_all()

    def _has_place(self) -> bool:
        return not self._is_open or self._inside < self.limit
