"""One connection to one server: dialled, with TLS where it applies, and exchanges one at a time.

``http.client`` reads the answers. Every step counts against one deadline (``time.monotonic``).
"""

from __future__ import annotations

import contextlib
import http.client
import io
import queue
import select
import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING, Any, cast

from k8s_step.connection.exchange.faults import DialTimeout, Undialled
from k8s_step.connection.exchange.proxies import is_loopback

if TYPE_CHECKING:
    from k8s_step.connection.exchange.route import Route

_BUFFER = 65536
_SHORTEST_TRY = 2.0  # seconds that each of several addresses gets at least, as in Go's dialer
_KEEPALIVE = (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3))


class Channel:
    """One connection; not for two threads at once, but any thread may :meth:`cut` it."""

    def __init__(self, route: Route) -> None:
        self._route = route
        self._sock: Any = None
        self._dialled: socket.socket | None = None
        self.reader: TimedReader | None = None

    def open(self, deadline: float) -> None:
        """Reach the server and agree on TLS. Raises one of :data:`~k8s_step.connection.exchange.faults.ERRORS`."""
        sock: Any = None
        try:
            sock = self._route.reach(self, deadline)
            if self._route.context is not None:
                sock = secured(sock, self._route.context, self._route.server_name, deadline)
        except BaseException:
            if sock is not None:
                sock.close()
            raise
        finally:
            self._forget_dialled()
        self._sock = sock

    def exchange(self, method: str, message: bytes, deadline: float) -> http.client.HTTPResponse:
        """Send a whole request and read the answer's head."""
        self._sock.settimeout(left(deadline))
        # The server may answer before it has read everything, and close; the answer is then still to be read.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._sock.sendall(message)
        return self.answer(self._sock, method, deadline)

    @property
    def is_usable(self) -> bool:
        """Whether the idle connection is still open: a closed one is readable, for its end."""
        if not hasattr(select, "poll"):
            return not select.select([self._sock], [], [], 0)[0]
        poll = select.poll()
        poll.register(self._sock, select.POLLIN)
        return not poll.poll(0)

    @property
    def is_untouched(self) -> bool:
        """Whether a connection without any exchange yet is still open.

        Unlike an idle one it may be readable: for the session tickets of TLS 1.3, which are read here.
        """
        self._sock.settimeout(0)
        try:
            self._sock.recv(1)
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        except OSError:
            pass
        return False

    def cut(self) -> None:
        """End whatever is under way, from any thread."""
        for sock in (self._dialled, self._sock):
            if sock is not None:
                shut(sock)

    def close(self) -> None:
        """Close the connection."""
        if self._sock is not None:
            self._sock.close()

    def answer(self, sock: Any, method: str, deadline: float) -> http.client.HTTPResponse:
        """The answer to a request that was sent on ``sock``, its head read."""
        self.reader = TimedReader(sock, deadline)
        answer = http.client.HTTPResponse(cast(socket.socket, self.reader), method=method)
        try:
            answer.begin()
        except BaseException:
            answer.close()
            raise
        return answer

    def dial(self, host: str, port: int, deadline: float) -> socket.socket:
        """A socket to the first of the host's addresses that answers; each gets a share of the time, as in Go."""
        try:
            addresses = _addresses(host, port, left(deadline))
        except TimeoutError as error:
            raise DialTimeout from error
        cause = OSError("the name has no address")
        for index, (family, kind, protocol, _, address) in enumerate(addresses):
            rest = left(deadline)
            share = min(rest, max(rest / (len(addresses) - index), _SHORTEST_TRY))
            try:
                return self._connect(socket.socket(family, kind, protocol), address, share)
            except OSError as error:
                cause = error
        raise (DialTimeout if isinstance(cause, TimeoutError) else Undialled) from cause

    def _connect(self, sock: socket.socket, address: Any, timeout: float) -> socket.socket:
        try:
            set_options(sock)
            sock.settimeout(timeout)
            # A duplicate handle, to cut the connection with: during the handshake TLS owns the first one.
            self._dialled = sock.dup()
            sock.connect(address)
        except BaseException:
            self._forget_dialled()
            sock.close()
            raise
        return sock

    def _forget_dialled(self) -> None:
        if self._dialled is not None:
            self._dialled.close()
            self._dialled = None


class TimedReader(io.RawIOBase):
    """Reads a socket until an absolute deadline (``time.monotonic``) instead of a timeout that restarts at each byte.

    It has ``makefile``, the one method that ``http.client`` calls on a socket, and so takes a socket's place.
    """

    def __init__(self, sock: Any, deadline: float) -> None:
        self._sock = sock
        self._raw = cast(io.RawIOBase, sock.makefile("rb", buffering=0))
        self._deadline: float | None = deadline
        self._idle: float | None = None
        self._lock = threading.Lock()

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self, _BUFFER)

    def limit(self, *, idle: float | None) -> None:
        """Replace the deadline by at most ``idle`` seconds of silence."""
        self._deadline, self._idle = None, idle

    def cut(self) -> None:
        """End a read in another thread. An ended answer is left alone: its connection may serve another."""
        with self._lock:
            if not self.closed:
                shut(self._sock)

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


def secured(sock: Any, context: ssl.SSLContext, name: str, deadline: float) -> Any:
    """The socket with TLS on top, which may have TLS below it already, to a proxy."""
    sock.settimeout(left(deadline))
    if not isinstance(sock, ssl.SSLSocket):
        return context.wrap_socket(sock, server_hostname=_plain(name))
    from urllib3.util.ssltransport import SSLTransport  # imported late: few proxies are reached by TLS

    return SSLTransport(sock, context, name)


def set_options(sock: socket.socket) -> None:
    """No delay, and keep-alive probes that detect a dead peer of a silent watch in about a minute."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE:
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _addresses(host: str, port: int, timeout: float) -> list[Any]:
    """``getaddrinfo`` in a thread, given up after ``timeout`` seconds: the resolver itself may take much longer."""
    if is_loopback(host) or host.replace(".", "").isdigit():
        return _looked_up(host, port)
    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            answers.put(_looked_up(host, port))
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


def _looked_up(host: str, port: int) -> list[Any]:
    return socket.getaddrinfo(_plain(host), port, type=socket.SOCK_STREAM)


def _plain(host: str) -> str | bytes:
    """``host`` as bytes where it is ASCII, as Python else imports its tables for international names for it."""
    return host.encode("ascii") if host.isascii() else host


def left(deadline: float) -> float:
    return max(deadline - time.monotonic(), 0.001)


def shut(sock: Any) -> None:
    """Shut a socket down under a thread that reads it; the TLS layer, which that thread uses, is left alone."""
    plain = getattr(sock, "socket", sock)  # urllib3's TLS inside TLS holds the socket
    with contextlib.suppress(OSError):
        socket.socket.shutdown(plain, socket.SHUT_RDWR)
