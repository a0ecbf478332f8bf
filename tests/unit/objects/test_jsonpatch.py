"""JSON and merge patches: what is wrong with them, what they could not do, and the way from one object to another."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k8s_step.objects import jsonpatch

LIVE = {"data": {"tone": "loud", "a/b~c": "x"}, "list": [1, {"name": "a"}], "count": 2}

SCALARS = st.none() | st.integers(-9, 9) | st.text("ab/~", max_size=3)
VALUES = st.recursive(
    SCALARS, lambda below: st.lists(below, max_size=4) | st.dictionaries(st.text("ab/~", max_size=3), below, max_size=4)
)
OBJECTS = st.dictionaries(st.text("abc/~", max_size=3), VALUES, max_size=5)


def without_null(value: Any) -> Any:
    """Kubernetes objects hold no null, which a merge patch could not tell from a deletion."""
    if isinstance(value, dict):
        return {key: without_null(below) for key, below in value.items() if below is not None}
    return value


@given(OBJECTS, OBJECTS)
def test_between_leads_from_one_object_to_the_other(live: Any, wanted: Any) -> None:
    found = jsonpatch.between(live, wanted)
    assert jsonpatch.mistakes(found) == []
    assert jsonpatch.applied(found, live) == wanted
    assert bool(found) == (live != wanted)


@given(OBJECTS, OBJECTS)
def test_merge_between_leads_from_one_object_to_the_other(live: Any, wanted: Any) -> None:
    live, wanted = without_null(live), without_null(wanted)
    patch = jsonpatch.merge_between(live, wanted)
    assert jsonpatch.merged(live, patch) == wanted
    assert bool(patch) == (live != wanted)


def test_lists_of_one_length_are_patched_element_by_element() -> None:
    live = {"spec": {"containers": [{"name": "a", "image": "x:1"}, {"name": "b", "image": "y:1"}]}}
    wanted = json.loads(json.dumps(live).replace("y:1", "y:2"))
    expected = [{"op": "replace", "path": "/spec/containers/1/image", "value": "y:2"}]
    assert jsonpatch.between(live, wanted) == expected


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        ({"op": "frob", "path": "/a"}, "has an unknown op, 'frob': there are add, copy, move, remove, replace, test"),
        ({"path": "/a"}, "lacks its member 'op'"),
        ({"op": "add", "value": 1}, "lacks its member 'path'"),
        ({"op": "add", "path": "/a"}, "(add /a) lacks its member 'value'"),
        ({"op": "test", "path": "/a"}, "(test /a) lacks its member 'value'"),
        ({"op": "move", "path": "/a"}, "(move /a) lacks its member 'from'"),
        ({"op": "remove", "path": "a"}, "(remove) has a path that is no JSON pointer, 'a': location must start with /"),
        ({"op": "remove", "path": 5}, "(remove) has a path that is no JSON pointer, 5"),
        ({"op": "copy", "from": "b", "path": "/a"}, "(copy) has a from that is no JSON pointer, 'b'"),
        ({"op": "copy", "from": 5, "path": "/a"}, "(copy) has a from that is no JSON pointer, 5"),
        ({"op": "add", "path": "/a~2", "value": 1}, "(add) has a path that is no JSON pointer, '/a~2'"),
        ({"op": ["add"], "path": "/a", "value": 1}, "has an unknown op, ['add']"),
        ("remove", "is not a mapping with op and path"),
        (None, "is not a mapping with op and path"),
    ],
    ids=str,
)
def test_a_mistake_names_its_operation(operation: Any, message: str) -> None:
    good = {"op": "remove", "path": "/data/tone"}
    (found,) = jsonpatch.mistakes([good, operation, good])
    assert found.index == 1
    assert found.message.startswith(f"operation [1] {message}")


def test_null_is_a_value() -> None:
    assert jsonpatch.mistakes([{"op": "add", "path": "/a", "value": None}]) == []


@pytest.mark.parametrize(
    ("operation", "told"),
    [
        ({"op": "test", "path": "/data/tone", "value": "soft"}, 'the value is "loud", not "soft"'),
        ({"op": "test", "path": "/count", "value": "2"}, 'the value is 2, not "2"'),
        ({"op": "test", "path": "/data/none/deep", "value": 1}, "the object has no /data/none"),
        ({"op": "test", "path": "/data/a~1b~0c/d", "value": 1}, "the object has no /data/a~1b~0c/d"),
        ({"op": "remove", "path": "/list/2"}, "the object has no /list/2"),
        ({"op": "replace", "path": "/list/2", "value": 1}, "the object has no /list/2"),
        ({"op": "add", "path": "/list/7", "value": 1}, "7 is no place in a list of 2"),
        ({"op": "add", "path": "/none/x", "value": 1}, "the object has no /none"),
        ({"op": "copy", "from": "/none", "path": "/data/x"}, "the object has no /none"),
    ],
    ids=lambda value: value if isinstance(value, str) else value["op"],
)
def test_what_an_object_does_not_allow(operation: Any, told: str) -> None:
    patch = [{"op": "add", "path": "/data/new", "value": "x"}, operation]
    found = jsonpatch.failing(patch, LIVE)
    assert found is not None and found.index == 1
    assert found.message == f"operation [1], {operation['op']} {operation['path']}: {told}"
    assert jsonpatch.applied(patch, LIVE) is None
    assert "new" not in LIVE["data"]  # type: ignore[operator]


def test_values_can_be_kept_quiet() -> None:
    found = jsonpatch.failing([{"op": "test", "path": "/data/tone", "value": "soft"}], LIVE, show_values=False)
    assert found is not None and "loud" not in found.message and "soft" not in found.message


def test_a_long_value_is_cut() -> None:
    found = jsonpatch.failing([{"op": "test", "path": "/data", "value": "x" * 500}], LIVE)
    assert found is not None and len(found.message) < 300


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "replace", "path": "/data/none", "value": "x"},
        {"op": "test", "path": "/data/none", "value": None},
        {"op": "test", "path": "", "value": LIVE},
    ],
)
def test_what_the_server_lets_pass_passes(operation: Any) -> None:
    assert jsonpatch.failing([operation], LIVE) is None


def test_an_earlier_operation_makes_way_for_a_later_one() -> None:
    patch = [{"op": "add", "path": "/new", "value": {}}, {"op": "add", "path": "/new/deep", "value": 1}]
    assert jsonpatch.failing(patch, LIVE) is None


def test_field_paths_are_as_the_causes_write_them() -> None:
    assert jsonpatch.field_path("/spec/template/spec/containers/0/image") == "spec.template.spec.containers[0].image"
    assert jsonpatch.field_path("") == ""
