"""HTTP exchanges with one server: connections kept alive, strict timeouts and plain error messages.

It reads no environment variable.
"""

from __future__ import annotations

import http.client
import json
import math
import re
import threading
import time
import weakref
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast
from urllib.parse import quote, urlsplit

from k8s_step.connection.exchange.channel import Channel, TimedReader, left
from k8s_step.connection.exchange.faults import ERRORS, BadPacking, fault_of
from k8s_step.connection.exchange.proxies import DEFAULT_PORTS
from k8s_step.connection.exchange.route import Route
from k8s_step.connection.identity.credentials import Certificate
from k8s_step.connection.settings import Connection

WATCHES = 128  # connections for watches and logs, besides those of requests that end soon
_CHUNK = 65536
_FRESH = 5.0  # seconds within which a server waits for the first request on a connection: proxies wait for 10 or more
_IN_A_TARGET = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"  # everything visible; what is no ASCII is escaped
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+: [^\r\n\0]*")
_UNPACKED_BY_ZLIB = 32 + 15  # its header tells whether it is gzip or zlib


def parsed(raw: bytes) -> dict[str, Any] | None:
    """``raw`` parsed as a JSON object; ``None`` where it is anything else."""
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


Headers = http.client.HTTPMessage | Mapping[str, str]  # of an answer: a name in any case, its (first) value


def retry_after(headers: Headers) -> float | None:
    """Seconds of a ``Retry-After`` header, or ``None``; a date counts as none, since the API server sends no dates."""
    text = headers.get("Retry-After") or ""
    return float(text) if text.isascii() and text.isdigit() else None


def header_lines(headers: Iterable[tuple[str, str]]) -> bytes:
    """Headers as they are sent, to be made once for many requests; a ``Host`` comes first.

    Raises ``ValueError`` for a header that can't be sent.
    """
    lines = sorted(
        (f"{name}: {value}" for name, value in headers), key=lambda line: not line.lower().startswith("host:")
    )
    if not all(_HEADER.fullmatch(line) for line in lines):
        raise ValueError("a request header holds what no header can")
    return "".join(f"{line}\r\n" for line in lines).encode("latin-1")


class Transport:
    """Kept-alive connections to one server, with one TLS identity; thread-safe. ``connections``: the most kept idle."""

    def __init__(self, connection: Connection, certificate: Certificate | None, *, connections: int) -> None:
        self.certificate = certificate
        self._connection = connection
        route = Route(connection, certificate)
        self._pool = _Pool(route, connections)
        url = urlsplit(connection.server)
        self._prefix = connection.server if route.forwarded else url.path
        self._host = header_lines([("Host", _host(url.netloc, url.scheme))])
        login = route.proxy.authorization if route.proxy and route.forwarded else None
        self._proxy_login = header_lines([("Proxy-Authorization", login)] if login else [])

    def open(self, method: str, target: str, headers: bytes, body: bytes | None, timeout: float) -> Reply:
        """Send one request and read the answer's head.

        ``target`` is path and query; ``headers`` are :func:`header_lines`, without Content-Length; a Host among them
        replaces the server's own. ``timeout`` (seconds) bounds everything: connecting, sending, head and body. Raises
        :class:`Fault`.
        """
        deadline = time.monotonic() + max(timeout, 0.001)
        message = self._head(method, target, headers, body) + (body or b"")
        try:
            channel = self._pool.take(deadline)
            try:
                answer = channel.exchange(method, message, deadline)
            except BaseException:
                channel.close()
                raise
        except ERRORS as error:
            raise fault_of(error, self._connection, timeout) from None
        return Reply(answer, channel, self._pool, self._connection, timeout)

    def open_ahead(self, count: int, timeout: float) -> None:
        """Open so many connections in threads of their own, within ``timeout`` seconds; exchanges to come get them.

        Where that fails, an exchange connects for itself, and meets with the same fault.
        """
        self._pool.open_ahead(count, time.monotonic() + timeout)

    def close(self) -> None:
        """End every exchange under way, from any thread."""
        self._pool.close()

    def _head(self, method: str, target: str, headers: bytes, body: bytes | None) -> bytes:
        line = f"{method} {quote(self._prefix + target, safe=_IN_A_TARGET)} HTTP/1.1\r\n".encode("ascii")
        has_length = body is not None or method in ("POST", "PUT", "PATCH")
        length = b"Content-Length: %d\r\n" % len(body or b"") if has_length else b""
        host = b"" if headers[:5].lower() == b"host:" else self._host
        return b"".join((line, host, self._proxy_login, headers, length, b"\r\n"))


class Reply:
    """An answer whose head has been read."""

    def __init__(
        self,
        answer: http.client.HTTPResponse,
        channel: Channel,
        pool: _Pool,
        connection: Connection,
        timeout: float,
    ) -> None:
        self._answer = answer
        self._channel = channel
        self._pool = pool
        self._connection = connection
        self._timeout = timeout
        self._reader = cast(TimedReader, channel.reader)
        self.code: int = answer.status
        self.headers = answer.headers
        self._is_over = False

    def read(self) -> bytes:
        """The whole body, unpacked, within the exchange's timeout."""
        try:
            raw = self._answer.read()
            self.close()
            return _unpacked(raw) if self.headers.get("Content-Encoding") in ("gzip", "deflate") else raw
        except ERRORS as error:
            self.close()
            raise fault_of(error, self._connection, self._timeout) from None

    def chunks(self, idle: float | None) -> Iterator[bytes]:
        """The body as it arrives, not decompressed: request no compression. ``idle``: longest silence in seconds."""
        self._reader.limit(idle=idle)
        try:
            while data := self._answer.read1(_CHUNK):
                yield data
            if self._answer.length:  # http.client takes an early end for the end
                raise http.client.IncompleteRead(b"", self._answer.length)
            self.close()
        except ERRORS as error:
            raise fault_of(error, self._connection, idle or self._timeout) from None

    def cut(self) -> None:
        """End a read in another thread at once."""
        self._reader.cut()

    def close(self) -> None:
        """Leave the connection to other requests where the body was read to its end; give it up otherwise."""
        if self._is_over:
            return
        self._is_over = True
        if self._answer.isclosed() and not self._answer.will_close:
            self._pool.give_back(self._channel)
            return
        self._answer.close()
        self._channel.close()


class _Pool:
    """The connections to one server: the idle ones, the last used first, and all of them, to be cut."""

    def __init__(self, route: Route, most: int) -> None:
        self._route = route
        self._most = most
        self._lock = threading.Lock()
        self._idle: list[Channel] = []
        self._all: weakref.WeakSet[Channel] = weakref.WeakSet()
        self._ahead: list[_Opening] = []

    def open_ahead(self, count: int, deadline: float) -> None:
        """Begin to open connections for the first exchanges to come."""
        self._ahead += [_Opening(self._new(), deadline) for _ in range(count)]

    def take(self, deadline: float) -> Channel:
        """An open connection, for one exchange."""
        while (channel := self._idle_one()) is not None:
            if channel.is_usable:
                return channel
            channel.close()
        with self._lock:
            ahead = self._ahead.pop(0) if self._ahead else None
        if ahead is not None and (opened := ahead.result(deadline)) is not None:
            return opened
        channel = self._new()
        channel.open(deadline)
        return channel

    def give_back(self, channel: Channel) -> None:
        """Keep a connection whose exchange has ended for another."""
        with self._lock:
            if len(self._idle) < self._most:
                self._idle.append(channel)
                return
        channel.close()

    def close(self) -> None:
        """Cut every connection, from any thread."""
        with self._lock:
            channels = list(self._all)
        for channel in channels:
            channel.cut()

    def _new(self) -> Channel:
        channel = Channel(self._route)
        with self._lock:
            self._all.add(channel)
        return channel

    def _idle_one(self) -> Channel | None:
        with self._lock:
            return self._idle.pop() if self._idle else None


class _Opening:
    """A connection that is opened in a thread of its own."""

    def __init__(self, channel: Channel, deadline: float) -> None:
        self._channel = channel
        self._deadline = deadline
        self._opened_at = -math.inf
        self._has_ended = threading.Event()
        threading.Thread(target=self._open, name="connect", daemon=True).start()

    def result(self, deadline: float) -> Channel | None:
        """The connection once it is open; ``None`` where it has failed, is not open in time, or was kept too long."""
        self._has_ended.wait(left(deadline))
        if self._opened_at + _FRESH > time.monotonic() and self._channel.is_untouched:
            return self._channel
        self._channel.cut()
        return None

    def _open(self) -> None:
        try:
            self._channel.open(self._deadline)
            self._opened_at = time.monotonic()
        except Exception:
            pass  # the exchange meets with the same error, and tells of it
        finally:
            self._has_ended.set()


def _unpacked(raw: bytes) -> bytes:
    import zlib  # imported late: servers on loopback are not asked to compress

    try:
        return zlib.decompress(raw, _UNPACKED_BY_ZLIB)
    except zlib.error:
        raise BadPacking from None


def _host(netloc: str, scheme: str) -> str:
    """The value of ``Host``: without the scheme's own port, and an international name in ASCII."""
    text = netloc.removesuffix(f":{DEFAULT_PORTS[scheme]}")
    return text if text.isascii() else text.encode("idna").decode("ascii")
