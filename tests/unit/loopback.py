"""A bare HTTP server on loopback for transport tests: it says what a test wants, byte by byte if need be."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.controlplane.pki import Authority


@dataclass
class Exchange:
    """One request as it came, and the ways to answer it. ``headers`` keeps order and repetitions."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes
    sock: socket.socket = field(repr=False)
    closes: bool = False
    client_certificate: dict[str, Any] | None = None

    def header(self, name: str) -> str | None:
        """The first header of this name."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def send(self, data: bytes) -> None:
        """Raw bytes."""
        self.sock.sendall(data)

    def reply(
        self,
        code: int = 200,
        body: bytes | dict[str, Any] = b'{"metadata":{"name":"web"}}',
        *headers: str,
        content_type: str = "application/json",
    ) -> None:
        """A whole answer; ``headers`` are lines such as ``Retry-After: 1``."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        lines = [f"HTTP/1.1 {code} X", f"Content-Type: {content_type}", f"Content-Length: {len(data)}", *headers]
        self.send("\r\n".join([*lines, "", ""]).encode() + data)

    def begin_chunks(self) -> None:
        """The head of an answer that comes in chunks."""
        self.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")

    def chunk(self, data: bytes) -> None:
        """One chunk; an empty one is the clean end."""
        self.send(b"%x\r\n%s\r\n" % (len(data), data))

    def close(self) -> None:
        """Close the connection when the handler returns."""
        self.closes = True


Handler = Callable[[Exchange], None]


class Loopback:
    """Serves until the ``with`` block ends; ``exchanges`` are the requests it got, ``connections`` a count."""

    def __init__(self, handler: Handler, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> None:
        self.handler = handler
        self.exchanges: list[Exchange] = []
        self.connections = 0
        self._tls = tls
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, 0), family=family)
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self.ended = threading.Event()

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self) -> Loopback:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.ended.set()
        for sock in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
            sock.close()

    def _accept(self) -> None:
        while not self.ended.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError), plain:
            sock = self._tls.wrap_socket(plain, server_side=True) if self._tls else plain
            self._open.append(sock)
            with sock, sock.makefile("rb") as reader:
                while (exchange := self._read(reader, sock)) is not None:
                    self.exchanges.append(exchange)
                    self.handler(exchange)
                    if exchange.closes:
                        return

    def _read(self, reader: Any, sock: socket.socket) -> Exchange | None:
        line = reader.readline().decode()
        if not line:
            return None
        method, target, _ = line.split(" ", 2)
        headers = []
        while (line := reader.readline().decode().strip()) != "":
            name, _, value = line.partition(":")
            headers.append((name, value.strip()))
        length = next((int(value) for name, value in headers if name.lower() == "content-length"), 0)
        certificate = sock.getpeercert() if isinstance(sock, ssl.SSLSocket) else None
        return Exchange(method, target, headers, reader.read(length), sock, client_certificate=certificate)


def in_turn(*handlers: Handler) -> Handler:
    """Each handler once, then the last for ever."""
    left = list(handlers)
    return lambda exchange: (left.pop(0) if len(left) > 1 else left[0])(exchange)


def server_tls(
    authority: Authority, hosts: Sequence[str] = ("127.0.0.1", "localhost"), *, client_ca: bytes | None = None
) -> ssl.SSLContext:
    """TLS for a server with a certificate for ``hosts``; with ``client_ca`` it wants a client certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        context.load_cert_chain(*authority.sign("server", hosts=hosts).write(Path(folder), "server"))
    if client_ca:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=client_ca.decode())
    return context
