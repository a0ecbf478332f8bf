"""Requests to a cloud's services, with retries; errors quote the cloud's own code and message."""

from __future__ import annotations

import html
import math
import random
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, urlsplit

from k8s_step import __version__
from k8s_step.connection.ailments import BUSY
from k8s_step.connection.exchange.faults import Fault
from k8s_step.connection.exchange.proxies import checked_environment_proxy, is_loopback
from k8s_step.connection.exchange.transport import Headers, Reply, Transport, header_lines, parsed, retry_after
from k8s_step.connection.retries import KINDS, Tries, Trouble
from k8s_step.connection.settings import Connection
from k8s_step.errors import InputError, StoppedError, UnauthorizedError, UnreachableError
from k8s_step.redaction import Redactor
from k8s_step.surroundings import System

TEST_VARIABLE = "K8S_STEP_TEST_CLOUDS"
"""For tests: a loopback URL that simulates every service of every cloud; the ``Host`` header tells which."""

_PATIENCE = 30.0  # seconds for all tries
_SAID = 600  # characters
# The metadata and credential services of machines and pods: link-local, without TLS, never through a proxy.
_PLAIN_HOSTS = {"169.254.169.254", "169.254.170.2", "169.254.170.23", "fd00:ec2::23", "metadata.google.internal"}
_BUSY = {
    "Throttling",
    "ThrottlingException",
    "RequestLimitExceeded",
    "IDPCommunicationError",
    "temporarily_unavailable",
}
_XML_ERROR = re.compile(r"<Code>([^<]*)</Code>\s*<Message>([^<]*)</Message>")


@dataclass(frozen=True)
class Call:
    """One request; ``service`` and ``operation`` name it in errors.

    ``hints`` are keyed by the cloud's error code or by words of its message. ``patient=False``: no retries.
    ``timeout`` is in seconds.
    """

    service: str
    operation: str
    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)
    hints: Mapping[str, str] = field(default_factory=dict)
    timeout: float = 10.0
    patient: bool = True


class Caller:
    """Sends calls, with a connection for each host; errors name the option ``where``. Thread-safe.

    ``deadline`` is the run's, by ``clock``. Calls after it serve a rollback, so only their own timeouts bound them.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        redactor: Redactor,
        where: str,
        *,
        system: System = System.OTHER,
        deadline: float = math.inf,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] | None = None,
    ) -> None:
        self.environ = environ
        self.redactor = redactor
        self.where = where
        self.system = system
        self._lock = threading.Lock()
        self._deadline, self._clock = deadline, clock
        self._transports: dict[str, Transport] = {}
        self._closers: list[Callable[[], None]] = []
        self._stopped = threading.Event()
        self._sleep = sleep or self._stopped.wait

    def send(self, call: Call) -> bytes:
        """The body of a 2xx answer. Raises :class:`UnauthorizedError` or :class:`UnreachableError`."""
        tries = Tries(True, self.end(_PATIENCE), self._clock, random.random)
        while True:
            try:
                return self._answer(call, self.end(call.timeout) - self._clock())
            except Trouble as trouble:
                tries.note(trouble)
                pause = tries.pause(has_answered=False) if call.patient else None
                self._check_open()
                if pause is None:
                    raise trouble.error from None
                self._sleep(pause)
                self._check_open()

    def end(self, patience: float) -> float:
        """The deadline, by ``clock``, of a task that may take ``patience`` seconds."""
        now = self._clock()
        return min(now + patience, self._deadline if self._deadline > now else math.inf)

    def ask(self, call: Call) -> dict[str, Any]:
        """The body of a 2xx answer as a JSON object; raises as :meth:`send`."""
        body = parsed(self.send(call))
        if body is None:
            raise self.misanswered(call)
        return body

    def checked_server(self, server: str) -> str:
        """``server``, an API server that the cloud named, if it may get a token, else :class:`InputError`."""
        url = urlsplit(server)
        is_played = self._played() is not None
        if not is_played and (url.scheme != "https" or not url.hostname or is_loopback(url.hostname)):
            shown = f"{url.scheme}://{url.hostname}"
            raise InputError(f"the cloud calls {shown} the cluster's server, which gets no token", where=self.where)
        return server

    def misanswered(self, call: Call) -> UnreachableError:
        """The error for a 2xx answer that lacks a required field."""
        message = f"{call.service} answered {call.operation} without it"
        return UnreachableError(message, where=self.where, hint="is a proxy in between?")

    def close_with(self, closer: Callable[[], None]) -> None:
        """Call ``closer`` too in :meth:`close`."""
        self._closers.append(closer)

    def close(self) -> None:
        """End every request under way, from any thread."""
        self._stopped.set()
        with self._lock:
            for transport in self._transports.values():
                transport.close()
        for closer in self._closers:
            closer()

    def _answer(self, call: Call, timeout: float) -> bytes:
        parts = urlsplit(call.url)
        target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        try:
            reply = self._transport(parts).open(call.method, target, _headers(call, parts), call.body, timeout)
            raw = reply.read()
        except Fault as fault:
            raise Trouble(self._unreachable(call, fault.reason), lasting=fault.lasting) from None
        if 200 <= reply.code < 300:
            return raw
        raise self._refused(call, reply, raw)

    def _refused(self, call: Call, reply: Reply, raw: bytes) -> Exception:
        code, message = said(raw, reply.headers)
        words = self.redactor.mask(": ".join(filter(None, (code or f"it answered {reply.code}", message))))[:_SAID]
        kind = KINDS.get(reply.code) or (BUSY if code in _BUSY else None)
        if kind is not None:
            return Trouble(self._unreachable(call, words), kind, retry_after=retry_after(reply.headers))
        text = f"{call.service} refuses {call.operation}: {words}"
        hint = _hint(call.hints, code, message)
        return UnauthorizedError(text, code=reply.code, status={"reason": code}, where=self.where, hint=hint)

    def _unreachable(self, call: Call, reason: str) -> UnreachableError:
        host = urlsplit(call.url).hostname
        hint = "the environment's HTTPS_PROXY and NO_PROXY count for this, and the system's trusted certificates"
        message = f"no answer from {call.service} to {call.operation}: {host}: {reason}"
        return UnreachableError(message, where=self.where, hint=hint)

    def _transport(self, url: SplitResult) -> Transport:
        server, proxy = self._server(url)
        with self._lock:
            if server not in self._transports:
                self.redactor.add(urlsplit(proxy or "").password)
                connection = Connection(server, self.where, proxy_url=proxy)
                self._transports[server] = Transport(connection, None, connections=1)
            return self._transports[server]

    def _server(self, url: SplitResult) -> tuple[str, str | None]:
        """The server for ``url`` and the proxy to it, or ``None``; refuses a server that may get no secret."""
        host, server = url.hostname or "", f"{url.scheme}://{url.netloc}"
        played = self._played()
        if played is not None:
            return (server if is_loopback(host) else played), None
        if host in _PLAIN_HOSTS and url.scheme == "http":
            return server, None
        if url.scheme != "https" or not host or is_loopback(host) or url.username:
            shown = f"{url.scheme}://{host}"
            raise InputError(f"{shown} is no https URL of a cloud's service, and gets no secret", where=self.where)
        return server, checked_environment_proxy(server, self.environ)

    def _played(self) -> str | None:
        """The URL that simulates the clouds in tests, else ``None``."""
        url = self.environ.get(TEST_VARIABLE, "")
        return url if url and is_loopback(urlsplit(url).hostname or "") else None

    def _check_open(self) -> None:
        if self._stopped.is_set():
            raise StoppedError("the step was stopped")


def said(raw: bytes, headers: Headers) -> tuple[str, str]:
    """The cloud's error code and message; both empty for a body of unknown form, which is never quoted."""
    body = parsed(raw)
    if body is None:
        found = _XML_ERROR.search(raw.decode(errors="replace"))  # the query protocol of AWS
        return (html.unescape(found[1]), html.unescape(found[2])) if found else ("", "")
    error = body.get("error")
    if isinstance(error, dict):  # Google's APIs, Azure Resource Manager
        return _text(error.get("status") or error.get("code")), _text(error.get("message"))
    if error is not None:  # RFC 6749
        return _text(error), _text(body.get("error_description"))
    code = body.get("code") or body.get("Code") or body.get("__type") or headers.get("x-amzn-ErrorType") or ""
    return _text(code).partition(":")[0].rpartition("#")[2], _text(body.get("message") or body.get("Message"))


def _hint(hints: Mapping[str, str], code: str, message: str) -> str | None:
    """The hint whose words are in the message, else the one for the code, else the one for ``*``."""
    for words, hint in hints.items():
        if " " in words and words in message:
            return hint
    return hints.get(code) or next((hint for key, hint in hints.items() if key in message), hints.get("*"))


def _text(value: Any) -> str:
    """The first line of ``value``, since Entra appends trace numbers."""
    text = "" if value is None else str(value).strip()
    return " ".join(text.splitlines()[:1])


def _headers(call: Call, url: SplitResult) -> bytes:
    own = {"Host": url.netloc, "User-Agent": f"k8s-step/{__version__}", "Accept-Encoding": "identity"}
    return header_lines({**own, **call.headers}.items())
