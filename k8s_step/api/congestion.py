"""How many requests at once a server bears: more while it answers quickly, half where it is busy or slows down.

The arithmetic alone, without threads. Its models are TCP's congestion window (RFC 5681: slow start, then one more at a
time) and Netflix's concurrency-limits, which compare an answer's time with what such answers take at best.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable

FIRST = 16  # requests in flight before anything is known of the server
_FEW = 4  # slow answers alone never lower the limit below this: their cause may be a webhook
_SLOW = 2.0  # times the shortest answer of its kind …
_EXCESS = 0.25  # … and so many seconds longer: less comes from our own threads, which wait for each other
_QUICK = 1.5
_SLOW_ROUNDS = 2  # one alone may be a moment in which this machine had other work to do
_ROUND = 8  # answers that are judged together, at the least
_PAUSE = 1.0  # seconds without trouble until one more is tried, once there has been trouble
_LONGEST_HOLD = 5.0


class Window:
    """The number of requests that may be in flight, at most ``most``. ``clock`` gives seconds.

    ``epoch`` counts the times the limit was lowered; ``held_until`` is when the server wants to be asked again.
    """

    def __init__(self, most: int, clock: Callable[[], float]) -> None:
        self.limit = min(max(most, 1), FIRST)
        self.epoch = 0
        self.held_until = -1.0
        self._most = max(most, 1)
        self._clock = clock
        self._changed_at = clock()
        self._shortest: dict[Hashable, float] = {}
        self._round = _Round()
        self._slow_rounds = 0

    def answered(self, kind: Hashable, seconds: float, inside: int) -> None:
        """Count an answer. ``kind``: what takes about as long; ``inside``: requests in flight, this one among them.

        While less than half of the limit is in use, answers say nothing of how many more the server would bear.
        """
        shortest = self._shortest[kind] = min(seconds, self._shortest.get(kind, seconds))
        if inside * 2 < self.limit:
            return
        self._round.add(seconds, shortest)
        if self._round.count >= max(self.limit, _ROUND):
            self._judge(self._round)
            self._round = _Round()

    def throttled(self, epoch: int, retry_after: float | None = None) -> None:
        """Halve the limit after a 429, unless another request of the same ``epoch`` has already halved it.

        ``retry_after``: seconds for which the server wants to be left alone.
        """
        if retry_after:
            self.held_until = max(self.held_until, self._clock() + min(retry_after, _LONGEST_HOLD))
        if epoch == self.epoch:
            self._lower(1)
        self._changed_at = self._clock()

    def _judge(self, found: _Round) -> None:
        self._slow_rounds = self._slow_rounds + 1 if found.is_slow else 0
        if self._slow_rounds >= _SLOW_ROUNDS:
            self._lower(min(_FEW, self.limit))
        elif not self.epoch and found.is_at_its_best:
            self._raise(self.limit)
        elif self.epoch and found.is_well and self._clock() - self._changed_at >= _PAUSE:
            self._raise(1)

    def _raise(self, more: int) -> None:
        self.limit = min(self.limit + more, self._most)
        self._changed_at = self._clock()

    def _lower(self, least: int) -> None:
        self.limit = max(self.limit // 2, least)
        self.epoch += 1
        self._round, self._slow_rounds = _Round(), 0
        self._changed_at = self._clock()


class _Round:
    """Answers that are judged together: the seconds that they took, and what such answers take at best."""

    def __init__(self) -> None:
        self.count = 0
        self._seconds = 0.0
        self._best = 0.0

    def add(self, seconds: float, best: float) -> None:
        self.count += 1
        self._seconds += seconds
        self._best += best

    @property
    def is_slow(self) -> bool:
        return self._seconds > _SLOW * self._best and self._seconds - self._best > _EXCESS * self.count

    @property
    def is_at_its_best(self) -> bool:
        """Whether none of them seems to have waited: more at once would bring more."""
        return self._seconds < _QUICK * self._best

    @property
    def is_well(self) -> bool:
        return self.is_at_its_best or self._seconds - self._best < _EXCESS / 2 * self.count
