"""Secrets by value: what came in as a secret is masked in everything that leaves the process."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any
from urllib.parse import quote

MASK = "***"
_SHORTEST = 4  # characters; masking shorter values would blot out ordinary words


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

    def add(self, *values: str | bytes | None) -> None:
        """Remember each value in the forms it could be printed in: plain, by line, base64, URL-encoded."""
        for value in values:
            if value:
                self._values.update(_forms(value))
        self._longest_first = sorted(self._values, key=len, reverse=True)

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


def _forms(value: str | bytes) -> set[str]:
    raw = value.encode() if isinstance(value, str) else value
    text = raw.decode("utf-8", "replace").strip()
    lines = [line.strip() for line in text.splitlines()]
    forms = {text, quote(text, safe=""), base64.b64encode(raw).decode(), *lines}
    return {form for form in forms if len(form) >= _SHORTEST}
