from __future__ import annotations

import html
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k8s_step.redaction.escapes import BARRIER, readings

REACH = 50


def said(text: str) -> list[str]:
    return [each.data.replace(BARRIER, b"").decode(errors="replace") for each in readings(text.encode(), REACH)]


@pytest.mark.parametrize("ascii_only", [True, False])
@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=20))
def test_json_in_json_in_json(ascii_only: bool, text: str) -> None:
    escaped = text
    for _ in range(3):
        escaped = json.dumps(escaped, ensure_ascii=ascii_only)[1:-1]
    assert text in said(escaped)


@pytest.mark.parametrize(
    "escaped",
    [
        r"caf\xc3\xa9 <\"a\">",
        r"caf\303\251 <\"a\">",
        r"caf\u00e9 \u003c\"a\"\u003e",
        r"caf\U000000e9 <\"a\">",
        "café &lt;&quot;a&#x22;&#62;",
        quote('café <"a">'),
        html.escape(json.dumps('café <"a">')),
    ],
)
def test_every_way_of_escaping(escaped: str) -> None:
    assert any('café <"a">' in one for one in said(escaped))


@pytest.mark.parametrize("text", ["plain", "100% of \\ and &", r"\q \x4 \u12", "&nbsp; &#99999999;", "%zz"])
def test_what_escapes_nothing_says_one_thing(text: str) -> None:
    assert said(text) == [text]


@given(st.lists(st.sampled_from(["ab", r"\n", r"\"", "&amp;", "%41", r"\\n", "é", "x" * 120]), max_size=12))
def test_what_is_read_stands_in_the_text(parts: list[str]) -> None:
    data = "".join(parts).encode()
    for reading in readings(data, REACH):
        places = [reading.place(at, at + 1) for at in range(len(reading.data)) if reading.data[at : at + 1] != BARRIER]
        assert all(0 <= start < end <= len(data) for start, end in places)
        assert places == sorted(places)
        if reading.source is None:
            assert reading.data == data


def test_what_is_far_from_an_escape_is_left_out() -> None:
    one, *others = readings(rb"x" * 10_000 + rb"\n" + rb"y" * 10_000 + rb"\t" + rb"z" * 10_000, REACH)
    assert len(one.data) > 30_000
    assert [len(other.data) for other in others] == [4 * REACH + 3]
