"""Changes of ConfigMaps while ``watch`` runs, and what it has told of them."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from typing import Any

from tests.conftest import Running
from tests.controlplane.cluster import Cluster
from tests.integration.objects import config_map

Event = tuple[str, str, str]
"""Type, name and resourceVersion."""


def events(running: Running) -> list[dict[str, Any]]:
    """What has been told so far; a last line that is not yet whole is left out."""
    text = running.stdout
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


def told(running: Running) -> list[Event]:
    """The events in short, but for the ConfigMap that every namespace has."""
    found = [(one["type"], one["object"]["metadata"]) for one in events(running)]
    return [(kind, meta["name"], meta["resourceVersion"]) for kind, meta in found if meta["name"] != "kube-root-ca.crt"]


def names(running: Running) -> list[tuple[str, str]]:
    return [(kind, name) for kind, name, _ in told(running)]


class Deeds:
    """Changes of ConfigMaps, and the events that they have to be told as."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._cluster, self._base = cluster, f"/api/v1/namespaces/{namespace}/configmaps"
        self.truth: list[Event] = []

    def create(self, name: str, **labels: str) -> None:
        made = config_map(name, key="1")
        made["metadata"]["labels"] = labels
        self._note("ADDED", self._cluster.create(self._base, made))

    def change(self, name: str) -> None:
        patch = {"data": {"key": secrets.token_hex(4)}}
        content_type = "application/merge-patch+json"
        answer = self._cluster.request("PATCH", f"{self._base}/{name}", patch, content_type=content_type)
        assert answer.code == 200, answer.text
        self._note("MODIFIED", answer.body)

    def delete(self, name: str) -> None:
        """The version of a deletion is no part of its answer."""
        answer = self._cluster.request("DELETE", f"{self._base}/{name}")
        assert answer.code == 200, answer.text
        self.truth.append(("DELETED", name, ""))

    def _note(self, kind: str, found: dict[str, Any]) -> None:
        self.truth.append((kind, found["metadata"]["name"], found["metadata"]["resourceVersion"]))

    def are_told_by(self, running: Running) -> bool:
        return without_deletions(told(running)) == self.truth


def without_deletions(found: Sequence[Event]) -> list[Event]:
    """The versions of deletions left out."""
    return [(kind, name, "" if kind == "DELETED" else version) for kind, name, version in found]
