"""What the watches of a rollout tell, and what their news mean for what is known of it."""

from __future__ import annotations

import queue
from collections.abc import Callable
from dataclasses import dataclass, field

from k8s_step.api.watch import Event, Scope, Watch
from k8s_step.errors import ApiError, ForbiddenError
from k8s_step.objects.metadata import Object, uid_of, version_of
from k8s_step.objects.pods import controller_of
from k8s_step.objects.reference import Reference
from k8s_step.rollout.owners import Family, Ownership
from k8s_step.verdict.judgement import Judgement
from k8s_step.verdict.readiness import outcome
from k8s_step.verdict.states import State
from k8s_step.verdict.target import Key, Target

DELETED = "deleted while it was followed"


@dataclass
class Board:
    """All that is known of what is followed. Only the thread that judges touches it."""

    targets: dict[Key, Target]
    ownership: Ownership = field(default_factory=Ownership)
    gone: dict[Key, Judgement] = field(default_factory=dict)
    _by_uid: dict[str, Target] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._by_uid = {target.uid: target for target in self.targets.values()}

    def open(self) -> list[Target]:
        """The targets whose verdict is still to come."""
        return [target for target in self.targets.values() if target.is_open]

    def within(self, scope: Scope) -> list[Target]:
        """The targets that a watch of this scope tells of."""
        return [target for target in self.targets.values() if _is_within(target, scope)]

    def with_uids(self, uids: set[str]) -> list[Target]:
        """The targets with these uids."""
        found = uids & self._by_uid.keys()
        if len(found) < 2:  # as with most events: a release may have hundreds
            return [self._by_uid[uid] for uid in found]
        return [target for uid, target in self._by_uid.items() if uid in found]

    def heard(self, target: Target, obj: Object) -> None:
        """``obj`` bears the name of ``target`` now; it may be another, or no newer than what is known."""
        if uid_of(obj) != target.uid:
            self.vanished(target, "deleted and created anew by somebody else while it was followed")
        elif version_of(obj) >= version_of(target.object):
            target.object = obj

    def vanished(self, target: Target, message: str) -> None:
        """``target`` was deleted, or replaced by another of its name; a Job may have come to its end before."""
        ended = outcome(target.object)
        known = Judgement(ended.state, ended.message, ended.reason) if ended else None
        self.gone.setdefault(target.reference.key, known or Judgement(State.NOT_FOUND, message, "Deleted"))


Message = tuple["Feed", Event | Exception]


@dataclass
class Feed:
    """One watch in a thread of its own, and what its news mean."""

    board: Board
    scope: Scope
    watch: Watch
    notice: Callable[[str], None]

    def run(self, out: queue.SimpleQueue[Message]) -> None:
        """Put events on ``out`` until the watch is stopped, then the error it ended in, if any.

        An error of ours, too: nobody would hear of it here, and the rollout would wait for news until its timeout.
        """
        try:
            for event in self.watch:
                out.put((self, event))
        except Exception as error:
            out.put((self, error))

    def take(self, event: Event) -> list[Target]:
        """Take in an event; return the targets it touches."""
        raise NotImplementedError

    def failed(self, error: Exception) -> list[Scope]:
        """The watch has ended for good: the scopes to watch in its place, or the error raised."""
        raise error


class TargetFeed(Feed):
    """The followed objects themselves."""

    def tells_of(self, target: Target) -> bool:
        """Whether ``target`` is within its scope."""
        return _is_within(target, self.scope)

    def take(self, event: Event) -> list[Target]:
        if event.type == "LISTED":
            return self._all(event)
        target = self.board.targets.get(Reference.to(event.object).key)
        if target is None or version_of(event.object) < version_of(target.object):
            return []
        self.board.heard(target, event.object)  # of a deleted one: as it was at last
        if event.type == "DELETED":
            self.board.vanished(target, DELETED)
        return [target]

    def _all(self, event: Event) -> list[Target]:
        found = {uid_of(item): item for item in event.items}
        touched = self.board.within(self.scope)
        for target in touched:
            if target.uid in found:
                self.board.heard(target, found[target.uid])
            else:
                self.board.vanished(target, DELETED)
        return touched

    def failed(self, error: Exception) -> list[Scope]:
        """A token that may not see the collection may see each of its objects by name."""
        if not isinstance(error, ForbiddenError) or self.scope.name is not None:
            raise error
        scope = self.scope
        return [
            Scope(scope.resource, scope.namespace, target.reference.name)
            for target in self.board.within(scope)
            if target.is_open
        ]


@dataclass
class OwnedFeed(Feed):
    """Objects that belong to the followed ones. ``known``: the uids of those that this watch has told of."""

    known: set[str] = field(default_factory=set)

    def family(self) -> Family:
        """Where they are kept."""
        raise NotImplementedError

    def touched_by(self, obj: Object) -> str:
        """The uid of the target that ``obj`` tells of."""
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
        """Forget what is gone, and return it; what other watches tell of is none of this one's."""
        uids = {uid_of(event.object)} if event.type == "DELETED" else set()
        if event.type == "LISTED":
            uids = self.known - {uid_of(obj) for obj in event.items}
        self.known -= uids
        return [gone for uid in uids if (gone := self.family().drop(uid)) is not None]

    def failed(self, error: Exception) -> list[Scope]:
        """Without them no pod fails a release early; the server's own verdict still does."""
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
