"""Makes text from elsewhere safe to print: without colours, cursor movements and control characters."""

from __future__ import annotations

import re
import unicodedata

# Control sequences (CSI), operating system commands (OSC) and two-character escapes: ECMA-48.
_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~]|$)")
# C0 and C1 except newline and tab, line and paragraph separators, and characters that change the writing direction.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_COMMAND = re.compile(r"(^|[\r\n])([^\S\r\n]*)::")


def printable(text: str) -> str:
    """``text`` without colours and control characters; newlines and tabs stay."""
    return _CONTROL.sub(" ", _ESCAPE.sub("", text.replace("\r\n", "\n")))


def without_commands(text: str) -> str:
    """``text`` with GitHub's commands defused: ``::`` at a line's start, also after spaces, and ``##[`` anywhere.

    Source: ``ActionCommand.TryParseV2`` and ``TryParse`` of actions/runner.
    """
    return _COMMAND.sub(r"\1\2| ::", text.replace("##[", "## ["))


def one_line(text: str, limit: int) -> str:
    """``text`` on one line of at most ``limit`` characters."""
    line = " ".join(printable(text).split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def cells(text: str) -> int:
    """The number of columns that ``text`` takes on a terminal."""
    return sum(map(_width, text))


def fitted(text: str, width: int) -> str:
    """``text`` cut to ``width`` columns."""
    taken = 0
    for index, character in enumerate(text):
        taken += _width(character)
        if taken > width:
            return text[:index]
    return text


def _width(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) == "Cf":
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
