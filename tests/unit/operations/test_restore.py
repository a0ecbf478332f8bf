"""What differs between two versions of an object, of what a manifest may say."""

from __future__ import annotations

from typing import Any

import pytest

from k8s_step.objects.managers import differences

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
