"""Follows written objects until all are current or one has failed: one watch for each kind and namespace.

Objects that are current go on being judged, and are compared with the server once more before the end.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from k8s_step.api.client import Client
from k8s_step.api.concurrency import gather
from k8s_step.api.request import Request
from k8s_step.api.watch import Scope
from k8s_step.errors import ForbiddenError, InputError, NotFoundError
from k8s_step.objects.kinds.pods import HAVE_PODS, is_ready
from k8s_step.objects.metadata import Object
from k8s_step.objects.resource import required as resource
from k8s_step.objects.selection import of_workload
from k8s_step.rollout.confirmation import Confirmation
from k8s_step.rollout.failedcreate import REASON, FailedCreates
from k8s_step.rollout.feeds import DELETED, Feed, PodFeed, ReplicaSetFeed
from k8s_step.rollout.follower import Follower, FollowListener, Limits
from k8s_step.rollout.nodes import LostNodes
from k8s_step.rollout.superseded import SupersededWrites
from k8s_step.verdict.evidence.claims import storage_class
from k8s_step.verdict.judgement import Judgement, Marks, Terms, judge
from k8s_step.verdict.readiness import compute, is_complete
from k8s_step.verdict.revision import current_pods
from k8s_step.verdict.states import State
from k8s_step.verdict.target import Key, Target
from k8s_step.verdict.terms import patience, pauses, required
from k8s_step.verdict.terms.patience import USUAL
from k8s_step.verdict.terms.rules import own_rule

OnPods = Callable[[Target, Sequence[Object], Mapping[str, Object]], None]  # the ReplicaSets by uid
_PODS, _REPLICA_SETS = resource("v1", "Pod"), resource("apps/v1", "ReplicaSet")
_STORAGE_CLASSES = resource("storage.k8s.io/v1", "StorageClass")
_FRESH = 30.0  # seconds for which an answer to a write replaces the last look, in a run that followed nothing
_LAST_LOOK = 5.0  # seconds that the last look, or one at storage classes, may take at least, even past the deadline
_PODS_COME = 5.0  # seconds for which the pods of current workloads are awaited at most
_AT_ONCE = 8  # requests in flight for the last look, and for FailedCreate events
_ASKED = 20  # targets whose FailedCreate events are read at the end


class Rollout(Follower[FollowListener]):
    """Follows targets to their verdicts, which it stores in ``target.judgement``.

    ``on_pods`` gets a target with all its pods and its ReplicaSets, whenever one of them may have changed; with
    ``await_pods``, all pods of a current workload before the following ends.

    >>> Rollout(client, targets, listener, Limits(timeout=600)).follow()  # doctest: +SKIP
    """

    def __init__(
        self,
        client: Client,
        targets: Sequence[Target],
        listener: FollowListener,
        limits: Limits,
        clock: Callable[[], float] = time.monotonic,
        on_pods: OnPods | None = None,
        await_pods: bool = False,
        field_manager: str = "",
    ) -> None:
        super().__init__(client, targets, listener, limits, clock)
        self._on_pods, self._is_awaiting_pods = on_pods, await_pods
        self._successions = SupersededWrites(field_manager, listener.notice)
        self._creations = FailedCreates(client, listener.notice)
        self._nodes = LostNodes(client, listener.notice)
        self._waited = limits.age > _FRESH
        self._pods_of: set[tuple[str, str | None]] = set()
        self._dues: dict[Key, float] = {}  # of the open targets that are to be judged again without an event
        self._ends = self._started
        self._begin(targets, self._started)

    def add(self, targets: Sequence[Target]) -> None:
        """Follow further targets as well: the objects of a later wave."""
        now = self._clock()
        self._waited = self._waited or self._limits.age + now - self._started > _FRESH
        self._board.add(targets)
        self._begin(targets, now)

    def _begin(self, targets: Sequence[Target], now: float) -> None:
        for target in targets:
            target.marks = Marks(now)
            self._limit(target, now)
            self._ends = max(self._ends, target.ends)

    def _limit(self, target: Target, now: float) -> None:
        """Set the target's patience and deadline: from its own annotations, else from the command line."""
        limits, own, timeout = self._limits, USUAL, None
        try:
            own, timeout = patience.own_patience(target.object), patience.own_timeout(target.object)
            target.rule = target.rule.joined_by(own_rule(target.object))
            target.on_pause = pauses.own_choice(target.object)
            target.required = required.own_required(target.object)
        except InputError as error:
            self._listener.notice(f"{target.reference}: ignored: {error}")
        target.patience = own.over(limits.patience)
        target.on_pause = target.on_pause or limits.on_pause
        target.required = target.required or limits.required
        target.allowance = limits.timeout - (now - self._started) if timeout is None else timeout
        target.ends = now + target.allowance

    @property
    def longest(self) -> float:
        """Seconds after which the last open target times out."""
        now = self._clock()
        return max([target.ends - now for target in self._board.open()], default=self._limits.timeout)

    def look(self) -> int:
        """Judge all targets from the objects at hand, without a request; return how many are still open."""
        self._judge(self._board.targets.values())
        return len(self._board.open())

    def follow(self, *, is_last: bool = True) -> bool:
        """Follow until all targets are current at once, one has failed, or time is up; ``False`` where one timed out.

        Unless this wave ``is_last``, current targets stay watched until :meth:`close`.
        Raises :class:`StepError` where an object can't be followed at all.
        """
        self.look()
        try:
            self._look_at_claims()
            self._start_feeds()
            self._until_done(is_last)
            while self._is_awaiting_pods:
                self._await_pods()
                if self._has_ended():
                    break
                self._until_done(is_last)  # an object has fallen back meanwhile
            is_in_time = not any(target.is_late for target in self._board.targets.values())
        except BaseException:
            self._stop()
            raise
        if is_last or not self._are_current:
            self._stop()
        return is_in_time

    def close(self) -> None:
        """End all watches."""
        self._stop_feeds()

    @property
    def _are_current(self) -> bool:
        return not any(target.is_open or target.is_lost for target in self._board.targets.values())

    def _stop(self) -> None:
        """Stop all feeds, and report for how long the open targets were followed."""
        self._stop_feeds()
        for target in self._board.open():
            target.seconds = self._clock() - target.marks.started
            if target.judgement is not None:
                self._listener.progress(target.reference, target.judgement, target.seconds)

    # -- feeds

    def _start_feeds(self) -> None:
        """Start feeds for the open targets that have none. A target that was current at once may open only later."""
        self._watch_targets(from_known=True)
        workloads: dict[str, list[Target]] = defaultdict(list)
        for target in self._board.open():
            if target.reference.kind in HAVE_PODS and not self._has_pods_watched(target):
                workloads[target.reference.namespace].append(target)
        for namespace, targets in workloads.items():
            self._start_pod_feeds(namespace, targets)

    def _start_pod_feeds(self, namespace: str, workloads: list[Target]) -> None:
        selector = of_workload(workloads[0].object) if len(workloads) == 1 else None
        self._pods_of.add((namespace, selector))
        if any(target.reference.kind == "Deployment" for target in workloads):
            self._start(ReplicaSetFeed, Scope(_REPLICA_SETS, namespace, None, selector))
        self._start(PodFeed, Scope(_PODS, namespace, None, selector))

    def _has_pods_watched(self, workload: Target) -> bool:
        """Whether a feed of its pods was started, even if the server refused it, which has been reported then."""
        namespace = workload.reference.namespace
        return bool(self._pods_of & {(namespace, None), (namespace, of_workload(workload.object))})

    def _start(self, kind: type[Feed], scope: Scope, resource_version: str | None = None) -> None:
        self._waited = True
        super()._start(kind, scope, resource_version)

    # -- the loop

    def _until_done(self, is_last: bool) -> None:
        while not self._has_failed():
            waiting = self._waited_for()
            if not waiting and (not is_last or self._is_confirmed()):
                return
            now = self._clock()
            if self._expire(waiting, now) and self._ends_at_first and self._is_too_late():
                return
            ends = min((target.ends for target in waiting if target.ends > now), default=now)
            self._take(min(self._soonest(ends), self._next_tick) - now)
            self._tick(ends)
        self._take(0.0)  # further failures that have arrived by now are reported, too
        self._look_for_refusals()

    def _has_ended(self) -> bool:
        """Whether nothing is waited for any more, or what has failed or is late ends the wait for the others."""
        is_late = self._ends_at_first and any(target.is_late for target in self._board.targets.values())
        return self._has_failed() or is_late or not self._waited_for()

    def _await_pods(self) -> None:
        """Take in the pods that current workloads count as updated and available and that no watch has shown so yet."""
        ends = self._clock() + _PODS_COME
        while (now := self._clock()) < ends and any(map(self._lacks_pods, self._board.targets.values())):
            self._take(ends - now)

    def _lacks_pods(self, target: Target) -> bool:
        status = target.object.get("status") or {}
        updated = status.get("updatedReplicas") or status.get("updatedNumberScheduled") or 0
        count = min(int(updated), int(status.get("availableReplicas") or status.get("numberAvailable") or 0))
        if target.is_open or target.is_lost or not count or not any(isinstance(feed, PodFeed) for feed in self._feeds):
            return False
        pods, replica_sets = self._pods_under(target)
        ready = [pod for pod in current_pods(target.object, pods, replica_sets) if is_ready(pod)]
        return self._has_pods_watched(target) and len(ready) < count

    def _is_too_late(self) -> bool:
        """Whether a target is still late after all events on the queue."""
        self._take(0.0)
        is_late = any(target.is_late for target in self._board.targets.values())
        if is_late:
            self._look_for_refusals()
        return is_late

    def _look_for_refusals(self) -> None:
        """Read the FailedCreate events of targets that lack pods: the run ends before their grace does."""
        lacking = [target for target in self._board.open() if self._creations.lacks(target)][:_ASKED]
        pods = {target.uid: self._board.ownership.pods_under(target.uid) for target in lacking}
        for target, refused in gather(lambda one: self._creations.refused(one, pods[one.uid]), lacking, _AT_ONCE):
            if isinstance(refused, Exception):
                raise refused
            if refused and target.judgement is not None:
                self._settle(target, replace(target.judgement, message=refused, reason=REASON, lasting=True))

    @property
    def _ends_at_first(self) -> bool:
        return self._limits.fail_fast and not self._limits.to_the_last

    def _waited_for(self) -> list[Target]:
        return [target for target in self._board.open() if not target.timed_out]

    def _expire(self, waiting: Iterable[Target], now: float) -> bool:
        """Mark the targets whose deadline has passed as timed out; whether there were any."""
        expired = [target for target in waiting if target.ends <= now]
        for target in expired:
            target.timed_out = True
        return bool(expired)

    def _is_confirmed(self) -> bool:
        """Whether the server confirms that all are current: a watch may lag, and some targets never had one."""
        targets = self._board.targets.values()
        if not self._waited or any(target.is_lost or target.is_late for target in targets):
            return True
        look = Confirmation(self._until_the_end(), _AT_ONCE, self._listener.notice)
        for target, obj in look.news(targets):
            if obj is None:
                self._board.vanished(target, DELETED)
            else:
                self._board.heard(target, obj)
            self._judge([target])
        self._take(0.0)
        self._start_feeds()
        return not self._waited_for()

    def _until_the_end(self) -> Client:
        """The client for requests that hold the rollout up: they end with it, or ``_LAST_LOOK`` seconds from now."""
        return self._client.until(time.monotonic() + max(self._ends - self._clock(), _LAST_LOOK))

    def _take(self, wait: float) -> None:
        """Take in all events on the queue, then judge each touched target once."""
        touched = {target.reference.key: target for target in self._news(wait)}
        now = self._clock()
        touched.update((key, self._board.targets[key]) for key, due in self._dues.items() if due <= now)
        self._judge(touched.values())

    def _judge(self, targets: Iterable[Target]) -> None:
        for target in list(targets):
            pods, replica_sets = self._pods_under(target)
            if self._on_pods is not None:
                self._on_pods(target, pods, replica_sets)
            if not target.is_lost:
                self._settle(target, self._judge_one(target, pods, replica_sets))

    def _pods_under(self, target: Target) -> tuple[list[Object], Mapping[str, Object]]:
        """All pods of a target, and its ReplicaSets by uid."""
        ownership = self._board.ownership
        pods = [target.object] if target.reference.kind == "Pod" else ownership.pods_under(target.uid)
        return pods, ownership.replica_sets_under(target.uid)

    def _judge_one(self, target: Target, pods: Sequence[Object], replica_sets: Mapping[str, Object]) -> Judgement:
        gone = self._board.gone.get(target.reference.key)
        if gone is not None:
            return gone
        superseded = self._successions.judge(target)
        if superseded is not None:
            return superseded
        now = self._clock()
        readiness_of = target.rule.readiness if target.rule else compute
        terms = Terms(self._limits.fail_fast, target.changed, target.patience, readiness_of)
        found = judge(target.object, pods, replica_sets, target.marks, now, terms)
        if target.waits_for_consumer and found.state is State.IN_PROGRESS:
            return Judgement(State.CURRENT, "bound when its first consumer is scheduled")
        if target.must_complete and found.state is State.CURRENT and not is_complete(target.object):
            found = Judgement(State.IN_PROGRESS, "suspended: waiting until somebody resumes it")
        paused = pauses.judged(target.object, found, target.on_pause, by_manifest=target.paused)
        if paused is not found:
            return paused
        if self._limits.fail_fast:
            found = self._creations.judge(target, pods, found, now)
        return self._if_enough(target, pods, replica_sets, found, now)

    def _if_enough(
        self, target: Target, pods: Sequence[Object], replica_sets: Mapping[str, Object], found: Judgement, now: float
    ) -> Judgement:
        """``found``, or current with enough of its pods; an object's own rule must be met all the same."""
        lost = self._nodes.of(target, pods, found, now)
        enough = required.judged(target.object, pods, replica_sets, found, target.required, lost)
        is_met = enough is not found and (not target.rule or target.rule.is_met(target.object))
        return enough if is_met else self._nodes.until_next(target, found)

    def _settle(self, target: Target, judgement: Judgement) -> None:
        """Store a judgement; report it where its state or message differs from the last one's."""
        before = target.judgement
        was_current = before is not None and before.state is State.CURRENT
        judgement = replace(judgement, was_current=was_current or bool(before and before.was_current))
        self._board.judged(target, judgement)
        self._dues.pop(target.reference.key, None)
        if judgement.due is not None and not judgement.is_final:
            self._dues[target.reference.key] = judgement.due
        if not (was_current and judgement.state is State.CURRENT):
            target.seconds = self._clock() - target.marks.started
        if was_current and not judgement.is_final:
            self._give_time(target)
        if before is None or (before.state, before.message) != (judgement.state, judgement.message):
            self._listener.progress(target.reference, judgement, target.seconds)

    def _give_time(self, target: Target) -> None:
        """Give a target that was current its own time once more, up to the latest deadline of the run."""
        target.timed_out = False
        target.ends = max(target.ends, min(self._clock() + target.allowance, self._ends))

    def _has_failed(self) -> bool:
        return self._ends_at_first and any(target.is_lost for target in self._board.targets.values())

    def _soonest(self, ends: float) -> float:
        return min([*self._dues.values(), ends])

    # -- claims

    def _look_at_claims(self) -> None:
        """Mark claims whose storage class binds at first use: they rightly stay pending until a pod uses them."""
        classes: dict[str, bool] = {}
        for target in self._board.open():
            name = storage_class(target.object)
            if target.reference.kind != "PersistentVolumeClaim" or not name:
                continue
            if name not in classes:
                classes[name] = self._binds_at_first_use(name)
            target.waits_for_consumer = classes[name]
        self._judge([target for target in self._board.open() if target.waits_for_consumer])

    def _binds_at_first_use(self, name: str) -> bool:
        request = Request("GET", _STORAGE_CLASSES.path(name=name), where=f"storageclass/{name}")
        try:
            return bool(self._until_the_end().send(request).body.get("volumeBindingMode") == "WaitForFirstConsumer")
        except NotFoundError:
            return False
        except ForbiddenError:
            self._listener.notice(
                f"may not read storageclass/{name}: if it binds at first use, its claims are waited for in vain"
            )
            return False
