"""Where secrets of one class stand in a text: whole, escaped, or cut short by the server that repeats them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from k8s_step.redaction.escapes import Reading, readings
from k8s_step.redaction.needles import SHORTEST, Family, Needles, Span

_BEGINNING = 8  # bytes of a secret that tell it where the rest was cut off, and that is said
_UNSAID = 12  # where the text just ends
_LONGEST_CUT = 2**16  # bytes of a message that may have been cut: a condition's has room for half of that
_FURTHEST = 4096  # bytes before the cut: events, conditions and exit messages are cut at so many at the most
_CUT = re.compile(
    rb"\xe2\x80\xa6|\.\.\.|[\[(<{]\W{0,3}(?:output |message |log |value )?(?:truncated|cut|omitted)", re.I
)
_QUOTES = b" \t\r\n\"'`)]}>|"


def encoded(text: str) -> bytes:
    """Text as all of this looks at it; any text can be, half characters too."""
    return text.encode("utf-8", "surrogatepass")


class Index:
    """Secrets, each in all its forms."""

    def __init__(self) -> None:
        self._whole = Needles()
        self._beginnings = _Beginnings()

    def __len__(self) -> int:
        return len(self._whole)

    def __contains__(self, form: str) -> bool:
        return encoded(form) in self._whole

    def __bool__(self) -> bool:
        return bool(self._whole)

    def add(self, form: str) -> None:
        """Look for this form, too."""
        needle = encoded(form)
        if len(needle) >= SHORTEST:
            self._whole.add(needle)
            self._beginnings.add(needle)

    def spans(self, data: bytes, *, cut: bool = False) -> list[Span]:
        """Where any of them stands in ``data``; ``cut``: also where one begins that the end, or dots, cut off."""
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
    """Secrets that are long enough to be known by their beginning."""

    def __init__(self) -> None:
        self._heads = Needles()
        self._families: dict[bytes, Family] = {}

    def add(self, needle: bytes) -> None:
        if len(needle) > _BEGINNING and b"\n" not in needle:  # its lines are needles, those that tell something
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
    """Where something may have been cut off, and how many bytes of it must be there; quotes may have been closed."""
    cuts = {(found.start(), _BEGINNING) for found in _CUT.finditer(data)} | {(len(data), _UNSAID)}
    for end, least in cuts:
        before = data[max(0, end - 16) : end]
        yield from {(end, least), (end - len(before) + len(before.rstrip(_QUOTES)), least)}
