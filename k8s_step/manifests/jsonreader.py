"""Parses JSON text into nodes with line numbers; an unquoted ``${NAME}`` is allowed as a value.

Python's ``json`` keeps no positions and drops the first of two equal keys, so only its string scanner is used.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from json import JSONDecodeError
from json.decoder import scanstring  # type: ignore[attr-defined]
from math import isinf
from typing import NoReturn

from k8s_step.manifests.nodes import BYTE_ORDER_MARK, MappingNode, Node, ScalarNode, SequenceNode
from k8s_step.manifests.templating.expressions import closing

_SPACE = re.compile(r"[ \t\r\n]*")
_LITERAL = re.compile(r"true|false|null|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_SURROGATE = re.compile("[\ud800-\udfff]")


class JsonError(Exception):
    """A syntax error in JSON text; ``line`` counts from 1."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


def read(text: str, deepest: int) -> list[Node]:
    """The values in ``text``: one, or several in a row, as ``jq`` prints them; ``deepest`` limits their nesting.

    :raises JsonError: a syntax error, or nesting beyond ``deepest`` levels.
    """
    reader = _Reader(text, deepest)
    values = []
    while reader.skip_to_value():
        values.append(reader.value(0))
    return values


class _Reader:
    def __init__(self, text: str, deepest: int) -> None:
        self._text = text
        self._deepest = deepest
        self._at = 0
        self._breaks = [found.start() for found in re.finditer("\n", text)]

    def skip_space(self) -> int:
        space = _SPACE.match(self._text, self._at)
        self._at = space.end() if space else self._at
        return self._at

    def skip_to_value(self) -> bool:
        """Whether another value follows; skips a byte order mark before it, as kubectl does."""
        if self._text[self.skip_space() : self._at + 1] == BYTE_ORDER_MARK:
            self._at += 1
        return self.skip_space() < len(self._text)

    def value(self, depth: int) -> Node:
        if depth > self._deepest:
            self._fail(f"nested deeper than {self._deepest} levels")
        start = self._text[self.skip_space() : self._at + 1]
        if start == "{":
            return self._mapping(depth)
        if start == "[":
            return self._sequence(depth)
        return self._string() if start == '"' else self._literal()

    def _mapping(self, depth: int) -> MappingNode:
        node = MappingNode([], self._line())
        self._at += 1
        if self._takes("}"):
            return node
        while True:
            if self._text[self.skip_space() : self._at + 1] != '"':
                self._fail("a name in double quotes is expected here")
            name = self._string()
            self._expect(":")
            node.pairs.append((name, self.value(depth + 1)))
            if self._takes("}"):
                return node
            self._expect(",")

    def _sequence(self, depth: int) -> SequenceNode:
        node = SequenceNode([], self._line())
        self._at += 1
        if self._takes("]"):
            return node
        while True:
            node.items.append(self.value(depth + 1))
            if self._takes("]"):
                return node
            self._expect(",")

    def _string(self) -> ScalarNode:
        line = self._line()
        try:
            text, self._at = scanstring(self._text, self._at + 1, True)
        except JSONDecodeError as error:
            self._at = min(error.pos, len(self._text))
            self._fail(error.msg)
        if _SURROGATE.search(text):
            raise JsonError("half of a surrogate pair: the text cannot be sent as UTF-8", line)
        return ScalarNode(text, False, None, line)

    def _literal(self) -> ScalarNode:
        line, start = self._line(), self._at
        if self._text.startswith("${", start) and (close := closing(self._text, start)) > 0:
            self._at = close + 1
            return ScalarNode(self._text[start : self._at], True, None, line)
        literal = _LITERAL.match(self._text, start)
        if not literal:
            self._fail("a value is expected here")
        self._at = literal.end()
        if literal[0][-1].isdigit() and isinf(float(literal[0])):
            self._fail("the number is too big")
        return ScalarNode(literal[0], True, None, line)

    def _takes(self, sign: str) -> bool:
        if self._text[self.skip_space() : self._at + 1] != sign:
            return False
        self._at += 1
        return True

    def _expect(self, sign: str) -> None:
        if not self._takes(sign):
            self._fail(f"{sign!r} is expected here")

    def _line(self) -> int:
        return bisect_left(self._breaks, self._at) + 1

    def _fail(self, message: str) -> NoReturn:
        raise JsonError(message, self._line())
