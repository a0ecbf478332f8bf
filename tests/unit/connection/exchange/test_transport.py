"""A connection that is opened ahead of the first exchange, which takes it or, where it is no good, connects anew."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from k8s_step.connection.exchange import transport
from k8s_step.connection.exchange.faults import Fault
from k8s_step.connection.exchange.transport import Transport
from k8s_step.connection.identity.credentials import Certificate
from k8s_step.connection.settings import Connection
from tests.conftest import poll
from tests.controlplane.pki import Authority
from tests.unit.loopback import Exchange, Loopback, server_tls


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority("the cluster")


@pytest.fixture
def server(authority: Authority) -> Iterator[Loopback]:
    with Loopback(lambda exchange: exchange.reply(), server_tls(authority)) as running:
        yield running


def opened(server: Loopback, authority: Authority) -> Transport:
    made = Transport(Connection(server.url, "test", ca=authority.certificate), None, connections=4)
    made.open_ahead(1, 60)
    return made


def get(made: Transport) -> int:
    reply = made.open("GET", "/version", b"", None, 60)
    reply.read()
    return reply.code


def test_the_first_exchange_takes_it(server: Loopback, authority: Authority) -> None:
    made = opened(server, authority)
    poll(lambda: server.connections, "the connection")
    assert not server.exchanges
    assert [get(made), get(made)] == [200, 200]
    assert server.connections == 1, "also with the session tickets of TLS 1.3 unread"


def test_an_exchange_waits_for_what_is_under_way(authority: Authority) -> None:
    """Nothing is accepted before the exchange has begun, which then opens no second connection."""
    begun = threading.Event()

    class Slow(Loopback):
        def _accept(self) -> None:
            assert begun.wait(60)
            super()._accept()

    with Slow(lambda exchange: exchange.reply(), server_tls(authority)) as server:
        made = opened(server, authority)
        codes: list[int] = []
        thread = threading.Thread(target=lambda: codes.append(get(made)))
        thread.start()
        begun.set()
        thread.join(60)
        assert (codes, server.connections) == ([200], 1)


@pytest.mark.parametrize("ahead", [1, 2, 3])
def test_two_exchanges_at_once(ahead: int, authority: Authority) -> None:
    both = threading.Barrier(2)

    def answer(exchange: Exchange) -> None:
        both.wait(60)
        exchange.reply()

    with Loopback(answer, server_tls(authority)) as server:
        made = Transport(Connection(server.url, "test", ca=authority.certificate), None, connections=4)
        made.open_ahead(ahead, 60)
        poll(lambda: server.connections == ahead, "the connections")
        threads = [threading.Thread(target=get, args=(made,)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert (server.connections, len(server.exchanges)) == (max(ahead, 2), 2)


def test_what_the_server_has_closed_meanwhile_is_not_used() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        made = Transport(Connection(f"http://127.0.0.1:{listener.getsockname()[1]}", "test"), None, connections=4)
        made.open_ahead(1, 60)
        listener.accept()[0].close()

        def serve() -> None:
            sock, _ = listener.accept()
            with sock:
                sock.recv(65536)
                sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

        threading.Thread(target=serve, daemon=True).start()
        assert get(made) == 200


def test_what_was_kept_too_long_is_not_used(
    server: Loopback, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "_FRESH", 0.0)
    assert get(opened(server, authority)) == 200
    assert server.connections == 2


def test_a_failure_is_told_by_the_exchange(authority: Authority, capfd: pytest.CaptureFixture[str]) -> None:
    with Loopback(lambda exchange: exchange.reply(), server_tls(authority)) as server:
        made = opened(server, Authority("somebody else"))
        with pytest.raises(Fault) as fault:
            get(made)
    assert "certificate" in fault.value.reason
    gone = Transport(Connection(server.url, "test", ca=authority.certificate), None, connections=4)
    gone.open_ahead(1, 60)
    with pytest.raises(Fault) as fault:
        get(gone)
    assert "refused" in fault.value.reason
    assert capfd.readouterr() == ("", "")


def test_a_client_certificate(authority: Authority) -> None:
    pair = authority.sign("jane")
    tls = server_tls(authority, client_ca=authority.certificate)
    with Loopback(lambda exchange: exchange.reply(), tls) as server:
        connection = Connection(server.url, "test", ca=authority.certificate)
        for certificate, works in ((Certificate(pair.certificate, pair.key), True), (None, False)):
            made = Transport(connection, certificate, connections=4)
            made.open_ahead(1, 60)
            if works:
                assert get(made) == 200
                continue
            with pytest.raises(Fault):
                get(made)
        assert len(server.exchanges) == 1 and server.exchanges[0].client_certificate


def test_closing_ends_it(authority: Authority) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        made = Transport(
            Connection(f"https://127.0.0.1:{listener.getsockname()[1]}", "test", ca=authority.certificate),
            None,
            connections=4,
        )
        made.open_ahead(1, 60)
        sock, _ = listener.accept()
        with sock:
            assert sock.recv(1), "the beginning of a handshake that is never answered"
            made.close()
            sock.settimeout(60)
            while sock.recv(65536):
                pass
