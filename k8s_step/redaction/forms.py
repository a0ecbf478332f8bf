"""The pieces of a secret's value that are secret by themselves, and the forms in which each may be written."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

SHORTEST = 4  # characters; masking shorter values would blot out ordinary words
_SHORTEST_LINE = 6  # characters; configuration files have short lines such as "data:"
_SHORTEST_LEAF = 8  # characters of a string within a JSON or YAML document
_LONGEST_DOCUMENT = 2**21  # characters; twice the largest Secret
_ORDINARY = ("true", "false", "null", "none", "default")  # never secret, even in a Secret
_WRAPPED = (64, 76)  # characters of a line of base64: PEM, and MIME or the program of that name
_SHORTEST_WRAPPED = 8
_URL_SAFE = str.maketrans("+/", "-_")
_NAMES = ("apiVersion", "kind", "name", "namespace")  # keys of a document whose values are never secret
# Results, actions and states: programs read them, and a mask in their place would reveal the secret.
OWN_WORDS = frozenset(
    (
        *("succeeded", "failed", "invalid", "timed_out", "refused", "unreachable", "rolled_back", "cancelled"),
        *("created", "configured", "unchanged", "replaced", "deleted", "pruned", "restarted", "scaled", "patched"),
        *("restored", "kept", "skipped", "unknown", "unfinished", "none", "different", "timed out", "rolled back"),
        *("current", "in progress", "terminating", "not found"),
    )
)


class Piece(NamedTuple):
    """``text`` is masked; ``core`` is its value, such as ``shop`` in the line ``user: shop``, else ``text`` itself."""

    text: str
    core: str
    raw: bytes | None = None  # the bytes; None for a line, which is not encoded by itself


def pieces(value: str | bytes) -> Iterator[Piece]:
    """The value itself, its lines, and the strings in it if it is a document; short and ordinary ones are left out."""
    raw = _bytes(value) if isinstance(value, str) else value
    text = (value if isinstance(value, str) else value.decode("utf-8", "replace")).strip()
    if is_telling(text):
        yield Piece(text, text, raw)
    for line in _lines(text):
        yield Piece(line, _core(line))
    for leaf in dict.fromkeys(_leaves(text)):
        if leaf != text and len(leaf) >= _SHORTEST_LEAF:
            yield from pieces(leaf)


def is_telling(text: str) -> bool:
    """Whether ``text`` is long enough to mask and no ordinary word such as ``true``."""
    return len(text) >= SHORTEST and text.lower() not in _ORDINARY


def forms(piece: Piece) -> set[str]:
    """The piece as it is, as form data (``+`` for a space) and in base64; :mod:`.escapes` handles escaped forms."""
    found = {piece.text, piece.text.replace(" ", "+"), *(_in_base64(piece.raw) if piece.raw is not None else ())}
    return {form for form in found if is_telling(form)}


# -- pieces

_KEY = r"[-?\s]*(?:\"[^\"]*\"|'[^']*'|[\w./ -]+)\s*"
_BARE = re.compile(rf"(?:{_KEY}:\s*)?[\s\[\]{{}}(),;|>&*+-]*")  # a key, or brackets, or both
_FIELD = re.compile(rf"(?P<key>{_KEY}):\s+(?P<value>\S.*?),?", re.DOTALL)
_ASSIGNED = re.compile(r"(?:export\s+)?[A-Za-z_][\w.-]*\s*=\s*(?P<value>\S.*)")
_FIELD_FITS = 200  # characters
_PLAIN = re.compile(r"[-+]?\d{1,5}(\.\d{1,5})?|true|false|yes|no|on|off|null|none|~|\[\]|\{\}", re.IGNORECASE)


def _lines(text: str) -> list[str]:
    """The lines, of a text of several lines, that are secret by themselves."""
    lines = dict.fromkeys(line.strip() for line in text.splitlines())
    return [line for line in lines if line != text and len(line) >= _SHORTEST_LINE and _tells(line)]


def _tells(line: str) -> bool:
    """Whether the line is worth masking: not a bare key, and no field with an ordinary value (``replicas: 2``)."""
    if not is_telling(line) or (_is_short(line) and _BARE.fullmatch(line)):
        return False
    field = _field(line)
    if field is None:
        return True
    is_name = field["key"].strip("-? \t\"'") in _NAMES
    return not is_name and not _PLAIN.fullmatch(field["value"].strip("\"'"))


def _core(line: str) -> str:
    field = _field(line)
    return field["value"].strip("\"'") if field else line


def _field(line: str) -> re.Match[str] | None:
    return _FIELD.fullmatch(line) if _is_short(line) else None


def _is_short(line: str) -> bool:
    """Whether the line is short enough for the patterns, which are slow on long lines."""
    return len(line) <= _FIELD_FITS


def _leaves(text: str) -> Iterator[str]:
    if len(text) > _LONGEST_DOCUMENT:
        return
    yield from _of_json(text) if text[:1] in ("{", "[") else ()
    if "\n" in text:
        yield from _assigned(text)
        yield from _of_yaml(text) if ": " in text or ":\n" in text or text.startswith("- ") else ()


def _assigned(text: str) -> Iterator[str]:
    """The values of lines such as ``PASSWORD=hunter2-hunter2``, as in .env and properties files."""
    for line in text.splitlines():
        found = _ASSIGNED.fullmatch(line.strip())
        if found:
            yield found["value"].strip("\"'")


def _of_json(text: str) -> Iterator[str]:
    try:
        waiting = [json.loads(text)]
    except (ValueError, RecursionError):
        return
    while waiting:
        value: Any = waiting.pop()
        if isinstance(value, str):
            yield value.strip()
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, dict):
            waiting += (entry for key, entry in value.items() if key not in _NAMES)


def _of_yaml(text: str) -> Iterator[str]:
    """Every scalar of every document, of any type, each once; values under ``_NAMES`` are left out."""
    import yaml  # late: most runs have no such Secret

    loader = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
    try:
        waiting: list[Any] = list(yaml.compose_all(text, loader))
    except (yaml.YAMLError, ValueError, RecursionError):
        return
    seen: set[int] = set()
    while waiting:
        node = waiting.pop()
        if node is None or id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.ScalarNode):
            yield str(node.value).strip()
        elif isinstance(node, yaml.SequenceNode):
            waiting += node.value
        else:
            waiting += (entry for key, entry in node.value if key.value not in _NAMES)


# -- forms


def _bytes(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")  # an environment variable with bytes that are not UTF-8
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def _in_base64(raw: bytes) -> Iterator[str]:
    """``raw`` in base64: alone, wrapped, and inside longer data (``user:password``) at each of the three offsets."""
    for form in _written(raw):
        yield form
        yield form.translate(_URL_SAFE)


def _written(raw: bytes) -> Iterator[str]:
    for each in {raw, raw.strip()}:
        whole = base64.b64encode(each).decode()
        yield whole
        yield whole.rstrip("=")
        if len(whole) > min(_WRAPPED):
            lines = (whole[start : start + width] for width in _WRAPPED for start in range(0, len(whole), width))
            yield from (line for line in lines if len(line) >= _SHORTEST_WRAPPED)
    stripped = raw.strip()
    for skipped, start in enumerate((0, 2, 3)):
        encoded = base64.b64encode(bytes(skipped) + stripped).decode()
        yield encoded[start : (skipped + len(stripped)) * 8 // 6]
