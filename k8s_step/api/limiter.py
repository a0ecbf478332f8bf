"""How many requests may be under way at once: a limit that lowers itself when the server says 429."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Limiter:
    """At most ``limit`` callers inside; halved when throttled, then up again one by one as requests go well.

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
        """A request sent in ``epoch`` got 429: halve, unless another of that epoch already has."""
        with self._changed:
            if epoch == self.epoch:
                self._limit = max(self._limit / 2, 1.0)
                self.epoch += 1

    def succeeded(self) -> None:
        """A request went well."""
        if self._limit < self._most:
            with self._changed:
                self._limit = min(self._limit + 1 / self._limit, self._most)
                self._changed.notify()

    def close(self) -> None:
        """Let everybody who waits go, without a place."""
        with self._changed:
            self._is_open = False
            self._changed.notify_all()

    def _has_place(self) -> bool:
        return not self._is_open or self._inside < self.limit
