"""The three standard streams of a process that may have been started without some of them."""

from __future__ import annotations

import io
import os
import sys
import threading
from typing import TextIO, cast


def open_missing() -> None:
    """Open the null device in place of each closed standard stream.

    Otherwise the next file or connection to be opened would get the stream's number, and with it the step's output.
    ``sys.stdin`` stays ``None`` where it was closed, to tell a missing stdin from an empty one.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # open takes the lowest free number
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - it lives as long as the process
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115


class SharedText(io.TextIOBase):
    """A text stream that is read once, and whose whole text each call of :meth:`read` returns. Thread-safe."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._text: str | None = None

    def read(self, _: int | None = -1) -> str:
        """The whole text, whatever was read before."""
        with self._lock:
            if self._text is None:
                self._text = self._stream.read()
            return self._text

    def isatty(self) -> bool:
        return self._stream.isatty()


def share_stdin() -> None:
    """Let several readers in this process have the whole text of stdin each."""
    if sys.stdin is not None and not isinstance(sys.stdin, SharedText):
        sys.stdin = cast(TextIO, SharedText(sys.stdin))
