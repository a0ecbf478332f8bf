"""Tables as the server makes them, laid out as kubectl lays them out; pure.

Source: ``meta.k8s.io/v1`` Table, and ``TablePrinter`` of k8s.io/cli-runtime for the text of a cell.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from k8s_step.objects.metadata import Object, metadata_of

_GAP, _NARROWEST = 3, 6  # kubectl's settings of Go's tabwriter
_BETWEEN = "\0"
NONE = "<none>"
_LINE_BREAK = re.compile(r"[\f\n\r]")


@dataclass(frozen=True)
class Shape:
    """Options of a table: ``wide`` adds columns of lower priority, ``prefix/`` stands before each name.

    ``clusters``: the first column is the ``cluster`` of each row.
    """

    wide: bool = False
    namespaces: bool = False
    prefix: str = ""
    labels: bool = False
    clusters: bool = False


def lines(columns: Sequence[Object], rows: Sequence[Object], shape: Shape) -> list[str]:
    """The header and a line for each row; ``columns`` and ``rows`` are the Table's own."""
    layout = Layout(columns, shape)
    grid = Grid(layout.header)
    for row in rows:
        grid.add(layout.cells(row))
    return list(grid.lines())


class Layout:
    """Which cells of a Table's row are shown, and the columns that are added to them."""

    def __init__(self, columns: Sequence[Object], shape: Shape) -> None:
        self._shape = shape
        self._shown = [at for at, column in enumerate(columns) if shape.wide or not column.get("priority")]
        self._names = {at for at, column in enumerate(columns) if is_name(column)}
        named = [str(columns[at]["name"]).upper() for at in self._shown]
        self.header = [
            *(["CLUSTER"] if shape.clusters else ()),
            *(["NAMESPACE"] if shape.namespaces else ()),
            *named,
            *(["LABELS"] if shape.labels else ()),
        ]

    def cells(self, row: Object) -> list[str]:
        """The texts of one row."""
        metadata = metadata_of(row.get("object") or {})
        found = [self._prefixed(at, _cell(row, at)) for at in self._shown]
        if self._shape.namespaces:
            found.insert(0, str(metadata.get("namespace") or ""))
        if self._shape.labels:
            labels = metadata.get("labels") or {}
            found.append(",".join(f"{key}={labels[key]}" for key in sorted(labels)) or NONE)
        if self._shape.clusters:
            found.insert(0, str(row.get("cluster") or ""))
        return found

    def _prefixed(self, at: int, cell: str) -> str:
        return f"{self._shape.prefix}/{cell}" if at in self._names and self._shape.prefix else cell


def is_name(column: Object) -> bool:
    """Whether the cells of a Table's column are names of objects."""
    return column.get("format") == "name"


class Grid:
    """A table's lines in the making. A row is kept as one text, so that a hundred thousand of them stay small."""

    def __init__(self, header: Sequence[str], *, with_header: bool = True) -> None:
        self._widths = [0] * len(header)
        self._rows: list[str] = []
        if with_header:
            self.add(header)

    def add(self, cells: Sequence[str]) -> None:
        """Add a row of as many cells as the header has, none with a NUL in it."""
        self._widths = [max(width, len(cell)) for width, cell in zip(self._widths, cells, strict=True)]
        self._rows.append(_BETWEEN.join(cells))

    def lines(self) -> Iterator[str]:
        """The header, unless it is left out, and the rows, every column but the last padded."""
        for row in self._rows:
            yield _padded(row.split(_BETWEEN), self._widths)


class Growing:
    """A table whose rows come one by one; a column is as wide as its widest cell so far, as kubectl's watch has it.

    Source: ``RememberWidths`` of the tabwriter that ``kubectl get --watch`` prints with.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._widths: list[int] = []

    def lines(self, row: Object) -> list[str]:
        """The row's line, after the header where it is the first row."""
        cells = self._layout.cells(row)
        shown = [cells] if self._widths else [self._layout.header, cells]
        for each in shown:
            before = self._widths or [0] * len(each)
            self._widths = [max(width, len(cell)) for width, cell in zip(before, each, strict=True)]
        return [_padded(each, self._widths) for each in shown]


def _padded(cells: Sequence[str], widths: Sequence[int]) -> str:
    """``cells`` on one line, every one but the last padded."""
    padded = [*(max(_NARROWEST, width + _GAP) for width in widths[:-1]), 0]
    return "".join(cell.ljust(width) for cell, width in zip(cells, padded, strict=True))


def _cell(row: Object, at: int) -> str:
    """One cell on one line, cut at the first line break as kubectl cuts it; empty where the row has no value."""
    cells = row.get("cells") or []
    value = cells[at] if at < len(cells) else None
    if value is None:
        return ""
    if not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    first, *rest = _LINE_BREAK.split(value, maxsplit=1)
    return plain(first) + ("..." if rest else "")


def plain(text: str) -> str:
    """``text`` with a space for each character that is not printable."""
    return text if text.isprintable() else "".join(letter if letter.isprintable() else " " for letter in text)
