"""Decides whether a failed request is sent again, and after which pause. Pure: clock and dice are parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from k8s_step.connection.ailments import AWAY, BUSY, CUT, INTERNAL, Ailment, Patience
from k8s_step.errors import StepError

FIRST_PAUSE = 0.1  # seconds, doubled each time; a random part of it is waited ("full jitter")
LONGEST_PAUSE = 5.0
PATIENCE = 30.0  # seconds after the first trouble, where neither the deadline nor the ailment says otherwise
SHORT_PATIENCE = 10.0
FIRST_CONTACT_TRIES = 3  # a server that never answered is more likely a wrong address than one that restarts
FEW_TRIES = 5  # an unexplained 500 often persists
KINDS = {429: BUSY, 500: INTERNAL, 502: AWAY, 503: AWAY, 504: AWAY}  # by status, where no API server answers


class Trouble(Exception):  # noqa: N818 - raised and caught inside the client only
    """One failed try. ``error`` is raised where no try succeeds; ``sent``: the server may have acted on it.

    ``silent``: the try timed out. Near the deadline the timeout is short, so this says little about the server.
    """

    def __init__(
        self,
        error: StepError,
        ailment: Ailment = CUT,
        *,
        sent: bool = True,
        lasting: bool = False,
        silent: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(str(error))
        self.error = error
        self.ailment = ailment
        self.sent = sent
        self.lasting = lasting
        self.silent = silent
        self.retry_after = retry_after

    @property
    def subject(self) -> str:
        """The part of the cluster that fails, such as a webhook's name; empty for the server as a whole."""
        return self.ailment.subject(self.error.message)


@dataclass
class Tries:
    """The tries of one request. ``deadline`` and ``clock`` are ``time.monotonic``; ``dice`` gives 0 to 1.

    ``may_be_done``: the server may have acted on one of the tries. ``is_late``: the deadline ended them. ``is_over``:
    the trouble outlasted the patience, and no further try follows.
    """

    repeatable: bool
    deadline: float | None
    clock: Callable[[], float]
    dice: Callable[[], float]
    made: int = 0
    may_be_done: bool = False
    is_late: bool = False
    is_over: bool = False
    has_refreshed: bool = False
    last: Trouble | None = None
    last_answered: Trouble | None = None  # the last trouble that was not a mere timeout
    _since: dict[Ailment, float] = field(default_factory=dict)
    _counted: dict[Ailment, int] = field(default_factory=dict)

    def note(self, trouble: Trouble, since: float | None = None) -> None:
        """Record a failed try. ``since`` is the time this trouble began for other requests, if they met it before."""
        self.made += 1
        self.may_be_done = self.may_be_done or trouble.sent
        self.last = trouble
        self.last_answered = self.last_answered if trouble.silent else trouble
        now = self.clock()
        self._since[trouble.ailment] = min(self._since.get(trouble.ailment, now), now if since is None else since)
        self._counted[trouble.ailment] = self._counted.get(trouble.ailment, 0) + 1

    def pause(self, *, has_answered: bool, looked: bool = False) -> float | None:
        """Seconds until the next try; ``None`` to give up. ``has_answered``: this server has answered before.

        ``looked``: the server's state has been read, and the last try was not carried out.
        """
        trouble = self.last
        assert trouble is not None
        is_safe = self.repeatable or looked or not trouble.sent
        if trouble.lasting or not is_safe or self._has_tried_enough(trouble.ailment, has_answered):
            return None
        pause: float = self.dice() * min(FIRST_PAUSE * 2 ** min(self.made - 1, 10), LONGEST_PAUSE)
        pause += trouble.retry_after or 0.0
        next_try, end = self.clock() + pause, self._end(trouble.ailment, has_answered)
        if next_try < end and (self.deadline is None or next_try < self.deadline):
            return pause
        self.is_late = self.deadline is not None and self.deadline <= end
        return None

    def _has_tried_enough(self, ailment: Ailment, has_answered: bool) -> bool:
        if ailment.patience is Patience.NONE:
            return True
        if ailment.patience is Patience.FEW:
            return self._counted[ailment] >= FEW_TRIES
        return ailment is CUT and not has_answered and self.made >= FIRST_CONTACT_TRIES

    def _end(self, ailment: Ailment, has_answered: bool) -> float:
        """The time at which the ailment's patience ends: for a busy or restarting server, the deadline."""
        is_long = ailment.patience is Patience.LONG and (has_answered or ailment in (BUSY, CUT))
        if is_long and self.deadline is not None:
            return self.deadline
        return self._since[ailment] + (SHORT_PATIENCE if ailment.patience is Patience.SHORT else PATIENCE)
