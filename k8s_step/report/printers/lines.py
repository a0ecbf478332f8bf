"""``-o name`` and ``-o jsonl``: a line an object, written as it comes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from k8s_step.objects.metadata import Object, metadata_of
from k8s_step.objects.reference import Reference
from k8s_step.objects.resource import Resource
from k8s_step.report.layout import jsontext
from k8s_step.report.printers.printer import Mask, Write, write_all


def name(resource: Resource, item: Object) -> str:
    """``deployment.apps/web``."""
    return Reference(resource.api_version, resource.kind, "", str(metadata_of(item).get("name") or "")).title


def json_line(mask: Mask) -> Callable[[Resource, Object], str]:
    """The object as JSON on one line."""
    return lambda _, item: jsontext.compact(mask(item))


class Lines:
    """Prints the ``line`` of each object."""

    def __init__(self, write: Write, line: Callable[[Resource, Object], str]) -> None:
        self._write = write
        self._line = line

    def show(self, resource: Resource, item: Object) -> str:
        return self._line(resource, item)

    def add(self, resource: Resource, columns: Sequence[Object], shown: Sequence[str]) -> None:
        write_all(self._write, shown)

    def end(self) -> None:
        """Nothing: each line stands by itself."""

    def break_off(self) -> bool:
        return True  # the lines before are whole; the exit code and stderr tell that some are missing
