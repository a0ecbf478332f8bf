"""The nodes of a YAML or JSON document as written, each with its line, before values are built from them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

BYTE_ORDER_MARK = "\ufeff"  # invisible; editors put it before a file's text


class ScalarNode(NamedTuple):
    """A single value as written; ``plain``: unquoted, so that the text decides the type. Lines count from 1."""

    text: str
    plain: bool
    tag: str | None
    line: int


class SequenceNode(NamedTuple):
    """A list as written."""

    items: list[Node]
    line: int


class MappingNode(NamedTuple):
    """A mapping as written, with duplicate keys and merge keys."""

    pairs: list[tuple[Node, Node]]
    line: int


class AliasNode(NamedTuple):
    """``*name``: one more appearance of the node anchored as ``&name``."""

    name: str
    target: Node
    line: int


Node = ScalarNode | SequenceNode | MappingNode | AliasNode
_SUBSCRIPT = re.compile(r"\[([^\]]*)\]")
_SELECTOR = r'([^=,"]+)=("(?:[^"\\]|\\.)*"|[^,]*)'


def is_merge(node: Node) -> bool:
    """Whether the node is the merge key ``<<``. Source: ``isMerge`` in go-yaml's ``decode.go``."""
    return isinstance(node, ScalarNode) and node.text == "<<" and (node.plain or node.tag == "tag:yaml.org,2002:merge")


def field_node(node: Node, key: str) -> Node | None:
    """The value of ``key`` in a mapping, with merge keys and aliases resolved; ``None`` if missing."""
    found = _merged_pair(node, key)
    value = found[1] if found else None
    while isinstance(value, AliasNode):
        value = value.target
    return value


def nodes_of(root: Node) -> Iterator[Node]:
    """Every node once, at its anchor: aliases are not followed."""
    pending = [root]
    while pending:
        node = pending.pop()
        yield node
        if isinstance(node, MappingNode):
            pending += [part for pair in node.pairs for part in pair]
        elif isinstance(node, SequenceNode):
            pending += node.items


def locate(node: Node, value: Any, path: str) -> int:
    """The line of the field ``path``, or of its nearest parent in the text; ``value`` is the value built of ``node``.

    Paths are the API's: ``spec.containers[0].image``, ``metadata.labels[app]``, and in
    apply conflicts ``.spec.containers[name="app"].image`` or ``.metadata.labels.example.com/team``.
    """
    line = node.line
    path = path.lstrip(".")
    while path:
        step = _step_into(node, value, path)
        if step is None:
            return line
        line, node, value, path = step
        path = path.lstrip(".")
    return line


_Step = tuple[int, Node, Any, str]


def _step_into(node: Node, value: Any, path: str) -> _Step | None:
    while isinstance(node, AliasNode):
        node = node.target
    if isinstance(node, MappingNode) and isinstance(value, dict):
        return _field(node, value, path)
    if isinstance(node, SequenceNode) and isinstance(value, list):
        return _item(node, value, path)
    return None


def _field(node: MappingNode, value: dict[str, Any], path: str) -> _Step | None:
    subscript = _SUBSCRIPT.match(path)
    if subscript:
        key, rest = subscript[1].strip("\"'"), path[subscript.end() :]
    else:
        key = max((key for key in value if _leads(key, path)), key=len, default="")
        rest = path[len(key) :]
    found = _pair(node, key)
    return (found[0].line, found[1], value.get(key), rest) if key and found else None


def _leads(key: str, path: str) -> bool:
    """Whether ``path`` begins with ``key`` as a whole step; callers take the longest, as keys may contain dots."""
    return path.startswith(key) and path[len(key) : len(key) + 1] in ("", ".", "[")


def _pair(node: MappingNode, key: str) -> tuple[Node, Node] | None:
    merged: list[Node] = []
    for name, child in reversed(node.pairs):
        if isinstance(name, ScalarNode) and name.text == key:
            return name, child
        if is_merge(name):
            merged.append(child)
    return next((found for child in merged if (found := _merged_pair(child, key))), None)


def _merged_pair(node: Node, key: str) -> tuple[Node, Node] | None:
    if isinstance(node, AliasNode):
        return _merged_pair(node.target, key)
    if isinstance(node, MappingNode):
        return _pair(node, key)
    if isinstance(node, SequenceNode):
        return next((found for child in node.items if (found := _merged_pair(child, key))), None)
    return None


def _item(node: SequenceNode, value: list[Any], path: str) -> _Step | None:
    subscript = _SUBSCRIPT.match(path)
    if not subscript:
        return None
    index = int(subscript[1]) if subscript[1].isdecimal() else _selected(value, subscript[1])
    if index is None or index >= min(len(node.items), len(value)):
        return None
    item = node.items[index]
    return item.line, item, value[index], path[subscript.end() :]


def _selected(items: list[Any], selector: str) -> int | None:
    """The index of the item that ``name="app"`` or ``containerPort=80,protocol="TCP"`` selects.

    structured-merge-diff writes such selectors. The manifest may omit a key of them, since the server has defaults.
    """
    wanted = {key: text.strip('"') for key, text in re.findall(_SELECTOR, selector)}
    if not wanted:
        return None
    matches = (
        index
        for index, item in enumerate(items)
        if isinstance(item, dict) and all(str(item.get(key, text)) == text for key, text in wanted.items())
    )
    return next(matches, None)
