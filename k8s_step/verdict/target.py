"""An object that is followed, from the server's answer to its write to its verdict."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from k8s_step.objects.address import Address
from k8s_step.objects.metadata import Object, uid_of
from k8s_step.objects.reference import Reference
from k8s_step.objects.resource import Resource
from k8s_step.verdict.judgement import Judgement, Marks
from k8s_step.verdict.patience import USUAL, Patience

Key = tuple[str, str, str, str]


@dataclass
class Target:
    """One object that is followed, from the server's own answer to its write.

    ``must_complete``: a Job that is to be run, so that being suspended as asked is not enough. ``paused``: its manifest
    has it paused. ``wrote``: the object as this run's write left it, ``None`` where it wrote nothing. ``is_wanted``:
    whether the user asks for its verdict, ``None`` where its annotation is to say so. ``allowance``: the seconds it is
    given, ``ends``: the time at which it must be current.
    """

    reference: Reference
    resource: Resource
    object: Object
    changed: bool = True
    waits_for_consumer: bool = False
    must_complete: bool = False
    paused: bool = False
    wrote: Object | None = None
    is_wanted: bool | None = None
    patience: Patience = USUAL
    allowance: float = math.inf
    ends: float = math.inf
    timed_out: bool = False
    judgement: Judgement | None = None
    seconds: float = 0.0
    marks: Marks = field(default_factory=lambda: Marks(0.0))

    @property
    def address(self) -> Address:
        """Where it is in the API."""
        return Address(self.resource, self.reference)

    @property
    def uid(self) -> str:
        """``metadata.uid``: the same name with another uid is another object."""
        return uid_of(self.object)

    @property
    def is_open(self) -> bool:
        """Whether its verdict is still to come."""
        return self.judgement is None or not self.judgement.is_final

    @property
    def is_lost(self) -> bool:
        """Whether it has failed or is gone: nothing makes that good."""
        return self.judgement is not None and self.judgement.is_lost

    @property
    def is_late(self) -> bool:
        """Whether its time was up before it was current."""
        return self.timed_out and self.is_open
