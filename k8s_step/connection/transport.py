"""One HTTP exchange with one server: with our own TLS settings, strict timeouts and plain error messages.

With ``faults`` and ``tls`` this is the only code that imports ``requests`` or its urllib3. It reads no environment
variable.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import queue
import socket
import threading
import time
import weakref
from collections.abc import Iterator, Mapping
from typing import Any, cast
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3 import HTTPHeaderDict
from urllib3.exceptions import ConnectTimeoutError, InsecureRequestWarning, NameResolutionError, NewConnectionError

from k8s_step.connection.credentials import Certificate
from k8s_step.connection.faults import ERRORS, fault_of, without_password
from k8s_step.connection.proxies import is_loopback
from k8s_step.connection.settings import Connection
from k8s_step.connection.tls import tls_context
from k8s_step.errors import InputError


def parsed(raw: bytes) -> dict[str, Any] | None:
    """``raw`` parsed as a JSON object; ``None`` where it is anything else."""
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds of a ``Retry-After`` header, or ``None``; a date counts as none, since the API server sends no dates."""
    text = headers.get("Retry-After") or ""
    return float(text) if text.isascii() and text.isdigit() else None


__all__ = ["HTTPHeaderDict", "Reply", "Transport"]
_CHUNK = 65536
_SHORTEST_TRY = 2.0  # seconds that each of several addresses gets at least, as in Go's dialer
_KEEPALIVE = (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3))


class Transport:
    """Kept-alive connections to one server, with one TLS identity; thread-safe."""

    def __init__(self, connection: Connection, certificate: Certificate | None, *, connections: int) -> None:
        self._connection = connection
        self._lines = _Lines()
        self._adapter = _Adapter(connection, certificate, self._lines, connections)
        self._proxies = _for_requests(connection)

    def open(self, method: str, target: str, headers: HTTPHeaderDict, body: bytes | None, timeout: float) -> Reply:
        """Send one request and read the answer's head; ``target`` is path and query.

        ``timeout`` (seconds) bounds everything: connecting, sending, head and body. Raises :class:`Fault`.
        """
        request = requests.PreparedRequest()
        request.method, request.url, request.body = method, self._connection.server + target, body
        request.headers = headers  # type: ignore[assignment]  # repeats a header, as Impersonate-Group must
        limit = urllib3.Timeout(total=max(timeout, 0.001))
        try:
            answer = self._adapter.send(request, timeout=cast(float, limit), proxies=self._proxies)
        except ERRORS as error:
            raise fault_of(error, self._connection, timeout) from None
        return Reply(answer.raw, self._connection, timeout)

    def close(self) -> None:
        """End every exchange under way, from any thread."""
        self._lines.cut()
        self._adapter.close()


class Reply:
    """An answer whose head has been read."""

    def __init__(self, raw: Any, connection: Connection, timeout: float) -> None:
        self._raw = raw
        self._connection = connection
        self._timeout = timeout
        self._reader: _TimedReader = raw.reader
        self.code: int = raw.status
        self.headers: HTTPHeaderDict = raw.headers

    def read(self) -> bytes:
        """The whole body, unpacked, within the exchange's timeout."""
        try:
            return cast(bytes, self._raw.read(decode_content=True))
        except ERRORS as error:
            self.close()
            raise fault_of(error, self._connection, self._timeout) from None

    def chunks(self, idle: float | None) -> Iterator[bytes]:
        """The body as it arrives, not decompressed: request no compression. ``idle``: longest silence in seconds."""
        self._reader.limit(idle=idle)
        try:
            while data := self._raw.read1(_CHUNK, decode_content=False):
                yield data
        except ERRORS as error:
            raise fault_of(error, self._connection, idle or self._timeout) from None

    def cut(self) -> None:
        """End a read in another thread at once."""
        self._reader.cut()

    def close(self) -> None:
        """Give up the connection; only a body read to its end leaves it in the pool."""
        self._raw.close()
        self._raw.release_conn()


class _TimedReader(io.RawIOBase):
    """Reads a socket until an absolute deadline (``time.monotonic``) instead of a timeout that restarts at each byte.

    It has ``makefile``, the one method that ``http.client`` calls on a socket, and so takes a socket's place.
    """

    def __init__(self, sock: socket.socket, deadline: float | None) -> None:
        self._sock = sock
        self._raw = cast(io.RawIOBase, sock.makefile("rb", buffering=0))
        self._deadline = deadline
        self._idle: float | None = None
        self._lock = threading.Lock()

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self, _CHUNK)

    def limit(self, *, idle: float | None) -> None:
        """Replace the deadline by at most ``idle`` seconds of silence."""
        self._deadline, self._idle = None, idle

    def cut(self) -> None:
        """End a read in another thread. An ended answer is left alone: its connection may serve another."""
        with self._lock:
            if not self.closed:
                _shut(self._sock)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        patience = self._idle
        if self._deadline is not None:
            patience = self._deadline - time.monotonic()
            if patience <= 0:
                raise TimeoutError("timed out")
        self._sock.settimeout(patience)
        return cast("int | None", self._raw.readinto(buffer))

    def close(self) -> None:
        with self._lock:
            self._raw.close()
            super().close()


class _Lines:
    """All open connections, so that another thread can cut them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connections: weakref.WeakSet[_Timed] = weakref.WeakSet()

    def add(self, connection: _Timed) -> None:
        with self._lock:
            self._connections.add(connection)

    def cut(self) -> None:
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            connection.cut()


class _Timed:
    """Mixed into urllib3's connections: one deadline for name, dialling, TLS, proxy tunnel, head and body."""

    lines: _Lines
    timeout: float | None
    sock: Any

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._deadline: float | None = None
        self._dialled: socket.socket | None = None
        self._reader: _TimedReader | None = None
        self.lines.add(self)

    def connect(self) -> None:
        self._deadline = _moment(self.timeout)
        try:
            super().connect()  # type: ignore[misc]
        finally:
            self._forget_dialled()

    def getresponse(self) -> Any:
        self._deadline = _moment(self.timeout)
        response = super().getresponse()  # type: ignore[misc]
        response.reader = self._reader
        return response

    def response_class(self, sock: Any, *args: Any, **options: Any) -> http.client.HTTPResponse:
        """Hook that ``http.client`` calls to read an answer's head, including a proxy's answer to CONNECT."""
        self._reader = _TimedReader(sock, self._deadline)
        return http.client.HTTPResponse(cast(socket.socket, self._reader), *args, **options)

    def cut(self) -> None:
        for sock in (self._dialled, self.sock):
            if sock is not None:
                _shut(sock)

    def _remember_dialled(self, sock: socket.socket) -> None:
        # A duplicate handle, to cut the connection with: during the handshake TLS owns the first one.
        self._dialled = sock.dup()

    def _forget_dialled(self) -> None:
        if self._dialled is not None:
            self._dialled.close()
            self._dialled = None


class _Dialled(_Timed):
    """A connection that also dials by itself: it looks up the name and tries every address within the deadline."""

    host: str
    port: int
    _dns_host: str
    socket_options: Any

    def _new_conn(self) -> socket.socket:
        try:
            addresses = _addresses(self._dns_host, self.port, _left(self._deadline))
            return self._first_reached(addresses)
        except (socket.gaierror, UnicodeError) as error:
            raise NameResolutionError(self.host, self, cast(socket.gaierror, error)) from error  # type: ignore[arg-type]
        except TimeoutError as error:
            raise ConnectTimeoutError(self, "timed out") from error
        except OSError as error:
            raise NewConnectionError(self, "failed") from error  # type: ignore[arg-type]

    def _first_reached(self, addresses: list[Any]) -> socket.socket:
        """A socket to the first address that answers; each gets its share of the time, as in Go's dialer."""
        error: OSError = OSError("the name has no address")
        for index, (family, kind, protocol, _, address) in enumerate(addresses):
            left = _left(self._deadline)
            share = left if left is None else min(left, max(left / (len(addresses) - index), _SHORTEST_TRY))
            try:
                return self._dial(socket.socket(family, kind, protocol), address, share)
            except OSError as failed:
                error = failed
        raise error

    def _dial(self, sock: socket.socket, address: Any, timeout: float | None) -> socket.socket:
        try:
            for option in self.socket_options or ():
                sock.setsockopt(*option)
            sock.settimeout(timeout)
            self._remember_dialled(sock)
            sock.connect(address)
            sock.settimeout(_left(self._deadline))
        except BaseException:
            self._forget_dialled()
            sock.close()
            raise
        return sock


class _Adapter(HTTPAdapter):
    """requests' adapter with one pool, whose TLS settings nothing in the environment can change."""

    def __init__(
        self, connection: Connection, certificate: Certificate | None, lines: _Lines, connections: int
    ) -> None:
        self._connection = connection
        self._options = _pool_options(connection, certificate)
        super().__init__(pool_connections=1, pool_maxsize=connections)
        self._pool = self._made_pool(lines)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **options: Any) -> None:
        super().init_poolmanager(connections, maxsize, block, **options, **self._options)

    def cert_verify(self, *_: Any) -> None:
        """Do nothing: requests would replace the cluster's CA by its own bundle here."""

    def get_connection_with_tls_context(self, *_: Any, **__: Any) -> Any:
        return self._pool

    def build_response(self, req: requests.PreparedRequest, resp: Any) -> requests.Response:
        """A response with only the fields that :class:`Reply` reads: no cookies, no encodings."""
        response = requests.Response()
        response.raw, response.status_code, response.request = resp, resp.status, req
        return response

    def _made_pool(self, lines: _Lines) -> Any:
        url = urlsplit(self._connection.server)
        proxy = self._connection.proxy_url
        manager = self._proxy_manager(proxy) if proxy else self.poolmanager
        pool = manager.connection_from_host(url.hostname, url.port, url.scheme)
        bases = (_Timed if proxy and proxy.startswith("socks") else _Dialled, pool.ConnectionCls)
        pool.ConnectionCls = type("Connection", bases, {"lines": lines})
        return pool

    def _proxy_manager(self, proxy: str) -> Any:
        options = dict(self._options)
        if proxy.startswith("https:"):
            # As in Go, a proxy's own certificate is checked against the cluster's CA. The system's trust store counts
            # as well, since a company's proxy is usually signed by a CA in it.
            options["proxy_ssl_context"] = tls_context(self._connection, None, with_system=True)
        try:
            return self.proxy_manager_for(_as_go(proxy), **options)
        except requests.exceptions.InvalidSchema:
            raise InputError(
                "a SOCKS proxy needs PySocks, which is not installed",
                where=without_password(proxy),
                hint="pip install 'k8s-step[socks]' (the image holds it), or use an http proxy",
            ) from None


def _as_go(proxy: str) -> str:
    """``proxy`` in urllib3's spelling: Go lets a socks5 proxy look up names, which urllib3 calls socks5h."""
    return proxy.replace("socks5:", "socks5h:", 1)


def _for_requests(connection: Connection) -> dict[str, str] | None:
    """The ``proxies`` argument of requests, which makes it write the whole URL into a plain HTTP request."""
    proxy = connection.proxy_url
    return {urlsplit(connection.server).scheme: _as_go(proxy)} if proxy else None


def _pool_options(connection: Connection, certificate: Certificate | None) -> dict[str, Any]:
    options: dict[str, Any] = {"socket_options": _socket_options()}
    if connection.server.startswith("https:"):
        options["ssl_context"] = tls_context(connection, certificate)
        if connection.tls_server_name:
            options["server_hostname"] = connection.tls_server_name
        if connection.insecure:
            urllib3.disable_warnings(InsecureRequestWarning)  # the step warns once by itself
    return options


def _socket_options() -> list[tuple[int, int, int]]:
    """Socket options: no delay, and keep-alive probes that detect a dead peer of a silent watch in about a minute."""
    probes = [(socket.IPPROTO_TCP, getattr(socket, name), value) for name, value in _KEEPALIVE if hasattr(socket, name)]
    return [
        (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        *probes,
    ]


def _addresses(host: str, port: int, timeout: float | None) -> list[Any]:
    """``getaddrinfo`` in a thread, given up after ``timeout`` seconds: the resolver itself may take much longer."""
    if is_loopback(host) or timeout is None or host.replace(".", "").isdigit():
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            answers.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except Exception as error:
            answers.put(error)

    threading.Thread(target=look_up, name="look-up", daemon=True).start()
    try:
        answer = answers.get(timeout=timeout)
    except queue.Empty:
        raise TimeoutError("the name was not looked up in time") from None
    if isinstance(answer, Exception):
        raise answer
    return cast("list[Any]", answer)


def _moment(timeout: float | None) -> float | None:
    return None if timeout is None else time.monotonic() + timeout


def _left(deadline: float | None) -> float | None:
    return None if deadline is None else max(deadline - time.monotonic(), 0.001)


def _shut(sock: Any) -> None:
    """Shut a socket down under a thread that reads it; the TLS layer, which that thread uses, is left alone."""
    plain = getattr(sock, "socket", sock)  # urllib3's TLS inside TLS holds the socket
    with contextlib.suppress(OSError):
        socket.socket.shutdown(plain, socket.SHUT_RDWR)
