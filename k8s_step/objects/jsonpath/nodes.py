"""The steps of a JSONPath expression, each from the values found so far to those that it finds in them; pure.

Source: ``util/jsonpath/jsonpath.go`` of k8s.io/client-go. Two of its flaws are left out: an empty list ends the search
of ``[*]`` there, so that what the lists after it hold is lost, and an index out of bounds passes for an existing field
in ``[?(@.list[9])]``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

Values = list[Any]


class PathError(ValueError):
    """An expression does not fit the object that it is evaluated on."""


class Node(Protocol):
    """One step of an expression."""

    def found_in(self, values: Values, allow_missing: bool) -> Values:
        """What the step finds in each of ``values``. Raises :class:`PathError`.

        ``allow_missing``: a field that none of ``values`` has is no error.
        """


Nodes = tuple[Node, ...]


def walk(nodes: Nodes, values: Values, allow_missing: bool = True) -> Values:
    """The values that ``nodes``, one after the other, find from ``values`` on."""
    for node in nodes:
        values = node.found_in(values, allow_missing)
    return values


@dataclass(frozen=True)
class Literal:
    """A text, number or boolean of the expression itself."""

    value: str | int | float | bool

    def found_in(self, values: Values, allow_missing: bool) -> Values:
        return [self.value]


@dataclass(frozen=True)
class Field:
    """``.name``; a value that is no mapping has no fields."""

    name: str

    def found_in(self, values: Values, allow_missing: bool) -> Values:
        found = [value[self.name] for value in values if isinstance(value, Mapping) and self.name in value]
        if values and not found and not allow_missing:
            raise PathError(f"{self.name} is not found")
        return found


@dataclass(frozen=True)
class Wildcard:
    """``.*``: all values of a mapping or list."""

    def found_in(self, values: Values, allow_missing: bool) -> Values:
        return [child for value in values for child in _children(value)]


@dataclass(frozen=True)
class Descent:
    """``..``: every mapping, list and text from here down that isn't empty, parents before their children."""

    def found_in(self, values: Values, allow_missing: bool) -> Values:
        return [each for value in values for each in _descendants(value)]


@dataclass(frozen=True)
class Slice:
    """``[begin:end:step]`` of lists; an index out of bounds is an error, as in Go. ``is_index``: ``[begin]``."""

    begin: int | None = None
    end: int | None = None
    step: int = 1
    is_index: bool = False

    def found_in(self, values: Values, allow_missing: bool) -> Values:
        return [each for value in values if value is not None for each in self._part(value)]

    def _part(self, value: Any) -> Sequence[Any]:
        if not isinstance(value, list):
            raise PathError(f"{_described(value)} is no list, so it has no [index]")
        if self.step <= 0:
            raise PathError("the step of a slice must be greater than 0")
        length = len(value)
        begin, end = self._bounds(length)
        if begin == end:
            return ()
        for index in (begin, end - 1):
            if not 0 <= index < length:
                raise PathError(f"index {index} is out of bounds of a list of {length}")
        if begin > end:
            raise PathError(f"a slice can't start at {begin} and end at {end}")
        return value[begin : end : self.step]

    def _bounds(self, length: int) -> tuple[int, int]:
        begin = self.begin or 0
        begin = begin + length if begin < 0 else begin
        if self.is_index:
            return begin, begin + 1
        end = length if self.end is None else self.end
        return begin, end + length if end < 0 else end


@dataclass(frozen=True)
class Union:
    """``[a,b]``: what each of the parts finds, one part after the other."""

    parts: tuple[Nodes, ...]

    def found_in(self, values: Values, allow_missing: bool) -> Values:
        return [each for part in self.parts for each in walk(part, values, allow_missing)]


@dataclass(frozen=True)
class Filter:
    """``[?(left operator right)]``: the elements of lists for which that holds. ``operator`` empty: ``left`` exists."""

    left: Nodes
    operator: str = ""
    right: Nodes = ()

    def found_in(self, values: Values, allow_missing: bool) -> Values:
        return [each for value in values for each in self._chosen(value, allow_missing)]

    def _chosen(self, value: Any, allow_missing: bool) -> Iterator[Any]:
        if not isinstance(value, list):
            raise PathError(f"{_described(value)} is no list, so it can't be filtered")
        holds = self._holds if self.operator else self._exists
        return (each for each in value if holds(each, allow_missing))

    def _exists(self, element: Any, allow_missing: bool) -> bool:
        try:
            return bool(walk(self.left, [element], allow_missing))
        except PathError:
            return False

    def _holds(self, element: Any, allow_missing: bool) -> bool:
        sides = [walk(nodes, [element], allow_missing) for nodes in (self.left, self.right)]
        if not all(sides):
            return False
        if any(len(side) > 1 for side in sides):
            raise PathError("a filter compares one value with one other, and found several")
        return OPERATORS[self.operator](sides[0][0], sides[1][0])


def _equal(left: Any, right: Any) -> bool:
    _check_comparable(left, right)
    return bool(left == right)


def _less(left: Any, right: Any) -> bool:
    _check_comparable(left, right)
    if isinstance(left, bool):
        raise PathError("true and false have no order: == and != only")
    return bool(left < right)


OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "==": _equal,
    "!=": lambda left, right: not _equal(left, right),
    "<": _less,
    ">=": lambda left, right: not _less(left, right),
    "<=": lambda left, right: not _less(right, left),
    ">": lambda left, right: _less(right, left),
}


def _check_comparable(left: Any, right: Any) -> None:
    """Raise :class:`PathError` unless both are of one scalar type; kubectl holds 1 and 1.0 for different ones."""
    for value in (left, right):
        if not isinstance(value, (str, int, float)):
            raise PathError(f"{_described(value)} can't be compared")
    if type(left) is not type(right):
        raise PathError(f"{_described(left)} and {_described(right)} can't be compared")


_TYPES = {dict: "a mapping", list: "a list", str: "a text", bool: "a boolean", int: "a whole number"}


def _described(value: Any) -> str:
    return "null" if value is None else _TYPES.get(type(value), "a number with a point")


def _children(value: Any) -> Values:
    if isinstance(value, Mapping):
        return list(value.values())
    return list(value) if isinstance(value, list) else []


def _descendants(value: Any) -> Iterator[Any]:
    if isinstance(value, (Mapping, list, str)) and value:
        yield value
        for child in _children(value):
            yield from _descendants(child)
