"""On a terminal: the plain log, with what is still waited for redrawn below it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable

from k8s_step.judgement import Judgement
from k8s_step.reference import Reference
from k8s_step.report.plain import Plain, duration
from k8s_step.report.result import Result
from k8s_step.report.stream import MaskedStream

_TONES = {"good": "32", "bad": "31;1", "warn": "33", "dim": "2"}
_ROWS = 12  # objects shown at a time


def colour(text: str, tone: str) -> str:
    """``text`` in an ANSI colour."""
    return f"\x1b[{_TONES[tone]}m{text}\x1b[0m"


class Live(Plain):
    """Writes the log as ever and keeps a block of unfinished objects at the foot of the screen."""

    tick_every = 1.0

    def __init__(
        self, stream: MaskedStream, data: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(self._write_above, data, colour, clock)
        self._stream = stream
        self._waiting: dict[Reference, str] = {}
        self._drawn = 0
        self._ends = 0.0

    def following(self, objects: int, timeout: float) -> None:
        self._ends = self._clock() + timeout
        super().following(objects, timeout)

    def progress(self, reference: Reference, judgement: Judgement, seconds: float) -> None:
        if judgement.is_final:
            self._waiting.pop(reference, None)
            super().progress(reference, judgement, seconds)
            return
        self._waiting[reference] = judgement.message
        self._redraw()

    def tick(self, remaining: float, waiting: list[tuple[Reference, str]]) -> None:
        self._redraw()

    def finished(self, result: Result) -> None:
        self._waiting.clear()
        self._erase()
        super().finished(result)

    def _write_above(self, text: str) -> None:
        self._erase()
        self._stream.write(f"{text}\n")
        self._redraw()

    def _erase(self) -> None:
        if self._drawn:
            self._stream.write(f"\x1b[{self._drawn}F\x1b[J")
            self._drawn = 0

    def _redraw(self) -> None:
        self._erase()
        if self._waiting:
            lines = self._block(shutil.get_terminal_size().columns - 1)
            self._stream.write("".join(f"{colour(line, 'dim')}\n" for line in lines))
            self._drawn = len(lines)
        self._stream.flush()

    def _block(self, width: int) -> list[str]:
        left = duration(max(self._ends - self._clock(), 0))
        lines = [f"-- waiting for {len(self._waiting)}, {left} left"]
        lines += [f"   {self.name(reference)}: {text}" for reference, text in list(self._waiting.items())[:_ROWS]]
        if len(self._waiting) > _ROWS:
            lines.append(f"   and {len(self._waiting) - _ROWS} more")
        return [" ".join(line.split(" "))[:width] for line in lines]
