"""Feeds: watches in threads of their own, and how their events change what is known of the followed objects."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from k8s_step.api.watch import Event, Scope, Watch
from k8s_step.errors import ApiError
from k8s_step.objects.kinds.pods import controller_of
from k8s_step.objects.metadata import Object, uid_of, version_of
from k8s_step.objects.reference import Reference
from k8s_step.rollout.owners import Family, Ownership
from k8s_step.verdict.judgement import Judgement
from k8s_step.verdict.readiness import outcome
from k8s_step.verdict.states import State
from k8s_step.verdict.target import Key, Target

DELETED = "deleted while it was followed"


@dataclass
class Board:
    """The state of all followed objects. Only the judging thread reads and writes it."""

    targets: dict[Key, Target]
    ownership: Ownership = field(default_factory=Ownership)
    gone: dict[Key, Judgement] = field(default_factory=dict)
    _by_uid: dict[str, Target] = field(init=False, default_factory=dict)
    _open: list[Target] | None = field(init=False, default=None)  # replaced, never changed: callers iterate over it

    def __post_init__(self) -> None:
        self._by_uid = {target.uid: target for target in self.targets.values()}

    def add(self, targets: Iterable[Target]) -> None:
        """Take further targets in, written since the others began to be followed."""
        for target in targets:
            self.targets[target.reference.key] = target
            self._by_uid[target.uid] = target
        self._open = None

    def judged(self, target: Target, judgement: Judgement | None) -> None:
        """Store a target's judgement."""
        was_open, target.judgement = target.is_open, judgement
        if target.is_open != was_open:
            self._open = None

    def open(self) -> Sequence[Target]:
        """The targets without a final verdict, in the targets' order."""
        if self._open is None:
            self._open = [target for target in self.targets.values() if target.is_open]
        return self._open

    def within(self, scope: Scope) -> list[Target]:
        """The targets that a watch of this scope covers."""
        return [target for target in self.targets.values() if _is_within(target, scope)]

    def with_uids(self, uids: set[str]) -> list[Target]:
        """The targets with these uids."""
        found = uids & self._by_uid.keys()
        if len(found) < 2:  # most events touch one target, and a release may have hundreds
            return [self._by_uid[uid] for uid in found]
        return [target for uid, target in self._by_uid.items() if uid in found]

    def heard(self, target: Target, obj: Object) -> None:
        """Take in the object that bears the target's name now, unless it is older than the known one.

        An object with another uid is a successor: the target is gone.
        """
        if uid_of(obj) != target.uid:
            self.vanished(target, "deleted and created anew by somebody else while it was followed")
        elif version_of(obj) >= version_of(target.object):
            target.object = obj

    def vanished(self, target: Target, message: str) -> None:
        """Note that the target was deleted or replaced; a Job that had finished before keeps its outcome."""
        ended = outcome(target.object)
        known = Judgement(ended.state, ended.message, ended.reason) if ended else None
        self.gone.setdefault(target.reference.key, known or Judgement(State.NOT_FOUND, message, "Deleted"))


Message = tuple["Feed", Event | Exception]


@dataclass
class Feed:
    """One watch in a thread of its own, and how its events are taken in."""

    board: Board
    scope: Scope
    watch: Watch
    notice: Callable[[str], None]

    def run(self, out: queue.SimpleQueue[Message | None]) -> None:
        """Put events on ``out`` until the watch is stopped; an error that ends it is put there, too.

        So is a bug of this step: raised in this thread it would be lost, and the rollout would wait until its timeout.
        """
        try:
            for event in self.watch:
                out.put((self, event))
        except Exception as error:
            out.put((self, error))

    def take(self, event: Event) -> list[Target]:
        """Take in an event; return the targets whose judgement it may change."""
        raise NotImplementedError

    def failed(self, error: Exception) -> list[Scope]:
        """The scopes to watch instead, once this watch has ended for good. Raises ``error`` where there are none."""
        raise error


class TargetFeed(Feed):
    """The followed objects themselves."""

    def tells_of(self, target: Target) -> bool:
        """Whether ``target`` is within this feed's scope."""
        return _is_within(target, self.scope)

    def take(self, event: Event) -> list[Target]:
        if event.type == "LISTED":
            return self._all(event)
        target = self.board.targets.get(Reference.to(event.object).key)
        if target is None or version_of(event.object) < version_of(target.object):
            return []
        self.board.heard(target, event.object)  # a DELETED event holds the object's last state
        if event.type == "DELETED":
            self.board.vanished(target, DELETED)
        return [target]

    def _all(self, event: Event) -> list[Target]:
        found = {uid_of(item): item for item in event.items}
        touched = self.board.within(self.scope)
        for target in touched:
            if target.uid in found:
                self.board.heard(target, found[target.uid])
            elif not 0 < event.version < version_of(target.object):  # a target of a later wave may be newer
                self.board.vanished(target, DELETED)
        return touched

    def failed(self, error: Exception) -> list[Scope]:
        """Where the collection can be neither watched nor listed, each open target is watched by name."""
        if not (isinstance(error, ApiError) and error.is_barred) or self.scope.name is not None:
            raise error
        scope = self.scope
        return [
            Scope(scope.resource, scope.namespace, target.reference.name)
            for target in self.board.within(scope)
            if target.is_open
        ]


@dataclass
class OwnedFeed(Feed):
    """Objects that targets own. ``known``: the uids that this watch has reported so far."""

    known: set[str] = field(default_factory=set)

    def family(self) -> Family:
        """The family that this feed keeps up to date."""
        raise NotImplementedError

    def touched_by(self, obj: Object) -> str:
        """The uid of the target that owns ``obj``."""
        raise NotImplementedError

    def take(self, event: Event) -> list[Target]:
        touched = {self.touched_by(obj) for obj in self._gone(event)}
        objects = event.items if event.type == "LISTED" else (event.object,)
        for obj in objects if event.type != "DELETED" else ():
            self.family().put(obj)
            self.known.add(uid_of(obj))
        touched |= {self.touched_by(obj) for obj in objects}
        return self.board.with_uids(touched)

    def _gone(self, event: Event) -> list[Object]:
        """Forget the objects that this watch has known and that are gone, and return them."""
        uids = {uid_of(event.object)} if event.type == "DELETED" else set()
        if event.type == "LISTED":
            uids = self.known - {uid_of(obj) for obj in event.items}
        self.known -= uids
        return [gone for uid in uids if (gone := self.family().drop(uid)) is not None]

    def failed(self, error: Exception) -> list[Scope]:
        """Go on without these objects: no pod can fail the release early then; the server's own verdict still can."""
        if not isinstance(error, ApiError):
            raise error
        plural = self.scope.resource.plural
        self.notice(
            f"may not list {self.scope.text}, so a failing pod is not seen early:"
            f" grant get, list and watch on {plural} ({error.message})"
        )
        return []


class PodFeed(OwnedFeed):
    """The pods under workloads."""

    def family(self) -> Family:
        return self.board.ownership.pods

    def touched_by(self, obj: Object) -> str:
        return self.board.ownership.workload_of(obj)


class ReplicaSetFeed(OwnedFeed):
    """The ReplicaSets between a Deployment and its pods."""

    def family(self) -> Family:
        return self.board.ownership.replica_sets

    def touched_by(self, obj: Object) -> str:
        return str(controller_of(obj).get("uid", ""))


def _is_within(target: Target, scope: Scope) -> bool:
    return (
        target.resource == scope.resource
        and target.reference.namespace == (scope.namespace or "")
        and scope.name in (None, target.reference.name)
    )
