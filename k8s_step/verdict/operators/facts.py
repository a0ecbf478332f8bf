"""Facts of one kind of custom resource, beside what ``customresources`` knows of all of them, and the verdict by them.

Such facts add to the common rules and never soften them: a kind is current only where both say so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from k8s_step.objects.conditions import (
    Condition,
    conditions,
    generation,
    mapping,
    names_no_generation,
    number,
    spec,
    status,
)
from k8s_step.objects.metadata import Object
from k8s_step.verdict.customresources import FAILED, GRACE, by_what_it_tells
from k8s_step.verdict.states import Readiness, State


@dataclass(frozen=True)
class Phase:
    """A field of the status that tells of the whole object in one word; any word not listed is in progress.

    ``at``: its path within the status. ``final``: its operator has given up. ``failed``: it tries again, so that the
    word must last. ``told``: the field of the status with the message.
    """

    at: str = "phase"
    current: Sequence[str] = ()
    final: Sequence[str] = ()
    failed: Sequence[str] = ()
    told: str = "message"
    required: bool = True


@dataclass(frozen=True)
class Failing:
    """A condition that reports a failure, by its type, status and reasons; no reasons are any reason."""

    type: str
    status: str = "False"
    reasons: Sequence[str] = ()
    final: bool = False

    def is_met(self, one: Condition) -> bool:
        is_such = one.type == self.type and one.status == self.status and not one.of
        return is_such and (not self.reasons or one.reason in self.reasons)


@dataclass(frozen=True)
class Facts:
    """What the operator of a kind writes.

    ``awaits``: conditions that must all have come, current and True; ``A|B`` is either. ``hinders``: conditions that
    leave it in progress while True. ``wanted``: the fields of spec and status with the number of instances and of those
    that are ready. ``judged``: what no table can tell, looked at first.
    """

    awaits: Sequence[str] = ()
    hinders: Sequence[str] = ()
    phase: Phase | None = None
    failing: Sequence[Failing] = ()
    counts: tuple[str, str] | None = None
    judged: Callable[[Object], Readiness | None] | None = field(default=None)


def by_facts(obj: Object, facts: Facts) -> Readiness:
    """The verdict on ``obj``, a custom resource, by its kind's facts and by the common rules."""
    found = conditions(obj)
    told = (
        (facts.judged(obj) if facts.judged else None)
        or _of_failing(obj, facts, found)
        or _of_phase(obj, facts.phase)
        or _of_counts(obj, facts.counts)
    )
    if told is not None:
        return told
    usual = by_what_it_tells(obj, is_custom=True)
    if usual.state is not State.CURRENT:
        return usual
    return _of_awaited(obj, facts, found) or _current(obj, facts, usual)


def taken(obj: Object) -> Readiness | None:
    """Current, where ``obj`` has no status: nothing reconciles such an object, others only read it."""
    return None if status(obj) else Readiness(State.CURRENT, "taken")


def in_progress(message: str, reason: str = "") -> Readiness:
    """In progress, for as long as it takes."""
    return Readiness(State.IN_PROGRESS, message, reason)


def failing(message: str, reason: str, grace: float = GRACE) -> Readiness:
    """In progress with a failure that its operator may yet overcome; failed when it lasts."""
    return Readiness(State.IN_PROGRESS, message, reason, grace, problem=FAILED)


def is_unversioned(obj: Object) -> bool:
    """Whether the status may be about an older generation, since no observedGeneration says otherwise."""
    return (generation(obj) or 1) > 1 and names_no_generation(obj)


def text(value: Any) -> str:
    """``value`` where it is text, else the empty text."""
    return value if isinstance(value, str) else ""


def _of_failing(obj: Object, facts: Facts, found: Sequence[Condition]) -> Readiness | None:
    """By the first condition that reports a failure of this generation."""
    for known in facts.failing:
        one = next((one for one in found if known.is_met(one) and not one.is_stale(obj)), None)
        if one is not None and known.final:
            return Readiness(State.FAILED, one.told, one.reason or one.type, unversioned=one.is_unversioned(obj))
        if one is not None:
            return failing(one.told, one.reason or one.type)
    return None


def _of_phase(obj: Object, phase: Phase | None) -> Readiness | None:
    """By a phase that is not current; one that has not come yet is waited for."""
    if phase is None:
        return None
    word = text(at(status(obj), phase.at))
    if word in phase.current or (not word and not phase.required):
        return None
    if not word:
        return in_progress(f"waiting for its controller to set status.{phase.at}")
    told = text(at(status(obj), phase.told))
    message = f"{word}: {told}" if told and told != word else f"it is {word}"
    if True in (spec(obj).get("paused"), spec(obj).get("suspend")):
        return in_progress(message, word)  # of what is paused, a failure may be long past
    if word in phase.final:
        return Readiness(State.FAILED, message, word, unversioned=is_unversioned(obj))
    return failing(message, word) if word in phase.failed else in_progress(message, word)


def _of_counts(obj: Object, counts: tuple[str, str] | None) -> Readiness | None:
    if counts is None:
        return None
    wanted, ready = number(at(spec(obj), counts[0])), number(at(status(obj), counts[1])) or 0
    if wanted is None or ready >= wanted:
        return None
    return in_progress(f"{ready} of {wanted} ready")


def _of_awaited(obj: Object, facts: Facts, found: Sequence[Condition]) -> Readiness | None:
    """In progress while a condition that always comes is missing, not True or of an older generation."""
    for kind in facts.hinders:
        one = next((one for one in found if one.type == kind and one.is_true), None)
        if one is not None:
            return in_progress(one.told, one.reason or one.type)
    for kinds in facts.awaits:
        known = [one for kind in kinds.split("|") for one in found if one.type == kind]
        if not known:
            return in_progress(f"waiting for its controller to set the condition {kinds.replace('|', ' or ')}")
        one = known[0]
        if one.is_stale(obj):
            return in_progress(f"{one.type} is of an older generation")
        if not one.is_true:
            return in_progress(one.told, one.reason)
    return None


def _current(obj: Object, facts: Facts, usual: Readiness) -> Readiness:
    """Current: the facts tell so of a status of which the common rules know nothing."""
    if not usual.unjudged or not (facts.awaits or facts.phase or facts.counts):
        return usual
    word = text(at(status(obj), facts.phase.at)) if facts.phase else ""
    awaited = ", ".join(kinds.partition("|")[0] for kinds in facts.awaits)
    return Readiness(State.CURRENT, word or awaited.lower() or "ready", unversioned=is_unversioned(obj))


def at(found: Mapping[str, Any], path: str) -> Any:
    """The value at a dotted path; ``None`` where there is none. Booleans are Kubernetes' words, as in conditions."""
    *owners, name = path.split(".")
    for owner in owners:
        found = mapping(found.get(owner))
    value = found.get(name)
    return str(value) if isinstance(value, bool) else value
