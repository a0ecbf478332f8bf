"""A restoration that others keep from being written; the differences between two versions of an object."""

from __future__ import annotations

import json
from typing import Any

import pytest

from k8s_step.api.client import Client, Manner
from k8s_step.connection.settings import Connection
from k8s_step.objects.address import Address
from k8s_step.objects.ownership.managers import differences
from k8s_step.objects.reference import Reference
from k8s_step.objects.resource import required
from k8s_step.operations.plan import Planned
from k8s_step.operations.restoring import restore as module
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


# -- what others write meanwhile


class Played:
    """A server that answers each request by the next of its lines: ``(method, part of the target, code, body)``."""

    def __init__(self, *lines: tuple[str, str, int, dict[str, Any]]) -> None:
        self.left, self.asked, self.queries = list(lines), list[tuple[str, Any]](), list[str]()

    def __call__(self, exchange: Exchange) -> None:
        body = json.loads(exchange.body) if exchange.body else None
        self.asked.append((f"{exchange.method} {exchange.target.partition('?')[0].rpartition('/')[2]}", body))
        self.queries.append(exchange.target.partition("?")[2])
        method, part, code, answer = self.left.pop(0) if len(self.left) > 1 else self.left[0]
        assert exchange.method == method and part in exchange.target, (exchange.method, exchange.target)
        exchange.reply(code, answer)

    def restoring(self, before: dict[str, Any] | None, wrote: dict[str, Any]) -> tuple[str, str]:
        resource = required(wrote["apiVersion"], wrote["kind"])
        planned = Planned(Address(resource, Reference.to(wrote)), wrote)
        with Loopback(self) as server:
            client = Client(Connection(server.url, "test"), Manner(60.0))
            outcome = restore(client, Reversal(planned, before is None, before, wrote), "k8s-step")
            client.close()
        return outcome.word, outcome.message


OUTDATED = {"kind": "Status", "code": 409, "reason": "Conflict", "message": "the object has been modified"}
GONE = {"kind": "Status", "code": 404, "reason": "NotFound", "message": "not found"}


def of_nobody(version: str, value: str) -> dict[str, Any]:
    """A ConfigMap whose ``a`` no manager owns, as the data that the server makes of other fields."""
    made = config_map(version, value)
    made["metadata"]["managedFields"][0]["fieldsV1"] = {"f:data": {"f:b": {}}}
    made["data"]["b"] = "1"
    return made


def test_what_this_run_created_is_kept_where_claims_would_go_with_it() -> None:
    made = stateful_set("2", "new", revision="", generation=1, observed=1)
    made["spec"]["persistentVolumeClaimRetentionPolicy"] = {"whenDeleted": "Delete"}
    played = Played(("GET", "db", 200, made))
    assert played.restoring(None, made) == ("kept", "its claims, and their data, would go with it")
    assert len(played.asked) == 1, "nothing is deleted"


def versions(played: Played) -> list[str]:
    """The versions that the JSON patches are bound to."""
    return [body[-1]["value"] for _, body in played.asked if isinstance(body, list)]


def test_after_a_conflict_it_is_read_again_and_the_rest_is_done_on_that() -> None:
    played = Played(
        ("GET", "one", 200, of_nobody("2", "new")),
        ("PATCH", "one", 200, of_nobody("3", "new")),
        ("PATCH", "one", 409, OUTDATED),
        ("GET", "one", 200, of_nobody("4", "new")),
        ("PATCH", "one", 200, of_nobody("5", "old")),
    )
    assert played.restoring(of_nobody("1", "old"), of_nobody("2", "new")) == ("restored", "")
    assert versions(played) == ["3", "4"]


def test_what_is_deleted_meanwhile_is_left_to_whoever_did_it() -> None:
    played = Played(
        ("GET", "one", 200, of_nobody("2", "new")),
        ("PATCH", "one", 200, of_nobody("3", "new")),
        ("PATCH", "one", 409, OUTDATED),
        ("GET", "one", 404, GONE),
    )
    told = played.restoring(of_nobody("1", "old"), of_nobody("2", "new"))
    assert told == ("skipped", "somebody else has deleted it since") and len(played.asked) == 4


def test_the_rest_is_tried_as_often_as_the_whole() -> None:
    pair = [("PATCH", "one", 409, OUTDATED), ("GET", "one", 200, of_nobody("4", "new"))]
    played = Played(
        ("GET", "one", 200, of_nobody("2", "new")), ("PATCH", "one", 200, of_nobody("3", "new")), *(pair * 21)
    )
    told = played.restoring(of_nobody("1", "old"), of_nobody("2", "new"))
    assert told == ("failed", "others write it faster than it can be put back") and len(versions(played)) == 20


def stateful_set(version: str, image: str, *, revision: str, generation: int, observed: int) -> dict[str, Any]:
    owned = {"manager": "k8s-step", "operation": "Apply", "fieldsV1": {"f:spec": {"f:image": {}}}}
    metadata = {"name": "db", "namespace": "shop", "uid": "u", "resourceVersion": version, "managedFields": [owned]}
    status = {"observedGeneration": observed, "updateRevision": revision}
    metadata = {**metadata, "generation": generation}
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": metadata,
        "spec": {"image": image},
        "status": status,
    }


def pod(name: str, status: str) -> dict[str, Any]:
    owner = {"kind": "StatefulSet", "name": "db", "uid": "u", "controller": True}
    metadata = {"name": name, "namespace": "shop", "uid": name, "ownerReferences": [owner]}
    return {"metadata": metadata, "status": {"conditions": [{"type": "Ready", "status": status}]}}


def reset(observed: int, revision: str = "of-the-new") -> dict[str, Any]:
    return stateful_set("3", "old", revision=revision, generation=3, observed=observed)


def test_pods_of_the_revision_left_go_once_the_controller_has_seen_the_old_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else it would make the same broken pod again."""
    monkeypatch.setattr(module, "_POLL", 0.0)
    pods = {"kind": "PodList", "metadata": {}, "items": [pod("db-0", "True"), pod("db-1", "False")]}
    played = Played(
        ("GET", "db", 200, stateful_set("2", "new", revision="of-the-new", generation=2, observed=2)),
        ("PATCH", "db", 200, reset(2)),
        ("GET", "statefulsets/db", 200, reset(2)),
        ("GET", "statefulsets/db", 200, reset(3)),
        ("GET", "pods?", 200, pods),
        ("DELETE", "pods/db-1", 200, pod("db-1", "False")),
    )
    before = stateful_set("1", "old", revision="of-the-old", generation=1, observed=1)
    word, message = played.restoring(before, stateful_set("2", "new", revision="", generation=2, observed=1))
    assert (word, message) == ("restored", "db-1 of the revision that failed would have held it up, and is deleted")
    assert [what for what, _ in played.asked] == [
        *("GET db", "PATCH db", "GET db", "GET db", "GET pods", "DELETE db-1"),
    ]
    (query,) = (line for line in played.queries if "labelSelector" in line)
    assert "controller-revision-hash%3Dof-the-new" in query


def test_a_controller_that_sees_nothing_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_OBSERVING", 0.0)
    played = Played(
        ("GET", "db", 200, stateful_set("2", "new", revision="of-the-new", generation=2, observed=2)),
        ("PATCH", "db", 200, reset(2)),
        ("GET", "pods?", 200, {"kind": "PodList", "metadata": {}, "items": []}),
    )
    before = stateful_set("1", "old", revision="of-the-old", generation=1, observed=1)
    wrote = stateful_set("2", "new", revision="", generation=2, observed=1)
    assert played.restoring(before, wrote) == ("restored", "") and len(played.asked) == 3
