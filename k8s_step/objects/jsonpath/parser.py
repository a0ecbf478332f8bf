"""The text of a JSONPath template as its parts; pure.

Source: ``util/jsonpath/parser.go`` of k8s.io/client-go.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from k8s_step.objects.jsonpath.nodes import (
    OPERATORS,
    Descent,
    Field,
    Filter,
    Literal,
    Node,
    Nodes,
    Slice,
    Union,
    Wildcard,
)


class MalformedError(ValueError):
    """The template can't be read. ``hint``: the next move, or empty."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True)
class Range:
    """``{range nodes}`` and the parts up to its ``{end}``; all that follow where it has none: ``is_closed`` false."""

    nodes: Nodes
    parts: tuple[Part, ...]
    is_closed: bool = True


Part = Nodes | Range  # text outside braces is a Literal

_END_OF_NAME = re.compile(r"(?:\\.|[^\s.,\[\]$@{}\\])*", re.DOTALL)
_NUMBER = re.compile(r"[+-]?[\d.]+")
_KEY = re.compile(r"'([^']*)'")
_SLICE = re.compile(r"(-?\d{0,18})(?::(-?\d{0,18}))?(?::(-?\d{0,18}))?")
_FILTER = re.compile(r"""((?:[^"')\n]|("|')(?:\\.|(?!\2)[^\\\n])*\2)*)\)\]""")
_COMPARISON = re.compile(r"([^!<>=]+)([!<>=]+)(.+)", re.DOTALL)
_WORDS: dict[str, Nodes] = {"true": (Literal(True),), "false": (Literal(False),)}
_FILTERS = 'one comparison a filter, as in [?(@.type=="Ready")]; its operators are == != < <= > >='


def parse(text: str) -> tuple[Part, ...]:
    """The parts of a template: literal text and ``{expressions}``. Raises :class:`MalformedError`."""
    flat: list[tuple[str, Nodes]] = []
    at = 0
    while at < len(text):
        if text[at] == "{":
            action = _Action(text, at + 1)
            flat.append((action.word, action.nodes))
            at = action.at
        else:
            end = text.find("{", at)
            end = len(text) if end < 0 else end
            flat.append(("", (Literal(text[at:end]),)))
            at = end
    return _grouped(flat)


def _grouped(flat: Sequence[tuple[str, Nodes]]) -> tuple[Part, ...]:
    """``flat`` with each ``range`` and what is up to its ``end`` as one part."""
    open_ranges: list[Nodes] = []
    levels: list[list[Part]] = [[]]
    for word, nodes in flat:
        if word == "range":
            open_ranges.append(nodes)
            levels.append([])
        elif word == "end":
            if not open_ranges:
                raise MalformedError("{end} without a {range …} before it")
            parts = tuple(levels.pop())
            levels[-1].append(Range(open_ranges.pop(), parts))
        else:
            levels[-1].append(nodes)
    while open_ranges:
        parts = tuple(levels.pop())
        levels[-1].append(Range(open_ranges.pop(), parts, is_closed=False))
    return tuple(levels[0])


class _Action:
    """What stands in braces, read from ``at`` on: its ``nodes``, and ``word``: ``range``, ``end`` or empty."""

    def __init__(self, text: str, at: int) -> None:
        self.at = at
        self.word = ""
        self._text = text
        self._nodes: list[Node] = []
        while not self._take("}"):
            self._read()

    @property
    def nodes(self) -> Nodes:
        return tuple(self._nodes)

    def _take(self, prefix: str) -> bool:
        if not self._text.startswith(prefix, self.at):
            return False
        self.at += len(prefix)
        return True

    def _read(self) -> None:
        letter = self._text[self.at : self.at + 1]
        if letter in ("", "\n", "\r"):
            raise MalformedError("a { is not closed on its line")
        if letter in " @$":  # the object itself
            self.at += 1
        elif self._take("[?("):
            self._filter()
        elif self._take(".."):
            self._descent()
        elif self._take("["):
            self._brackets()
        elif letter in "\"'":
            self._quoted(letter)
        elif self._take("."):
            self._field()
        elif letter in "+-" or letter.isdigit():
            self._number()
        elif letter == "_" or letter.isalpha():
            self._identifier()
        else:
            hint = _FILTERS if letter in "&|~=<>!" else ""
            raise MalformedError(f"{letter!r} has no meaning in an expression", hint)

    def _match(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self._text, self.at)
        self.at = found.end() if found else self.at
        return found[0] if found else ""

    def _field(self) -> None:
        name = self._match(_END_OF_NAME)
        self._nodes.append(Wildcard() if name == "*" else Field(name.replace("\\", "")))

    def _descent(self) -> None:
        if self._nodes and isinstance(self._nodes[-1], Descent):
            raise MalformedError("'..' can't follow '..'")
        self._nodes.append(Descent())
        letter = self._text[self.at : self.at + 1]
        if letter == "_" or letter.isalnum():
            self._field()

    def _identifier(self) -> None:
        name = self._match(_END_OF_NAME)
        if name in _WORDS:
            self._nodes += _WORDS[name]
        elif name in ("range", "end") and not self.word:
            self.word = name
        else:
            raise MalformedError(f"{name!r} is no word of JSONPath", f'a field is .{name}, a text "{name}"')

    def _number(self) -> None:
        text = self._match(_NUMBER)
        try:
            self._nodes.append(Literal(float(text) if "." in text else int(text)))
        except ValueError:
            raise MalformedError(f"{text or self._text[self.at]!r} is no number") from None

    def _quoted(self, quote: str) -> None:
        found = re.compile(rf"{quote}((?:\\.|[^\\\n{quote}])*){quote}").match(self._text, self.at)
        if found is None:
            raise MalformedError(f"the quote {quote} is not closed on its line")
        self.at = found.end()
        self._nodes.append(Literal(_unquoted(found[1], quote)))

    def _brackets(self) -> None:
        end = self._text.find("]", self.at)
        inside = self._text[self.at : end]
        if end < 0 or "\n" in inside:
            raise MalformedError("a [ is not closed on its line")
        self.at = end + 1
        if "," in inside:
            self._nodes.append(Union(tuple(_bracketed(part.strip(" ")) for part in inside.split(","))))
        else:
            self._nodes += _bracketed(inside)

    def _filter(self) -> None:
        """Up to the closing ``)]``, which may also stand in the first quotes."""
        found = _FILTER.match(self._text, self.at)
        if found is None:
            raise MalformedError("the filter [?(…)] is not closed", _FILTERS)
        self.at = found.end()
        self._nodes.append(_filter(found[1]))


def _filter(text: str) -> Filter:
    found = _COMPARISON.fullmatch(text)
    if found is None:
        return Filter(_expression(text))
    left, operator, right = found.groups()
    if operator not in OPERATORS:
        raise MalformedError(f"{operator} is no operator of a filter", _FILTERS)
    return Filter(_expression(left), operator, _expression(right))


def _expression(text: str) -> Nodes:
    """The nodes of ``text`` as it would stand in braces of its own."""
    action = _Action(f"{text}}}", 0)
    if action.at != len(text) + 1 or action.word:
        raise MalformedError(f"{text!r} is no expression")
    return action.nodes


def _bracketed(text: str) -> Nodes:
    """What is between brackets: ``*``, ``'key'``, an index or a slice. A key is a path: ``'a.b'`` is two fields."""
    if text == "*":
        return (Slice(),)
    if key := _KEY.fullmatch(text):
        return _expression(f".{key[1]}")
    found = _SLICE.fullmatch(text)
    if found is None:
        hint = f"single quotes: ['{text[1:-1]}']" if len(text) > 1 and text[0] == text[-1] == '"' else ""
        raise MalformedError(
            f"[{text}] is no index", hint or "[0], [-1], [1:3], [*], ['key'] or [?(@.field==\"value\")]"
        )
    begin, end, step = (_index(each) for each in found.groups())
    if found[2] is None and found[3] is None:
        return (Slice(begin, is_index=True),)
    return (Slice(begin, end, 1 if step is None else step),)


def _index(text: str | None) -> int | None:
    if text == "-":
        raise MalformedError("[-] is no index")
    return int(text) if text else None


_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|(.))")
_LETTERS = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\"}


def _unquoted(text: str, quote: str) -> str:
    """``text`` with its escapes resolved. Source: ``strconv.UnquoteChar`` of Go."""

    def resolved(found: re.Match[str]) -> str:
        *codes, octal, letter = found.groups()
        digits = next(filter(None, codes), "")
        if letter is not None:
            if letter != quote and letter not in _LETTERS:
                raise MalformedError(f"\\{letter} is no escape of a text in {quote}")
            return _LETTERS.get(letter, letter)
        code = int(digits, 16) if digits else int(octal, 8)
        if code > sys.maxunicode or 0xD800 <= code < 0xE000:
            raise MalformedError(f"{found[0]} is no character")
        return chr(code)

    return _ESCAPE.sub(resolved, text)
