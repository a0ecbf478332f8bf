"""Notices about trouble of the server or a part of it: one at its beginning and one at its end, for all threads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from k8s_step.connection.ailments import CUT, Ailment
from k8s_step.connection.retries import Tries, Trouble

_FRESH = 10.0  # seconds after an outage in which a restarted server may not have filled its caches, such as of roles
_SAME = 10.0  # seconds within which trouble of the same kind counts as the same outage
Key = tuple[str, str]


@dataclass
class _Outage:
    """One trouble and the requests that it holds up; all times are of the clock.

    ``since``: its first sign; ``seen``: its latest. ``began``: when each of its ailments was first met. ``is_quiet``:
    it follows an earlier outage closely. ``is_told``: a notice was given. ``waiting``: ids of the ``Tries`` held up.
    """

    trouble: Trouble
    since: float
    seen: float
    began: dict[Ailment, float] = field(default_factory=dict)
    is_quiet: bool = False
    is_told: bool = False
    waiting: set[int] = field(default_factory=set)


class Outages:
    """The present outages of one server; thread-safe. ``clock`` is ``time.monotonic``."""

    def __init__(self, server: str, notice: Callable[[str], None], clock: Callable[[], float]) -> None:
        self.has_answered = False
        self._server = server
        self._notice = notice
        self._clock = clock
        self._lock = threading.Lock()
        self._open: dict[Key, _Outage] = {}
        self._ended: dict[Key, float] = {}
        self._held: dict[int, Key] = {}
        self._was_away: float | None = None

    @property
    def trouble(self) -> Trouble | None:
        """The latest trouble of the server as a whole; ``None`` while it is well."""
        outage = self._open.get(_WHOLE)
        return outage.trouble if outage else None

    @property
    def is_fresh(self) -> bool:
        """Whether a request got no answer within the last ``_FRESH`` seconds: the server may have been restarted."""
        return self._was_away is not None and self._clock() - self._was_away < _FRESH

    def met(self, tries: Tries, trouble: Trouble) -> float:
        """Record that a request met ``trouble``; returns the time at which this ailment began."""
        key, now = _key(trouble), self._clock()
        with self._lock:
            self._was_away = now if trouble.ailment is CUT else self._was_away
            self._moved(tries, key)
            outage = self._open.get(key)
            if outage is None or (not outage.waiting and now - outage.seen > _SAME):
                is_back = key in self._ended and now - self._ended[key] < _SAME
                outage = self._open[key] = _Outage(trouble, now, now, is_quiet=is_back)
            outage.waiting.add(id(tries))
            outage.trouble, outage.seen = trouble, now
            return outage.began.setdefault(trouble.ailment, now)

    def tell(self, tries: Tries) -> None:
        """Give the outage's notice before the request's next try, unless given already or too early."""
        with self._lock:
            outage = self._open.get(self._held.get(id(tries), _NONE))
            if outage is None or outage.is_told or tries.made < outage.trouble.ailment.quiet:
                return
            if outage.is_quiet and self._clock() - outage.since < _SAME:
                return
            outage.is_told = True
            self._notice(f"{outage.trouble.error.message}; trying again")

    def left(self, tries: Tries, *, is_well: bool) -> None:
        """Record the request's end; ``is_well``: the server accepted it or refused it for a reason of its own."""
        self.has_answered = self.has_answered or is_well
        if not self._open:
            return
        with self._lock:
            key = self._held.pop(id(tries), _WHOLE)
            outage = self._open.get(key)
            if outage is None:
                return
            outage.waiting.discard(id(tries))
            if is_well and not outage.waiting:
                self._close(key, outage)

    def _moved(self, tries: Tries, key: Key) -> None:
        """Count the request under its present trouble only."""
        before = self._held.get(id(tries))
        if before not in (None, key) and before in self._open:
            self._open[before].waiting.discard(id(tries))
        self._held[id(tries)] = key

    def _close(self, key: Key, outage: _Outage) -> None:
        del self._open[key]
        if outage.is_told:
            self._ended[key] = self._clock()
            over = outage.trouble.ailment.over.format(server=self._server, subject=key[1])
            self._notice(f"{over}, after {self._clock() - outage.since:.1f}s")


_WHOLE: Key = ("", "")
_NONE: Key = ("none", "")


def _key(trouble: Trouble) -> Key:
    """``_WHOLE`` for trouble of the server as a whole, else the ailment's title and its subject."""
    is_whole = trouble.ailment.over.startswith("{server}")
    return _WHOLE if is_whole else (trouble.ailment.title, trouble.subject)
