"""The interface between the objects that are read and the text that is printed of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from k8s_step.objects.metadata import Object
from k8s_step.objects.resource import Resource

Write = Callable[[str], None]  # some whole lines, without their last newline
Mask = Callable[[Object], Object]  # an object, or a part of one, without the values of Secrets


# A line that neither a JSON nor a YAML parser takes: what stands above it is not the whole list.
BROKEN = "*** incomplete: the list broke off here, the error is on stderr ***"
_AT_ONCE = 50  # texts; a page's are not held twice


def write_all(write: Write, texts: Sequence[str], between: str = "\n") -> None:
    """Write ``texts``, some at a time; ``between`` stands after each, its newline being the last one's as well."""
    for at in range(0, len(texts), _AT_ONCE):
        some = texts[at : at + _AT_ONCE]
        write(between.join(some) + between.removesuffix("\n"))


class Printer(Protocol):
    """Prints one answer. ``show`` may be called in any thread, the rest in one, in the order of the output."""

    def show(self, resource: Resource, item: Object) -> Any:
        """What is kept of one object or table row until it is printed, masked."""

    def add(self, resource: Resource, columns: Sequence[Object], shown: Sequence[Any]) -> None:
        """Print some that were shown, or keep them until the end; ``columns`` are those of a table."""

    def end(self) -> None:
        """All that could be read has been added."""

    def break_off(self) -> bool:
        """Some of a list was added and the rest can't be read: leave nothing that looks like a whole answer.

        Whether more can be added all the same.
        """
