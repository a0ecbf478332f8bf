"""The JSON value that kubectl sends for one YAML scalar.

The rules are those of go.yaml.in/yaml/v2 (``resolve.go``) followed by sigs.k8s.io/yaml (``yaml.go``), not YAML 1.1's or
1.2's: ``yes`` is true, ``0755`` is octal, ``12:30:45`` and dates are strings, ``1.0`` is sent as 1.
"""

from __future__ import annotations

import base64
import math
import re
import struct
from collections.abc import Callable
from datetime import date
from functools import lru_cache

Value = str | int | float | bool | None
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(["y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"], True),
    **dict.fromkeys(["n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"], False),
    **dict.fromkeys(["", "~", "null", "Null", "NULL"], None),
}
NULLS = frozenset(word for word, value in _WORDS.items() if value is None)
_NOT_IN_JSON = frozenset(
    [".nan", ".NaN", ".NAN", *(f"{sign}.{word}" for sign in ("", "+", "-") for word in ("inf", "Inf", "INF"))]
)
_NUMBER_START = frozenset("0123456789+-.")
_RADIX = re.compile(r"([+-]?)0([xXoObB]?)([0-9a-fA-F]+)")
_DECIMAL = re.compile(r"[+-]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_DOTTED = re.compile(r"\.[0-9]+(_[0-9]+)*([eE][-+]?[0-9]+(_[0-9]+)*)?")
_SIGNED_BINARY = re.compile(r"0b([+-][01]+)")
_BASES = {"x": 16, "o": 8, "": 8, "b": 2}
_INT64 = range(-(2**63), 2**63)
_UINT64 = range(2**64)
_DAY = r"(\d{4})-(\d{1,2})-(\d{1,2})"
_CLOCK = r"(\d{1,2}):(\d{1,2}):(\d{1,2})(?:[.,]\d+)?"
_TIMESTAMP = re.compile(rf"{_DAY}(?:[Tt]{_CLOCK}(?:Z|[+-]\d\d:\d\d)| {_CLOCK})?", re.ASCII)
_LONG_TAG = "tag:yaml.org,2002:"


class ScalarError(ValueError):
    """A scalar that JSON cannot express or that contradicts its tag; the message never contains the value."""


@lru_cache(maxsize=8192)
def resolve(text: str) -> Value:
    """The JSON value of an unquoted scalar.

    :raises ScalarError: infinity and not-a-number, which JSON does not know.

    >>> resolve("0755"), resolve("yes"), resolve("1e3"), resolve("12:30:45")
    (493, True, 1000, '12:30:45')
    """
    return _as_sent(_typed(text))


def tagged(tag: str, text: str) -> Value:
    """The JSON value of a scalar with an explicit tag; with a tag unknown to kubectl, the text as a string.

    :raises ScalarError: the text is not of the tag's type.
    """
    return _as_sent(_convert(tag, text))


@lru_cache(maxsize=8192)
def key(text: str, tag: str | None = None) -> str:
    """The JSON key for an unquoted or tagged scalar: ``"1"`` for ``1``, ``"true"`` for ``yes``.

    :raises ScalarError: null, and numbers too big for a key, as in kubectl.
    """
    value = _typed(text) if tag is None else _convert(tag, text)
    if isinstance(value, str):
        return value
    if value is None:
        raise ScalarError("null cannot be a key")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _float32_text(value)
    if value not in _INT64:
        raise ScalarError("a number this big cannot be a key")
    return str(value)


def _convert(tag: str, text: str) -> Value:
    convert = _TAGGED.get(tag.removeprefix(_LONG_TAG)) if tag.startswith(_LONG_TAG) else None
    return convert(text) if convert else text


def _typed(text: str) -> Value:
    """The value that ``resolve.go`` gives an unquoted scalar, before :func:`_as_sent`: ``1.0`` is still a float."""
    if text in _WORDS:
        return _WORDS[text]
    if text in _NOT_IN_JSON:
        raise ScalarError("infinity and not-a-number have no JSON form, so the API server cannot take them")
    if text[0] not in _NUMBER_START:
        return text
    number = _dotted(text) if text[0] == "." else _number(text)
    return text if number is None else number


def _as_sent(value: Value) -> Value:
    """The value in the form of Go's JSON, which writes ``1.0`` as 1 and whole floats below 1e21 without an exponent."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        from decimal import Decimal

        return int(Decimal(repr(value)))
    return value


def _number(text: str) -> int | float | None:
    plain = text.replace("_", "")
    if _is_timestamp(text):
        return None
    whole = _integer(plain)
    if whole is not None:
        return whole
    if _FLOAT.fullmatch(plain):
        return _finite(plain)
    signed = _SIGNED_BINARY.fullmatch(plain)  # a quirk of resolve.go: it parses the text after 0b with its own sign
    return int(signed[1], 2) if signed else None


def _dotted(text: str) -> float | None:
    """A float that begins with a dot; Go's ``ParseFloat`` accepts single underscores between digits."""
    return _finite(text) if _DOTTED.fullmatch(text) else None


def _integer(plain: str) -> int | None:
    """The integer by Go's ``ParseInt(s, 0, 64)`` or, if bigger, ``ParseUint``; ``None`` if neither accepts it."""
    radix = _RADIX.fullmatch(plain)
    try:
        if _DECIMAL.fullmatch(plain):
            whole = int(plain)
        elif radix:
            whole = int(radix[1] + radix[3], _BASES[radix[2].lower()])
        else:
            return None
    except ValueError:  # 08, 0b12, or more digits than Python converts
        return None
    return whole if whole in _INT64 or (plain[0] not in "+-" and whole in _UINT64) else None


def _finite(plain: str) -> float | None:
    number = float(plain)
    return None if math.isinf(number) else number


def _is_timestamp(text: str) -> bool:
    """Whether Go's ``time.Parse`` accepts the text in one of the four layouts of ``resolve.go``."""
    found = _TIMESTAMP.fullmatch(text)
    if not found:
        return False
    year, month, day, *clock = (int(part) for part in found.groups() if part is not None)
    try:
        date(max(year, 1), month, day)
    except ValueError:
        return False
    return not clock or (clock[0] < 24 and clock[1] < 60 and clock[2] < 60)


def _float32_text(number: float) -> str:
    """Go's ``FormatFloat(number, 'g', -1, 32)``: the fewest digits that identify the 32-bit float."""
    narrow = _narrow(number)
    if narrow is None:  # kubectl writes ".inf" here, which no user intends
        raise ScalarError("a number this big cannot be a key")
    exact = struct.unpack("<f", narrow)[0]
    shortest = next(text for text in (f"{exact:.{digits}e}" for digits in range(9)) if _narrow(float(text)) == narrow)
    mantissa, exponent = shortest.split("e")
    if -4 <= int(exponent) < 6:
        from decimal import Decimal

        return format(Decimal(shortest), "f")
    return f"{mantissa}e{exponent}"


def _narrow(number: float) -> bytes | None:
    try:
        return struct.pack("<f", number)
    except OverflowError:
        return None


def _only(kind: str, *types: type) -> Callable[[str], Value]:
    def convert(text: str) -> Value:
        value = _typed(text)
        if type(value) not in types:
            raise ScalarError(f"the value is not what its tag !!{kind} says")
        return value

    return convert


def _binary(text: str) -> str:
    try:
        return base64.b64decode(text.replace("\n", "").replace("\r", ""), validate=True).decode()
    except UnicodeDecodeError:
        raise ScalarError("a !!binary value is not text once decoded, so JSON cannot carry it") from None
    except ValueError:
        raise ScalarError("a !!binary value is not base64") from None


def _timestamp(text: str) -> str:
    if not _is_timestamp(text):
        raise ScalarError("the value is not what its tag !!timestamp says")
    return text


_TAGGED: dict[str, Callable[[str], Value]] = {
    "str": str,
    "binary": _binary,
    "timestamp": _timestamp,
    "null": _only("null", type(None)),
    "bool": _only("bool", bool),
    "int": _only("int", int),
    "float": _only("float", float, int),
}
