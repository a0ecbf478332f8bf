"""Values as YAML text that kubectl reads back as the same values, laid out as ``kubectl get -o yaml`` lays it out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import yaml

from k8s_step.manifests.nodes import BYTE_ORDER_MARK
from k8s_step.manifests.scalars import ScalarError, resolve

_Base: Any = yaml.CSafeDumper if yaml.__with_libyaml__ else yaml.SafeDumper
_NEVER_FOLDED = 2**30


class _Dumper(_Base):  # type: ignore[misc]
    """PyYAML's dumper, with quotes around the texts that kubectl would read as another type."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write a value that occurs twice in full both times, without an alias."""
        return True


def _text(dumper: Any, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    if BYTE_ORDER_MARK in text:
        style = '"'  # in which it is escaped; unescaped, readers drop or refuse it
    # Double quotes, as kubectl has them, wherever quotes are needed lest the text be read as another type.
    if style is None and not (text and _stays_text(text) and _is_plain(dumper, text)):
        style = '"'
    return yaml.ScalarNode(_STR, text, style=style)


_STR, _SIGN = "tag:yaml.org,2002:str", "tag:yaml.org,2002:yaml"  # a sign such as * has quotes of another kind


def _is_plain(dumper: Any, text: str) -> bool:
    """Whether other readers, too, take the unquoted text for a string, not for a date, say."""
    return dumper.resolve(yaml.ScalarNode, text, (True, False)) in (_STR, _SIGN)


def _stays_text(text: str) -> bool:
    """Whether kubectl reads the unquoted text as a string; PyYAML's rules differ (``y``, ``0o755``)."""
    try:
        return isinstance(resolve(text), str)
    except ScalarError:
        return False


_Dumper.add_representer(str, _text)


def dump(value: Any) -> str:
    """One value as a YAML document, keys sorted, ending in a newline."""
    return str(yaml.dump(value, Dumper=_Dumper, allow_unicode=True, default_flow_style=False, width=_NEVER_FOLDED))


def dump_all(documents: Iterable[tuple[str, Any]]) -> str:
    """Several documents, each after a comment."""
    return "---\n".join(f"# {comment}\n{dump(value)}" for comment, value in documents)
