from __future__ import annotations

import io
import os
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from k8s_step.errors import ExitCode
from k8s_step.objects.reference import Reference
from k8s_step.redaction import Redactor
from k8s_step.report.formats.live import Live
from k8s_step.report.layout.text import cells
from k8s_step.report.sink import MaskedStream
from k8s_step.verdict.judgement import Judgement
from k8s_step.verdict.states import State
from tests.unit import releases
from tests.unit.releases import API, WEB


class Screen:
    """As much of a terminal as the live view needs: it wraps, scrolls, goes up, and erases below."""

    def __init__(self, columns: int, lines: int) -> None:
        self.columns = columns
        self.height = lines
        self.rows = [""]
        self.widest = 0

    def feed(self, text: str) -> None:
        for part in re.findall(r"\x1b\[\d*[A-Za-z]|\x1b\[[\d;]+m|\n|[^\x1b\n]+", text):
            if part == "\n":
                self.rows.append("")
            elif part.endswith("F") and part.startswith("\x1b"):
                self.up(int(part[2:-1]))
            elif part == "\x1b[J":
                self.rows[-1] = ""
            elif not part.startswith("\x1b"):
                self.write(part)

    def up(self, count: int) -> None:
        assert count < self.height, "further than the top of the screen"
        assert count < len(self.rows), "further than anything that was written"
        del self.rows[-count:]
        self.rows[-1] = ""  # all that goes up erases at once

    def write(self, text: str) -> None:
        self.widest = max(self.widest, cells(text))
        for letter in text:
            if cells(self.rows[-1]) + cells(letter) > self.columns:
                self.rows.append("")
            self.rows[-1] += letter


class Terminal:
    """A live view on a screen."""

    def __init__(self, columns: int = 60, lines: int = 24) -> None:
        self.now = 0.0
        self.buffer = io.StringIO()
        self.data: list[str] = []
        self.screen = Screen(columns, lines)
        stream = MaskedStream(self.buffer, Redactor())
        self.live = Live(
            stream, self.data.append, clock=lambda: self.now, size=lambda: os.terminal_size((columns, lines))
        )

    @property
    def rows(self) -> list[str]:
        self.screen.feed(self.buffer.getvalue())
        self.buffer.seek(0)
        self.buffer.truncate()
        return [row for row in self.screen.rows if row]


def progress(message: str, state: State = State.IN_PROGRESS) -> Judgement:
    return Judgement(state, message)


def test_the_block_is_redrawn_in_place() -> None:
    terminal = Terminal()
    terminal.live.following(2, 600.0)
    for now in range(4):
        terminal.now = float(now)
        terminal.live.progress(WEB, progress(f"{now} of 3"), terminal.now)
        terminal.live.progress(API, progress("0 of 2"), terminal.now)
    assert terminal.rows == [
        "waiting for 2 objects, 10m at the most",
        "-- waiting for 2, 9m57s left",
        "   deployment.apps/web: 3 of 3",
        "   deployment.apps/api: 0 of 2",
    ]


def test_verdicts_stand_above_it() -> None:
    terminal = Terminal(columns=80)
    terminal.live.following(2, 600.0)
    terminal.live.progress(WEB, progress("1 of 3"), 0.0)
    terminal.live.progress(API, progress("0 of 2"), 0.0)
    terminal.live.progress(WEB, progress("3 of 3 pods ready", State.CURRENT), 4.0)
    assert terminal.rows[1:] == [
        "deployment.apps/web: current after 4.0 s (3 of 3 pods ready)",
        "-- waiting for 1, 10m left",
        "   deployment.apps/api: 0 of 2",
    ]


def test_at_the_end_nothing_of_it_is_left() -> None:
    terminal = Terminal(columns=200)
    terminal.live.following(1, 600.0)
    terminal.live.progress(WEB, progress("1 of 3"), 0.0)
    terminal.live.finished(releases.good())
    assert not [row for row in terminal.rows if "1 of 3" in row or "-- waiting" in row]
    assert terminal.rows[-1].startswith("succeeded: ")
    assert len(terminal.data) == 1


@pytest.mark.parametrize("message", ["long " * 100, "日本語" * 100, "two\nlines\rthree", "\x1b[31mred\x1b[5A up"])
def test_no_message_breaks_out_of_its_row(message: str) -> None:
    terminal = Terminal(columns=40)
    for _ in range(5):
        terminal.live.progress(WEB, progress(message), 0.0)
    assert len(terminal.rows) == 2
    assert terminal.screen.widest < 40


def test_more_objects_than_fit_are_counted() -> None:
    terminal = Terminal(columns=60, lines=10)
    for each in range(30):
        terminal.live.progress(Reference("v1", "Pod", "shop", f"p{each}"), progress("pending"), 0.0)
    assert len(terminal.rows) < 10
    assert terminal.rows[-1] == "   and 24 more"


def test_a_line_that_wraps_since_is_erased_whole() -> None:
    """The terminal becomes narrower: what was one row is two."""
    terminal = Terminal(columns=60)
    terminal.live.progress(WEB, progress("x" * 25), 0.0)
    assert len(terminal.rows) == 2
    narrow = Screen(30, 24)
    narrow.feed("\n".join([*terminal.screen.rows[:-1], ""]))
    assert len([row for row in narrow.rows if row]) == 3
    terminal.screen = narrow
    terminal.live._size = lambda: os.terminal_size((30, 24))
    terminal.live.progress(WEB, progress("y"), 0.0)
    assert terminal.rows == ["-- waiting for 1, 0.0 s left", "   deployment.apps/web: y"]


steps = st.lists(
    st.tuples(
        st.sampled_from(["progress", "verdict", "note", "tick"]),
        st.integers(0, 20),
        st.text(st.characters(exclude_categories=("Cs",), max_codepoint=0x4FFF), max_size=90),
    ),
    max_size=25,
)


@settings(max_examples=60)
@given(steps, st.integers(20, 100), st.integers(6, 40))
def test_the_log_above_is_as_if_there_were_no_block(told: list[tuple[str, int, str]], columns: int, lines: int) -> None:
    terminal = Terminal(columns, lines)
    expected: list[str] = []
    quiet = Screen(columns, lines)
    for what, number, text in told:
        reference = Reference("v1", "Pod", "shop", f"p{number}")
        if what == "progress":
            terminal.live.progress(reference, progress(text), 0.0)
        elif what == "verdict":
            terminal.live.progress(reference, progress(text, State.CURRENT), 0.0)
            expected.append(terminal.live.progress_line(reference, progress(text, State.CURRENT), 0.0))
        elif what == "tick":
            terminal.live.tick(1.0, [])
        else:
            terminal.live.notice("text")
            expected.append("note: text")
    terminal.live.finished(releases.result(ExitCode.SUCCEEDED))
    quiet.feed("".join(f"{line}\n" for line in [*expected, "succeeded: 0 objects in 12.3 s"]))
    assert terminal.rows == [row for row in quiet.rows if row]
