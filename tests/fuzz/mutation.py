"""Spoils texts, bytes and trees, by a seeded dice."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator, MutableMapping, MutableSequence
from typing import Any

# What parsers trip over: YAML's and JSON's own signs, numbers at their edges, letters at theirs.
SIGNS = (
    ":", ": ", "- ", "\n", "\t", "\r\n", "---\n", "...\n", "{", "}", "[", "]", ",", "#", "|", ">", "&a", "*a",
    "!!binary ",
    "!!python/object:os.system ", "<<: ", "? ", "'", '"', "\\", "\\u0000", "\\x", "%YAML 1.2\n", "${", "${A", "$${",
    "${A:-",
    "${A:?", "}}", "{{", "{%", "%}", "{#", "null", "~", "true", "on", "0o17", "0x1F", "1e999", "-.inf", ".nan", "1_000",
    "12:30:45", "2026-11-26", "=", "\x00", "\x7f", "\x85", "\u2028", "\ufeff", "\ud800", "\U0001f600", "é", " ", "  ",
    "9" * 40, "-0", "a" * 3000, "[" * 300, "{" * 300, "- " * 300,
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, 2**64, -(2**63) - 1, 10**400, 1.5, -0.0, 1e308, float("nan"),
    float("inf"),
    "", " ", "a", "é", "\x00", "\ud800", "\U0001f600", "a\nb", "${A}", "${", "$${x}", "{{ a }}", "0", "1e3", "null",
    "~",
    "y", "-", "12:30:45", "a" * 5000, [], {}, [[]], [None], [{}], {"": ""}, {"a": None}, {"$patch": "delete"}, [1,
    "a", None],
    "2026-11-26T10:00:00Z", "10m", "-1s", "../../etc/passwd", "%s%n", "::error::x", "<script>", "a/b", "a:b", "a=b,c",
)  # fmt: skip


def text(dice: random.Random, whole: str) -> str:
    """A few places of a text are spoilt."""
    for _ in range(dice.choice((1, 1, 2, 3, 6))):
        whole = dice.choice(_TEXT)(dice, whole)
    return whole


def _insert(dice: random.Random, whole: str) -> str:
    at = dice.randint(0, len(whole))
    return whole[:at] + dice.choice(SIGNS) + whole[at:]


def _delete(dice: random.Random, whole: str) -> str:
    at = dice.randint(0, len(whole))
    return whole[:at] + whole[at + dice.choice((1, 1, 2, 5, 20)) :]


def _replace(dice: random.Random, whole: str) -> str:
    at = dice.randint(0, len(whole))
    return whole[:at] + dice.choice(SIGNS) + whole[at + dice.choice((1, 1, 3, 10)) :]


def _cut(dice: random.Random, whole: str) -> str:
    return whole[: dice.randint(0, len(whole))]


def _repeat_line(dice: random.Random, whole: str) -> str:
    lines = whole.splitlines(keepends=True) or [""]
    at = dice.randrange(len(lines))
    return "".join([*lines[: at + 1], lines[dice.randrange(len(lines))], *lines[at + 1 :]])


def _indent(dice: random.Random, whole: str) -> str:
    lines = whole.splitlines(keepends=True) or [""]
    at = dice.randrange(len(lines))
    lines[at] = dice.choice((" ", "  ", "\t", "- ")) + lines[at] if dice.random() < 0.5 else lines[at].lstrip()
    return "".join(lines)


def _splice(dice: random.Random, whole: str) -> str:
    """A part of it once more, elsewhere."""
    first, second, at = (dice.randint(0, len(whole)) for _ in range(3))
    return whole[:at] + whole[min(first, second) : max(first, second)][:400] + whole[at:]


_TEXT: tuple[Callable[[random.Random, str], str], ...] = (
    _insert, _insert, _delete, _delete, _replace, _replace, _cut, _repeat_line, _indent, _splice,
)  # fmt: skip


def data(dice: random.Random, whole: bytes) -> bytes:
    """Some bytes are spoilt, or the end is missing."""
    spoilt = bytearray(whole)
    for _ in range(dice.choice((1, 1, 2, 8))):
        if spoilt and dice.random() < 0.7:
            spoilt[dice.randrange(len(spoilt))] = dice.randrange(256)
        else:
            del spoilt[dice.randint(0, len(spoilt)) :]
    return bytes(spoilt)


def tree(dice: random.Random, whole: Any) -> Any:
    """A few values of a tree are of other types, at other places, or missing."""
    whole = copy.deepcopy(whole)
    for _ in range(dice.choice((1, 1, 2, 3, 5))):
        places = list(_places(whole))
        if not places:
            return dice.choice(VALUES)
        holder, name = dice.choice(places)
        dice.choice(_TREE)(dice, holder, name, places)
    return whole


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    items = (
        list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    )
    for name, inner in items:
        yield value, name
        yield from _places(inner)


Holder = MutableMapping[Any, Any] | MutableSequence[Any]


def _other_value(dice: random.Random, holder: Any, name: Any, _: Any) -> None:
    holder[name] = copy.deepcopy(dice.choice(VALUES))


def _without(dice: random.Random, holder: Any, name: Any, _: Any) -> None:
    holder.pop(name)


def _other_place(dice: random.Random, holder: Any, name: Any, places: Any) -> None:
    """What is elsewhere in it is here, too."""
    source, key = dice.choice(places)
    holder[name] = copy.deepcopy(source[key]) if _has(source, key) else None


def _has(holder: Any, name: Any) -> bool:
    return name in holder if isinstance(holder, dict) else name < len(holder)


def _wrapped(dice: random.Random, holder: Any, name: Any, _: Any) -> None:
    holder[name] = dice.choice(([holder[name]], {"a": holder[name]}, [holder[name], holder[name]], str(holder[name])))


def _renamed(dice: random.Random, holder: Any, name: Any, _: Any) -> None:
    if isinstance(holder, dict):
        holder[dice.choice(("", "a", "${A}", f"{name} ", str(name).upper(), "é", "name", "kind"))] = holder.pop(name)


_TREE: tuple[Callable[[random.Random, Any, Any, Any], None], ...] = (
    _other_value, _other_value, _other_value, _without, _without, _other_place, _wrapped, _renamed,
)  # fmt: skip
