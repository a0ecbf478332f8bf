"""Values as JSON text, laid out as kubectl lays it out; several times as fast as ``json`` is with an indent."""

from __future__ import annotations

import json
from collections.abc import Callable
from json.encoder import encode_basestring as quoted
from typing import Any

_INDENT = "    "


def pretty(value: Any, depth: int = 0) -> str:
    """A JSON value of dicts and lists, keys sorted, indented by four spaces; ``depth``: that of its place."""
    return _pretty(value, "\n" + _INDENT * depth)


def compact(value: Any) -> str:
    """``value`` on one line, with its keys sorted."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _pretty(value: Any, margin: str) -> str:
    return _WRITERS.get(type(value), _scalar)(value, margin)


def _mapping(value: dict[str, Any], margin: str) -> str:
    if not value:
        return "{}"
    inner = margin + _INDENT
    fields = []
    for key in sorted(value):
        each = value[key]
        text = quoted(each) if type(each) is str else _pretty(each, inner)
        fields.append(f"{inner}{quoted(key)}: {text}")
    return f"{{{','.join(fields)}{margin}}}"


def _list(value: list[Any], margin: str) -> str:
    if not value:
        return "[]"
    inner = margin + _INDENT
    return f"[{','.join([inner + _pretty(each, inner) for each in value])}{margin}]"


def _text(value: str, _: str) -> str:
    return quoted(value)


def _whole(value: int, _: str) -> str:
    return int.__repr__(value)


def _scalar(value: Any, _: str) -> str:
    return json.dumps(value)


_WRITERS: dict[type, Callable[[Any, str], str]] = {dict: _mapping, list: _list, str: _text, int: _whole}
