"""Revisions as the cluster keeps them, whole or not: what can't be gone back to is said in one line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from k8s_step.api.client import Client
from k8s_step.connection.settings import Connection
from k8s_step.errors import InputError
from k8s_step.objects.address import Address
from k8s_step.objects.reference import Reference
from k8s_step.objects.resource import required
from k8s_step.operations.plan import Planned
from k8s_step.operations.restoring.history import Revision, chosen, revisions
from tests.unit.loopback import Exchange, Loopback

REVISION = "deployment.kubernetes.io/revision"
OWNED = {"ownerReferences": [{"controller": True, "uid": "u", "kind": "x", "name": "web"}], "name": "old"}


@pytest.fixture
def kept() -> Iterator[Any]:
    """What is made of what the cluster keeps of a workload."""
    servers: list[Loopback] = []

    def found(kind: str, *items: dict[str, Any]) -> list[Revision]:
        def answer(exchange: Exchange) -> None:
            exchange.reply(200, {"kind": "List", "items": list(items)})

        servers.append(Loopback(answer).__enter__())
        live = {"kind": kind, "metadata": {"name": "web", "namespace": "shop", "uid": "u"}}
        planned = Planned(Address(required("apps/v1", kind), Reference("apps/v1", kind, "shop", "web")))
        return revisions(Client(Connection(servers[-1].url, "test")), planned, live)

    yield found
    for server in servers:
        server.__exit__(None, None, None)


def replica_set(number: Any, spec: Any) -> dict[str, Any]:
    return {"metadata": {**OWNED, "annotations": {REVISION: number}}, "spec": spec}


def controller_revision(number: Any, data: Any) -> dict[str, Any]:
    return {"metadata": OWNED, "revision": number, "data": data}


TEMPLATE = {"spec": {"containers": [{"name": "app", "image": "shop/web:1"}]}}
WITHOUT = [None, {}, {"template": None}, {"template": {}}]


@pytest.mark.parametrize("spec", WITHOUT, ids=str)
@pytest.mark.parametrize("number", [None, 1])
def test_a_replica_set_without_a_template(spec: Any, number: int | None, kept: Any) -> None:
    found = kept("Deployment", replica_set("1", spec), replica_set("2", {"template": TEMPLATE}))
    with pytest.raises(InputError) as told:
        chosen(found, number, "deployment/shop/web")
    assert str(told.value) == (
        "deployment/shop/web: revision 1 is kept without a pod template, so nothing can go back to it"
        " (name another one with --to-revision; there are 1 (without a pod template), 2 (shop/web:1))"
    )
    assert chosen(found, 2, "deployment/shop/web").template == {**TEMPLATE, "metadata": {"labels": {}}}


@pytest.mark.parametrize("data", [None, {}, *({"spec": spec} for spec in WITHOUT), {"raw": "x"}], ids=str)
@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet"])
def test_a_controller_revision_without_a_template(kind: str, data: Any, kept: Any) -> None:
    found = kept(kind, controller_revision(1, data), controller_revision(2, {"spec": {"template": TEMPLATE}}))
    with pytest.raises(InputError, match="revision 1 is kept without a pod template"):
        chosen(found, None, "statefulset/shop/web")
    assert chosen(found, 2, "x").title == "2 (shop/web:1)"


@pytest.mark.parametrize("number", [None, "", "x", "-1", [], {}], ids=str)
def test_what_no_controller_has_numbered_is_no_revision(number: Any, kept: Any) -> None:
    assert kept("StatefulSet", controller_revision(number, {"spec": {"template": TEMPLATE}})) == []
    if not isinstance(number, (list, dict)):
        assert kept("Deployment", replica_set(number, {"template": TEMPLATE})) == []
