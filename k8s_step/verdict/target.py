"""One object that a run follows, from the answer to its write until its verdict."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from k8s_step.objects.address import Address
from k8s_step.objects.metadata import Object, uid_of
from k8s_step.objects.reference import Reference
from k8s_step.objects.resource import Resource
from k8s_step.verdict.judgement import Judgement, Marks
from k8s_step.verdict.terms.patience import USUAL, Patience
from k8s_step.verdict.terms.pauses import OnPause
from k8s_step.verdict.terms.required import Required
from k8s_step.verdict.terms.rules import Rule

Key = tuple[str, str, str, str]


@dataclass
class Target:
    """One object that a run follows, starting from the server's answer to its write.

    ``must_complete``: a Job that must complete, so that suspended is not enough. ``paused``: its manifest pauses it.
    ``on_pause``: what a pause means, ``None`` for the usual. ``required``: the pods that are enough, ``None`` for all.
    ``wrote``: the object as this run's write left it, ``None`` without a write. ``is_wanted``: whether the user wants
    its verdict, ``None`` to leave that to its annotation. ``allowance``: the seconds it may take. ``ends``: the time by
    which it must be current.
    """

    reference: Reference
    resource: Resource
    object: Object = field(repr=False)
    changed: bool = True
    waits_for_consumer: bool = False
    must_complete: bool = False
    paused: bool = False
    on_pause: OnPause | None = None
    required: Required | None = None
    wrote: Object | None = field(default=None, repr=False)
    is_wanted: bool | None = None
    patience: Patience = USUAL
    allowance: float = math.inf
    ends: float = math.inf
    timed_out: bool = False
    judgement: Judgement | None = None
    seconds: float = 0.0
    rule: Rule = field(default_factory=Rule)
    marks: Marks = field(default_factory=lambda: Marks(0.0))

    @property
    def address(self) -> Address:
        """The object's place in the API."""
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
        """Whether it has failed or is gone."""
        return self.judgement is not None and self.judgement.is_lost

    @property
    def is_late(self) -> bool:
        """Whether its time ran out before its verdict."""
        return self.timed_out and self.is_open
