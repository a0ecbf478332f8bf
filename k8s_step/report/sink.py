"""Streams that all output goes through: they mask credentials in every line, and a closed pipe is not an error."""

from __future__ import annotations

import contextlib
import os
import select
from typing import TextIO

from k8s_step.redaction import Redactor


class MaskedStream:
    """A text stream that masks credentials and never raises: not for its encoding, nor for a closed pipe or full disk.

    The journal has masked the values of Secrets in its data before; names are never masked. So the stream looks for
    credentials only, not for a Secret's value that equals a name.

    ``lost`` is the reason why some text could not be written; empty where all was, or where the reader has left.
    """

    def __init__(self, stream: TextIO, redactor: Redactor) -> None:
        self.lost = ""
        self._has_left = False
        self._stream = stream
        self._redactor = redactor
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")

    @property
    def is_read(self) -> bool:
        """Whether somebody may still read it: ``False`` once the other end of a pipe is closed."""
        with contextlib.suppress(OSError, ValueError):
            watched = select.poll()
            watched.register(self._stream.fileno(), 0)
            self._has_left = self._has_left or bool(watched.poll(0))
        return not self._has_left

    def line(self, text: str) -> None:
        """Write ``text`` and a newline, at once."""
        self.write(f"{text}\n")
        self.flush()

    def write(self, text: str) -> None:
        """Write ``text`` with its credentials masked."""
        self._put(self._redactor.mask_line(text))

    def unmasked_line(self, text: str) -> None:
        """Write ``text`` unmasked: only for a runner's commands that register a secret to be masked."""
        self._put(f"{text}\n")
        self.flush()

    def _put(self, text: str) -> None:
        try:
            self._stream.write(text)
        except OSError as error:
            self._give_up(error)

    def flush(self) -> None:
        """Flush the underlying stream."""
        try:
            self._stream.flush()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        """Discard buffered text after ``error``: otherwise Python would try to write it again at exit."""
        self._has_left = self._has_left or isinstance(error, BrokenPipeError)
        if not isinstance(error, BrokenPipeError):
            self.lost = error.strerror or "the stream is closed"
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)
