"""A restoration that others keep from being written; the differences between two versions of an object."""

from __future__ import annotations

from typing import Any

import pytest

from k8s_step.api.client import Client, Manner
from k8s_step.connection.settings import Connection
from k8s_step.objects.address import Address
from k8s_step.objects.ownership.managers import differences
from k8s_step.objects.reference import Reference
from k8s_step.objects.resource import required
from k8s_step.operations.plan import Planned
from k8s_step.operations.restoring.restore import Reversal, restore
from tests.unit.loopback import Exchange, Loopback

A, B = 'k:{"name":"a"}', 'k:{"name":"b"}'
KEYED = {"f:env": {key: {".": {}, "f:name": {}, "f:value": {}} for key in (A, B)}, "f:set": {'v:"x"': {}}}


def made(metadata: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    entry = {"manager": "ci", "operation": "Apply", "fieldsV1": KEYED}
    return {"apiVersion": "v1", "kind": "Thing", "metadata": {"managedFields": [entry], **(metadata or {})}, **fields}


def env(**values: str) -> dict[str, Any]:
    return made(env=[{"name": name, "value": value} for name, value in values.items()])


def note(text: str) -> dict[str, Any]:
    return made({"annotations": {"deprecated.daemonset.template.generation": text}})


@pytest.mark.parametrize(
    ("before", "after", "paths"),
    [
        (made(spec={"a": 1}), made(spec={"a": 1}), []),
        (made(spec={"a": 1}), made(spec={"a": 2}), [("f:spec", "f:a")]),
        (made(spec={"a": 1, "b": 1}), made(spec={"a": 1}), [("f:spec", "f:b")]),
        # What a missing map differs in is told field by field: each may be somebody else's.
        (made(), made({"labels": {"a": "1", "b": "2"}}), [("f:metadata", "f:labels", f"f:{each}") for each in "ab"]),
        (made(spec={"deep": {"er": {"a": 1}}}), made(), [("f:spec", "f:deep", "f:er", "f:a")]),
        (made(spec={}), made(spec={"volume": {}}), [("f:spec", "f:volume")]),
        # A list that is merged is compared by its keys: the server orders it as it likes, and others add to it.
        (env(a="1", b="2"), env(b="2", a="1"), []),
        (env(a="1"), env(b="2", a="3"), [("f:env", A, "f:value"), ("f:env", B, "f:name"), ("f:env", B, "f:value")]),
        (env(a="1"), made(), [("f:env", A, "f:name"), ("f:env", A, "f:value")]),
        (made(set=["x", "y"]), made(set=["y"]), [("f:set", 'v:"x"')]),
        # One that is not is compared as a whole.
        (made(args=["1", "2"]), made(args=["2", "1"]), [("f:args",)]),
        (made(args=["1"]), made(), [("f:args",)]),
        (made(status={"a": 1}), made(status={"a": 2}), []),
        (made({"resourceVersion": "1", "generation": 1}), made({"resourceVersion": "2", "generation": 2}), []),
        (note("1"), note("2"), []),
    ],
)
def test_differences(before: dict[str, Any], after: dict[str, Any], paths: list[tuple[str, ...]]) -> None:
    assert sorted(path for path, *_ in differences(before, after)) == sorted(paths)
    assert sorted(path for path, *_ in differences(after, before)) == sorted(paths)


def config_map(version: str, value: str) -> dict[str, Any]:
    owned = {"manager": "k8s-step", "operation": "Apply", "fieldsV1": {"f:data": {"f:a": {}}}}
    metadata = {"name": "one", "namespace": "shop", "uid": "u", "resourceVersion": version, "managedFields": [owned]}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": value}}


def reversed_by(patched: tuple[int, dict[str, Any]]) -> tuple[str, str, int]:
    """How a reversal ends whose patches get this answer, and how many were sent."""
    before, wrote = config_map("1", "old"), config_map("2", "new")
    planned = Planned(Address(required("v1", "ConfigMap"), Reference.to(wrote)), wrote)
    patches = []

    def answer(exchange: Exchange) -> None:
        if exchange.method == "PATCH":
            patches.append(exchange.body)
        exchange.reply(*(patched if exchange.method == "PATCH" else (200, wrote)))

    with Loopback(answer) as server:
        client = Client(Connection(server.url, "test"), Manner(60.0))
        outcome = restore(client, Reversal(planned, is_new=False, before=before, wrote=wrote), "k8s-step")
        client.close()
    return outcome.word, outcome.message, len(patches)


def test_a_restoration_that_others_outrun_fails_and_says_so() -> None:
    status = {"kind": "Status", "code": 409, "reason": "Conflict", "message": "the object has been modified"}
    word, message, sent = reversed_by((409, status))
    assert (word, message) == ("failed", "others write it faster than it can be put back")
    assert sent == 20


def test_a_restoration_that_does_not_take_names_the_field() -> None:
    word, message, _ = reversed_by((200, config_map("3", "new")))
    assert (word, message) == ("failed", "it still differs from what it was in .data.a")


def test_a_restored_object_is_as_it_was() -> None:
    assert reversed_by((200, config_map("3", "old"))) == ("restored", "", 1)
