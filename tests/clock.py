"""Runs the step with a clock that the test turns on, so that a deadline passes when the test says so.

``python clock.py FILE ARGUMENT…``: ``time.monotonic`` is ahead of the machine's own by one second for each byte in
FILE, and whoever waits on a queue notices. Where there is a FILE.date, ``time.time`` stands but for one second for each
byte in it.
"""

from __future__ import annotations

import queue
import sys
import time
from pathlib import Path
from typing import Any

_machine, _machines_date = time.monotonic, time.time
_STANDING = "standing-clock"
_SLICE = 0.05  # seconds between two looks at the clock while a queue is empty


class Clock:
    """The test's end of it: ``turn(60)`` makes a minute pass for the step that runs with ``file``.

    ``stands``: no time passes but what the test turns on. ``date_stands``: the same of the date.
    """

    def __init__(self, folder: Path, *, stands: bool = False, date_stands: bool = False) -> None:
        self.file = folder / (_STANDING if stands else "clock")
        self.file.touch()
        if date_stands:
            _date_of(self.file).touch()

    def turn_date(self, seconds: int) -> None:
        """A later date, by which tokens end, while no time passes."""
        assert _date_of(self.file).exists(), "the date does not stand"
        with _date_of(self.file).open("ab") as file:
            file.write(b"." * seconds)

    def turn(self, seconds: int) -> None:
        with self.file.open("ab") as file:
            file.write(b"." * seconds)


def _date_of(file: Path) -> Path:
    return file.with_name(f"{file.name}.date")


class _Queue(queue.SimpleQueue):  # type: ignore[type-arg]
    """A queue whose timeouts are measured by the turned clock."""

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        if not block or timeout is None:
            return super().get(block, timeout)
        end = time.monotonic() + timeout
        while (left := end - time.monotonic()) > 0:
            try:
                return super().get(timeout=min(left, _SLICE))
            except queue.Empty:
                continue
        return super().get(block=False)


def main() -> None:
    file = Path(sys.argv[1])
    begun = _machine()
    runs = (lambda: begun) if file.name == _STANDING else _machine
    time.monotonic = lambda: runs() + file.stat().st_size
    date, today = _date_of(file), _machines_date()
    if date.exists():
        time.time = lambda: today + date.stat().st_size
    queue.SimpleQueue = _Queue  # type: ignore[misc]
    sys.argv = ["k8s-step", *sys.argv[2:]]
    sys.path.pop(0)  # this folder: it is no place to import from
    from k8s_step.__main__ import main as step

    step()


if __name__ == "__main__":
    main()
