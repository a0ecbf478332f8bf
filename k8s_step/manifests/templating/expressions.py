"""Finds ``${…}`` expressions in text, and hides from the YAML parser those that are no valid YAML.

People write ``${NAME}`` unquoted inside ``{…}`` and ``[…]``, and ``${NAME:-a: b}`` unquoted anywhere; YAML allows
neither. Such an expression is replaced by private-use characters, and restored in the parsed scalar.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from k8s_step.errors import InputError


class ExpressionError(InputError):
    """A mistake in one ``${…}``; ``written`` is the expression's text, used to find its line."""

    def __init__(self, message: str, *, written: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.written = written


_BRACE_OR_BREAK = re.compile(r"[{}\n]")
_PRIVATE_USE = range(0xE000, 0xF8FF)


def closing(text: str, start: int) -> int:
    """The index of the brace that closes the ``${`` at ``start``, or -1.

    Braces inside an expression nest, so that a default may be JSON; an expression never spans lines.

    >>> closing('${A:-{"b": 1}} c', 0)
    13
    """
    depth = 0
    for brace in _BRACE_OR_BREAK.finditer(text, start + 1):
        if brace[0] == "\n":
            return -1
        depth += 1 if brace[0] == "{" else -1
        if not depth:
            return brace.start()
    return -1


def is_cut(text: str) -> bool:
    """Whether ``text`` contains an unclosed ``${``, which means that YAML ended the scalar too early."""
    start = text.find("${")
    while start >= 0:
        end = closing(text, start)
        if end < 0:
            return True
        start = text.find("${", end)
    return False


@dataclass(frozen=True)
class Hidden:
    """A text whose ``originals`` are each replaced by their index between two ``mark`` characters."""

    text: str = field(repr=False)
    mark: str = ""
    originals: tuple[str, ...] = field(default=(), repr=False)

    def restore(self, text: str) -> str:
        """``text``, a part of the parsed text, with the original expressions put back."""
        if not self.mark or self.mark not in text:
            return text
        return re.sub(f"{self.mark}(\\d+){self.mark}", lambda found: self.originals[int(found[1])], text)


def hide(text: str, plain: Iterable[tuple[int, int]]) -> Hidden:
    """Hide expressions that begin in an unquoted scalar but end beyond it; ``plain``: start and end of each scalar."""
    mark = next(chr(code) for code in _PRIVATE_USE if chr(code) not in text)
    originals: list[str] = []
    pieces: list[str] = []
    done = 0
    for start, end in plain:
        for opening, close in _cut_expressions(text, max(start, done), end):
            pieces += [text[done:opening], f"{mark}{len(originals)}{mark}"]
            originals.append(text[opening : close + 1])
            done = close + 1
    return Hidden("".join([*pieces, text[done:]]), mark, tuple(originals))


def _cut_expressions(text: str, start: int, end: int) -> Iterable[tuple[int, int]]:
    opening = text.find("${", start, end + 1)
    while opening >= 0:
        close = closing(text, opening)
        if close >= end:
            yield opening, close
        opening = text.find("${", max(close, opening) + 1, end + 1)
