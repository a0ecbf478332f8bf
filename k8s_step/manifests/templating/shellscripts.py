"""Finds names whose ``${NAME}`` belongs to a shell script in a manifest and not to the step's templates.

In a container that runs a shell, ``command: [sh, -c, …]``, these are the names in its ``env`` and those the script
sets. A text that begins with ``#!``, such as a script in a ConfigMap, has the names that it sets.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from k8s_step.manifests.nodes import MappingNode, Node, ScalarNode, SequenceNode, field_node, nodes_of

_SHELLS = frozenset(["sh", "ash", "bash", "busybox", "dash", "ksh", "zsh"])
_NAME = "[A-Za-z_][A-Za-z0-9_]*"
_SETS = re.compile(
    rf"(?:^|&&|\|\||[\s;({{`])({_NAME})(?:\[[^\]]*\])?\+?="  # NAME=…, export NAME=…
    rf"|\bfor\s+({_NAME})\b"
    rf"|\b(?:read|local|export|declare|readonly)\s+(?:-\w+\s+)*({_NAME})\b",
    re.MULTILINE,
)


def own_names(root: Node) -> dict[int, frozenset[str]]:
    """The shell's names for each scalar that is a script; keys are the ``id`` of the scalar's node."""
    found: dict[int, frozenset[str]] = {}
    for node in nodes_of(root):
        if isinstance(node, MappingNode):
            found.update(_of_container(node))
        elif isinstance(node, ScalarNode) and node.text.startswith("#!"):
            found.setdefault(id(node), _set_in(node.text))
    return found


def _of_container(node: MappingNode) -> dict[int, frozenset[str]]:
    words = [*_scalars(field_node(node, "command")), *_scalars(field_node(node, "args"))]
    if not any(word.text.rpartition("/")[2] in _SHELLS for word in words):
        return {}
    listed = frozenset(_listed(field_node(node, "env")))
    return {id(word): listed | _set_in(word.text) for word in words}


def _scalars(node: Node | None) -> list[ScalarNode]:
    return [item for item in node.items if isinstance(item, ScalarNode)] if isinstance(node, SequenceNode) else []


def _listed(env: Node | None) -> Iterator[str]:
    for item in env.items if isinstance(env, SequenceNode) else ():
        name = field_node(item, "name")
        if isinstance(name, ScalarNode):
            yield name.text


def _set_in(script: str) -> frozenset[str]:
    return frozenset(name for names in _SETS.findall(script) for name in names if name)
