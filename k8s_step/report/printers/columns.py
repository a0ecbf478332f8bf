"""``-o custom-columns=HEADER:PATH,…``: a table of fields, printed once all rows are known.

Source: ``pkg/cmd/get/customcolumn.go`` of k8s.io/kubectl.
"""

from __future__ import annotations

from collections.abc import Sequence

from k8s_step.errors import InputError
from k8s_step.objects.jsonpath import gotext
from k8s_step.objects.jsonpath.template import Template, field
from k8s_step.objects.metadata import Object
from k8s_step.objects.resource import Resource
from k8s_step.report.layout.table import NONE, Grid, plain
from k8s_step.report.printers.printer import BROKEN, Mask, Write
from k8s_step.report.printers.tables import write_lines

_FORM = "NAME:.metadata.name,IMAGE:.spec.containers[*].image"


Column = tuple[str, Template]  # header and path


def parse(spec: str, where: str) -> list[Column]:
    """The columns. Raises :class:`InputError`."""
    found = []
    for part in spec.split(","):
        header, colon, path = part.partition(":")
        if not colon or not path:
            hint = f"{_FORM}; a path can't hold a comma"
            raise InputError(f"{part!r} is no column: HEADER:PATH is", where=where, hint=hint)
        found.append((header, field(path, where)))
    return found


class Columns:
    """Prints what the paths find; several values are joined by commas."""

    def __init__(self, write: Write, mask: Mask, columns: Sequence[Column], *, with_header: bool) -> None:
        self._write = write
        self._mask = mask
        self._paths = [path for _, path in columns]
        self._grid = Grid([header for header, _ in columns], with_header=with_header)

    def show(self, resource: Resource, item: Object) -> list[str]:
        masked = self._mask(item)
        return [_cell(path, masked) for path in self._paths]

    def add(self, resource: Resource, columns: Sequence[Object], shown: Sequence[list[str]]) -> None:
        for cells in shown:
            self._grid.add(cells)

    def end(self) -> None:
        write_lines(self._write, self._grid.lines())

    def break_off(self) -> bool:
        self.end()
        self._write(BROKEN)
        return False


def _cell(path: Template, item: Object) -> str:
    """``<none>`` only where the path finds nothing: an empty text is printed empty."""
    found = path.values(item)
    return ",".join(plain(gotext.sprint(value)) for value in found) if found else NONE
