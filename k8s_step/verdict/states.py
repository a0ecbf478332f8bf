"""Where an object stands, in kstatus's words, and all that its verdict says besides."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """kstatus's words for where an object stands."""

    CURRENT = "current"
    IN_PROGRESS = "in progress"
    FAILED = "failed"
    TERMINATING = "terminating"
    NOT_FOUND = "not found"


@dataclass(frozen=True)
class Readiness:
    """The verdict on one object.

    ``reason`` is Kubernetes' own word where there is one. ``grace`` is set while the object shows a problem that
    is fatal only when it lasts for that many seconds; ``problem`` is its name for ``--fail-after`` where the reason
    isn't. ``unjudged`` is set where the object tells nothing, ``unversioned`` where what it tells may be about an
    older generation.
    """

    state: State
    message: str = ""
    reason: str = ""
    grace: float | None = None
    unjudged: bool = False
    unversioned: bool = False
    problem: str = ""

    @property
    def family(self) -> str:
        """What its grace goes by: a controller may word the reason anew at each try."""
        return self.problem or self.reason
