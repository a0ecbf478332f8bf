"""Searches a text for many needles at once, in time that depends on the text's length and not on their number.

An occurrence of a needle of seven or more bytes covers a whole four-byte block that begins at a multiple of four. A
table holds one such block of each needle for each of the four alignments; looking up all blocks of the text in the
table runs at the speed of C.
"""

from __future__ import annotations

import sys
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from typing import NamedTuple

Span = tuple[int, int]
_BLOCK = 4
_ALIGNED = 2 * _BLOCK - 1  # bytes; a needle of this length covers a whole block at any offset
_STEM = 64  # bytes of a needle that are indexed; the rest is compared after a match
SHORTEST = _BLOCK


class Family(NamedTuple):
    """Needles with a common beginning, sorted; ``reach`` is the length of the longest, in bytes."""

    needles: tuple[bytes, ...] = ()
    reach: int = 0

    def joined_by(self, needle: bytes) -> Family:
        """The family with ``needle`` added."""
        needles = list(self.needles)
        insort(needles, needle)
        return Family(tuple(needles), max(self.reach, len(needle)))

    def longest(self, data: bytes, start: int) -> int:
        """The length of the longest needle that occurs in ``data`` at ``start``; 0 if none does."""
        there = data[start : start + self.reach]
        while there:
            at = bisect_right(self.needles, there)
            if not at:
                return 0
            nearest = self.needles[at - 1]
            if there.startswith(nearest):
                return len(nearest)
            there = there[: _common(there, nearest)]
        return 0

    def has_longer(self, beginning: bytes) -> bool:
        """Whether a needle is longer than ``beginning`` and begins with it."""
        at = bisect_left(self.needles, beginning)
        return any(needle.startswith(beginning) and needle != beginning for needle in self.needles[at : at + 2])


class Needles:
    """Needles of at least four bytes. One thread may add while others search."""

    def __init__(self) -> None:
        self._families: dict[bytes, Family] = {}  # by stem
        self._blocks: dict[int, tuple[Span, ...]] = {}  # by block: its offset in a stem, and the stem's length
        self._heads: dict[int, tuple[Span, ...]] = {}  # likewise for stems under seven bytes, by their first block
        self.reach = 0  # bytes of the longest needle

    def __len__(self) -> int:
        return sum(len(family.needles) for family in self._families.values())

    def __contains__(self, needle: bytes) -> bool:
        family = self._families.get(needle[:_STEM])
        return family is not None and needle in family.needles

    def __bool__(self) -> bool:
        return bool(self._families)

    def add(self, needle: bytes) -> None:
        """Add ``needle`` to the searches that begin from now on."""
        self.reach = max(self.reach, len(needle))
        stem = needle[:_STEM]
        family = self._families.get(stem)
        if family is None:
            self._families[stem] = Family((needle,), len(needle))
            self._index(stem)
        elif needle not in family.needles:
            self._families[stem] = family.joined_by(needle)

    def _index(self, stem: bytes) -> None:
        if len(stem) < _ALIGNED:
            _put(self._heads, stem[:_BLOCK], (0, len(stem)))
            return
        for first in range(_BLOCK):
            place = self._rarest(stem, range(first, len(stem) - _BLOCK + 1, _BLOCK))
            _put(self._blocks, stem[place : place + _BLOCK], (place, len(stem)))

    def _rarest(self, stem: bytes, places: range) -> int:
        """The offset of the block that occurs in the fewest needles and looks rare in texts, to avoid false matches."""
        best, fewest = places[0], sys.maxsize
        for place in places:
            block = stem[place : place + _BLOCK]
            count = 2 * len(self._blocks.get(_number(block), ())) + _is_common(block)
            if count < fewest:
                best, fewest = place, count
            if not count:
                break
        return best

    def find(self, data: bytes) -> list[Span]:
        """The spans of all needles in ``data``, without duplicates, in no order."""
        found = set(self._aligned(data, 0, self._blocks))
        for shift in range(_BLOCK):
            found.update(self._aligned(data, shift, self._heads))
        return list(found)

    def _aligned(self, data: bytes, shift: int, table: dict[int, tuple[Span, ...]]) -> Iterator[Span]:
        whole = (len(data) - shift) // _BLOCK * _BLOCK
        if whole <= 0 or not table:
            return
        blocks = memoryview(data)[shift : shift + whole].cast("I")
        if table.keys().isdisjoint(blocks):
            return
        marks = bytes(map(table.__contains__, blocks))
        at = marks.find(1)
        while at >= 0:
            for place, length in table[blocks[at]]:
                yield from self._standing(data, shift + at * _BLOCK - place, length)
            at = marks.find(1, at + 1)

    def _standing(self, data: bytes, start: int, length: int) -> Iterator[Span]:
        family = self._families.get(data[start : start + length]) if start >= 0 else None
        if family is not None:
            end = start + family.longest(data, start)
            if end > start:
                yield start, end


def _common(one: bytes, other: bytes) -> int:
    """The length of the common beginning."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[:middle] == other[:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _is_common(block: bytes) -> bool:
    """Whether the block looks common in texts: part of a word or of JSON."""
    return not block.isalnum() or block.islower() or len(set(block)) == 1


def _number(block: bytes) -> int:
    return int.from_bytes(block, sys.byteorder)


def _put(table: dict[int, tuple[Span, ...]], block: bytes, place: Span) -> None:
    known = table.get(_number(block), ())
    if place not in known:
        table[_number(block)] = (*known, place)
