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


@pytest.mark.parametrize(("between", "is_whole"), [(2 * REACH, True), (2 * REACH + 1, False), (3 * REACH, False)])
def test_the_text_between_two_escapes_is_left_out_where_no_secret_could_span_it(between: int, is_whole: bool) -> None:
    data = rb"a\n" + b"x" * between + rb"\tb"
    reading = list(readings(data, REACH))[1]
    middle = b"x" * between if is_whole else b"x" * REACH + BARRIER + b"x" * REACH
    assert reading.data == b"a\n" + middle + b"\tb"
    tab = reading.data.index(b"\t")
    assert reading.place(tab, tab + 1) == (len(data) - 3, len(data) - 1)
    assert reading.place(tab - 1, tab + 2) == (len(data) - 4, len(data)), "the escape whole, and what is around it"
    assert reading.place(0, 2) == (0, 3)


def test_no_more_is_read_around_an_escape_than_a_secret_may_reach() -> None:
    data = b"x" * 200 + rb"\n" + b"y" * 200
    reading = list(readings(data, REACH))[1]
    assert reading.data == b"x" * REACH + b"\n" + b"y" * REACH
    assert reading.place(0, 1) == (200 - REACH, 201 - REACH)
    assert reading.place(len(reading.data) - 1, len(reading.data)) == (201 + REACH, 202 + REACH)
