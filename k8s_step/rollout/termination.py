"""Waits until deleted objects are gone, with one watch for each kind and namespace.

Objects are known by uid, so a successor of the same name does not count as the deleted object.
"""

from __future__ import annotations

from typing import Protocol

from k8s_step.errors import ApiError
from k8s_step.objects.metadata import Object, metadata_of
from k8s_step.objects.reference import Reference
from k8s_step.rollout.feeds import Feed
from k8s_step.rollout.follower import Follower, FollowListener
from k8s_step.verdict.evidence.finding import Finding
from k8s_step.verdict.judgement import Judgement
from k8s_step.verdict.states import State
from k8s_step.verdict.target import Target

# What an object waits for while it bears a finalizer of Kubernetes' own.
_FINALIZERS = {
    "foregroundDeletion": "until the objects it owns are gone",
    "orphan": "until the objects it owns are released",
    "kubernetes": "until everything in it is gone",
    "kubernetes.io/pvc-protection": "while a pod uses it",
    "kubernetes.io/pv-protection": "while a claim is bound to it",
    "service.kubernetes.io/load-balancer-cleanup": "until its load balancer is gone",
    "customresourcecleanup.apiextensions.k8s.io": "until its custom resources are gone",
    "batch.kubernetes.io/job-tracking": "until its Job has counted it",
}
_ADVICE = (
    "a finalizer is taken away by the controller that set it: is that running, and what does its log say? By hand only"
    " where that controller is gone for good"
)


class TerminationListener(FollowListener, Protocol):
    """Receives what the user is told. ``progress`` says what an object waits for."""

    def gone(self, reference: Reference, seconds: float) -> None:
        """The object is gone, ``seconds`` after the waiting began."""


class Termination(Follower[TerminationListener]):
    """Waits for deleted objects to disappear.

    >>> Termination(client, targets, listener, Limits(timeout=60)).follow()  # doctest: +SKIP
    """

    def follow(self) -> list[Target]:
        """Wait until all are gone; return those that are still there at the timeout.

        Raises :class:`StepError` where the server can't be reached any more.
        """
        try:
            # Watches begin with a list: from the known versions on, a DELETED event may have come already.
            self._watch_targets(from_known=False)
            self._until_gone()
        finally:
            self._stop_feeds()
        return list(self._board.open())

    def _until_gone(self) -> None:
        """Take in events until all are gone or time is up, with a tick where nothing was reported for a while."""
        ends = self._started + self._limits.timeout
        while self._board.open() and self._clock() < ends:
            touched = self._news(min(ends, self._next_tick) - self._clock())
            told = [self._settle(target) for target in touched if target.is_open]
            if any(told):
                self._ticked = self._clock()
            self._tick(ends)

    def _lost(self, feed: Feed, error: Exception) -> None:
        """Stop waiting where the token may not watch: it may delete all the same, and the server has accepted that."""
        self._ticked = self._clock()
        try:
            super()._lost(feed, error)
        except ApiError as refused:
            if not refused.is_barred:
                raise
            self._listener.notice(f"not waiting for {feed.scope.text}: {refused.message}")
            for target in self._board.within(feed.scope):
                self._board.judged(target, target.judgement or Judgement(State.CURRENT, "deleted, not waited for"))

    def _settle(self, target: Target) -> bool:
        """Store the target's judgement; whether it was reported, since it differs from the last one."""
        before = target.judgement
        target.seconds = self._clock() - self._started
        gone = self._board.gone.get(target.reference.key)
        judgement = gone or Judgement(State.TERMINATING, held(target.object))
        self._board.judged(target, judgement)
        if gone is not None:
            self._listener.gone(target.reference, target.seconds)
            return True
        if before is not None and before.message == judgement.message:
            return False
        self._listener.progress(target.reference, judgement, target.seconds)
        return True


def held(obj: Object) -> str:
    """Why an object that is being deleted is still there, in words."""
    metadata = metadata_of(obj)
    if not metadata.get("deletionTimestamp"):
        return "not yet being deleted"
    finalizers = [*(metadata.get("finalizers") or []), *_namespace_finalizers(obj)]
    if finalizers:
        return "; ".join(["held by " + ", ".join(map(_finalizer, finalizers)), *_namespace_conditions(obj)])
    grace = metadata.get("deletionGracePeriodSeconds")
    return f"being deleted, {grace} s grace" if grace else "being deleted"


def finding(target: Target) -> Finding:
    """The finding on an object that is still there, with the finalizers that hold it."""
    message = held(target.object)
    return Finding(target.reference, "Terminating", message, advice=_ADVICE if "finalizer" in message else "")


def _finalizer(name: str) -> str:
    known = _FINALIZERS.get(name)
    return f"finalizer {name} ({known})" if known else f"finalizer {name}"


def _namespace_finalizers(obj: Object) -> list[str]:
    spec = obj.get("spec") if obj.get("kind") == "Namespace" else None
    return list((spec or {}).get("finalizers") or [])


def _namespace_conditions(obj: Object) -> list[str]:
    """What the namespace controller reports as not deleted yet."""
    conditions = (obj.get("status") or {}).get("conditions") or [] if obj.get("kind") == "Namespace" else []
    return [str(one.get("message")) for one in conditions if one.get("status") == "True" and one.get("message")]
