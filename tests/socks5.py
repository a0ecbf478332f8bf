"""A SOCKS5 proxy on loopback (RFC 1928, RFC 1929): whatever it is asked for, it connects to one port, or refuses."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from types import TracebackType

NAME, IPV4, IPV6 = 3, 1, 4
_NO_LOGIN, _BY_PASSWORD, _NONE_FITS = 0, 2, 0xFF


class Socks5:
    """Serves until the ``with`` block ends; ``asked`` are the hosts and ports it was asked for.

    ``reply``: the code of its answers, 0 for a connection to ``port``. ``login``: user and password that it wants.
    """

    def __init__(self, port: int, reply: int = 0, login: tuple[str, str] | None = None) -> None:
        self._onward, self._reply, self._login = port, reply, login
        self.asked: list[tuple[str, int]] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []

    @property
    def url(self) -> str:
        login = f"{':'.join(self._login)}@" if self._login else ""
        return f"socks5://{login}127.0.0.1:{self.port}"

    def __enter__(self) -> Socks5:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        for sock in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                self._open.append(sock)
                threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError, EOFError), sock:
            if not self._lets_in(sock):
                return
            self.asked.append(_asked(sock))
            sock.sendall(bytes((5, self._reply, 0, IPV4)) + bytes(6))
            if self._reply == 0:
                self._splice(sock)

    def _lets_in(self, sock: socket.socket) -> bool:
        _, count = _read(sock, 2)
        offered = _read(sock, count)
        wanted = _BY_PASSWORD if self._login else _NO_LOGIN
        sock.sendall(bytes((5, wanted if wanted in offered else _NONE_FITS)))
        if wanted not in offered or self._login is None:
            return wanted in offered
        _read(sock, 1)
        given = tuple(_read(sock, _read(sock, 1)[0]).decode() for _ in range(2))
        sock.sendall(bytes((1, 0 if given == self._login else 1)))
        return given == self._login

    def _splice(self, sock: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", self._onward)) as onward:
            self._open.append(onward)
            back = threading.Thread(target=_pump, args=(onward, sock), daemon=True)
            back.start()
            _pump(sock, onward)
            back.join(60)


def _asked(sock: socket.socket) -> tuple[str, int]:
    _, _, _, kind = _read(sock, 4)
    if kind == NAME:
        host = _read(sock, _read(sock, 1)[0]).decode()
    else:
        family, length = (socket.AF_INET, 4) if kind == IPV4 else (socket.AF_INET6, 16)
        host = socket.inet_ntop(family, _read(sock, length))
    return host, struct.unpack("!H", _read(sock, 2))[0]


def _read(sock: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        part = sock.recv(count - len(found))
        if not part:
            raise EOFError
        found += part
    return found


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
