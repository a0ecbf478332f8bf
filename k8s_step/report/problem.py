"""Something that was refused or found wrong, as data: what, where, and the next move."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from k8s_step.errors import StepError
from k8s_step.objects.reference import Reference, is_file

# ``k8s/web.yaml:12: deployment/shop/web``; neither an address nor an option such as ``--image web=shop/web:2``.
_PLACE = re.compile(r"(?P<file>(?!-|[a-z+]+://)[^:\n]+):(?P<line>\d+)(?::\d+)?(?:: (?P<about>.+))?", re.S)


class Place(NamedTuple):
    """A line of a file; ``about`` is the object that is written there, empty where none is named."""

    file: str
    line: int
    about: str


def place_of(where: str) -> Place | None:
    """The place that an error's ``where`` names; ``None`` where it is no line of a file."""
    found = _PLACE.fullmatch(where)
    return Place(found["file"], int(found["line"]), found["about"] or "") if found else None


def is_read(file: str) -> bool:
    """Whether there is such a file: of ``proxy.example:3128`` and ``deployment/web:2`` the first part is none."""
    return not is_file(file) or Path(file).exists()


@dataclass(frozen=True)
class Problem:
    """``where`` as the log says it; ``file`` and ``line`` of what is to be mended, empty and 0 where none is known."""

    message: str
    where: str = ""
    hint: str = ""
    file: str = ""
    line: int = 0

    @classmethod
    def of(cls, error: StepError, reference: Reference | None = None) -> Problem:
        """An error, found on the object of ``reference`` if that is given."""
        where = error.where or ""
        place = place_of(where)
        if place and reference is None and not is_read(place.file):
            place = None
        file, line = place[:2] if place else (reference.file, reference.line) if reference else ("", 0)
        return cls(error.message, where, error.hint or "", file, line)

    def at(self, file: str) -> Problem:
        """The same, where the file goes by another name."""
        where = self.where
        if self.file and where.startswith(f"{self.file}:"):
            where = f"{file}{where.removeprefix(self.file)}"
        return replace(self, file=file, where=where)

    def __str__(self) -> str:
        return str(StepError(self.message, where=self.where, hint=self.hint))
