"""The three standard streams of a process that may have been started without some of them."""

from __future__ import annotations

import os
import sys


def open_missing() -> None:
    """Open the null device in the place of each standard stream that is closed.

    Otherwise the next file or connection that is opened gets its number, and the step's output would go there.
    ``sys.stdin`` stays ``None`` where it was closed: there is nothing to read, which is not the same as an empty file.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest number that is free: this one
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - it lives as long as the process
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
