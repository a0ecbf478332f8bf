"""A PUT whose answer was lost, and the refusal of fields that can't change."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from k8s_step.api.client import Client, Manner
from k8s_step.connection.settings import Connection
from k8s_step.errors import ApiErrors, ConflictError, InvalidError
from k8s_step.objects.address import Address
from k8s_step.objects.reference import Reference
from k8s_step.objects.resource import required
from k8s_step.operations.plan import ApplyOptions, Planned, Written
from k8s_step.operations.replace import GuardedPut
from tests.unit.loopback import Exchange, Loopback

SERVICE = required("v1", "Service")
Object = dict[str, Any]


def service(version: str, port: int, uid: str = "u") -> Object:
    metadata = {"name": "web", "namespace": "shop", "uid": uid, "resourceVersion": version}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": [{"port": port}]}}


def planned(port: int) -> Planned:
    manifest = service("", port)
    manifest["metadata"] = {"name": "web", "namespace": "shop"}
    return Planned(Address(SERVICE, Reference.to(manifest)), manifest)


class Server:
    """Holds one Service at version 1. The first PUT gets no answer; ``meanwhile`` is what it does all the same."""

    def __init__(self, meanwhile: Callable[[Object], Object | None]) -> None:
        self.object = service("1", 80)
        self.puts = 0
        self._meanwhile = meanwhile
        self.http = Loopback(self._answer)

    def _answer(self, exchange: Exchange) -> None:
        if exchange.method == "GET":
            exchange.reply(200, self.object)
            return
        sent = json.loads(exchange.body)
        if "dryRun=All" in exchange.target:
            exchange.reply(200, {**sent, "metadata": {**sent["metadata"], "uid": "u"}})
            return
        self.puts += 1
        if self.puts == 1:
            self.object = self._meanwhile(sent) or self.object
            exchange.close()
            return
        self.object = {**sent, "metadata": {**self.object["metadata"], "resourceVersion": "2"}}
        exchange.reply(200, self.object)


@pytest.fixture
def made() -> Iterator[Callable[[Server], Written]]:
    def make(server: Server) -> Written:
        with server.http:
            client = Client(Connection(server.http.url, "test"), Manner(60.0))
            try:
                return GuardedPut(client, planned(81), ApplyOptions()).make()
            finally:
                client.close()

    yield make


def test_what_was_not_done_is_sent_again(made: Callable[[Server], Written]) -> None:
    server = Server(lambda _: None)
    assert made(server).action == "replaced"
    assert (server.puts, server.object["spec"]["ports"]) == (2, [{"port": 81}])


def test_what_was_done_is_not_done_twice(made: Callable[[Server], Written]) -> None:
    server = Server(lambda _: service("2", 81))
    written = made(server)
    assert (written.action, written.object["metadata"]["resourceVersion"]) == ("replaced", "2")
    assert server.puts == 1


def test_what_somebody_else_did_is_a_conflict(made: Callable[[Server], Written]) -> None:
    server = Server(lambda _: service("2", 82))
    with pytest.raises(ConflictError, match="it changed since resourceVersion 1"):
        made(server)
    assert server.puts == 1


def test_each_field_that_cannot_change_has_the_way_out() -> None:
    causes = [
        {"field": "spec.clusterIP", "message": "Invalid value: field is immutable"},
        {"field": "spec.ports", "message": "Required value"},
    ]
    status = {"kind": "Status", "reason": "Invalid", "code": 422, "message": "no", "details": {"causes": causes}}

    def answer(exchange: Exchange) -> None:
        exchange.reply(
            422 if exchange.method == "PUT" else 200, status if exchange.method == "PUT" else service("1", 80)
        )

    with Loopback(answer) as server:
        client = Client(Connection(server.url, "test"), Manner(60.0))
        with pytest.raises((ApiErrors, InvalidError)) as caught:
            GuardedPut(client, planned(81), ApplyOptions()).make()
        client.close()
    errors = caught.value.errors if isinstance(caught.value, ApiErrors) else [caught.value]
    hints = {error.message.partition(":")[0]: error.hint or "" for error in errors}
    assert "delete it and create it anew" in hints["spec.clusterIP"]
    assert "delete it" not in hints["spec.ports"]
