"""The records of one run of the step, as the oracle reads them: plain data, with nothing of the product in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

Object = Mapping[str, Any]


class Key(NamedTuple):
    """Kind, namespace and name of an object."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return "/".join(part for part in self if part)


@dataclass(frozen=True)
class State:
    """An object as etcd held it from ``revision`` on; ``object`` is None once it was gone."""

    key: Key
    revision: int
    at: float
    object: Object | None


@dataclass(frozen=True)
class Asked:
    """A request of the step as the proxy saw it; ``code`` is None where no answer went out, ``fault`` says why."""

    at: float
    method: str
    path: str
    dry_run: bool
    code: int | None
    fault: str = ""

    @property
    def is_write(self) -> bool:
        asks = self.path.endswith(("reviews", "/token"))
        return self.method not in ("GET", "HEAD") and not self.dry_run and not asks


@dataclass(frozen=True)
class Heard:
    """An event that a watch of the step was sent."""

    at: float
    key: Key
    type: str
    revision: int


@dataclass(frozen=True)
class Deed:
    """What somebody else did to an object, or what happened to the servers.

    ``revision`` is what it wrote, ``last`` the last revision that it may have written; ``unsure`` where its answer
    was lost. Faults have no key.
    """

    at: float
    what: str
    key: Key | None = None
    revisions: tuple[int, ...] = ()
    unsure: bool = False


@dataclass(frozen=True)
class Wanted:
    """What one object has to be in the end: ``body`` is what it must hold, ``gone`` that it must be away."""

    key: Key
    body: Object = field(default_factory=dict)
    gone: bool = False


@dataclass(frozen=True)
class Conditions:
    """What the run was asked for."""

    verb: str
    timeout: float
    wait: bool = True
    rollback: bool = False
    preflight: bool = True
    invalid: bool = False


@dataclass(frozen=True)
class Ended:
    """How the process ended and all that it wrote; ``left`` names processes and files that it left behind."""

    code: int | None
    begun: float
    at: float
    texts: Mapping[str, str]
    report: Mapping[str, Any] | None
    left: tuple[str, ...] = ()


@dataclass(frozen=True)
class Record:
    """One run of the step. ``first`` and ``last`` are etcd's revisions just before its start and just after its end."""

    conditions: Conditions
    wanted: tuple[Wanted, ...]
    first: int
    last: int
    states: tuple[State, ...]
    asked: tuple[Asked, ...]
    heard: tuple[Heard, ...]
    deeds: tuple[Deed, ...]
    ended: Ended
    secrets: frozenset[str] = frozenset()

    @property
    def seconds(self) -> float:
        return self.ended.at - self.ended.begun
