"""The log on a terminal: the plain log, and below it a block of unfinished objects that is redrawn in place."""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from k8s_step.objects.reference import Reference
from k8s_step.report.formats.plain import Plain
from k8s_step.report.layout.text import cells, fitted, one_line
from k8s_step.report.results.result import Result
from k8s_step.report.sink import MaskedStream
from k8s_step.report.wording import Style, colour, duration, no_style, standing

if TYPE_CHECKING:
    from k8s_step.verdict.judgement import Judgement

_ROWS = 12  # objects shown at a time
_LONGEST = 1000  # characters; more than any screen is wide


def screen() -> os.terminal_size:
    """Columns and rows of the terminal behind stderr, where the log goes; stdout may be redirected."""
    try:
        found = os.get_terminal_size(sys.stderr.fileno())
    except (OSError, ValueError):
        return shutil.get_terminal_size()
    return found if found.columns and found.lines else shutil.get_terminal_size()


class Live(Plain):
    """The plain log with a block of unfinished objects at the foot of the screen."""

    tick_every = 1.0

    def __init__(
        self,
        stream: MaskedStream,
        data: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        size: Callable[[], os.terminal_size] = screen,
        data_style: Style = no_style,
    ) -> None:
        super().__init__(self._write_above, data, colour, clock, data_style)
        self._stream = stream
        self._size = size
        self._waiting: dict[Reference, str] = {}
        self._drawn: list[str] = []
        self._ends = 0.0
        self._screen = threading.RLock()  # ``content`` is called from the threads that read a Job's log

    def following(self, objects: int, timeout: float) -> None:
        self._ends = self._clock() + timeout
        super().following(objects, timeout)

    def progress(self, reference: Reference, judgement: Judgement, seconds: float) -> None:
        if judgement.is_final:
            self._waiting.pop(reference, None)
            super().progress(reference, judgement, seconds)
            return
        self._waiting[reference] = standing(judgement)
        self._redraw()

    def rolling_back(self, result: Result, objects: int, timeout: float) -> None:
        self._waiting.clear()
        super().rolling_back(result, objects, timeout)

    def gone(self, reference: Reference, seconds: float) -> None:
        self._waiting.pop(reference, None)
        super().gone(reference, seconds)

    def met(self, reference: Reference, told: str, seconds: float) -> None:
        self._waiting.pop(reference, None)
        super().met(reference, told, seconds)

    def tick(self, remaining: float, waiting: list[tuple[Reference, str]]) -> None:
        self._redraw()

    def content(self, text: str) -> None:
        with self._screen:
            self._erase()
            self._stream.flush()
            super().content(text)
            self._redraw()

    def finished(self, result: Result) -> None:
        self._waiting.clear()
        self._erase()
        super().finished(result)

    def _write_above(self, text: str) -> None:
        with self._screen:
            self._erase()
            self._stream.write(f"{text}\n")
            self._redraw()

    def _erase(self) -> None:
        """Erase the block; its rows are counted anew, since lines wrap when the terminal has become narrower."""
        if self._drawn:
            columns = max(self._size().columns, 1)
            rows = sum(max(-(-cells(line) // columns), 1) for line in self._drawn)
            self._stream.write(f"\x1b[{rows}F\x1b[J")
            self._drawn = []

    def _redraw(self) -> None:
        with self._screen:
            self._erase()
            if self._waiting:
                self._drawn = self._block()
                self._stream.write("".join(f"{colour(line, 'dim')}\n" for line in self._drawn))
            self._stream.flush()

    def _block(self) -> list[str]:
        """The block's lines, cut to fit the screen: a block that wraps or scrolls could not be erased."""
        width, rows = self._size().columns - 1, min(_ROWS, max(self._size().lines - 4, 1))
        left = duration(max(self._ends - self._clock(), 0))
        lines = [f"-- waiting for {len(self._waiting)}, {left} left"]
        for reference, text in list(self._waiting.items())[:rows]:
            lines.append(f"   {self.name(reference)}: {one_line(text, _LONGEST)}")
        if len(self._waiting) > rows:
            lines.append(f"   and {len(self._waiting) - rows} more")
        return [fitted(line, width) for line in lines]
