"""Who changed what between two versions, told from managedFields as the API server writes them."""

from __future__ import annotations

from typing import Any

import pytest

from k8s_step.objects.ownership.managers import changes_text, field_changes, latest

EARLY, LATE = "2026-11-22T10:00:00Z", "2026-11-22T10:05:00Z"


Entry = tuple[str, str, dict[str, Any]]


def obj(*entries: Entry, finalizers: list[str] | None = None, **fields: Any) -> dict[str, Any]:
    """An object whose ``entries`` are manager, time and fields."""
    managed = [
        {"manager": manager, "operation": "Update", "time": time, "fieldsType": "FieldsV1", "fieldsV1": owned}
        for manager, time, owned in entries
    ]
    return {
        "apiVersion": "v1",
        "kind": "X",
        "metadata": {"finalizers": finalizers or [], "managedFields": managed},
        **fields,
    }


def data(*keys: str) -> dict[str, Any]:
    return {"f:data": {".": {}, **{f"f:{key}": {} for key in keys}}}


def finalizer(name: str) -> dict[str, Any]:
    return {"f:metadata": {"f:finalizers": {f'v:"{name}"': {}}}}


def containers(*pairs: tuple[str, str]) -> dict[str, Any]:
    return {"containers": [{"name": name, "image": image} for name, image in pairs]}


MOVED = {"f:data": {"f:a": {}, "f:b": {}}}
IMAGES = {
    "f:spec": {
        "f:containers": {
            'k:{"name":"app"}': {".": {}, "f:name": {}, "f:image": {}},
            'k:{"name":"proxy"}': {".": {}, "f:name": {}, "f:image": {}},
        }
    }
}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param(
            obj(("ci", EARLY, data("tone", "pitch")), data={"tone": "loud", "pitch": "low"}),
            obj(
                ("ci", EARLY, data("pitch")),
                ("night-shift", LATE, {"f:data": {"f:tone": {}}}),
                data={"tone": "soft", "pitch": "low"},
            ),
            f".data.tone by night-shift (Update, {LATE})",
            id="a value",
        ),
        pytest.param(
            obj(("ci", EARLY, data("tone")), data={"tone": "loud"}),
            obj(("ci", EARLY, {"f:data": {}}), ("mover", LATE, MOVED), data={"a": 1, "b": 2}),
            f".data.a, .data.b by mover (Update, {LATE}); .data.tone is gone",
            id="keys come and go; whoever made the map has not changed what others put there",
        ),
        pytest.param(
            obj(("ci", EARLY, IMAGES), spec=containers(("app", "a:1"), ("proxy", "p:1"))),
            obj(("ci", LATE, IMAGES), spec=containers(("proxy", "p:2"), ("app", "a:1"))),
            f'.spec.containers[name="proxy"].image by ci (Update, {LATE})',
            id="in a list merged by key, wherever the element stands",
        ),
        pytest.param(
            obj(("ci", EARLY, finalizer("a/b")), finalizers=["a/b"]),
            obj(("guard", LATE, finalizer("c/d")), finalizers=["c/d"]),
            f'.metadata.finalizers[="c/d"] by guard (Update, {LATE}); .metadata.finalizers[="a/b"] is gone',
            id="in a set",
        ),
        pytest.param(
            obj(("ci", EARLY, {"f:spec": {"f:command": {}}}), spec={"command": ["a"]}),
            obj(("ci", LATE, {"f:spec": {"f:command": {}}}), spec={"command": ["a", "b"]}),
            f".spec.command by ci (Update, {LATE})",
            id="a list that is one value",
        ),
        pytest.param(
            obj(("ci", EARLY, data("tone")), data={"tone": "loud"}),
            obj(("ci", LATE, data("tone")), data={"tone": "loud"}),
            "",
            id="nothing",
        ),
        pytest.param(
            obj(data={"a": 1}), {"metadata": {}, "data": {"a": 2}}, "", id="no managedFields, nothing to tell"
        ),
    ],
)
def test_names_what_differs_and_who_wrote_it(before: dict[str, Any], after: dict[str, Any], expected: str) -> None:
    assert changes_text(field_changes(before, after)) == expected


def test_names_five_fields_and_counts_the_rest() -> None:
    after = obj(("ci", LATE, data(*"abcdefg")), data=dict.fromkeys("abcdefg", "1"))
    words = changes_text(field_changes(obj(data={}), after))
    assert words == f".data.a, .data.b, .data.c, .data.d, .data.e and 2 more by ci (Update, {LATE})"


def test_never_shows_a_value() -> None:
    before, after = (obj(("ci", LATE, data("password")), data={"password": value}) for value in ("hunter2", "hunter3"))
    assert "hunter" not in changes_text(field_changes(before, after))


def test_tells_a_subresource_and_an_apply_apart() -> None:
    entry = {"manager": "m", "operation": "Apply", "subresource": "status", "time": LATE, "fieldsV1": {"f:s": {}}}
    after = {"metadata": {"managedFields": [entry]}, "s": 1}
    assert changes_text(field_changes({"metadata": {}}, after)) == f".s by m (Apply, status subresource, {LATE})"


def test_the_latest_is_told_where_the_earlier_version_is_forgotten() -> None:
    now = obj(("old", EARLY, data("a")), ("new", LATE, {"f:data": {"f:b": {}}}), data={"a": 1, "b": 2})
    assert changes_text(latest(now)) == f".data.b by new (Update, {LATE})"
    assert latest({"metadata": {}}) == []
