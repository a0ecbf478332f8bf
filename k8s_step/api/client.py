"""The Kubernetes API over HTTP: a request is plain data, sent over a shared pool and retried where that is safe.

The table of ``ailments`` gives the meaning of an error answer and how long the client waits for the server. A request
with ``retry=False`` is not repeated once the server may have acted on it.
"""

from __future__ import annotations

import contextlib
import copy
import math
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

from k8s_step import __version__
from k8s_step.api import concurrency
from k8s_step.api.limiter import Limiter
from k8s_step.api.outages import Outages
from k8s_step.api.refusals import error_answer, misanswer, refusal, warnings
from k8s_step.api.request import Answer, Request
from k8s_step.connection.ailments import (
    AGGREGATED,
    AWAY,
    CUT,
    REFUSED,
    STARTING,
    UNRENEWED,
    Ailment,
    ErrorAnswer,
    Patience,
    ailment_of,
    api_service,
)
from k8s_step.connection.exchange.faults import Fault
from k8s_step.connection.exchange.proxies import is_loopback
from k8s_step.connection.exchange.transport import WATCHES, Reply, Transport, header_lines, parsed, retry_after
from k8s_step.connection.identity.credentials import Certificate, Credential, Credentials, Renewed, credentials_of
from k8s_step.connection.retries import Tries, Trouble
from k8s_step.connection.settings import Connection
from k8s_step.errors import (
    AnswerLostError,
    ApiError,
    ExitCode,
    InputError,
    StepError,
    StoppedError,
    TimedOutError,
    UnreachableError,
)
from k8s_step.objects.body import PatchType
from k8s_step.objects.resource import required
from k8s_step.objects.values.shapes import misshapen, nameless
from k8s_step.redaction import Redactor

if TYPE_CHECKING:
    from k8s_step.api.apiservices import Availability

_USER_AGENT = f"k8s-step/{__version__}"
_API_SERVICES = required("apiregistration.k8s.io/v1", "APIService")
_LOOK = 3.0  # seconds that reading an APIService may take
_MORE_TIME = "raise --timeout, or see why the server is so slow"
_T = TypeVar("_T")


def ignore(_: str) -> None:
    """A ``notice`` callback that drops its message."""


class Manner(NamedTuple):
    """What all requests have in common: the seconds of one try as a whole, how many at once, and the user's headers.

    The headers are not checked here.
    """

    request_timeout: float = 30.0
    concurrency: int = 32
    headers: Sequence[tuple[str, str]] = ()


class Pace(NamedTuple):
    """The clock of deadlines (seconds), the dice (0.0 to 1.0) of pauses between tries, and how a pause is spent."""

    clock: Callable[[], float] = time.monotonic
    dice: Callable[[], float] = random.random
    sleep: Callable[[float], object] | None = None


_USUAL_MANNER, _USUAL_PACE = Manner(), Pace()


class Client:
    """One cluster's API, for any number of threads.

    ``notice`` gets one line when the server cannot be reached and when it is back. ``credentials`` replace those of the
    connection's user. ``transport``: one to the same connection that is open already.

    ``deadline`` (seconds of the pace's clock) ends all requests; :meth:`until` sets it.
    """

    deadline: float | None = None

    def __init__(
        self,
        connection: Connection,
        manner: Manner = _USUAL_MANNER,
        *,
        redactor: Redactor | None = None,
        notice: Callable[[str], None] = ignore,
        pace: Pace = _USUAL_PACE,
        credentials: Credentials | None = None,
        transport: Transport | None = None,
    ) -> None:
        redactor = redactor or Redactor()
        redactor.add(urlsplit(connection.proxy_url or "").password)
        self.connection = connection
        self._credentials = credentials or _credentials(connection, redactor)
        self._headers = _own_headers(connection, manner.headers)
        self._encoded: dict[tuple[str | None, ...], bytes] = {}  # the header lines of each sort of request
        self._compression = "identity" if _is_near(connection) else "gzip"
        self._gate = Limiter(manner.concurrency, pace.clock)
        self._timeout = manner.request_timeout
        self._transports = _Transports(connection, manner.concurrency + WATCHES, transport)
        self._stopped = threading.Event()
        self._outages = Outages(connection.server, notice, pace.clock)
        self._begun: dict[str, str] = {}  # the Date of the first answer
        self._clock, self._dice, self._sleep = pace.clock, pace.dice, pace.sleep or self._pause

    def until(self, deadline: float | None) -> Client:
        """A copy of this client whose requests end at ``deadline`` (seconds of ``clock``), ``None`` for no deadline.

        Both share connections, limiter and credentials, so that closing one closes the other.
        """
        view = copy.copy(self)
        view.deadline = deadline
        return view

    @property
    def time_left(self) -> float:
        """Seconds until the deadline, 0.0 once it is over; infinite without one."""
        return math.inf if self.deadline is None else max(self.deadline - self._clock(), 0.0)

    @property
    def has_answered(self) -> bool:
        """Whether the server has answered any request so far."""
        return self._outages.has_answered

    @property
    def request_timeout(self) -> float:
        """Seconds that one try may take."""
        return self._timeout

    @property
    def begun(self) -> str:
        """When the server first answered, by its own clock, as its ``Date`` header says it; empty where none did."""
        return self._begun.get("Date", "")

    def send(self, request: Request, *, tries: Tries | None = None) -> Answer:
        """Send ``request`` and read the whole answer, trying again until the deadline.

        ``tries`` come from :meth:`trying`, for a caller that itself decides whether to repeat the request. Raises the
        :class:`ApiError` family when the server refuses, :class:`ThrottledError` when it is in trouble,
        :class:`UnreachableError` without a complete answer, :class:`AnswerLostError` when it may have acted on a
        request that must not be repeated.
        """
        if tries is not None:
            return self._persist(request, tries, self._exchange)
        with self.trying(repeatable=request.retry) as own:
            return self._persist(request, own, self._exchange)

    def stream(self, request: Request, *, idle_timeout: float | None = None) -> LineStream:
        """Open a long answer, such as a watch or a log. Raises as :meth:`send` does.

        ``idle_timeout`` is the longest silence in seconds; the deadline applies to the opening only.
        """
        with self.trying(repeatable=request.retry) as tries:
            reply = self._persist(request, tries, self._open_stream)
        return LineStream(reply, idle_timeout, self.connection.server, self._stopped)

    def close(self) -> None:
        """End everything under way, from any thread: streams end, requests raise :class:`StoppedError`."""
        self._stopped.set()
        self._credentials.close()
        self._gate.close()
        self._transports.close()

    @contextlib.contextmanager
    def trying(self, *, repeatable: bool = False) -> Iterator[Tries]:
        """A context for the tries of one request, so that trouble is announced once a request, not once a try."""
        tries = Tries(repeatable, self.deadline, self._clock, self._dice)
        is_well = False
        try:
            yield tries
            is_well = True
        except StepError as error:
            error.may_be_done = error.may_be_done or tries.may_be_done
            is_well = not (tries.is_over or isinstance(error, (InputError, UnreachableError, StoppedError)))
            raise
        finally:
            self._outages.left(tries, is_well=is_well)

    def wait_out(self, tries: Tries, *, patient: bool = True, looked: bool = False) -> None:
        """Pause before the next try; raise the request's error where there is no next try.

        ``looked``: the caller has read the server's state, and the last try was not carried out.
        """
        self._check_open()
        assert tries.last is not None
        pause = tries.pause(has_answered=self._outages.has_answered and patient, looked=looked)
        if pause is None:
            raise self._given_up(tries.last_answered or tries.last, tries, patient) from None
        self._outages.tell(tries)
        self._sleep(pause)
        self._check_open()

    def _persist(
        self, request: Request, tries: Tries, attempt: Callable[[Request, Credential, float | None], _T]
    ) -> _T:
        """Call ``attempt`` until it succeeds, is refused, or no more tries are left."""
        while True:
            try:
                return self._tried(request, tries, attempt)
            except Trouble as trouble:
                since = self._outages.met(tries, trouble)
                tries.note(trouble, since if tries.deadline is not None else None)
                tries.may_be_done = tries.may_be_done and request.is_write
                self.wait_out(tries, patient=request.patient)
            except TimedOutError as error:
                tries.is_late = True
                before = tries.last_answered or self._outages.trouble
                raise (self._given_up(before, tries, request.patient, request.where) if before else error) from None

    def _tried(self, request: Request, tries: Tries, attempt: Callable[[Request, Credential, float | None], _T]) -> _T:
        """One try, and another one where the server refuses the credential and there is a new one."""
        credential = self._obtained(self._credentials.current)
        try:
            return attempt(request, credential, tries.deadline)
        except ApiError as error:
            self._renew_after(error, credential, tries)
        except Trouble as trouble:
            raise self._looked_into(request, trouble, credential, tries) from None
        return self._tried(request, tries, attempt)

    def _renew_after(self, error: ApiError, credential: Credential, tries: Tries) -> None:
        """Get a new credential after a 401; raise any other ``error``, and one that no new credential can mend."""
        if self.connection.nobody and _wants_to_know_who(error):
            error.hint = self.connection.nobody
            raise error
        if error.code != 401:
            error.hint = error.hint or (self._next_move(403) if _lacks_rights(error) else None)
            raise error
        if tries.has_refreshed or not self._obtained(lambda: self._credentials.refresh(credential)):
            error.hint = self._next_move(401) or _why_refused(credential) or error.hint
            raise error
        tries.has_refreshed = True

    def _next_move(self, code: int) -> str | None:
        return self._credentials.next_move(code) if isinstance(self._credentials, Renewed) else None

    def _obtained(self, obtain: Callable[[], _T]) -> _T:
        """What the credentials give. Raises :class:`Trouble` where a run under way can only wait for the next one."""
        try:
            return obtain()
        except StepError as error:
            self._check_open()  # the request for the credential was stopped as well
            raise self._of_credential(error) from None

    def _of_credential(self, error: StepError) -> Exception:
        """``error`` itself at first contact; later it is no bad input: there was a credential, and may be one again."""
        if not self._outages.has_answered or not isinstance(error, (InputError, UnreachableError)):
            return error
        message = f"the credential can't be renewed: {error.message}"
        return Trouble(UnreachableError(message, where=error.where, hint=error.hint), UNRENEWED, sent=False)

    def _given_up(self, trouble: Trouble, tries: Tries, patient: bool, where: str | None = None) -> StepError:
        """The error of a request without further tries: a timeout where the server is only slow or busy."""
        is_slow = trouble.silent and self._outages.has_answered and patient
        is_busy = trouble.ailment.late_end is ExitCode.TIMED_OUT and tries.is_late
        error, tries.is_over = trouble.error, True
        if not isinstance(error, AnswerLostError) and tries.deadline is not None and (is_slow or is_busy):
            return TimedOutError(f"time is up: {error.message}", where=where or error.where, hint=_MORE_TIME)
        if tries.last is None:  # another request met with the outage
            return UnreachableError(error.message, where=where, hint=error.hint)
        return error

    def _looked_into(self, request: Request, trouble: Trouble, credential: Credential, tries: Tries) -> Trouble:
        """``trouble`` with the cause from the APIService of an aggregated API; looked up at most once a request."""
        name = api_service(request.path)
        if trouble.ailment is not AGGREGATED or name is None:
            return trouble
        if tries.last is not None and tries.last.ailment is AGGREGATED:
            return tries.last
        from k8s_step.api.apiservices import availability, unavailable

        ends = min(self._clock() + _LOOK, tries.deadline or float("inf"))
        generic = Trouble(trouble.error, AWAY, sent=trouble.sent, retry_after=trouble.retry_after)
        found: Availability | None = None
        try:
            found = availability(self._exchange(Request("GET", _API_SERVICES.path(None, name)), credential, ends).body)
            if found is None:
                return generic
        except ApiError as error:  # 401, 403, 404: the server answers, but this token may not read the APIService
            if error.code not in (401, 403, 404):
                return generic
        except (Trouble, UnreachableError):
            return generic
        ailment = AWAY if found and found.is_available else AGGREGATED
        return Trouble(unavailable(name, found, request.where), ailment, sent=trouble.sent)

    def _exchange(self, request: Request, credential: Credential, deadline: float | None) -> Answer:
        with self._gate.slot(None if deadline is None else deadline - self._clock()):
            self._check_open()
            epoch, begun = self._gate.epoch, self._clock()
            try:
                answer = self._tracked(request, credential, deadline)
            except Trouble as trouble:
                if trouble.ailment.is_crowded:
                    self._gate.throttled(epoch, trouble.retry_after)
                raise
            self._gate.answered(request.family, self._clock() - begun)
            return answer

    def _tracked(self, request: Request, credential: Credential, deadline: float | None) -> Answer:
        """One try. A write is recorded as open until its outcome is known, for a run cancelled in the meantime."""
        if not request.is_write:
            return self._answer(request, self._opened(request, credential, deadline))
        concurrency.write_begins()
        try:
            answer = self._answer(request, self._opened(request, credential, deadline))
        except (Trouble, StepError) as error:
            if isinstance(error, StepError) or not error.sent:  # the server refused it, or never received it
                concurrency.write_ends(is_done=False)
            raise
        concurrency.write_ends(is_done=True)
        return answer

    def _answer(self, request: Request, reply: Reply) -> Answer:
        raw = self._whole(request, reply)
        size = len(raw)
        body: dict[str, Any] | None = {}
        if request.each is not None:
            from k8s_step.api import listing

            text, raw = raw, b""  # a list's bytes aren't kept beside its items
            body = listing.parsed(text, request.each)
        elif "json" in request.accept:
            body = parsed(raw)
        if body is None:
            raise Trouble(self._lost(request, self._not_json(reply, raw)))
        if trouble := misshapen(body) or (nameless(body) if request.is_of_one else ""):
            raise Trouble(self._lost(request, f"{self.connection.server}: no answer of Kubernetes' own: {trouble}"))
        said, date = warnings(reply.headers.get_all("Warning") or ()), reply.headers.get("Date")
        if date:
            self._begun.setdefault("Date", date)
        return Answer(reply.code, body, raw, said, date, size)

    def _not_json(self, reply: Reply, raw: bytes) -> str:
        content_type = reply.headers.get("Content-Type") or ""
        if "json" in content_type:
            return f"{self.connection.server}: the answer broke off after {len(raw)} bytes"
        return misanswer(reply.code, content_type, self.connection.server)

    def _open_stream(self, request: Request, credential: Credential, deadline: float | None) -> Reply:
        self._check_open()
        reply = self._opened(request, credential, deadline, is_stream=True)
        content_type = reply.headers.get("Content-Type") or ""
        if "html" in content_type:
            reply.close()
            raise Trouble(UnreachableError(misanswer(reply.code, content_type, self.connection.server)))
        return reply

    def _opened(
        self, request: Request, credential: Credential, deadline: float | None, *, is_stream: bool = False
    ) -> Reply:
        """The reply of a success, its body unread. Raises for any other answer."""
        headers = self._request_headers(request, credential, is_stream)
        try:
            transport = self._transports.using(credential.certificate)
        except InputError as error:  # no TLS can use the certificate
            raise self._of_credential(error) from None
        try:
            reply = transport.open(request.method, request.target, headers, request.body, self._time_left(deadline))
        except Fault as fault:
            raise self._trouble(request, fault) from None
        if reply.code < 300:
            return reply
        raise self._refused(request, reply)

    def _whole(self, request: Request, reply: Reply) -> bytes:
        try:
            return reply.read()
        except Fault as fault:
            raise self._trouble(request, fault) from None

    def _refused(self, request: Request, reply: Reply) -> Exception:
        """The exception for an error answer: :class:`Trouble` where another try may help, else a final error."""
        raw = self._whole(request, reply)
        found, ailment = self._judged(request, reply.code, raw)
        content_type = reply.headers.get("Content-Type") or ""
        error = refusal(found, ailment, content_type, raw, server=self.connection.server, where=request.where)
        if ailment.patience is Patience.NONE:
            return error
        if isinstance(error, UnreachableError):
            error = self._lost(request, error.message, error.hint)
        return Trouble(error, ailment, sent=not ailment.is_undone, retry_after=retry_after(reply.headers))

    def _judged(self, request: Request, code: int, raw: bytes) -> tuple[ErrorAnswer, Ailment]:
        is_apply = request.content_type == PatchType.APPLY.value
        is_bound = code == 409 and request.is_bound
        facts = {"method": request.method, "path": request.path, "is_apply": is_apply, "is_bound": is_bound}
        found = error_answer(code, raw, **facts)
        ailment = ailment_of(found)
        is_starting = code == 403 and ailment is REFUSED and self._outages.is_fresh
        return found, STARTING if is_starting else ailment

    def _trouble(self, request: Request, fault: Fault) -> Trouble:
        message = f"{self.connection.server}: {fault.reason}"
        error = self._lost(request, message, fault.hint) if fault.sent else UnreachableError(message, hint=fault.hint)
        silent = fault.silent and request.retry  # a request that must not be repeated counts as sent
        return Trouble(error, CUT, sent=fault.sent, lasting=fault.lasting, silent=silent)

    def _lost(self, request: Request, message: str, hint: str | None = None) -> StepError:
        if request.retry:
            return UnreachableError(message, hint=hint)
        return AnswerLostError(message, where=request.where, hint="the server may have done it all the same")

    def _request_headers(self, request: Request, credential: Credential, is_stream: bool) -> bytes:
        packing = "identity" if is_stream else self._compression
        key = (request.accept, request.content_type, packing, credential.authorization)
        found = self._encoded.get(key)
        if found is None:
            found = self._encoded[key] = header_lines(_headers(self._headers, *key))
        return found

    def _time_left(self, deadline: float | None) -> float:
        if deadline is None:
            return self._timeout
        left = deadline - self._clock()
        if left <= 0:
            raise TimedOutError(f"{self.connection.server}: no time is left for the request", hint=_MORE_TIME)
        return min(left, self._timeout)

    def _pause(self, seconds: float) -> None:
        concurrency.pause(seconds, self._stopped)

    def _check_open(self) -> None:
        if self._stopped.is_set():
            raise StoppedError("the step was stopped")


class LineStream:
    """The lines of a long answer as they arrive; as a context manager it releases the connection at the end.

    Iteration ends when the server ends the answer or :meth:`close` is called. It raises :class:`UnreachableError` when
    the connection breaks or stays silent for too long.
    """

    def __init__(self, reply: Reply, idle: float | None, server: str, stopped: threading.Event) -> None:
        self.warnings = warnings(reply.headers.get_all("Warning") or ())
        self.date: str | None = reply.headers.get("Date")
        self._reply = reply
        self._idle = idle
        self._server = server
        self._stopped = stopped
        self._closed = threading.Event()

    def __enter__(self) -> LineStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        self._reply.close()

    def __iter__(self) -> Iterator[bytes]:
        """Lines without their newline, including a last line that has none."""
        parts: list[bytes] = []
        for chunk in self._chunks():
            first, *rest = chunk.split(b"\n")
            parts.append(first)
            for line in rest:
                yield b"".join(parts)
                parts = [line]
        if any(parts) and not self._has_ended():
            yield b"".join(parts)

    def close(self) -> None:
        """End the iteration, from any thread."""
        self._closed.set()
        self._reply.cut()

    def _chunks(self) -> Iterator[bytes]:
        try:
            for chunk in self._reply.chunks(self._idle):
                if self._has_ended():
                    return
                yield chunk
        except Fault as fault:
            if not self._has_ended():
                raise UnreachableError(f"{self._server}: {fault.reason}") from None

    def _has_ended(self) -> bool:
        return self._closed.is_set() or self._stopped.is_set()


class _Transports:
    """The transport for the client certificate in use; a new certificate from a plugin gets new connections."""

    def __init__(self, connection: Connection, connections: int, first: Transport | None) -> None:
        self._connection = connection
        self._connections = connections
        self._lock = threading.Lock()
        self._all = [first] if first else []

    def using(self, certificate: Certificate | None) -> Transport:
        with self._lock:
            if not self._all or certificate != self._all[-1].certificate:
                self._all.append(Transport(self._connection, certificate, connections=self._connections))
            return self._all[-1]

    def close(self) -> None:
        with self._lock:
            for transport in self._all:
                transport.close()


def _credentials(connection: Connection, redactor: Redactor) -> Credentials:
    endpoint = connection.user.id_token
    if endpoint is None:
        return credentials_of(connection, redactor)
    from k8s_step.connection.identity.idtoken import IdToken

    return IdToken(endpoint, redactor)


def _lacks_rights(error: ApiError) -> bool:
    """Whether an authorizer refused the request; quota and admission answer 403 too."""
    return error.code == 403 and "User " in error.message and " cannot " in error.message


def _wants_to_know_who(error: ApiError) -> bool:
    """Whether the server refused a request for its lack of credentials."""
    return error.code == 401 or (_lacks_rights(error) and '"system:anonymous"' in error.message)


def _why_refused(credential: Credential) -> str | None:
    from k8s_step.connection.identity.oidc import why_refused
    from k8s_step.connection.identity.tokens import looks_like

    kind, _, token = (credential.authorization or "").partition(" ")
    return (why_refused(token, time.time()) or looks_like(token)) if kind == "Bearer" else None


def _own_headers(connection: Connection, headers: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The headers of every request: User-Agent, those of impersonation, and the user's own."""
    # The API server pretty-prints for user agents that look like curl, Wget or a browser.
    own = [] if any(name.lower() == "user-agent" for name, _ in headers) else [("User-Agent", _USER_AGENT)]
    return [*own, *connection.impersonation.headers(), *headers]


def _headers(
    own: Sequence[tuple[str, str]], accept: str, content_type: str | None, packing: str, authorization: str | None
) -> list[tuple[str, str]]:
    """All headers of a request; what the request itself needs replaces the user's own."""
    needed = {
        "Accept": accept,
        "Accept-Encoding": packing,
        "Content-Type": content_type,
        "Authorization": authorization,
    }
    given = {name: value for name, value in needed.items() if value}
    replaced = {name.lower() for name in given}
    return [*(pair for pair in own if pair[0].lower() not in replaced), *given.items()]


def _is_near(connection: Connection) -> bool:
    """Whether to ask for uncompressed answers: as the kubeconfig says, or on loopback, where compressing costs time."""
    host = urlsplit(connection.server).hostname or ""
    return connection.disable_compression or (is_loopback(host) and not connection.proxy_url)
