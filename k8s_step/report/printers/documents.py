"""``-o json`` and ``-o yaml``: one object, or a List that is written as it comes and is valid once it is ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from k8s_step.objects.metadata import Object
from k8s_step.objects.resource import Resource
from k8s_step.report.layout import jsontext, yamltext
from k8s_step.report.printers.printer import BROKEN, Mask, Write, write_all


@dataclass(frozen=True)
class Syntax:
    """How a List is written: ``begin``, its items with ``between`` after all but the last, ``end``; or ``empty``."""

    alone: Callable[[Object], str]
    item: Callable[[Object], str]
    begin: str
    between: str
    end: str
    empty: str


def _json_item(item: Object) -> str:
    return f"        {jsontext.pretty(item, 2)}"


def _yaml_item(item: Object) -> str:
    return yamltext.dump([item]).removesuffix("\n")


_JSON_END = '    "kind": "List",\n    "metadata": {\n        "resourceVersion": ""\n    }\n}'
_YAML_END = 'kind: List\nmetadata:\n  resourceVersion: ""'
JSON = Syntax(
    jsontext.pretty,
    _json_item,
    begin='{\n    "apiVersion": "v1",\n    "items": [',
    between=",",
    end=f"    ],\n{_JSON_END}",
    empty=f'{{\n    "apiVersion": "v1",\n    "items": [],\n{_JSON_END}',
)
YAML = Syntax(
    lambda item: yamltext.dump(item).removesuffix("\n"),
    _yaml_item,
    begin="apiVersion: v1\nitems:",
    between="",
    end=_YAML_END,
    empty=f"apiVersion: v1\nitems: []\n{_YAML_END}",
)


class Documents:
    """Prints a List, or with ``is_one`` the one object as it is. An item is held back until another one follows."""

    def __init__(self, write: Write, mask: Mask, syntax: Syntax, *, is_one: bool) -> None:
        self._write = write
        self._mask = mask
        self._syntax = syntax
        self._is_one = is_one
        self._last: str | None = None

    def show(self, resource: Resource, item: Object) -> str:
        return (self._syntax.alone if self._is_one else self._syntax.item)(self._mask(item))

    def add(self, resource: Resource, columns: Sequence[Object], shown: Sequence[str]) -> None:
        if not shown:
            return
        if self._last is None and not self._is_one:
            self._write(self._syntax.begin)
        *done, self._last = shown if self._last is None else (self._last, *shown)
        write_all(self._write, done, f"{self._syntax.between}\n")

    def end(self) -> None:
        if self._is_one:
            self._write(self._last or "")
        elif self._last is None:
            self._write(self._syntax.empty)
        else:
            self._write(f"{self._last}\n{self._syntax.end}")

    def break_off(self) -> bool:
        self._write(BROKEN)
        return False
