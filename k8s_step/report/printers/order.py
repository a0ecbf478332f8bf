"""``--sort-by``: what another printer prints, in the order of a field."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from k8s_step.errors import InputError
from k8s_step.objects.jsonpath.template import Template
from k8s_step.objects.metadata import Object
from k8s_step.objects.resource import Resource
from k8s_step.objects.values.ordering import MISSING, Key, OrderError
from k8s_step.report.printers.printer import Mask, Printer

_Kept = tuple[Key, Resource, Any]  # what to sort by, and what is shown


class Ordered:
    """Keeps all that is shown until the end. Equal ones stay in the server's order. A table is sorted by itself.

    What is a Secret's is masked before it is sorted by. Raises :class:`InputError` where none has the field.
    """

    def __init__(self, inner: Printer, path: Template, mask: Mask) -> None:
        self._inner = inner
        self._path = path
        self._mask = mask
        self._kept: list[_Kept] = []
        self._columns: dict[Resource, Sequence[Object]] = {}

    def show(self, resource: Resource, item: Object) -> tuple[Key, Any]:
        obj = item["object"] if "cells" in item else item
        found = self._path.values(self._mask(obj) if resource.kind == "Secret" else obj)
        try:
            return Key(found[0] if found else MISSING), self._inner.show(resource, item)
        except OrderError as error:
            raise self._refused(error) from None

    def add(self, resource: Resource, columns: Sequence[Object], shown: Sequence[tuple[Key, Any]]) -> None:
        self._columns.setdefault(resource, columns)
        self._kept += [(key, resource, each) for key, each in shown]

    def end(self) -> None:
        if self._kept and all(key.is_missing for key, _, _ in self._kept):
            raise InputError(f"no object has a field {self._path.text}", where=self._path.where)
        for resource, some in groupby(self._sorted(), key=lambda kept: kept[1]):
            self._inner.add(resource, self._columns[resource], [each for _, _, each in some])
        self._inner.end()

    def break_off(self) -> bool:
        return self._inner.break_off()  # which has been given nothing yet

    def _sorted(self) -> list[_Kept]:
        is_table = any(self._columns.values())
        try:
            if not is_table:
                return sorted(self._kept, key=lambda kept: kept[0])
            tables = [[kept for kept in self._kept if kept[1] == resource] for resource in self._columns]
            return [kept for table in tables for kept in sorted(table, key=lambda kept: kept[0])]
        except OrderError as error:
            raise self._refused(error) from None

    def _refused(self, error: OrderError) -> InputError:
        return InputError(f"{self._path.text} can't be sorted by: {error}", where=self._path.where)
