"""What must not be done twice, where time runs out before it is known whether it was done."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from k8s_step.api.client import Client, Manner, Pace
from k8s_step.api.delivery import deliver
from k8s_step.api.request import Answer, Request
from k8s_step.connection.settings import Connection
from k8s_step.errors import AnswerLostError, TimedOutError
from tests.unit.loopback import Loopback

CREATE = Request("POST", "/api/v1/namespaces/shop/configmaps", body=b"{}", retry=False, where="configmap/shop/web")


@pytest.fixture
def client() -> Iterator[Client]:
    """Of a server that takes each request and says nothing."""
    with Loopback(lambda exchange: exchange.close()) as server:
        made = Client(Connection(server.url, "test"), Manner(10.0))
        yield made
        made.close()


def test_no_time_to_look(client: Client) -> None:
    def look() -> Answer | None:
        raise TimedOutError("no time is left for the request")

    with pytest.raises(AnswerLostError, match="may have done it"):
        deliver(client.until(time.monotonic() + 60), CREATE, look)


def test_no_time_to_send_again() -> None:
    now = time.monotonic()
    with Loopback(lambda exchange: exchange.close()) as server:

        def overslept(_: float) -> None:
            nonlocal now
            now += 120

        client = Client(Connection(server.url, "test"), Manner(10.0), pace=Pace(clock=lambda: now, sleep=overslept))
        with pytest.raises(AnswerLostError, match="may have done it"):
            deliver(client.until(time.monotonic() + 60), CREATE, lambda: None)
        client.close()


def test_a_server_that_was_never_reached_in_time(client: Client) -> None:
    with pytest.raises(TimedOutError):
        deliver(client.until(time.monotonic() - 1), CREATE, lambda: None)
