from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k8s_step.report.layout.text import cells, fitted, one_line, printable


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("\x1b[31;1mred\x1b[0m", "red"),
        ("\x1b[2K\x1b[1G> build", "> build"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]8;;https://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b[0Ksection_start:1:a\r\x1b[0Khead", "section_start:1:a head"),
        ("\x1b(Btext\x1b", "text"),
        ("10%\r100%", "10% 100%"),
        ("a\r\nb", "a\nb"),
        ("a\tb\nc", "a\tb\nc"),
        ("bell\x07 null\x00 c1\x9b31m", "bell  null  c1 31m"),
        ("\u202egnp.exe \u2028 x", " gnp.exe   x"),
        ("héllo 日本 🚀", "héllo 日本 🚀"),
    ],
)
def test_printable(raw: str, expected: str) -> None:
    assert printable(raw) == expected


@given(st.text())
def test_nothing_printable_moves_the_cursor(text: str) -> None:
    assert not any(unicodedata.category(letter) == "Cc" and letter not in "\n\t" for letter in printable(text))


@given(st.text(), st.integers(1, 40))
def test_one_line(text: str, limit: int) -> None:
    line = one_line(text, limit)
    assert len(line) <= limit
    assert len(line.splitlines()) <= 1
    assert line == line.strip() or line.endswith("…")


def test_what_is_left_out_is_shown() -> None:
    assert one_line("twelve  letters\nand more", 12) == "twelve lett…"


@given(st.text(), st.integers(0, 40))
def test_fitted(text: str, width: int) -> None:
    line = fitted(text, width)
    assert cells(line) <= width
    assert text.startswith(line)
    rest = text[len(line) :]
    assert not rest or cells(line) + cells(rest[0]) > width


@pytest.mark.parametrize(("text", "columns"), [("abc", 3), ("日本", 4), ("é", 1), ("e\u0301", 1), ("🚀", 2), ("", 0)])
def test_cells(text: str, columns: int) -> None:
    assert cells(text) == columns
