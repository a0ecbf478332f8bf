"""Sends what must not be done twice: where the answer is lost, it looks whether it was done before sending again."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from k8s_step.client import Answer, Client, Request
from k8s_step.errors import AnswerLostError, ApiError, StepError, TimedOutError
from k8s_step.retries import Kind, Tries, Trouble

Look = Callable[[], Answer | None]


def deliver(
    client: Client,
    request: Request,
    look: Look,
    deadline: float | None,
    sleep: Callable[[float], object] = time.sleep,
) -> Answer:
    """Send ``request``, whose ``retry`` is False, until it is done once or refused.

    ``look`` reads the server's state after a lost answer or a 5xx: what was done, as an answer; ``None`` where nothing
    was done, so that it may be sent again; or it raises where nobody can tell. Raises as :meth:`Client.send` does, or
    what was lost where time is up before more is known.
    """
    tries = Tries(True, deadline, time.monotonic, random.random)
    lost: StepError | None = None  # what came of an earlier try that may have done it
    while True:
        try:
            return client.send(request, deadline=deadline)
        except TimedOutError as late:
            raise lost or late from None
        except (AnswerLostError, ApiError) as error:
            lost = error if may_have_acted(error) else lost
            if lost is None:
                raise
            try:
                found = look()
            except TimedOutError:
                raise lost from None
            if found is not None:
                return found
            pause = tries.pause(_trouble(error), has_answered=True) if may_have_acted(error) else None
            if pause is None:
                raise
        sleep(pause)


def may_have_acted(error: StepError) -> bool:
    """Whether the server may have done what it was asked, although this is what came back."""
    return isinstance(error, AnswerLostError) or (isinstance(error, ApiError) and error.code >= 500)


def _trouble(error: StepError) -> Trouble:
    if not isinstance(error, ApiError):
        return Trouble(error)
    seconds = (error.status.get("details") or {}).get("retryAfterSeconds")
    kind = Kind.INTERNAL if error.code == 500 else Kind.OVERLOADED
    return Trouble(error, kind, retry_after=float(seconds) if isinstance(seconds, int) else None)
