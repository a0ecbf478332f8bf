"""What of a secret's value is secret in its own right, and how each such piece may be written."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

SHORTEST = 4  # characters; masking shorter values would blot out ordinary words
_SHORTEST_LINE = 6  # of a value of several lines: those of a configuration file say "data:" too
_SHORTEST_LEAF = 8  # of a text within a document
_LONGEST_DOCUMENT = 2**21  # characters; a Secret has room for half of that
_ORDINARY = ("true", "false", "null", "none", "default")  # no secrets, whatever Secret they are in
_WRAPPED = (64, 76)  # characters of a line of base64: PEM, and MIME or the program of that name
_SHORTEST_WRAPPED = 8
_URL_SAFE = str.maketrans("+/", "-_")
_NAMES = ("apiVersion", "kind", "name", "namespace")  # of what a document says under these, nothing is secret
# Results, actions and states: programs read them, and masking them would only tell what the secret is.
OWN_WORDS = frozenset(
    (
        *("succeeded", "failed", "invalid", "timed_out", "refused", "unreachable", "rolled_back", "cancelled"),
        *("created", "configured", "unchanged", "replaced", "deleted", "pruned", "restarted", "scaled", "patched"),
        *("restored", "kept", "skipped", "unknown", "unfinished", "none", "different", "timed out", "rolled back"),
        *("current", "in progress", "terminating", "not found"),
    )
)


@dataclass(frozen=True)
class Piece:
    """``text`` is what must not be seen; where it is a line such as ``user: shop``, ``core`` is what it tells."""

    text: str
    core: str
    raw: bytes | None = None  # None of a line, which nobody encodes without the others


def pieces(value: str | bytes) -> Iterator[Piece]:
    """The value itself, its lines, and the texts within if it is a document: those that are long and telling enough."""
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
    """Whether it is long enough, and no word that is found everywhere."""
    return len(text) >= SHORTEST and text.lower() not in _ORDINARY


def forms(piece: Piece) -> set[str]:
    """As it is, as in a form's data, and in base64. What escapes make of it, ``escapes`` takes back."""
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
    """Of a value of several lines those that tell something; none of one that has a single line."""
    lines = dict.fromkeys(line.strip() for line in text.splitlines())
    return [line for line in lines if line != text and len(line) >= _SHORTEST_LINE and _tells(line)]


def _tells(line: str) -> bool:
    """Whether the line is more than a key, or a field whose value is in every manifest (``replicas: 2``)."""
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
    """As the fields are that people write; the patterns take long for others."""
    return len(line) <= _FIELD_FITS


def _leaves(text: str) -> Iterator[str]:
    if len(text) > _LONGEST_DOCUMENT:
        return
    yield from _of_json(text) if text[:1] in ("{", "[") else ()
    if "\n" in text:
        yield from _assigned(text)
        yield from _of_yaml(text) if ": " in text or ":\n" in text or text.startswith("- ") else ()


def _assigned(text: str) -> Iterator[str]:
    """Of lines such as ``PASSWORD=hunter2-hunter2``: an .env or a properties file."""
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
    """The scalars of every document, whatever their type; an alias is not followed."""
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
        return text.encode("utf-8", "surrogateescape")  # a variable that is no UTF-8
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def _in_base64(raw: bytes) -> Iterator[str]:
    """Alone, wrapped, and as a part of something longer (``user:password``) at each of the three places to begin."""
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
