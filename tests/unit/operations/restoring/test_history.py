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
LIVE = {"spec": {"template": TEMPLATE}}
WITHOUT = [None, {}, {"template": None}, {"template": {}}]


@pytest.mark.parametrize("spec", WITHOUT, ids=str)
@pytest.mark.parametrize("number", [None, 1])
def test_a_replica_set_without_a_template(spec: Any, number: int | None, kept: Any) -> None:
    found = kept("Deployment", replica_set("1", spec), replica_set("2", {"template": TEMPLATE}))
    with pytest.raises(InputError) as told:
        chosen(found, number, LIVE, "deployment/shop/web")
    assert str(told.value) == (
        "deployment/shop/web: revision 1 is kept without a pod template, so nothing can go back to it"
        " (name another one with --to-revision; there are 1 (without a pod template), 2 (shop/web:1))"
    )
    assert chosen(found, 2, LIVE, "deployment/shop/web").template == {**TEMPLATE, "metadata": {"labels": {}}}


@pytest.mark.parametrize("data", [None, {}, *({"spec": spec} for spec in WITHOUT), {"raw": "x"}], ids=str)
@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet"])
def test_a_controller_revision_without_a_template(kind: str, data: Any, kept: Any) -> None:
    found = kept(kind, controller_revision(1, data), controller_revision(2, {"spec": {"template": TEMPLATE}}))
    with pytest.raises(InputError, match="revision 1 is kept without a pod template"):
        chosen(found, None, LIVE, "statefulset/shop/web")
    assert chosen(found, 2, LIVE, "x").title == "2 (shop/web:1)"


@pytest.mark.parametrize("number", [None, "", "x", "-1", [], {}], ids=str)
def test_what_no_controller_has_numbered_is_no_revision(number: Any, kept: Any) -> None:
    assert kept("StatefulSet", controller_revision(number, {"spec": {"template": TEMPLATE}})) == []
    if not isinstance(number, (list, dict)):
        assert kept("Deployment", replica_set(number, {"template": TEMPLATE})) == []


def of_image(image: str) -> dict[str, Any]:
    return {"metadata": {"labels": {}}, "spec": {"containers": [{"name": "app", "image": image}]}}


def workload(image: str, *, seen: int | None = 2) -> dict[str, Any]:
    """A workload of generation 2, of which its controller has ``seen`` some generation."""
    status = {} if seen is None else {"observedGeneration": seen}
    return {"metadata": {"generation": 2}, "spec": {"template": of_image(image)}, "status": status}


@pytest.mark.parametrize(
    ("images", "live", "number"),
    [
        (("a", "b", "c"), workload("c"), 2),
        (("a", "b"), workload("c", seen=1), 2),
        (("a",), workload("b", seen=1), 1),
        (("a",), workload("b", seen=None), 1),
        (("a", "b"), workload("a", seen=1), 2),
        (("a", "b"), workload("a"), 2),
        (("a", "b"), workload("b with a new default"), 1),
        (("a",), workload("a"), None),
        (("a",), workload("a with a new default"), None),
        ((), workload("a", seen=None), None),
    ],
    ids=[
        "recorded",
        "not recorded yet",
        "the second",
        "nothing is seen yet",
        "back, not recorded yet",
        "back, not numbered yet",
        "recorded otherwise",
        "the only one",
        "the only one, recorded otherwise",
        "none",
    ],
)
@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_the_one_before_the_present(
    kind: str, images: tuple[str, ...], live: dict[str, Any], number: int | None, kept: Any
) -> None:
    """Also in the moment before the controller has recorded the last change, when the newest one is not the present."""
    spec = [{"template": of_image(image)} for image in images]
    is_deployment = kind == "Deployment"
    items = [
        replica_set(str(count), each) if is_deployment else controller_revision(count, {"spec": each})
        for count, each in enumerate(spec, 1)
    ]
    found = kept(kind, *items)
    if number is None:
        with pytest.raises(InputError, match="there is no earlier revision"):
            chosen(found, None, live, "web")
    else:
        assert chosen(found, None, live, "web").number == number
