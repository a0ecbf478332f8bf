"""Events of objects as lines of stdout: JSON, names, or rows of a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from k8s_step.objects.kinds.secrets import masked
from k8s_step.objects.metadata import Object, metadata_of
from k8s_step.objects.ownership.applied import without_metadata
from k8s_step.objects.reference import Reference
from k8s_step.objects.resource import Resource
from k8s_step.redaction import Redactor
from k8s_step.report.layout import jsontext
from k8s_step.report.layout.table import Growing, Layout, Shape, is_name

_PLAIN_COLUMNS = ({"name": "Name", "format": "name"}, {"name": "Created At"})  # where the server makes no tables


@dataclass(frozen=True)
class Told:
    """One event: ADDED, MODIFIED or DELETED, its object, and the object's row where a table was asked for."""

    type: str
    resource: Resource
    object: Object = field(repr=False)
    cells: Sequence[Any] | None = None
    columns: Sequence[Object] = ()


Lines = Callable[[Told], list[str]]


def json_line(told: Told, redactor: Redactor) -> str:
    """``{"type":"ADDED","object":{…}}``, the values of Secrets masked, without who owns which field."""
    bare = without_metadata(told.object, ("managedFields",))
    shown = redactor.mask_object(masked({}, bare)[1])
    return f'{{"type":"{told.type}","object":{jsontext.compact(shown)}}}'


def name_line(told: Told) -> str:
    """``deployment.apps/web``."""
    namespace, name = (str(metadata_of(told.object).get(part) or "") for part in ("namespace", "name"))
    return Reference(told.resource.api_version, told.resource.kind, namespace, name).title


class Rows:
    """Rows that change, as ``kubectl get --watch`` prints them: each event is the object's row as it is now.

    ``kinds``: several are watched, so that the kind stands before the name; each has a header of its own, once.
    """

    def __init__(self, redactor: Redactor, *, wide: bool, namespaces: bool, kinds: bool) -> None:
        self._redactor = redactor
        self._wide, self._namespaces, self._kinds = wide, namespaces, kinds
        self._tables: dict[Resource, Growing] = {}

    def lines(self, told: Told) -> list[str]:
        """The line of the object's row, after the header where it is the first of its kind."""
        columns = told.columns or _PLAIN_COLUMNS
        if told.resource not in self._tables:
            prefix = name_line(told).partition("/")[0] if self._kinds else ""
            shape = Shape(self._wide, self._namespaces and told.resource.namespaced, prefix)
            self._tables[told.resource] = Growing(Layout(columns, shape))
        return self._tables[told.resource].lines(self._row(told, columns))

    def _row(self, told: Told, columns: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
        """The row, masked but for the name."""
        metadata = metadata_of(told.object)
        cells = list(told.cells or (metadata.get("name"), metadata.get("creationTimestamp")))
        shown = self._redactor.mask_object({"cells": cells})["cells"]
        names = map(is_name, columns)
        made = [cell if name else mask for cell, mask, name in zip(cells, shown, names, strict=False)]
        return {"cells": made, "object": {"metadata": metadata}}
