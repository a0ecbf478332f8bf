"""``-o jsonpath=TEMPLATE``: the text that a template makes of one object or of a List."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from k8s_step.objects.jsonpath.template import OverItems, Template, over_items
from k8s_step.objects.metadata import Object
from k8s_step.objects.resource import Resource
from k8s_step.report.printers.printer import BROKEN, Mask, Printer, Write


def printer(write: Write, mask: Mask, template: Template, *, is_one: bool) -> Printer:
    """The printer that holds least."""
    parts = None if is_one else over_items(template)
    return Texts(write, mask, parts) if parts else Templates(write, mask, template, is_one=is_one)


class Texts:
    """Prints the text of a List item by item, whole lines as they come."""

    def __init__(self, write: Write, mask: Mask, parts: OverItems) -> None:
        self._write = write
        self._mask = mask
        self._parts = parts
        self._text = parts.before
        self._has_begun = False

    def show(self, resource: Resource, item: Object) -> list[str]:
        return self._parts.texts(self._mask(item))

    def add(self, resource: Resource, columns: Sequence[Object], shown: Sequence[list[str]]) -> None:
        texts = [text for each in shown for text in each]
        if not texts:
            return
        between = self._parts.between
        self._text += (between if self._has_begun else "") + between.join(texts)
        self._has_begun = True
        lines, newline, self._text = self._text.rpartition("\n")
        if newline:
            self._write(lines)

    def end(self) -> None:
        if text := self._text + self._parts.after:
            self._write(text.removesuffix("\n"))

    def break_off(self) -> bool:
        if self._text:
            self._write(self._text)
        self._write(BROKEN)
        return False


class Templates:
    """Prints the text for one object (``is_one``) or for a List of all, in which case all are kept until the end."""

    def __init__(self, write: Write, mask: Mask, template: Template, *, is_one: bool) -> None:
        self._write = write
        self._mask = mask
        self._template = template
        self._is_one = is_one
        self._items: list[Object] = []

    def show(self, resource: Resource, item: Object) -> Object:
        return self._mask(item)

    def add(self, resource: Resource, columns: Sequence[Object], shown: Sequence[Object]) -> None:
        self._items += shown

    def end(self) -> None:
        whole: dict[str, Any] = {"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": ""}}
        data = self._items[0] if self._is_one else {**whole, "items": self._items}
        if text := self._template.render(data):
            self._write(text.removesuffix("\n"))

    def break_off(self) -> bool:
        self._write(BROKEN)
        return False
