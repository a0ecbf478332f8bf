"""An error as data: message, place and the next move."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from k8s_step.errors import StepError
from k8s_step.objects.reference import Reference, is_file
from k8s_step.redaction.secretfile import is_there

# Matches ``k8s/web.yaml:12: deployment/shop/web``, but no URL and no option such as ``--image web=shop/web:2``.
_PLACE = r"(?P<file>(?!-|[a-z+]+://)[^:\n]+):(?P<line>\d+)(?::\d+)?(?:: (?P<about>.+))?"


class Place(NamedTuple):
    """A line of a file; ``about`` names the object written there, or is empty."""

    file: str
    line: int
    about: str


def place_of(where: str) -> Place | None:
    """The place in an error's ``where``; ``None`` if that is not of the form ``file:line``."""
    found = re.fullmatch(_PLACE, where, re.S)
    return Place(found["file"], int(found["line"]), found["about"] or "") if found else None


def is_read(file: str) -> bool:
    """Whether ``file`` exists or is no path (stdin); tells ``k8s/web.yaml:12`` from ``proxy.example:3128``."""
    return not is_file(file) or is_there(Path(file))


@dataclass(frozen=True)
class Problem:
    """``where`` as in the log; ``file`` and ``line`` of the text to correct, empty and 0 if unknown."""

    message: str
    where: str = ""
    hint: str = ""
    file: str = ""
    line: int = 0

    @classmethod
    def of(cls, error: StepError, reference: Reference | None = None) -> Problem:
        """The problem of an error; ``reference``, the object concerned, gives the place if the error has none."""
        where = error.where or ""
        place = place_of(where)
        if place and reference is None and not is_read(place.file):
            place = None
        file, line = place[:2] if place else (reference.file, reference.line) if reference else ("", 0)
        return cls(error.message, where, error.hint or "", file, line)

    def at(self, file: str) -> Problem:
        """This problem with its file renamed to ``file``."""
        where = self.where
        if self.file and where.startswith(f"{self.file}:"):
            where = f"{file}{where.removeprefix(self.file)}"
        return replace(self, file=file, where=where)

    def __str__(self) -> str:
        return str(StepError(self.message, where=self.where, hint=self.hint))
