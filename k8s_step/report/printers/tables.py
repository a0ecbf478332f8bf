"""``-o table`` and ``-o wide``: the server's own tables, one for each kind, printed once all rows are known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice

from k8s_step.objects.metadata import Object, metadata_of
from k8s_step.objects.reference import Reference
from k8s_step.objects.resource import Resource
from k8s_step.report.layout.table import Grid, Layout, Shape, is_name
from k8s_step.report.printers.printer import BROKEN, Mask, Write

_AT_ONCE = 1000  # lines


class Tables:
    """Prints a table for each kind that there is something of.

    ``names_kinds``: the kind stands before each name. ``namespaces`` of the shape counts for namespaced kinds alone.
    ``cluster``: the one that is read, where the rows of several come into one table.
    """

    def __init__(
        self,
        write: Write,
        mask: Mask,
        shape: Shape,
        *,
        names_kinds: bool = False,
        with_header: bool = True,
        cluster: str = "",
    ) -> None:
        self._write = write
        self._mask = mask
        self._shape = replace(shape, clusters=bool(cluster))
        self._cluster = cluster
        self._names_kinds = names_kinds
        self._with_header = with_header
        self._tables: dict[tuple[object, ...], tuple[Layout, Grid]] = {}

    def show(self, resource: Resource, item: Object) -> Object:
        """The row with so much of its object as is shown. The columns that say which cells are names may come later."""
        metadata = metadata_of(item.get("object") or {})
        kept = {name: metadata[name] for name in ("namespace", "labels") if name in metadata}
        row = {"cells": item.get("cells") or [], "object": {"metadata": kept}}
        return {**row, "cluster": self._cluster} if self._cluster else row

    def add(self, resource: Resource, columns: Sequence[Object], shown: Sequence[Object]) -> None:
        if not shown:
            return
        # Clusters of several versions may have other columns for the same kind.
        key = (resource, *(str(column.get("name")) for column in (columns if self._cluster else ())))
        if key not in self._tables:
            layout = Layout(columns, self._shape_of(resource))
            self._tables[key] = (layout, Grid(layout.header, with_header=self._with_header))
        layout, grid = self._tables[key]
        for row in self._masked(columns, shown):
            grid.add(layout.cells(row))

    def end(self) -> None:
        for number, (_, grid) in enumerate(self._tables.values()):
            if number and self._with_header:
                self._write("")
            write_lines(self._write, grid.lines())

    def break_off(self) -> bool:
        self.end()
        self._write(BROKEN)
        return False

    def _shape_of(self, resource: Resource) -> Shape:
        prefix = Reference(resource.api_version, resource.kind, "", "").title.rstrip("/") if self._names_kinds else ""
        return replace(self._shape, prefix=prefix, namespaces=self._shape.namespaces and resource.namespaced)

    def _masked(self, columns: Sequence[Object], rows: Sequence[Object]) -> Iterator[Object]:
        """The rows with all their cells masked but the names."""
        masked = self._mask({"cells": [row["cells"] for row in rows]})["cells"]
        names = [at for at, column in enumerate(columns) if is_name(column)]
        for row, cells in zip(rows, masked, strict=True):
            own = row["cells"]
            yield {**row, "cells": [own[at] if at in names else cell for at, cell in enumerate(cells)]}


def write_lines(write: Write, lines: Iterator[str]) -> None:
    """Write ``lines``, many at once."""
    while some := list(islice(lines, _AT_ONCE)):
        write("\n".join(some))
