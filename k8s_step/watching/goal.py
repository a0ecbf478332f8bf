"""What is waited for, of which objects, and how far each of them has come. No requests and no clock.

The objects are those that were named, else those that were there when the watch began. Each must meet all
expectations: those of its status in one and the same state, ``create`` by having been seen, ``delete`` by being gone.
An object that has met them is done, whatever becomes of it later: so does ``kubectl wait``.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count

from k8s_step.api.watch import Scope
from k8s_step.objects.metadata import Object
from k8s_step.objects.reference import Reference
from k8s_step.objects.resource import Resource
from k8s_step.verdict.judgement import Judgement, Marks, Terms, judge
from k8s_step.verdict.readiness import outcome
from k8s_step.verdict.states import State
from k8s_step.verdict.terms.expectations import ConditionIs, Created, Deleted, Expectation
from k8s_step.watching.changes import Change, Key

Place = tuple[Resource, Key]
_DELETED = "deleted before it showed what was waited for"


@dataclass
class Hope:
    """One object that is waited for. ``object``: as last seen, ``None`` while it does not exist.

    ``failure``: why it can no longer come, by the rules of the verdict.
    """

    reference: Reference
    marks: Marks
    object: Object | None = None
    was_seen: bool = False
    has_shown: bool = False
    is_met: bool = False
    failure: Judgement | None = None
    due: float | None = None

    @property
    def is_open(self) -> bool:
        """Whether it is still waited for."""
        return not self.is_met and self.failure is None


@dataclass
class Goal:
    """The expectations and the objects that are to meet them. Times are seconds of the caller's clock.

    ``names``: the objects that were named; none of them: all that are there when the watch begins. There may be
    thousands, so what an event asks for is kept apart: those that are open, failed, or not seen yet, and what is due.
    """

    expectations: Sequence[Expectation]
    names: Sequence[tuple[Resource, Reference]]
    started: float
    hopes: dict[Place, Hope] = field(default_factory=dict)
    _open: dict[Place, Hope] = field(default_factory=dict)
    _failed: dict[Place, Hope] = field(default_factory=dict)
    _unseen: dict[Place, Hope] = field(default_factory=dict)
    _dues: list[tuple[float, int, Place]] = field(default_factory=list)  # a heap; entries may be out of date
    _entries: Iterator[int] = field(default_factory=count)

    def __post_init__(self) -> None:
        for resource, reference in self.names:
            self._hope(resource, reference)

    @property
    def is_for(self) -> bool:
        """Whether anything is waited for at all."""
        return bool(self.expectations)

    @property
    def awaits_creation(self) -> bool:
        """Whether objects may come into being later."""
        return any(isinstance(one, Created) for one in self.expectations)

    @property
    def awaits_deletion(self) -> bool:
        """Whether objects are to go."""
        return any(isinstance(one, Deleted) for one in self.expectations)

    @property
    def awaits_failure(self) -> bool:
        """Whether a condition in words of failure is waited for: then a failing object is no reason to give up."""
        return any(isinstance(one, ConditionIs) and "fail" in one.type.casefold() for one in self.expectations)

    @property
    def open(self) -> list[Hope]:
        """The objects that are still waited for."""
        return list(self._open.values())

    @property
    def failed(self) -> list[Hope]:
        """The objects that can no longer come."""
        return list(self._failed.values())

    @property
    def is_reached(self) -> bool:
        """Whether all objects have met everything; of none, only a deletion can be met."""
        return bool(self.hopes or self.awaits_deletion) and not (self._open or self._failed)

    @property
    def missing(self) -> list[Hope]:
        """The objects named that no list showed, where nothing waits for them to be created or deleted."""
        if self.awaits_creation or self.awaits_deletion:
            return []
        return list(self._unseen.values())

    @property
    def is_lost(self) -> bool:
        """Whether an object has failed, is not there, or there is none."""
        return bool(self._failed or self.missing) or not (self.hopes or self.awaits_creation)

    @property
    def due(self) -> float | None:
        """When :meth:`judge_again` may have something to say, without another change."""
        while self._dues and self._is_out_of_date(*self._dues[0]):
            heapq.heappop(self._dues)
        return self._dues[0][0] if self._dues else None

    @property
    def told(self) -> str:
        """What an object has come to that has met everything."""
        status = [one.text for one in self.expectations if not isinstance(one, Created | Deleted)]
        return ", ".join([*status, "gone"] if self.awaits_deletion else status or ["created"])

    def settle(self, scope: Scope) -> None:
        """The first list of ``scope`` is complete: an object named there that it lacks is gone already."""
        for place in self._within(scope):
            hope = self.hopes[place]
            hope.is_met = hope.is_met or (not hope.was_seen and self.awaits_deletion and not self.awaits_creation)
            self._sort(place, hope)

    def abandon(self, scope: Scope) -> None:
        """``scope`` can no longer be watched: nothing is known of its objects any more."""
        for place in self._within(scope):
            if place in self._open:
                for each in (self.hopes, self._open, self._unseen):
                    each.pop(place, None)

    def take(self, resource: Resource, change: Change, now: float) -> Hope | None:
        """Take in a change; return the object concerned where it is waited for, and this is news of it."""
        hope = self._concerned(resource, change)
        if hope is None or not hope.is_open:
            return None
        place = (resource, change.key)
        is_gone = change.type == "DELETED"
        self._unseen.pop(place, None)
        hope.was_seen = True
        if not is_gone or "status" in change.object or hope.object is None:
            hope.object = change.object
        self._look(place, hope, now, is_gone=is_gone)
        if is_gone or hope.is_met:
            hope.object = None
        return hope

    def judge_again(self, now: float) -> list[Hope]:
        """Judge the objects whose problem may have lasted for too long by now; return those that have failed."""
        late = []
        while (due := self.due) is not None and due <= now:
            place = heapq.heappop(self._dues)[2]
            late.append(self._open[place])
            self._look(place, late[-1], now, is_gone=False)
        return [hope for hope in late if hope.failure is not None]

    def standing(self, hope: Hope) -> str:
        """How an open object falls short."""
        unmet = [one for one in self.expectations if not one.is_met(hope.object)]
        return "; ".join(f"{one.text}: {one.standing(hope.object)}" for one in unmet)

    def _within(self, scope: Scope) -> list[Place]:
        def is_within(place: Place) -> bool:
            resource, (namespace, name) = place
            spaces, names = (None, namespace), (None, name)
            return resource == scope.resource and (scope.namespace or None) in spaces and scope.name in names

        return [place for place in self.hopes if is_within(place)]

    def _hope(self, resource: Resource, reference: Reference) -> Hope:
        place = (resource, (reference.namespace, reference.name))
        hope = self.hopes.setdefault(place, Hope(reference, Marks(self.started)))
        self._open[place] = self._unseen[place] = hope
        return hope

    def _sort(self, place: Place, hope: Hope) -> None:
        """Note what a hope has come to, and when it is to be looked at again."""
        if not hope.is_open:
            self._open.pop(place, None)
        if hope.failure is not None:
            self._failed[place] = hope
        if hope.is_open and hope.due is not None:
            heapq.heappush(self._dues, (hope.due, next(self._entries), place))

    def _is_out_of_date(self, due: float, _: int, place: Place) -> bool:
        return place not in self._open or self._open[place].due != due

    def _concerned(self, resource: Resource, change: Change) -> Hope | None:
        found = self.hopes.get((resource, change.key))
        is_first = change.is_initial or (self.awaits_creation and not self.hopes and change.type == "ADDED")
        if found is None and not self.names and is_first:
            namespace, name = change.key
            return self._hope(resource, Reference(resource.api_version, resource.kind, namespace, name))
        return found

    def _look(self, place: Place, hope: Hope, now: float, *, is_gone: bool) -> None:
        """Compare the object, present or just deleted, with what is expected of it; judge one that falls short."""
        before, hope.due = hope.due, None
        self._compare(hope, now, is_gone=is_gone)
        if hope.due != before or not hope.is_open:
            self._sort(place, hope)

    def _compare(self, hope: Hope, now: float, *, is_gone: bool) -> None:
        status = [one for one in self.expectations if not isinstance(one, Created | Deleted)]
        hope.has_shown = hope.has_shown or all(one.is_met(hope.object) for one in status)
        hope.is_met = hope.has_shown and (is_gone or not self.awaits_deletion)
        if hope.is_met or hope.has_shown or hope.object is None:
            return
        if is_gone and not self.awaits_creation:
            ended = outcome(hope.object)
            is_failed = ended is not None and ended.state is State.FAILED
            hope.failure = _failed(ended.message, ended.reason) if ended and is_failed else _failed(_DELETED, "Deleted")
        elif not is_gone:
            self._judge(hope, hope.object, now)

    def _judge(self, hope: Hope, obj: Object, now: float) -> None:
        if self.awaits_failure:
            return
        pods = [obj] if obj.get("kind") == "Pod" else []
        found = judge(obj, pods, {}, hope.marks, now, Terms(changed=False))
        hope.due = found.due if found.due is not None and found.due > now else None
        hope.failure = found if found.state is State.FAILED else None


def _failed(message: str, reason: str) -> Judgement:
    return Judgement(State.FAILED, message, reason)
