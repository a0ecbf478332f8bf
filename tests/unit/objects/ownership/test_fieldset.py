"""Sets of fields, and the part of an object that is in one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k8s_step.objects.ownership.fieldset import Owner, common, extract, owner_of, owns, sets, union, without

APP, SIDE = 'k:{"name":"app"}', 'k:{"name":"side"}'

# Sets as a server writes them: "." is in a node where the field itself is in the set besides others below it.
names = st.sampled_from(["f:a", "f:b", "f:c", APP, 'v:"x"'])
fields = st.recursive(st.just({}), lambda below: st.dictionaries(names, below, min_size=1, max_size=3), max_leaves=8)


def with_dots(node: Any, draw: Any) -> Any:
    made = {key: with_dots(below, draw) for key, below in node.items()}
    return {".": {}, **made} if made and draw(st.booleans()) else made


@st.composite
def whole_sets(draw: Any) -> dict[str, Any]:
    return {key: with_dots(below, draw) for key, below in draw(st.dictionaries(names, fields, max_size=3)).items()}


def members(node: dict[str, Any], path: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    """Each field of a set by its path."""
    own = {path} if path and (not node or "." in node) else set()
    return own.union(*(members(below, (*path, key)) for key, below in node.items() if key != "."))


@given(whole_sets(), whole_sets())
def test_they_are_sets(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert members(union(one, other)) == members(one) | members(other)
    assert members(without(one, other)) == members(one) - members(other)
    assert members(common(one, other)) == members(one) & members(other)
    assert union(one, one) == one and without(one, one) == {} and common(one, one) == one


POD = {
    "replicas": 2,
    "selector": {"app": "web"},
    "containers": [
        {"name": "side", "image": "side:1"},
        {"name": "app", "image": "web:1", "ports": [{"containerPort": 80, "protocol": "TCP"}]},
    ],
    "finalizers": ["a", "b", "c"],
    "labels": {"ours": "1", "theirs": "2"},
    "volume": {"emptyDir": {}},
    "args": ["-v", "-v"],
}
PORT = 'k:{"containerPort":80,"protocol":"TCP"}'


@pytest.mark.parametrize(
    ("owned", "expected"),
    [
        ({"f:replicas": {}}, {"replicas": 2}),
        ({"f:selector": {}}, {"selector": {"app": "web"}}),
        ({"f:args": {}}, {"args": ["-v", "-v"]}),
        ({"f:labels": {"f:ours": {}}}, {"labels": {"ours": "1"}}),
        ({"f:labels": {}}, {"labels": {}}),  # owned as such: what is in it is somebody else's
        ({"f:volume": {"f:emptyDir": {}}}, {"volume": {"emptyDir": {}}}),
        ({"f:finalizers": {'v:"c"': {}, 'v:"a"': {}}}, {"finalizers": ["a", "c"]}),
        (
            {"f:containers": {APP: {".": {}, "f:name": {}, "f:image": {}}}},
            {"containers": [{"name": "app", "image": "web:1"}]},
        ),
        # A field in somebody else's element: without its key it could not be told which.
        ({"f:containers": {SIDE: {"f:image": {}}}}, {"containers": [{"name": "side", "image": "side:1"}]}),
        # An element of one's own whose key the server filled in: it does so again.
        (
            {"f:containers": {APP: {".": {}, "f:name": {}, "f:ports": {PORT: {".": {}, "f:containerPort": {}}}}}},
            {"containers": [{"name": "app", "ports": [{"containerPort": 80}]}]},
        ),
        ({"f:containers": {'k:{"name":"gone"}': {".": {}, "f:name": {}}}, "f:gone": {}}, {"containers": []}),
    ],
)
def test_the_part_of_an_object_that_is_in_a_set(owned: dict[str, Any], expected: Any) -> None:
    assert extract(POD, owned, {"f:labels": {"f:theirs": {}}}) == expected


@pytest.mark.parametrize(
    ("owned", "path", "answer"),
    [
        ({"f:replicas": {}}, ("f:replicas",), True),
        ({"f:replicas": {}}, ("f:selector",), False),
        ({}, ("f:replicas",), False),
        ({"f:selector": {}}, ("f:selector", "f:app"), True),  # owned as a whole
        ({"f:labels": {"f:ours": {}}}, ("f:labels", "f:ours"), True),
        ({"f:labels": {"f:ours": {}}}, ("f:labels", "f:theirs"), False),
        ({"f:containers": {APP: {".": {}, "f:image": {}}}}, ("f:containers", APP, "f:image"), True),
        ({"f:containers": {APP: {".": {}, "f:image": {}}}}, ("f:containers", SIDE, "f:image"), False),
        ({"f:finalizers": {'v:"b"': {}}}, ("f:finalizers", 'v:"b"'), True),
    ],
)
def test_whether_a_field_is_in_a_set(owned: dict[str, Any], path: tuple[str, ...], answer: bool) -> None:
    assert owns(owned, path) is answer


def test_an_applier_is_the_same_in_every_version() -> None:
    entry = {"manager": "ci", "operation": "Apply", "apiVersion": "autoscaling/v1", "fieldsV1": {"f:a": {}}}
    newer = {**entry, "apiVersion": "autoscaling/v2"}
    assert owner_of(entry) == owner_of(newer) == Owner("ci", "Apply")
    assert owner_of({**entry, "operation": "Update"}) != owner_of({**newer, "operation": "Update"})
    assert sets({"metadata": {"managedFields": [entry]}}) == {Owner("ci", "Apply"): {"f:a": {}}}
    assert sets({"metadata": {}}) == {}


def test_values_are_told_apart_as_json() -> None:
    items = [1, True, "1"]
    assert extract(items, {f"v:{json.dumps(True)}": {}}, {}) == [True]
    assert extract(items, {'v:"1"': {}}, {}) == ["1"]
