"""A drift that is closed while others write: the patch shown is the patch sent, or none is sent."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from k8s_step.api.client import Client, Manner
from k8s_step.connection.settings import Connection
from k8s_step.errors import ConflictError
from k8s_step.objects.address import Address
from k8s_step.objects.body import PatchType
from k8s_step.objects.reference import Reference
from k8s_step.objects.resource import required
from k8s_step.operations import drift
from k8s_step.operations.plan import ApplyOptions, Planned, Written
from tests.unit.loopback import Exchange, Loopback

Object = dict[str, Any]


def config_map(version: int, **data: str) -> Object:
    metadata = {"name": "tone", "namespace": "shop", "uid": "u", "resourceVersion": str(version)}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


class Server:
    """Holds one ConfigMap. Before the first patch is taken, ``meanwhile`` makes another object of it."""

    def __init__(self, meanwhile: Callable[[Object], Object], **data: str) -> None:
        self.object = config_map(1, **data)
        self.patches: list[Any] = []
        self._meanwhile: Callable[[Object], Object] | None = meanwhile
        self.http = Loopback(self._answer)

    def _answer(self, exchange: Exchange) -> None:
        if exchange.method == "GET":
            exchange.reply(200, self.object)
        elif "dryRun=All" in exchange.target:
            applied = json.loads(exchange.body)
            exchange.reply(200, {**self.object, "data": {**self.object["data"], **applied["data"]}})
        else:
            self._patch(exchange)

    def _patch(self, exchange: Exchange) -> None:
        body = json.loads(exchange.body)
        if self._meanwhile is not None:
            self.object, self._meanwhile = self._meanwhile(self.object), None
        if body["metadata"]["resourceVersion"] != self.object["metadata"]["resourceVersion"]:
            exchange.reply(409, {"kind": "Status", "reason": "Conflict", "code": 409, "message": "modified"})
            return
        self.patches.append(body)
        version = int(self.object["metadata"]["resourceVersion"]) + 1
        self.object = config_map(version, **{**self.object["data"], **body["data"]})
        exchange.reply(200, self.object)


def closed(server: Server, **wanted: str) -> Written:
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "tone", "namespace": "shop"}}
    planned = Planned(Address(required("v1", "ConfigMap"), Reference.to(manifest)), {**manifest, "data": wanted})
    with server.http:
        client = Client(Connection(server.http.url, "test"), Manner(60.0))
        try:
            return drift.close(client, drift.measure(client, planned), PatchType.MERGE, ApplyOptions())
        finally:
            client.close()


def test_a_write_that_leaves_the_drift_as_it_is_costs_another_try() -> None:
    server = Server(lambda obj: config_map(2, **obj["data"], other="theirs"), tone="loud")
    assert closed(server, tone="soft").action == "configured"
    assert server.object["data"] == {"tone": "soft", "other": "theirs"}
    assert [patch["metadata"]["resourceVersion"] for patch in server.patches] == ["2"]


def test_somebody_else_may_have_closed_it() -> None:
    server = Server(lambda _: config_map(2, tone="soft"), tone="loud")
    assert closed(server, tone="soft").action == "unchanged"
    assert server.patches == []


def test_another_drift_than_the_one_shown_is_not_closed() -> None:
    server = Server(lambda _: config_map(2, tone="loud", volume="up"), tone="loud", volume="down")
    with pytest.raises(ConflictError, match="it changed between its reading and the patch"):
        closed(server, tone="soft", volume="down")
    assert server.patches == []
    assert server.object["data"] == {"tone": "loud", "volume": "up"}
