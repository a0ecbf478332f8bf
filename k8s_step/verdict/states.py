"""An object's state, in kstatus's words, and the rest of its verdict."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """An object's state, in kstatus's words."""

    CURRENT = "current"
    IN_PROGRESS = "in progress"
    FAILED = "failed"
    TERMINATING = "terminating"
    NOT_FOUND = "not found"


@dataclass(frozen=True)
class Readiness:
    """The verdict on one object by itself.

    ``reason``: Kubernetes' own word, empty where it has none. ``grace``: seconds after which the object's present
    problem is fatal; ``None`` without such a problem. ``problem``: the problem's name in ``--fail-after`` where that is
    not ``reason``. ``unjudged``: the status does not show whether the object is ready. ``unversioned``: the status may
    be about an older generation.
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
        """The name that the grace belongs to, which stays the same while a controller changes the reason."""
        return self.problem or self.reason
