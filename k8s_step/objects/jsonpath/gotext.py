"""Values as the text that Go makes of them, which is what kubectl prints; pure.

Source: ``fmt.Sprint`` and ``encoding/json`` of Go.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

# Go escapes them so that JSON can stand in HTML and in JavaScript.
_ESCAPED = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"})


def of_value(value: Any) -> str:
    """As JSONPath prints a value: a mapping or list as compact JSON, a scalar as it is."""
    return as_json(value) if isinstance(value, (Mapping, list)) else "null" if value is None else sprint(value)


def as_json(value: Any) -> str:
    """``json.Marshal``: compact, with keys sorted."""
    if isinstance(value, Mapping):
        return f"{{{','.join(f'{_quoted(key)}:{as_json(value[key])}' for key in sorted(value))}}}"
    if isinstance(value, list):
        return f"[{','.join(map(as_json, value))}]"
    if isinstance(value, float):
        return _number(value, smallest=-6, largest=21, exponent_digits=1)
    return _quoted(value) if isinstance(value, str) else json.dumps(value)


def sprint(value: Any) -> str:
    """``fmt.Sprint``: ``map[a:1 b:[x y]]`` for mappings and lists, ``<nil>`` for null."""
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _number(value, smallest=-4, largest=6, exponent_digits=2)
    if isinstance(value, Mapping):
        return f"map[{' '.join(f'{key}:{sprint(value[key])}' for key in sorted(value))}]"
    return f"[{' '.join(map(sprint, value))}]" if isinstance(value, list) else str(value)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).translate(_ESCAPED)


def _number(value: float, *, smallest: int, largest: int, exponent_digits: int) -> str:
    """The shortest digits of ``value``; with an exponent where that is below ``smallest`` or from ``largest`` on."""
    number = Decimal(repr(value)).normalize()
    exponent = number.adjusted()
    if not value or smallest <= exponent < largest:
        return f"{number:f}"
    mantissa = number.scaleb(-exponent).normalize()
    return f"{mantissa:f}e{'-' if exponent < 0 else '+'}{abs(exponent):0{exponent_digits}d}"
