"""Secrets by value: what came in as a secret is masked in everything that leaves the process."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any
from urllib.parse import quote, quote_plus

MASK = "***"
_SHORTEST = 4  # characters; masking shorter values would blot out ordinary words
_SHORTEST_LINE = 6  # of a value of several lines: those of a configuration file say "data:" too
_SHORTEST_INNER = 8  # characters of base64 that tell a value within a longer one
_ORDINARY = ("true", "false", "null", "none", "default")  # no secrets, whatever Secret they are in
_WRAPPED = (64, 76)  # characters of a line of base64: PEM, and MIME or the program of that name
_HEX = re.compile("%[0-9A-F]{2}")
_XML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_XML_WITH_QUOTES = {**_XML, ord('"'): "&quot;", ord("'"): "&#x27;"}
_URL_SAFE = str.maketrans("+/", "-_")


class Redactor:
    """Holds the secret values of this run. Only ``report`` and ``cli`` ask it to mask what they write.

    >>> redactor = Redactor()
    >>> redactor.add("s3cr3t-token")
    >>> redactor.mask("Bearer s3cr3t-token")
    'Bearer ***'
    """

    def __init__(self) -> None:
        self._values: set[str] = set()
        self._longest_first: list[str] = []
        self._lines: dict[str, None] = {}
        self._listener: Callable[[str], None] = _ignore

    def add(self, *values: str | bytes | None) -> None:
        """Remember each value in the forms it could be printed in: plain, by line, escaped, base64, URL-encoded."""
        for value in values:
            if value:
                self._values.update(_forms(value))
                self._tell(_plain_lines(value))
        self._longest_first = sorted(self._values, key=len, reverse=True)

    def listen(self, listener: Callable[[str], None]) -> None:
        """``listener`` is told every line of every secret in plain text: those known, and each as it becomes known."""
        self._listener = listener
        for line in self._lines:
            listener(line)

    def _tell(self, lines: list[str]) -> None:
        for line in lines:
            if line not in self._lines:
                self._lines[line] = None
                self._listener(line)

    def mask(self, text: str) -> str:
        """``text`` with every remembered value replaced by ``***``."""
        for value in self._longest_first:
            if value in text:
                text = text.replace(value, MASK)
        return text

    def mask_all(self, value: Any) -> Any:
        """``value`` with every text in it masked: before it is written as JSON or XML, whose escapes hide secrets."""
        if isinstance(value, str):
            return self.mask(value)
        if isinstance(value, Mapping):
            return {key: self.mask_all(entry) for key, entry in value.items()}
        if isinstance(value, (list, tuple)):
            return type(value)(self.mask_all(entry) for entry in value)
        if is_dataclass(value) and not isinstance(value, type):
            changed = {each.name: self.mask_all(getattr(value, each.name)) for each in fields(value)}
            return replace(value, **changed)
        return value

    def __repr__(self) -> str:
        return f"Redactor({len(self._values)} values)"


def _ignore(_: str) -> None:
    """Nobody listens."""


def _forms(value: str | bytes) -> set[str]:
    raw = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
    text = _text(value)
    forms = {form for each in (text, *_lines(text)) for form in (each, *_escaped(each))}
    forms |= _in_urls(text) | _in_base64(raw) | _in_base64(raw.strip())
    return {form for form in forms if _is_telling(form)}


def _plain_lines(value: str | bytes) -> list[str]:
    text = _text(value)
    lines = _lines(text) if len(text.splitlines()) > 1 else [text]
    return [line for line in lines if _is_telling(line) and "\ufffd" not in line]


def _text(value: str | bytes) -> str:
    return (value if isinstance(value, str) else value.decode("utf-8", "replace")).strip()


def _lines(text: str) -> list[str]:
    """Of a value of several lines those that are long enough; none of one that has a single line."""
    lines = dict.fromkeys(line.strip() for line in text.splitlines())
    return [line for line in lines if line != text and len(line) >= _SHORTEST_LINE]


def _is_telling(form: str) -> bool:
    return len(form) >= _SHORTEST and form.lower() not in _ORDINARY


def _escaped(text: str) -> Iterator[str]:
    """Within JSON, Go's ``%q``, Python's ``repr`` or XML: quotes, newlines, and what lies beyond ASCII."""
    yield from (text.translate(_XML), text.translate(_XML_WITH_QUOTES))
    for quoted in (json.dumps(text), json.dumps(text, ensure_ascii=False), repr(text)):
        yield quoted[1:-1]
        # Go's encoding/json escapes these too, so that JSON can stand in HTML.
        yield quoted[1:-1].replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _in_urls(text: str) -> set[str]:
    forms = {quote(text, safe, errors="surrogateescape") for safe in ("", "/")}
    forms.add(quote_plus(text, errors="surrogateescape"))
    return forms | {_HEX.sub(lambda found: found[0].lower(), form) for form in forms}


def _in_base64(raw: bytes) -> set[str]:
    """Alone, wrapped, and as a part of something longer (``user:password``) at each of the three places to begin."""
    whole = base64.b64encode(raw).decode()
    forms = {whole, whole.rstrip("=")}
    if len(whole) > min(_WRAPPED):
        lines = [whole[start : start + width] for width in _WRAPPED for start in range(0, len(whole), width)]
        forms |= {line for line in lines if len(line) >= _SHORTEST_INNER}
    for skipped, start in enumerate((0, 2, 3)):
        encoded = base64.b64encode(bytes(skipped) + raw).decode()
        inner = encoded[start : (skipped + len(raw)) * 8 // 6]
        forms |= {inner} if len(inner) >= _SHORTEST_INNER else set()
    return forms | {form.translate(_URL_SAFE) for form in forms}
