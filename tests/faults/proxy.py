"""A reverse proxy in front of the real API server that records every request and misbehaves where a rule says so.

Plain HTTP on loopback to the client, or TLS where a test says so; TLS to the server. A request's own ``Authorization``
passes through; one without is sent with the admin's certificate, as ``kubectl proxy`` does.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import http.server
import json
import re
import socket
import ssl
import struct
import tempfile
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.controlplane.cluster import Cluster

_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "host", "content-length"}


@dataclass
class Recorded:
    """A request as it came, and how it ended: ``code`` is None until (or unless) it was answered."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    code: int | None = None
    fault: str = ""
    events: int = 0
    begun: float = field(default_factory=time.monotonic)

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def watch(self) -> bool:
        return self.query.get("watch") in ("true", "1")

    @property
    def by_line(self) -> bool:
        """Whether the answer is a stream of lines: events, or a log that is followed."""
        return self.watch or self.query.get("follow") in ("true", "1")

    @property
    def line(self) -> str:
        """``PATCH /api/v1/… 200``, for messages."""
        query = f"?{urllib.parse.urlencode(self.query)}" if self.query else ""
        return f"{self.method} {self.path}{query} {self.code or self.fault or 'unanswered'}"


Match = Callable[[Recorded], bool]
Action = Callable[["Exchange"], None]


@dataclass
class Rule:
    """Do ``action`` to the requests that match, ``times`` times at most (None: always). ``used`` counts."""

    match: Match
    action: Action
    times: int | None = None
    used: int = 0


def on(
    method: str | None = None,
    path: str | None = None,
    *,
    watch: bool | None = None,
    query: Mapping[str, str] | None = None,
) -> Match:
    """A match by method, by a regular expression found in the path, by being a watch, by query parameters."""

    def match(request: Recorded) -> bool:
        return (
            (method is None or request.method == method)
            and (path is None or re.search(path, request.path) is not None)
            and (watch is None or request.watch == watch)
            and all(request.query.get(key) == value for key, value in (query or {}).items())
        )

    return match


def status(
    code: int,
    reason: str,
    message: str,
    details: Mapping[str, Any] | None = None,
    *,
    late: bool = False,
    **headers: str,
) -> Action:
    """Answer with a Status object and don't ask the server. Header names with underscores for hyphens.

    ``late``: let the server do it first.
    """
    body = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": code,
        "details": dict(details or {}),
    }
    fields = {"Content-Type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}

    def action(exchange: Exchange) -> None:
        if late:
            exchange.ask().read()
            exchange.record.fault = f"answered {code} after it was done"
        exchange.answer(code, json.dumps(body).encode(), fields)

    return action


def plain(code: int, text: str) -> Action:
    """Answer in plain text, as the API server's filters and its aggregator do."""
    return lambda exchange: exchange.answer(code, text.encode(), {"Content-Type": "text/plain; charset=utf-8"})


def throttle(retry_after: int | None = 1) -> Action:
    """429, as priority and fairness says it."""
    headers = {} if retry_after is None else {"Retry_After": str(retry_after)}
    return status(429, "TooManyRequests", "too many requests, please try again later", **headers)


def fail(code: int = 503) -> Action:
    """A 5xx with a Status."""
    return status(
        code,
        "InternalError" if code == 500 else "ServiceUnavailable",
        "the server is currently unable to handle the request",
    )


def forbid(message: str = "is forbidden: User cannot do this") -> Action:
    """403."""
    return status(403, "Forbidden", message)


def gone() -> Action:
    """410 as the answer."""
    return status(410, "Expired", "too old resource version: 1 (2)")


def expired(*, goes_on: bool) -> Action:
    """410 in the middle of a list as the API server says it; ``goes_on``: with a token for the rest as it is now."""

    def action(exchange: Exchange) -> None:
        metadata = {}
        if goes_on:
            token = exchange.record.query["continue"]
            held = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
            again = base64.urlsafe_b64encode(json.dumps({**held, "rv": -1}).encode()).decode().rstrip("=")
            metadata = {"continue": again}
        status = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": metadata,
            "status": "Failure",
            "message": "The provided continue parameter is too old to display a consistent list result.",
            "reason": "Expired",
            "code": 410,
        }
        exchange.answer(410, json.dumps(status).encode(), {"Content-Type": "application/json"})

    return action


def gone_event(after: int = 0) -> Action:
    """A watch that says 410 in an ERROR event after so many real ones, then ends: what the API server does."""
    error = {
        "type": "ERROR",
        "object": {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": "too old resource version: 1 (2)",
            "reason": "Expired",
            "code": 410,
        },
    }
    last = json.dumps(error).encode() + b"\n"
    if after == 0:
        return lambda exchange: exchange.answer(200, last, {"Content-Type": "application/json"})
    return lambda exchange: exchange.forward(events=after, then=lambda: exchange.end_stream(last))


def html(code: int = 502) -> Action:
    """What a load balancer says when it has no backend."""
    page = b"<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
    return lambda exchange: exchange.answer(code, page, {"Content-Type": "text/html"})


def garbage(body: bytes = b'{"kind": "Sta', code: int = 200) -> Action:
    """A body that is no JSON, said to be some."""
    return lambda exchange: exchange.answer(code, body, {"Content-Type": "application/json"})


def cut_before(*, reset: bool = False) -> Action:
    """Close the connection without asking the server: nothing has happened there."""
    return lambda exchange: exchange.cut("cut before", reset=reset)


def meanwhile(act: Callable[[], object]) -> Action:
    """Somebody does something after the client's last request and before this one."""

    def action(exchange: Exchange) -> None:
        act()
        exchange.forward()

    return action


def cut_after(*, reset: bool = False) -> Action:
    """Let the server do it, then close the connection without the answer."""

    def action(exchange: Exchange) -> None:
        exchange.ask().read()
        exchange.cut("cut after", reset=reset)

    return action


def cut_midway() -> Action:
    """Let the server do it, send the first half of the answer's body, close."""
    return lambda exchange: exchange.half()


def cut_watch(after: int = 0, *, reset: bool = False) -> Action:
    """Close a watch, or a log that is followed, without its end after so many events or lines."""
    return lambda exchange: exchange.forward(events=after, then=lambda: exchange.cut("cut watch", reset=reset))


def end_watch(after: int = 0) -> Action:
    """End a watch properly after so many events, as the server does when its timeout is over."""
    return lambda exchange: exchange.forward(events=after, then=exchange.end_stream)


def hold_back() -> Action:
    """Send nothing until the server's answer is complete, as a proxy that buffers does."""

    def action(exchange: Exchange) -> None:
        answer = exchange.ask()
        exchange.answer(answer.status, answer.read(), {"Content-Type": answer.headers["Content-Type"]})

    return action


def delay(seconds: float) -> Action:
    """Answer, but later."""

    def action(exchange: Exchange) -> None:
        exchange.proxy.stopping.wait(seconds)
        exchange.forward()

    return action


def answer_later(let_go: threading.Event) -> Action:
    """Let the server do it, and hold its answer back until ``let_go`` is set, or the proxy stops."""

    def action(exchange: Exchange) -> None:
        answer = exchange.ask()
        body = answer.read()
        exchange.record.fault = "held"
        while not let_go.wait(0.02) and not exchange.proxy.stopping.is_set():
            pass
        exchange.answer(answer.status, body, {"Content-Type": answer.headers["Content-Type"]})

    return action


def stall() -> Action:
    """Never answer: hold the connection until the proxy stops."""

    def action(exchange: Exchange) -> None:
        exchange.record.fault = "stalled"
        exchange.proxy.stopping.wait(600)
        exchange.cut("stalled")

    return action


class Exchange:
    """One request in the proxy's hands; the actions above are made of its methods."""

    def __init__(self, handler: _Handler, record: Recorded) -> None:
        self.handler = handler
        self.proxy = handler.proxy
        self.record = record

    def answer(self, code: int, body: bytes, headers: Mapping[str, str]) -> None:
        """Answer ourselves."""
        self.record.fault = self.record.fault or f"answered {code}"
        self._head(code, {**headers, "Content-Length": str(len(body))})
        self.handler.wfile.write(body)
        self.handler.wfile.flush()

    def cut(self, fault: str, *, reset: bool = False) -> None:
        """Close the client's connection: with FIN, or with RST."""
        self.record.fault = fault
        self.handler.close_connection = True
        with contextlib.suppress(OSError):
            if reset:
                linger = struct.pack("ii", 1, 0)
                self.handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            else:
                self.handler.wfile.flush()
                self.handler.connection.shutdown(socket.SHUT_RDWR)
        self.handler.drop_upstream()

    def ask(self) -> http.client.HTTPResponse:
        """Send the request to the server; its answer, the body unread."""
        return self.handler.ask(self.record)

    def forward(self, *, events: int | None = None, then: Callable[[], None] | None = None) -> None:
        """Pass the server's answer on as it arrives; of a watch only so many ``events``, then do ``then``."""
        answer = self.ask()
        headers = {name: value for name, value in answer.getheaders() if name.lower() not in _HOP_BY_HOP}
        if not answer.chunked and answer.length is not None:
            body = answer.read()
            self._head(answer.status, {**headers, "Content-Length": str(answer.headers["Content-Length"])})
            self.handler.wfile.write(body)
            return self.handler.wfile.flush()
        self._head(answer.status, {**headers, "Transfer-Encoding": "chunked"})
        self.handler.wfile.flush()
        return self._stream(answer, events, then)

    def _stream(self, answer: http.client.HTTPResponse, events: int | None, then: Callable[[], None] | None) -> None:
        if then and events == 0:
            return then()
        while data := self._arrived(answer, by_line=self.record.by_line):
            self.record.events += data.endswith(b"\n") and self.record.by_line
            self.handler.chunk(data)
            self.proxy.heard(self.record, data)
            if then and self.record.events == events:
                return then()
        return self.handler.chunk(b"")

    def _arrived(self, answer: http.client.HTTPResponse, *, by_line: bool) -> bytes:
        """What is there now. A stream the server cut is cut for the client too."""
        try:
            return answer.readline() if by_line else answer.read1(65536)
        except (OSError, http.client.HTTPException, ValueError):
            self.cut("cut by the server")
            raise ConnectionError from None

    def end_stream(self, last: bytes = b"") -> None:
        """End a chunked answer properly, after some last bytes of our own."""
        self.record.fault = "ended"
        if last:
            self.handler.chunk(last)
        self.handler.chunk(b"")
        self.handler.drop_upstream()

    def half(self) -> None:
        """Send half of what the server answered, then close."""
        answer = self.ask()
        body = answer.read()
        self._head(answer.status, {"Content-Type": "application/json", "Content-Length": str(len(body))})
        self.handler.wfile.write(body[: len(body) // 2])
        self.cut("cut midway")

    def _head(self, code: int, headers: Mapping[str, str]) -> None:
        self.record.code = code
        self.handler.send_response_only(code)
        for name, value in headers.items():
            self.handler.send_header(name, value)
        self.handler.end_headers()


class _Handler(http.server.BaseHTTPRequestHandler):
    """One client connection, with upstream connections of its own: keep-alive on both sides."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    proxy: Proxy

    def setup(self) -> None:
        super().setup()
        self._upstream: dict[bool, http.client.HTTPSConnection] = {}
        self.proxy.live.add(self)

    def finish(self) -> None:
        self.drop_upstream()
        self.proxy.live.discard(self)
        with contextlib.suppress(OSError):
            super().finish()

    def handle(self) -> None:
        with contextlib.suppress(OSError):  # the client, or the test, closed the connection
            super().handle()

    def _any(self) -> None:
        record = self._read()
        exchange = Exchange(self, record)
        action = self.proxy.take(record)
        try:
            action(exchange) if action else exchange.forward()
        except (OSError, http.client.HTTPException):
            if record.code is None and not record.fault:
                record.fault = "server unreachable"
            self.close_connection = True

    # The base class wants them named like this.
    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = _any  # noqa: N815

    def _read(self) -> Recorded:
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        body = self._body()
        return Recorded(self.command, url.path, query, dict(self.headers.items()), body)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def ask(self, record: Recorded) -> http.client.HTTPResponse:
        """Send to the server. A kept connection may have been closed meanwhile: then once more on a new one."""
        own = "Authorization" in {name.title() for name in record.headers}
        admin = not own and self.proxy.admin
        kept = admin in self._upstream
        try:
            return self._send(record, admin=admin)
        except (OSError, http.client.HTTPException):
            self.drop_upstream()
            if not kept:
                raise
            return self._send(record, admin=admin)

    def _send(self, record: Recorded, *, admin: bool) -> http.client.HTTPResponse:
        connection = self._upstream.get(admin)
        if connection is None:
            connection = self._upstream[admin] = self.proxy.connect(admin=admin)
        headers = {name: value for name, value in record.headers.items() if name.lower() not in _HOP_BY_HOP}
        connection.request(record.method, self.path, record.body or None, headers)
        return connection.getresponse()

    def drop_upstream(self) -> None:
        """Close the upstream connections: an answer on them is not wanted any more."""
        for connection in self._upstream.values():
            if connection.sock:
                with contextlib.suppress(OSError):
                    connection.sock.shutdown(socket.SHUT_RDWR)
            connection.close()
        self._upstream.clear()

    def chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def hang_up(self) -> None:
        """From the proxy's thread: end this connection at once."""
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
        for connection in list(self._upstream.values()):
            if connection.sock:
                with contextlib.suppress(OSError):
                    connection.sock.shutdown(socket.SHUT_RDWR)

    def log_message(self, *_: Any) -> None:
        """Quiet: tests read ``requests``."""


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256


class Proxy:
    """The proxy: ``url``, ``kubeconfig``, ``requests``, ``rule``. ``admin=False`` adds no credentials."""

    def __init__(self, host: str, port: int, context: Callable[[bool], ssl.SSLContext], folder: Path) -> None:
        self._host, self._port = host, port
        self._contexts = {admin: context(admin) for admin in (True, False)}
        self._lock = threading.Lock()
        self._rules: list[Rule] = []
        self._folder = folder
        self.live: set[_Handler] = set()
        self.heard: Callable[[Recorded, bytes], None] = lambda record, data: None  # told of each line that went out
        self.requests: list[Recorded] = []
        self.stopping = threading.Event()
        self.admin = True
        self.port = 0
        self._server: _Server | None = None
        self._tls: ssl.SSLContext | None = None
        self.start()

    @classmethod
    @contextlib.contextmanager
    def before(cls, cluster: Cluster) -> Iterator[Proxy]:
        """A running proxy in front of this cluster."""
        url = urllib.parse.urlsplit(cluster.server)

        def context(admin: bool) -> ssl.SSLContext:
            made = ssl.create_default_context(cafile=str(cluster.ca) if cluster.ca else None)
            if admin and cluster.certificate and cluster.key:
                made.load_cert_chain(cluster.certificate, cluster.key)
            return made

        with tempfile.TemporaryDirectory() as folder:
            proxy = cls(url.hostname or "", url.port or 443, context, Path(folder))
            try:
                yield proxy
            finally:
                proxy.stop()

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def kubeconfig(self) -> Path:
        """A kubeconfig that leads here and holds no credentials."""
        path = self._folder / "kubeconfig"
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "proxy",
            "clusters": [{"name": "proxy", "cluster": {"server": self.url}}],
            "users": [{"name": "proxy", "user": {}}],
            "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "proxy"}}],
        }
        path.write_text(json.dumps(config))
        return path

    def rule(self, match: Match, action: Action, times: int | None = 1) -> Rule:
        """From now on do this to what matches; the first rule that still has times left wins."""
        made = Rule(match, action, times)
        with self._lock:
            self._rules.append(made)
        return made

    def clear(self) -> None:
        """Forget rules and requests."""
        with self._lock:
            self._rules.clear()
            self.requests.clear()

    def matching(self, match: Match) -> list[Recorded]:
        """The requests so far that match."""
        with self._lock:
            return [request for request in self.requests if match(request)]

    @property
    def writes(self) -> list[Recorded]:
        """The requests so far that could change something (dry runs and reviews aside)."""
        asks = re.compile(r"reviews$|/token$")
        return self.matching(
            lambda request: (
                request.method not in ("GET", "HEAD")
                and "dryRun" not in request.query
                and not asks.search(request.path)
            )
        )

    def take(self, record: Recorded) -> Action | None:
        """Record a request and find what to do to it."""
        with self._lock:
            self.requests.append(record)
            for rule in self._rules:
                if (rule.times is None or rule.used < rule.times) and rule.match(record):
                    rule.used += 1
                    return rule.action
        return None

    def connect(self, *, admin: bool) -> http.client.HTTPSConnection:
        """A new connection to the API server."""
        return http.client.HTTPSConnection(self._host, self._port, context=self._contexts[admin])

    def start(self) -> None:
        """Listen: on a free port the first time, on the same one after ``stop``."""
        self.stopping.clear()
        handler = type("Handler", (_Handler,), {"proxy": self})
        self._server = _Server(("127.0.0.1", self.port), handler)
        if self._tls:
            self._server.socket = self._tls.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def speak_tls(self, context: ssl.SSLContext) -> None:
        """Speak TLS from now on, for clients that send credentials over nothing else."""
        self.stop()
        self._tls = context
        self.start()

    def hang_up(self) -> None:
        """Close every connection there is; go on listening."""
        for handler in list(self.live):
            handler.hang_up()

    def stop(self) -> None:
        """Be away: nothing listens any more, and every connection is closed."""
        self.stopping.set()
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
        self.hang_up()
