"""What a verb has read, as data: it is printed as text, and several clusters' contents become one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from k8s_step.objects.metadata import Object
from k8s_step.objects.resource import Resource
from k8s_step.report.layout.table import Shape, lines
from k8s_step.report.printers.printer import Printer, Write

if TYPE_CHECKING:
    from k8s_step.report.results.metrics import Family

CLUSTER = "cluster"  # the key of an item, the label of a metric and the column of a table that name the cluster


class Content(Protocol):
    """Content for stdout, masked."""

    @property
    def text(self) -> str:
        """The text, without its last line break; empty where there is nothing to print."""

    def with_more(self, others: Sequence[Content]) -> Content:
        """This content and that of other clusters, of the same kind, as one."""


@dataclass(frozen=True)
class Table:
    """Rows of cells under ``columns``. ``cluster``: the one they are of, in a run on several."""

    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]
    cluster: str = ""

    @property
    def text(self) -> str:
        """The header and the rows; the first column names the cluster where there is one."""
        own = [CLUSTER, *self.columns] if self.cluster else self.columns
        rows = [{"cells": list(row)} for row in self._told]
        return "\n".join(lines([{"name": name} for name in own], rows, Shape()))

    @property
    def _told(self) -> tuple[tuple[object, ...], ...]:
        return tuple((self.cluster, *row) for row in self.rows) if self.cluster else self.rows

    def with_more(self, others: Sequence[Content]) -> Table:
        """One table of all clusters."""
        if not self.cluster:
            return self
        parts = [self, *(other for other in others if isinstance(other, Table))]
        return Table((CLUSTER, *self.columns), tuple(row for part in parts for row in part._told))


Added = tuple[Resource, Sequence[Object], Sequence[Any]]  # what a printer is given: see Printer.add


@dataclass(frozen=True)
class Printed:
    """What a printer is given, for a printer that ``make`` makes. ``is_broken``: the rest of it could not be read."""

    make: Callable[[Write], Printer]
    added: tuple[Added, ...]
    is_broken: bool = False

    @property
    def text(self) -> str:
        """What the printer writes."""
        texts: list[str] = []
        printer = self.make(texts.append)
        for resource, columns, shown in self.added:
            printer.add(resource, columns, shown)
        if not self.is_broken or printer.break_off():
            printer.end()
        return "\n".join(texts)

    def with_more(self, others: Sequence[Content]) -> Printed:
        """All in one answer."""
        parts = [other for other in others if isinstance(other, Printed)]
        added = (each for part in (self, *parts) for each in part.added)
        return Printed(self.make, tuple(added), any(part.is_broken for part in (self, *parts)))


class Recorder:
    """A printer of one cluster of several: keeps what it is given, and delivers it in the end."""

    def __init__(self, make: Callable[[Write], Printer], deliver: Callable[[Content], None]) -> None:
        self._make = make
        self._printer = make(lambda _: None)
        self._deliver = deliver
        self._added: list[Added] = []

    def show(self, resource: Resource, item: Object) -> Any:
        return self._printer.show(resource, item)

    def add(self, resource: Resource, columns: Sequence[Object], shown: Sequence[Any]) -> None:
        self._added.append((resource, columns, shown))

    def end(self) -> None:
        self._deliver(Printed(self._make, tuple(self._added)))

    def break_off(self) -> bool:
        if self._printer.break_off():
            return True
        self._deliver(Printed(self._make, tuple(self._added), is_broken=True))
        return False


@dataclass(frozen=True)
class Metrics:
    """Samples in Prometheus' text format. ``cluster``: the one they are of, in a run on several."""

    families: tuple[Family, ...]
    cluster: str = ""

    @property
    def text(self) -> str:
        """The families, each under its own help and type."""
        from k8s_step.report.results.metrics import exposition  # imported here: only some checks print metrics

        return exposition(self._labelled)

    @property
    def _labelled(self) -> tuple[Family, ...]:
        if not self.cluster:
            return self.families
        own = {CLUSTER: self.cluster}
        return tuple(
            replace(one, samples=tuple(({**own, **labels}, value) for labels, value in one.samples))
            for one in self.families
        )

    def with_more(self, others: Sequence[Content]) -> Metrics:
        """One family of each name, since Prometheus refuses a second."""
        merged: dict[str, Family] = {}
        for part in (self, *(other for other in others if isinstance(other, Metrics))):
            for family in part._labelled:
                known = merged.setdefault(family.name, family)
                if known is not family:
                    merged[family.name] = replace(known, samples=known.samples + family.samples)
        return Metrics(tuple(merged.values()))
