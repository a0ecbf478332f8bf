"""YAML that kubectl, and so our own reader that is held to it, reads back as the same values."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k8s_step.manifests.documents import SourceText, parse
from k8s_step.report.layout.yamltext import dump, dump_all

TRICKY = (
    *(
        "yes",
        "no",
        "on",
        "off",
        "y",
        "n",
        "Y",
        "N",
        "true",
        "null",
        "~",
        "=",
        "<<",
        ".inf",
        "---",
        "...",
        "#",
        "?",
        "-",
    ),
    *("0755", "0o755", "0x1F", "0b11", "1e3", ".5", "1.", "+1", "1_000", "190:20", "12:30:45", "2001-01-01"),
    *("!", "&", "*", "@", "`", "%", "{", "[", "'", '"'),
)
TEXTS = (
    *TRICKY,
    *(
        "",
        " ",
        "a: b",
        "a #b",
        "# a",
        "key:",
        "*** (before)",
        "line\n",
        "a\nb",
        "a\n\n",
        "\n",
        "  lead\nx",
        "trail \nx",
    ),
    *("\ttab\nx", "a\r\nb", "é☃😀", "\x7f", "\x85\u2028\ufeff", "a" * 300 + " b", "---\nx", "x\n...\ny"),
)


def read(text: str) -> list[Any]:
    return [document.build() for document in parse(SourceText("x.yaml", text))]


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_stays_the_text(text: str) -> None:
    value = {"in a mapping": text, "in a list": [text, {"deep": text}], text or "empty": 1}
    assert read(dump(value)) == [value]


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(min_value=-(2**63), max_value=2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False, width=32).filter(lambda number: not number.is_integer())
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), JSON, min_size=1, max_size=3))
def test_whatever_JSON_holds_comes_back(value: dict[str, Any]) -> None:
    assert read(dump(value)) == [value]


@pytest.mark.parametrize("text", ["\ufeff", "a\ufeffb", "\ufeffa: b", "a\n\ufeffb\n"])
def test_a_byte_order_mark_comes_back(text: str) -> None:
    assert read(dump({text: text, "a": [text]})) == [{text: text, "a": [text]}]


def test_it_is_laid_out_as_kubectl_does() -> None:
    value = {"kind": "B", "a": [{"name": "x", "list": [1]}], "text": "one\ntwo\n", "empty": {}}
    assert dump(value) == "a:\n- list:\n  - 1\n  name: x\nempty: {}\nkind: B\ntext: |\n  one\n  two\n"


def test_what_is_there_twice_is_written_twice() -> None:
    shared = {"a": 1}
    assert dump({"one": shared, "two": shared}) == "one:\n  a: 1\ntwo:\n  a: 1\n"


def test_documents_carry_their_comments() -> None:
    text = dump_all([("Source: a.yaml:1", {"a": 1}), ("Source: a.yaml:4", {"b": 2})])
    assert text == "# Source: a.yaml:1\na: 1\n---\n# Source: a.yaml:4\nb: 2\n"
