"""Finds secrets of one class in a text: whole, escaped, or truncated by the server that repeats them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from k8s_step.redaction.escapes import Reading, readings
from k8s_step.redaction.needles import SHORTEST, Family, Needles, Span

_BEGINNING = 8  # bytes that identify a secret before a sign of truncation
_UNSAID = 12  # bytes that identify it at the end of a text without such a sign
_LONGEST_CUT = 2**16  # bytes of a text that may be truncated; twice the longest message of a condition
_FURTHEST = 4096  # bytes before a truncation: limit of events, conditions and exit messages
_CUT = re.compile(
    rb"\xe2\x80\xa6|\.\.\.|[\[(<{]\W{0,3}(?:output |message |log |value )?(?:truncated|cut|omitted)", re.I
)
_QUOTES = b" \t\r\n\"'`)]}>|"


def encoded(text: str) -> bytes:
    """``text`` as the bytes that are searched; lone surrogates are encoded too."""
    return text.encode("utf-8", "surrogatepass")


class Index:
    """A set of secrets, each in all its forms, that can be found in a text."""

    def __init__(self) -> None:
        self._whole = Needles()
        self._beginnings = _Beginnings()

    def __len__(self) -> int:
        return len(self._whole)

    def __contains__(self, form: str) -> bool:
        return encoded(form) in self._whole

    def add(self, form: str) -> None:
        """Add a form of a secret; forms under four bytes are ignored."""
        needle = encoded(form)
        if len(needle) >= SHORTEST:
            self._whole.add(needle)
            self._beginnings.add(needle)

    def spans(self, data: bytes, *, cut: bool = False) -> list[Span]:
        """The spans of all secrets in ``data``; ``cut``: also of those truncated by its end, by dots or a note."""
        if not self._whole:
            return []
        is_cut = cut and len(data) <= _LONGEST_CUT
        return [place for reading in readings(data, self._whole.reach) for place in self._read(reading, is_cut)]

    def _read(self, reading: Reading, is_cut: bool) -> Iterator[Span]:
        for start, end in self._whole.find(reading.data):
            yield reading.place(start, end)
        if is_cut:
            for start, end in self._beginnings.find(reading.data):
                yield reading.place(start, end)


class _Beginnings:
    """Finds truncated secrets by their first bytes."""

    def __init__(self) -> None:
        self._heads = Needles()
        self._families: dict[bytes, Family] = {}

    def add(self, needle: bytes) -> None:
        if len(needle) > _BEGINNING and b"\n" not in needle:  # the lines of a longer text are needles themselves
            head = needle[:_BEGINNING]
            self._families[head] = self._families.get(head, Family()).joined_by(needle)
            self._heads.add(head)

    def find(self, data: bytes) -> Iterator[Span]:
        for end, least in _ends(data):
            first = max(0, end - _FURTHEST)
            for at, until in self._heads.find(data[first:end]):
                start = first + at
                family = self._families[data[start : first + until]]
                if end - start >= least and family.has_longer(data[start:end]):
                    yield start, end


def _ends(data: bytes) -> Iterator[tuple[int, int]]:
    """Possible ends of truncated secrets, before and after closing quotes, each with the bytes required there."""
    cuts = {(found.start(), _BEGINNING) for found in _CUT.finditer(data)} | {(len(data), _UNSAID)}
    for end, least in cuts:
        before = data[max(0, end - 16) : end]
        yield from {(end, least), (end - len(before) + len(before.rstrip(_QUOTES)), least)}
