"""Checks the request headers that users add, and recognizes those whose value is a secret."""

from __future__ import annotations

import re

from k8s_step.errors import InputError

_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_OURS = {"authorization", "host", "content-length", "content-type", "transfer-encoding", "connection", "accept"}
_SECRET = re.compile(r"auth|token|secret|key|passw|cookie|credential", re.IGNORECASE)


def parse_header(line: str, where: str) -> tuple[str, str]:
    """``X-Pipeline: job-42`` as name and value. Raises :class:`InputError`, which never quotes a value."""
    name, colon, value = (part.strip(" ") for part in line.partition(":"))
    if not colon or not _NAME.fullmatch(name):
        raise InputError("a header is written Name: value", where=where, hint="X-Pipeline: job-42, say")
    if name.lower() in _OURS:
        raise InputError(f"the header {name} is the step's own", where=where, hint="see --token for credentials")
    return name, checked_value(value, f"the header {name}", where)


def checked_value(value: str, what: str, where: str) -> str:
    """``value`` if printable ASCII, else :class:`InputError`: servers and proxies disagree on other bytes."""
    if not is_header_value(value):
        message = f"the value of {what} holds what no request header can: a line break, a tab or a letter beyond ASCII"
        raise InputError(message, where=where)
    return value


def is_header_value(value: str) -> bool:
    """Whether a request header can hold ``value``."""
    return value.isascii() and value.isprintable()


def is_secret(name: str) -> bool:
    """Whether the value of the header ``name`` is to be masked."""
    return _SECRET.search(name) is not None
