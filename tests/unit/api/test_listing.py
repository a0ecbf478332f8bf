"""Lists parsed item by item: the same as the whole text parsed at once, and nothing of what is broken."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k8s_step.api.listing import parsed

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
LISTS = st.fixed_dictionaries(
    {"metadata": VALUES},
    optional={"items": st.lists(VALUES, max_size=4) | st.none(), "rows": st.lists(VALUES, max_size=4), "kind": VALUES},
)


def same(item: Any) -> Any:
    return item


@given(LISTS, st.sampled_from([None, 1, "\t"]))
def test_what_json_makes_of_it(body: dict[str, Any], indent: int | str | None) -> None:
    assert parsed(json.dumps(body, indent=indent, ensure_ascii=False).encode(), same) == body


@given(LISTS, st.data())
def test_what_breaks_off_is_nothing(body: dict[str, Any], data: st.DataObject) -> None:
    text = json.dumps(body).encode()
    assert parsed(text[: data.draw(st.integers(0, len(text) - 1))], same) is None


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"{} {}", b"{", b'{"items": [}', b'{"items" []}', b"\xff", b"null", b"{1:2}"]
)
def test_what_is_no_object(text: bytes) -> None:
    assert parsed(text, same) is None


def test_items_alone_are_replaced() -> None:
    body = b'{"kind": "List", "metadata": {"items": [1]}, "items": [{"a": 1}, {"a": 2}]}'
    assert parsed(body, lambda item: item["a"]) == {"kind": "List", "metadata": {"items": [1]}, "items": [1, 2]}
