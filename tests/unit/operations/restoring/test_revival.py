"""What is created again, and what is said of the claims that do not come back or would go."""

from __future__ import annotations

import json
from typing import Any

import pytest

from k8s_step.api.client import Client, Manner
from k8s_step.connection.settings import Connection
from k8s_step.objects.address import Address
from k8s_step.objects.reference import Reference
from k8s_step.objects.resource import required
from k8s_step.operations.plan import Planned
from k8s_step.operations.restoring.restore import Outcome, Reversal
from k8s_step.operations.restoring.revival import bring_back
from tests.unit.loopback import Exchange, Loopback


def database(uid: str, app: str, when_deleted: str) -> dict[str, Any]:
    metadata = {"name": "db", "namespace": "shop", "uid": uid, "resourceVersion": "1"}
    spec = {
        "selector": {"matchLabels": {"app": app}},
        "template": {"metadata": {"labels": {"app": app}}},
        "persistentVolumeClaimRetentionPolicy": {"whenDeleted": when_deleted},
    }
    return {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": metadata, "spec": spec}


class Store:
    """A server that holds one object, or none."""

    def __init__(self, held: dict[str, Any] | None) -> None:
        self.held, self.writes = held, list[str]()

    def __call__(self, exchange: Exchange) -> None:
        if exchange.method == "DELETE":
            self.writes.append(f"DELETE {json.loads(exchange.body)['propagationPolicy']}")
            self.held = None
            exchange.reply(200, {"kind": "Status", "status": "Success"})
            return
        if exchange.method == "POST":
            self.writes.append("POST")
            made = json.loads(exchange.body)
            self.held = {**made, "metadata": {**made["metadata"], "uid": "anew"}}
        gone = {"kind": "Status", "code": 404, "reason": "NotFound", "message": "not found"}
        exchange.reply(*((200, self.held) if self.held else (404, gone)))

    def bringing_back(self, before: dict[str, Any], wrote: dict[str, Any] | None) -> Outcome:
        """``wrote``: the object in its place; ``None`` where it was pruned."""
        planned = Planned(Address(required("apps/v1", "StatefulSet"), Reference.to(before)), wrote or {})
        pruned = wrote is None
        change = Reversal(planned, is_new=False, before=before, wrote=wrote, is_replaced=not pruned, is_pruned=pruned)
        with Loopback(self) as server:
            client = Client(Connection(server.url, "test"), Manner(60.0))
            outcome = bring_back(client, change, "k8s-step")
            client.close()
        return outcome


@pytest.mark.parametrize(
    ("when_deleted", "word", "message"),
    [
        ("Retain", "restored", "created anew as it was"),
        ("Delete", "failed", "created anew, but its claims and their data are gone"),
    ],
)
def test_what_was_pruned_comes_back_without_the_claims_that_went_with_it(
    when_deleted: str, word: str, message: str
) -> None:
    store = Store(None)
    outcome = store.bringing_back(database("one", "db", when_deleted), None)
    assert (outcome.word, outcome.message) == (word, message)
    assert store.writes == ["POST"]


@pytest.mark.parametrize(
    ("app", "when_deleted", "word", "writes"),
    [
        ("sql", "Delete", "failed", []),
        ("sql", "Retain", "restored", ["DELETE Foreground", "POST"]),
        ("db", "Delete", "restored", ["DELETE Orphan", "POST"]),
    ],
)
def test_what_replaced_it_stays_where_claims_would_go_with_it(
    app: str, when_deleted: str, word: str, writes: list[str]
) -> None:
    now = database("two", app, when_deleted)
    store = Store(now)
    outcome = store.bringing_back(database("one", "db", "Retain"), now)
    assert outcome.word == word and store.writes == writes
    told = "the one in its place stays: its claims, and their data, would go with it"
    assert (outcome.message == told) is (word == "failed")
