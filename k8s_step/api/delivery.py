"""Sends a request that must not be carried out twice: after a lost answer, reads the server's state before a repeat."""

from __future__ import annotations

from collections.abc import Callable

from k8s_step.api import concurrency
from k8s_step.api.client import Client
from k8s_step.api.request import Answer, Request
from k8s_step.connection.retries import Tries
from k8s_step.errors import ApiError, StepError, ThrottledError, TimedOutError, UnreachableError

Look = Callable[[], Answer | None]


def deliver(client: Client, request: Request, look: Look) -> Answer:
    """Send ``request``, whose ``retry`` is False, until it is carried out once or refused.

    ``look`` reads the server's state after a lost answer or a 5xx. It returns the answer of a request that was carried
    out, ``None`` for one that was not and may be sent again, and raises where the state does not show which. Raises as
    :meth:`Client.send` does, or the error of the lost answer where time is up before the outcome is known.
    """
    with client.trying() as tries:
        return _delivered(client, request, look, tries)


def _delivered(client: Client, request: Request, look: Look, tries: Tries) -> Answer:
    lost: StepError | None = None  # the error of an earlier try that may have been carried out
    while True:
        try:
            return client.send(request, tries=tries)
        except TimedOutError as late:
            tries.may_be_done = tries.may_be_done or lost is not None
            raise lost or late from None
        except (UnreachableError, ApiError) as error:
            lost = error if tries.may_be_done else lost
            if lost is None:
                raise
            found = _looked(look, lost, tries)
            if found is not None:
                return found
            is_refused, tries.may_be_done = not tries.may_be_done, False
            concurrency.write_ends(is_done=False)
            tries.is_over = False
            if is_refused:
                raise
        client.wait_out(tries, looked=True)


def _looked(look: Look, lost: StepError, tries: Tries) -> Answer | None:
    try:
        return look()
    except TimedOutError:
        raise lost from None
    except ApiError as error:  # a refusal (such as another owner's object) shows that our request was not carried out
        tries.may_be_done = isinstance(error, ThrottledError)
        raise
