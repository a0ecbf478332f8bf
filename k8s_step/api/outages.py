"""Says once that the server, or a part of it, is ill, and once that it is well again, however many threads notice."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from k8s_step.connection.ailments import CUT, Ailment
from k8s_step.connection.retries import Tries, Trouble

_FRESH = 10.0  # seconds after an outage in which the server may not know all that it knew before
_SAME = 10.0  # seconds: trouble of the same kind that comes back within them is the same outage gone on
Key = tuple[str, str]


@dataclass
class _Outage:
    """One trouble, from its first sign on. ``waiting``: the requests that it holds up; ``seen``: its last sign.

    ``began``: when each ailment that is part of it was first met with.
    """

    trouble: Trouble
    since: float
    seen: float
    began: dict[Ailment, float] = field(default_factory=dict)
    is_quiet: bool = False
    is_told: bool = False
    waiting: set[int] = field(default_factory=set)


class Outages:
    """What one server suffers from at present; thread-safe. ``clock`` is ``time.monotonic``."""

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
        """While the server as a whole is ill, the last that came of it."""
        outage = self._open.get(_WHOLE)
        return outage.trouble if outage else None

    @property
    def is_fresh(self) -> bool:
        """Whether a request has met with no answer at all within the last seconds: the server may have started anew."""
        return self._was_away is not None and self._clock() - self._was_away < _FRESH

    def met(self, tries: Tries, trouble: Trouble) -> float:
        """A request has met with ``trouble``; returns since when it goes on."""
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
        """The request is tried again: say why, where nothing has been said of it yet."""
        with self._lock:
            outage = self._open.get(self._held.get(id(tries), _NONE))
            if outage is None or outage.is_told or tries.made < outage.trouble.ailment.quiet:
                return
            if outage.is_quiet and self._clock() - outage.since < _SAME:
                return
            outage.is_told = True
            self._notice(f"{outage.trouble.error.message}; trying again")

    def left(self, tries: Tries, *, is_well: bool) -> None:
        """The request has come to its end; ``is_well``: the server has taken it, or has a reason to refuse it."""
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
        """The request has another trouble than before: it waits for that one no more."""
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
    """The server as a whole, or what of it is ill."""
    is_whole = trouble.ailment.over.startswith("{server}")
    return _WHOLE if is_whole else (trouble.ailment.title, trouble.subject)
