"""The JSON of a list, parsed item by item: a page is held as text, as objects only as far as its reader keeps them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from k8s_step.objects.metadata import MutableObject

_BLANKS = re.compile(r"[ \t\n\r]*")
_ENTRIES = ("items", "rows")  # of a list, and of a Table
_decode = json.JSONDecoder().raw_decode


def parsed(raw: bytes, each: Callable[[MutableObject], Any]) -> dict[str, Any] | None:
    """``raw`` as a JSON object in which each entry of its items, or rows, is replaced by what ``each`` makes of it.

    ``None`` where it is anything else, such as a list that broke off; ``each`` may have been called before that.
    """
    try:
        text = raw.decode()
        found, at = _members(text, _past(text, 0, "{"), each)
    except (ValueError, RecursionError):
        return None
    return found if _blank(text, at) == len(text) else None


def _members(text: str, at: int, each: Callable[[MutableObject], Any]) -> tuple[dict[str, Any], int]:
    found: dict[str, Any] = {}
    at = _blank(text, at)
    if text.startswith("}", at):
        return found, at + 1
    while True:
        at = _blank(text, at)
        if not text.startswith('"', at):
            raise ValueError(f"no name of a field at {at}")
        key, at = _decode(text, at)
        at = _blank(text, _past(text, at, ":"))
        is_list = key in _ENTRIES and text.startswith("[", at)
        found[key], at = _entries(text, at + 1, each) if is_list else _decode(text, at)
        at = _blank(text, at)
        if text.startswith("}", at):
            return found, at + 1
        at = _past(text, at, ",")


def _entries(text: str, at: int, each: Callable[[MutableObject], Any]) -> tuple[list[Any], int]:
    found: list[Any] = []
    at = _blank(text, at)
    if text.startswith("]", at):
        return found, at + 1
    while True:
        entry, at = _decode(text, _blank(text, at))
        found.append(each(entry))
        at = _blank(text, at)
        if text.startswith("]", at):
            return found, at + 1
        at = _past(text, at, ",")


def _blank(text: str, at: int) -> int:
    """The place of the next letter that is no blank."""
    found = _BLANKS.match(text, at)
    return found.end() if found else at


def _past(text: str, at: int, mark: str) -> int:
    """The place after ``mark``. Raises :class:`ValueError` where something else stands there."""
    at = _blank(text, at)
    if not text.startswith(mark, at):
        raise ValueError(f"no {mark} at {at}")
    return at + 1
