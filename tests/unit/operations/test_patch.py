"""A patch that must not be done twice, while others write the same object."""

from __future__ import annotations

import json
from typing import Any

import pytest

from k8s_step.api.client import Client, Manner
from k8s_step.connection.settings import Connection
from k8s_step.errors import ConflictError, InvalidError
from k8s_step.manifests.patchfile import Patch
from k8s_step.objects.address import Address
from k8s_step.objects.body import PatchType
from k8s_step.objects.reference import Reference
from k8s_step.objects.resource import required
from k8s_step.operations.patch import send
from k8s_step.operations.plan import ApplyOptions, PlannedPatch
from tests.unit.loopback import Exchange, Loopback

ADDRESS = Address(required("v1", "ConfigMap"), Reference("v1", "ConfigMap", "shop", "one"))
ADD = {"op": "add", "path": "/data/list/-", "value": "x"}
REFUSED = {"kind": "Status", "code": 422, "reason": "Invalid", "message": "the server rejected our request"}


def version(number: int, **data: Any) -> dict[str, Any]:
    metadata = {"name": "one", "namespace": "shop", "uid": "u", "resourceVersion": str(number)}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"list": [], **data}}


class Server:
    """Refuses each patch that is not bound to version ``takes``; a read finds the next version, up to ``newest``."""

    def __init__(self, takes: int, newest: int = 99, found: dict[str, Any] | None = None) -> None:
        self.takes, self.now, self.newest, self.found = takes, 1, newest, found
        self.patches: list[Any] = []

    def __call__(self, exchange: Exchange) -> None:
        if exchange.method == "GET":
            self.now = min(self.now + 1, self.newest)
            exchange.reply(200, {**version(self.now), **(self.found or {})})
            return
        body = json.loads(exchange.body)
        self.patches.append(body)
        is_taken = isinstance(body, list) and body[0]["value"] == str(self.takes)
        exchange.reply(*((200, version(self.takes + 1, list=["x"])) if is_taken else (422, REFUSED)))

    def patch(self, body: Any, kind: PatchType = PatchType.JSON) -> Any:
        change = PlannedPatch.of(ADDRESS, Patch(kind, body))
        with Loopback(self) as server:
            client = Client(Connection(server.url, "test"), Manner(60.0))
            try:
                return send(client, change, version(1), ApplyOptions("k8s-step"))
            finally:
                client.close()


def test_a_json_patch_that_others_outrun_is_bound_to_each_new_version() -> None:
    server = Server(takes=3)
    written = server.patch([ADD])
    assert written.action == "configured" and written.object["data"]["list"] == ["x"]
    guards = [patch[0] for patch in server.patches]
    assert [guard["value"] for guard in guards] == ["1", "2", "3"]
    assert {(guard["op"], guard["path"]) for guard in guards} == {("test", "/metadata/resourceVersion")}
    assert all(patch[1:] == [ADD] for patch in server.patches)


def test_one_that_is_always_outrun_ends_and_nothing_is_done() -> None:
    server = Server(takes=99)
    with pytest.raises(ConflictError, match="it changed 10 times while it was to be patched; nothing was done"):
        server.patch([ADD])
    assert len(server.patches) == 10


def test_one_that_is_refused_for_itself_is_sent_once() -> None:
    """The object is as it was read, so the version is not what the server minds."""
    server = Server(takes=99, newest=1)
    with pytest.raises(InvalidError):
        server.patch([ADD])
    assert len(server.patches) == 1


def test_one_that_does_not_fit_the_new_version_is_not_sent_again() -> None:
    server = Server(takes=99, found={"data": {}})
    with pytest.raises(InvalidError):
        server.patch([ADD])
    assert len(server.patches) == 1


def test_one_whose_answer_is_lost_is_looked_for_and_not_sent_again() -> None:
    class Silent(Server):
        def __call__(self, exchange: Exchange) -> None:
            if exchange.method == "PATCH":
                self.patches.append(json.loads(exchange.body))
                exchange.close()
            else:
                exchange.reply(200, version(2, list=["x"]))

    server = Silent(takes=1)
    written = server.patch([ADD])
    assert (written.action, written.object["data"]["list"]) == ("configured", ["x"]) and len(server.patches) == 1
