"""The three standard streams of a process that may have been started without some of them."""

from __future__ import annotations

import os
import sys


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
