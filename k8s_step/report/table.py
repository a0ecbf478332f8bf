"""Tables as the server makes them, laid out as kubectl lays them out; pure.

Source: ``meta.k8s.io/v1`` Table, and ``TablePrinter`` of k8s.io/cli-runtime for the text of a cell.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from k8s_step.objects.metadata import metadata_of

_GAP, _NARROWEST = 3, 6  # kubectl's settings of Go's tabwriter
_LINE_BREAK = re.compile(r"[\f\n\r]")


@dataclass(frozen=True)
class Shape:
    """Options of a table: ``wide`` adds columns of lower priority, ``prefix/`` stands before each name."""

    wide: bool = False
    namespaces: bool = False
    prefix: str = ""


def lines(columns: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]], shape: Shape) -> list[str]:
    """The header and a line for each row; ``columns`` and ``rows`` are the Table's own."""
    shown = [at for at, column in enumerate(columns) if shape.wide or not column.get("priority")]
    header = [str(columns[at]["name"]).upper() for at in shown]
    names = {at for at in shown if columns[at].get("format") == "name"}
    table = [header, *([_prefixed(at in names, shape.prefix, _cell(row, at)) for at in shown] for row in rows)]
    if shape.namespaces:
        spaces = ["NAMESPACE", *(str(metadata_of(row.get("object") or {}).get("namespace") or "") for row in rows)]
        table = [[space, *cells] for space, cells in zip(spaces, table, strict=True)]
    return _aligned(table)


def _prefixed(is_name: bool, prefix: str, cell: str) -> str:
    return f"{prefix}/{cell}" if is_name and prefix else cell


def _cell(row: Mapping[str, Any], at: int) -> str:
    """One cell on one line, cut at the first line break as kubectl cuts it."""
    cells = row.get("cells") or []
    value = cells[at] if at < len(cells) else None
    if value is None:
        return "<none>"
    if not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    first, *rest = _LINE_BREAK.split(value, maxsplit=1)
    return "".join(letter if letter.isprintable() else " " for letter in first) + ("..." if rest else "")


def _aligned(table: Sequence[Sequence[str]]) -> list[str]:
    """The rows as lines, every column but the last padded."""
    widths = [max(_NARROWEST, max(map(len, column)) + _GAP) for column in zip(*table, strict=True)]
    widths[-1:] = [0]
    return ["".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in table]
