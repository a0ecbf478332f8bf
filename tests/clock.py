"""Runs the step with a clock that the test turns on, so that a deadline passes when the test says so.

``python clock.py FILE ARGUMENT…``: ``time.monotonic`` is ahead of the machine's own by one second for each byte in
FILE, and whoever waits on a queue notices. Where there is a FILE.date, ``time.time`` stands but for one second for each
byte in it. FILE.signals gets a byte for each SIGTERM or SIGINT that the step has handled.
"""

from __future__ import annotations

import queue
import signal
import sys
import time
from collections.abc import Callable
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

    @property
    def signals(self) -> int:
        """How many signals the step has handled; one that was sent is handled only when its main thread runs."""
        file = _signals_of(self.file)
        return file.stat().st_size if file.exists() else 0


def _date_of(file: Path) -> Path:
    return file.with_name(f"{file.name}.date")


def _signals_of(file: Path) -> Path:
    return file.with_name(f"{file.name}.signals")


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


def _note_signals(file: Path) -> None:
    """Write a byte to ``file`` after each SIGTERM or SIGINT that a handler of the step's has handled."""
    set_handler = signal.signal

    def noting(number: int, handler: Any) -> Any:
        if number not in (signal.SIGTERM, signal.SIGINT) or not callable(handler):
            return set_handler(number, handler)
        handle: Callable[[int, Any], Any] = handler

        def handle_and_note(number: int, frame: Any) -> None:
            try:
                handle(number, frame)
            finally:
                with file.open("ab") as noted:
                    noted.write(b".")

        return set_handler(number, handle_and_note)

    signal.signal = noting


def main() -> None:
    file = Path(sys.argv[1])
    _note_signals(_signals_of(file))
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
