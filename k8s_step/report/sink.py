"""The one way out: no line passes with a credential, and a reader who left is no reason to fail."""

from __future__ import annotations

import contextlib
import os
from typing import TextIO

from k8s_step.redaction import Redactor


class MaskedStream:
    """A text stream that masks credentials and never raises because of what it holds or who reads it.

    What is written is made of data that was masked before, by the journal, and of what is never masked, such as names:
    a Secret's value that looks like one is looked for no more.

    ``lost`` says why not all of it got where it was to go; empty where it did, or where the reader has left.
    """

    def __init__(self, stream: TextIO, redactor: Redactor) -> None:
        self.lost = ""
        self._stream = stream
        self._redactor = redactor
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")

    def line(self, text: str) -> None:
        """Write ``text`` and a newline, at once."""
        self.write(f"{text}\n")
        self.flush()

    def write(self, text: str) -> None:
        """Write ``text``, but no credential."""
        self._put(self._redactor.mask_line(text))

    def unmasked_line(self, text: str) -> None:
        """Write ``text`` as it is: for a reader that is told what it must hide, and nobody else."""
        self._put(f"{text}\n")
        self.flush()

    def _put(self, text: str) -> None:
        try:
            self._stream.write(text)
        except OSError as error:
            self._give_up(error)

    def flush(self) -> None:
        """Hand over what was written."""
        try:
            self._stream.flush()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        """What is still buffered goes nowhere: else Python would try again, and again."""
        if not isinstance(error, BrokenPipeError):
            self.lost = error.strerror or "the stream is closed"
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)
