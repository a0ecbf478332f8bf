"""When a request is sent again, and after what pause: pure but for the clock and the dice it is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from k8s_step.errors import StepError

FIRST_PAUSE = 0.1  # seconds, doubled each time; a random part of it is waited ("full jitter")
LONGEST_PAUSE = 5.0
PATIENCE = 30.0  # seconds after the first trouble, where no deadline says otherwise
FIRST_CONTACT_TRIES = 3  # a server that never answered is more likely a wrong address than one that restarts
INTERNAL_TRIES = 5  # a 500 is often a webhook that stays broken


class Kind(Enum):
    """What went wrong."""

    THROTTLED = "429"
    INTERNAL = "500"
    OVERLOADED = "502, 503 or 504"
    CUT = "no whole answer"


KINDS = {429: Kind.THROTTLED, 500: Kind.INTERNAL, 502: Kind.OVERLOADED, 503: Kind.OVERLOADED, 504: Kind.OVERLOADED}


class Trouble(Exception):  # noqa: N818 - raised and caught inside the client only
    """One failed try. ``error`` is what the caller gets in the end; ``sent``: the server may have acted on it.

    ``silent``: it was not answered in the time there was, which near the end is too short to tell anything.
    """

    def __init__(
        self,
        error: StepError,
        kind: Kind = Kind.CUT,
        *,
        sent: bool = True,
        lasting: bool = False,
        silent: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(str(error))
        self.error = error
        self.kind = kind
        self.sent = sent
        self.lasting = lasting
        self.silent = silent
        self.retry_after = retry_after


@dataclass
class Tries:
    """The tries of one request. ``deadline`` and ``clock`` are ``time.monotonic``; ``dice`` gives 0 to 1."""

    repeatable: bool
    deadline: float | None
    clock: Callable[[], float]
    dice: Callable[[], float]
    made: int = 0
    first_trouble: float | None = None
    telling: Trouble | None = None  # the last one that was not mere silence

    def pause(self, trouble: Trouble, *, has_answered: bool) -> float | None:
        """Seconds until the next try, or ``None``: give up. ``has_answered``: this server did before."""
        now = self.clock()
        self.made += 1
        self.telling = self.telling if trouble.silent else trouble
        self.first_trouble = now if self.first_trouble is None else self.first_trouble
        if trouble.lasting or (trouble.sent and not self.repeatable):
            return None
        if self._has_tried_enough(trouble.kind, has_answered):
            return None
        pause = self.dice() * min(FIRST_PAUSE * 2 ** min(self.made - 1, 10), LONGEST_PAUSE)
        pause += trouble.retry_after or 0.0
        return pause if now + pause < self._end(trouble.kind) else None

    def _has_tried_enough(self, kind: Kind, has_answered: bool) -> bool:
        if kind is Kind.INTERNAL:
            return self.made >= INTERNAL_TRIES
        return kind is Kind.CUT and not has_answered and self.made >= FIRST_CONTACT_TRIES

    def _end(self, kind: Kind) -> float:
        """A busy or restarting server is waited for up to the deadline; one that answers 5xx for a while only."""
        patient = (self.first_trouble or 0.0) + PATIENCE
        if self.deadline is None:
            return patient
        return min(patient, self.deadline) if kind in (Kind.INTERNAL, Kind.OVERLOADED) else self.deadline
