"""Unescapes text (nested JSON, Go's ``%q``, Python's ``repr``, XML, URLs) and maps places back to the original."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

BARRIER = b"\xff"  # separates unconnected parts; UTF-8 text never contains this byte
_LEVELS = 3  # nested escapes, such as JSON in a log line in JSON in an annotation


class Reading(NamedTuple):
    """``data`` is ``source`` unescaped; the piece at offset ``here[i]`` comes from the span ``there[i]``."""

    data: bytes
    source: Reading | None = None
    here: tuple[int, ...] = ()
    there: tuple[tuple[int, int], ...] = ()

    def place(self, start: int, end: int) -> tuple[int, int]:
        """The span of the original text for the span ``start`` to ``end`` of ``data``, in bytes."""
        if self.source is None:
            return start, end
        return self.source.place(self._from(start)[0], self._from(end - 1)[1])

    def _from(self, at: int) -> tuple[int, int]:
        """The span of ``source`` for the byte at ``at``: one copied byte, or the whole escape."""
        piece = bisect_right(self.here, at) - 1
        begin, end = self.there[piece]
        is_copied = end - begin == (*self.here[piece + 1 : piece + 2], len(self.data))[0] - self.here[piece]
        at += begin - self.here[piece]
        return (at, at + 1) if is_copied else (begin, end)


def readings(data: bytes, reach: int) -> Iterator[Reading]:
    """The text itself, then the text unescaped up to three times, in each order of the ways of escaping.

    Parts further than ``reach`` bytes from an escape are left out, as they equal the text itself.
    """
    level, seen = [Reading(data)], {data}
    yield level[0]
    for _ in range(_LEVELS):
        found = [reading for source in level for reading in _unescaped(source, reach)]
        level = [reading for reading in found if reading.data not in seen]
        if not level:
            return
        seen.update(reading.data for reading in level)
        yield from level


def _unescaped(source: Reading, reach: int) -> Iterator[Reading]:
    for mark, pattern, meaning in _WAYS:
        if mark not in source.data:
            continue
        found = [(*each.span(), meant) for each in pattern.finditer(source.data) if (meant := meaning(each))]
        if found:
            yield _read(source, found, reach)


def _read(source: Reading, found: Sequence[tuple[int, int, bytes]], reach: int) -> Reading:
    """``source`` unescaped; ``found``: start, end and meaning of each escape. A meaning is shorter than its escape."""
    at = max(0, found[0][0] - reach)
    pieces: list[bytes] = []
    there: list[tuple[int, int]] = []
    for begin, end, meant in found:
        if begin - at > 2 * reach:
            pieces += (source.data[at : at + reach], BARRIER)
            there += ((at, at + reach), (at, at))
            at = begin - reach
        pieces += (source.data[at:begin], meant)
        there += ((at, begin), (begin, end))
        at = end
    pieces.append(source.data[at : at + reach])
    there.append((at, min(at + reach, len(source.data))))
    here = (0, *accumulate(map(len, pieces)))[:-1]
    return Reading(b"".join(pieces), source, here, tuple(there))


# -- the ways of escaping

_BACKSLASH = re.compile(
    rb"\\(?:u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|[uU]((?<=u)[0-9a-fA-F]{4}|[0-9a-fA-F]{8})"
    rb"|x([0-9a-fA-F]{2})|([0-3][0-7]{2})|(.))",
    re.DOTALL,
)
_LETTERS = dict(zip(b"abfnrtv\"'/\\", b"\a\b\f\n\r\t\v\"'/\\", strict=True))
_ENTITY = re.compile(rb"&(?:(amp|lt|gt|quot|apos)|#([0-9]{1,7})|#[xX]([0-9a-fA-F]{1,6}));")
_NAMED = {b"amp": b"&", b"lt": b"<", b"gt": b">", b"quot": b'"', b"apos": b"'"}
_PERCENT = re.compile(rb"%([0-9a-fA-F]{2})")


def _of_backslash(found: re.Match[bytes]) -> bytes | None:
    high, low, number, byte, octal, letter = found.groups()
    if letter:
        return bytes((_LETTERS[letter[0]],)) if letter[0] in _LETTERS else None
    if high:
        return _character(0x10000 + (int(high, 16) - 0xD800) * 0x400 + int(low, 16) - 0xDC00)
    if number:
        return _character(int(number, 16))
    return bytes((int(byte, 16) if byte else int(octal, 8),))


def _of_entity(found: re.Match[bytes]) -> bytes | None:
    name, decimal, number = found.groups()
    return _NAMED[name] if name else _character(int(decimal) if decimal else int(number, 16))


def _of_percent(found: re.Match[bytes]) -> bytes:
    return bytes((int(found[1], 16),))


def _character(number: int) -> bytes | None:
    return chr(number).encode("utf-8", "surrogatepass") if number <= 0x10FFFF else None


_Meaning = Callable[[re.Match[bytes]], bytes | None]
_WAYS: tuple[tuple[bytes, re.Pattern[bytes], _Meaning], ...] = (
    (b"\\", _BACKSLASH, _of_backslash),
    (b"&", _ENTITY, _of_entity),
    (b"%", _PERCENT, _of_percent),
)
