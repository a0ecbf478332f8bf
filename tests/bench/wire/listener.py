"""A listener on loopback that notes when the first byte came, and then ends all connections without an answer."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator


class Listener:
    """``port`` to be connected to; ``first`` is the time of the first byte on any connection (``time.monotonic``)."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.first: float | None = None
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []

    def run(self) -> None:
        """Take connections until :meth:`close`."""
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(connection)
            threading.Thread(target=self._wait, args=(connection,), daemon=True).start()

    def close(self) -> None:
        """End all connections; further ones are refused."""
        for each in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _wait(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            if connection.recv(1):
                now = time.monotonic()
                with self._lock:
                    self.first = self.first or now
                self.close()


@contextlib.contextmanager
def listening() -> Iterator[Listener]:
    """A listener until the block ends."""
    listener = Listener()
    thread = threading.Thread(target=listener.run, name="listener", daemon=True)
    thread.start()
    try:
        yield listener
    finally:
        listener.close()
        thread.join(10)
