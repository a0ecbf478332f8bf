"""The proxy that delays, the listener that notes, the server that takes so much a second."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from tests.bench.wire.delay import delayed, due
from tests.bench.wire.listener import listening
from tests.bench.wire.ration import Bucket
from tests.conftest import poll

_PATIENCE = 60.0


@contextlib.contextmanager
def server(handle: Callable[[socket.socket], None]) -> Iterator[int]:
    """Serves each connection in a thread."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def run() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    threading.Thread(target=handle, args=(connection,), daemon=True).start()

        threading.Thread(target=run, daemon=True).start()
        yield listener.getsockname()[1]


def echo(connection: socket.socket) -> None:
    with connection:
        while data := connection.recv(65536):
            connection.sendall(data)


def connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), _PATIENCE)


def read(connection: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size and (data := connection.recv(65536)):
        found += data
    return found


def test_bytes_are_due_half_a_round_trip_later_and_the_first_after_a_handshake() -> None:
    assert due(10.0, 10.0, 0.5) == 10.75
    assert due(10.5, 10.0, 0.5) == 10.75
    assert due(20.0, 10.0, 0.5) == 20.25


@pytest.mark.parametrize("round_trip", [0.0, 0.01])
def test_what_goes_in_comes_out(round_trip: float) -> None:
    sent = bytes(range(256)) * 4096
    with server(echo) as port, delayed(port, round_trip) as near, connected(near) as connection:
        threading.Thread(target=connection.sendall, args=(sent,), daemon=True).start()
        assert read(connection, len(sent)) == sent


def test_an_answer_is_not_there_sooner_than_the_round_trip() -> None:
    """A machine under load makes it later, never sooner."""
    with server(echo) as port, delayed(port, 0.2) as near:
        begun = time.monotonic()
        with connected(near) as connection:
            connection.sendall(b"a")
            assert read(connection, 1) == b"a"
        assert time.monotonic() - begun >= 0.4  # the handshake's, and the byte's own


def test_the_end_of_each_side_is_passed_on() -> None:
    with server(lambda connection: connection.close()) as port, delayed(port, 0.01) as near:
        assert read(connected(near), 1) == b""
    ended = threading.Event()

    def wait(connection: socket.socket) -> None:
        assert connection.recv(1) == b""
        ended.set()

    with server(wait) as port, delayed(port, 0.01) as near:
        connected(near).close()
        assert ended.wait(_PATIENCE)


def test_a_server_that_is_not_there_ends_the_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with delayed(port, 0.0) as near, connected(near) as connection:
        assert read(connection, 1) == b""


def test_the_first_byte_is_noted_and_ends_all_connections() -> None:
    with listening() as listener:
        begun = time.monotonic()
        silent, speaking = connected(listener.port), connected(listener.port)
        assert listener.first is None
        speaking.sendall(b"hello")
        poll(lambda: listener.first is not None, "the first byte")
        assert begun <= listener.first <= time.monotonic()
        with contextlib.suppress(ConnectionError):
            assert read(silent, 1) == b""


def test_a_bucket_gives_its_rate_and_no_more() -> None:
    now = [100.0]
    bucket = Bucket(20, lambda: now[0])
    assert [bucket.take() for _ in range(21)] == [True] * 20 + [False]
    now[0] += 0.5
    assert [bucket.take() for _ in range(11)] == [True] * 10 + [False]
    now[0] += 3600
    assert [bucket.take() for _ in range(21)] == [True] * 20 + [False]
    assert bucket.refused == 3
