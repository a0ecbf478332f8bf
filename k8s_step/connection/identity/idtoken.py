"""GitHub's ID token as a credential: requested when first needed and again before it expires, stored nowhere."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from k8s_step import __version__
from k8s_step.connection.exchange.faults import Fault
from k8s_step.connection.exchange.transport import Reply, Transport, header_lines, parsed, retry_after
from k8s_step.connection.identity.credentials import Credential, Renewed, bearer
from k8s_step.connection.identity.oidc import OPTION, expiry
from k8s_step.connection.retries import KINDS, Tries, Trouble
from k8s_step.connection.settings import Connection, TokenEndpoint
from k8s_step.errors import StoppedError, UnauthorizedError, UnreachableError
from k8s_step.redaction import Redactor

_TRY = 10.0  # seconds
_PATIENCE = 30.0  # seconds for all tries
_SAID = 300  # characters
_HINTS = {
    401: "is ACTIONS_ID_TOKEN_REQUEST_TOKEN of this very job, and is the job still running?",
    403: "does the job have permissions: id-token: write?",
}


class IdToken(Renewed):
    """A bearer token from ``endpoint``; the token and the endpoint's request token are masked by ``redactor``.

    ``end(seconds)`` gives the deadline (``time.monotonic``) of a task that may take that many seconds.
    """

    def __init__(
        self,
        endpoint: TokenEndpoint,
        redactor: Redactor,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], object] | None = None,
        end: Callable[[float], float] = lambda patience: time.monotonic() + patience,
    ) -> None:
        super().__init__(clock)
        self._end = end
        url = urlsplit(endpoint.url)
        redactor.add(endpoint.request_token, urlsplit(endpoint.proxy_url or "").password)
        server = f"{url.scheme}://{url.netloc}"
        self._redactor = redactor
        self._host = url.hostname or ""
        self._target = f"{url.path or '/'}?{url.query}"
        self._headers = header_lines(
            [
                ("Accept", "application/json"),
                ("Accept-Encoding", "identity"),
                ("User-Agent", f"k8s-step/{__version__}"),
                ("Authorization", f"Bearer {endpoint.request_token}"),
            ]
        )
        # A connection of its own: the cluster's CA and proxy do not apply to GitHub.
        self._transport = Transport(Connection(server, OPTION, proxy_url=endpoint.proxy_url), None, connections=1)
        self._stopped = threading.Event()
        self._sleep = sleep or self._stopped.wait

    def obtain(self) -> tuple[Credential, float]:
        """Request a token, with retries: the credential and its expiry in seconds since the epoch.

        Raises :class:`UnauthorizedError` or :class:`UnreachableError`.
        """
        tries = Tries(True, self._end(_PATIENCE), time.monotonic, random.random)
        while True:
            try:
                token = self._asked()
            except Trouble as trouble:
                tries.note(trouble)
                pause = tries.pause(has_answered=False)
                self._check_open()
                if pause is None:
                    raise trouble.error from None
                self._sleep(pause)
                self._check_open()
            else:
                self._redactor.add(token)
                return Credential(bearer(token, f"GitHub's ID token from {self._host}")), expiry(token)

    def close(self) -> None:
        self._stopped.set()
        self._transport.close()

    def _asked(self) -> str:
        try:
            reply = self._transport.open("GET", self._target, self._headers, None, self._end(_TRY) - time.monotonic())
            raw = reply.read()
        except Fault as fault:
            raise Trouble(self._unreachable(fault.reason), lasting=fault.lasting) from None
        body = parsed(raw) or {}
        if reply.code != 200:
            raise self._refused(reply, str(body.get("message") or ""))
        token = body.get("value")
        if not isinstance(token, str) or not token:
            raise self._unreachable("it answered without one")
        return token

    def _refused(self, reply: Reply, said: str) -> Exception:
        kind = KINDS.get(reply.code)
        if kind is not None:
            error = self._unreachable(f"it answered {reply.code}")
            return Trouble(error, kind, retry_after=retry_after(reply.headers))
        words = f": {self._redactor.mask(said)[:_SAID]}" if said else ""
        message = f"GitHub refuses an ID token: {self._host} answered {reply.code}{words}"
        hint = _HINTS.get(reply.code, "does GitHub take that audience?")
        return UnauthorizedError(message, code=reply.code, where=OPTION, hint=hint)

    def _unreachable(self, reason: str) -> UnreachableError:
        hint = "the environment's HTTPS_PROXY and NO_PROXY count for this, and the system's trusted certificates"
        return UnreachableError(f"no ID token from GitHub: {self._host}: {reason}", where=OPTION, hint=hint)

    def _check_open(self) -> None:
        if self._stopped.is_set():
            raise StoppedError("the step was stopped")
