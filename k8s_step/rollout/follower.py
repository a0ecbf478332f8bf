"""The loop that a rollout and a termination share: feeds, their queue, and the ticks of a long wait.

Feeds (threads) put events on one queue; only the caller's thread takes them off, judges and reports.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from k8s_step.api.client import Client
from k8s_step.api.watch import Event, Scope, Watch
from k8s_step.cancellation import CANCELLATION
from k8s_step.objects.metadata import version_of
from k8s_step.objects.reference import Reference
from k8s_step.objects.resource import Resource
from k8s_step.rollout.feeds import Board, Feed, Message, TargetFeed
from k8s_step.verdict.judgement import Judgement
from k8s_step.verdict.target import Key, Target
from k8s_step.verdict.terms.patience import USUAL, Patience
from k8s_step.verdict.terms.pauses import OnPause
from k8s_step.verdict.terms.required import Required


class FollowListener(Protocol):
    """Receives what the user is told while objects are followed."""

    def progress(self, reference: Reference, judgement: Judgement, seconds: float) -> None:
        """The judgement of ``reference`` has changed, ``seconds`` after the following began."""

    def tick(self, remaining: float) -> None:
        """The wait goes on; ``remaining`` seconds are left, below 0 after the deadline."""

    def notice(self, message: str) -> None:
        """Show the user one line."""


_Listener = TypeVar("_Listener", bound=FollowListener)


@dataclass(frozen=True)
class Limits:
    """How long objects are followed; times in seconds.

    ``timeout``: of each object without a timeout of its own. ``tick``: between two ticks. ``age``: how long ago the
    oldest of the targets' objects was read. ``to_the_last``: a failed target does not end the following of the others.
    ``on_pause``: what becomes of objects that are paused, ``required``: how many pods are enough, where objects do not
    say so themselves.
    """

    timeout: float = 600.0
    fail_fast: bool = True
    age: float = 0.0
    to_the_last: bool = False
    tick: float = 30.0
    patience: Patience = USUAL
    on_pause: OnPause | None = None
    required: Required | None = None


class Follower(Generic[_Listener]):
    """Watches targets, with one feed for each kind and namespace."""

    def __init__(
        self,
        client: Client,
        targets: Sequence[Target],
        listener: _Listener,
        limits: Limits,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._board = Board({target.reference.key: target for target in targets})
        self._listener = listener
        self._limits = limits
        self._clock = clock
        self._started = self._ticked = clock()
        self._queue: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._feeds: list[Feed] = []

    def _watch_targets(self, *, from_known: bool) -> None:
        """Start feeds for the open targets that have none: from the oldest known version, or with a list first."""
        groups: dict[tuple[Resource, str], list[Target]] = defaultdict(list)
        for target in self._board.open():
            if not any(isinstance(feed, TargetFeed) and feed.tells_of(target) for feed in self._feeds):
                groups[target.resource, target.reference.namespace].append(target)
        for (resource, namespace), targets in groups.items():
            name = targets[0].reference.name if len(targets) == 1 else None
            oldest = str(min(version_of(target.object) for target in targets)) if from_known else None
            self._start(TargetFeed, Scope(resource, namespace or None, name), oldest)

    def _start(self, kind: type[Feed], scope: Scope, resource_version: str | None = None) -> None:
        watch = Watch(self._client, scope, resource_version, self._listener.notice)
        feed = kind(self._board, scope, watch, self._listener.notice)
        self._feeds.append(feed)
        threading.Thread(target=feed.run, args=(self._queue,), daemon=True).start()

    def _stop_feeds(self) -> None:
        for feed in self._feeds:
            feed.watch.stop()

    def _news(self, wait: float) -> list[Target]:
        """Take in all events on the queue; the targets that they touch. Waits up to ``wait`` seconds for the first."""
        touched: dict[Key, Target] = {}
        for feed, message in self._arrived(wait):
            if isinstance(message, Exception):
                self._lost(feed, message)
            else:
                touched.update((target.reference.key, target) for target in self._taken(feed, message))
        return list(touched.values())

    def _arrived(self, wait: float) -> Iterator[Message]:
        try:
            with CANCELLATION.waking(lambda: self._queue.put(None)):
                first = self._queue.get(timeout=max(wait, 0.0))
            if first is not None:
                yield first
            while True:
                if (message := self._queue.get_nowait()) is not None:
                    yield message
        except queue.Empty:
            return

    def _taken(self, feed: Feed, event: Event) -> list[Target]:
        return feed.take(event)

    def _lost(self, feed: Feed, error: Exception) -> None:
        """Replace a feed that has ended for good. Raises ``error`` where nothing can replace it."""
        self._feeds.remove(feed)
        for scope in feed.failed(error):
            self._start(type(feed), scope)

    @property
    def _next_tick(self) -> float:
        return self._ticked + self._limits.tick

    def _tick(self, ends: float) -> None:
        """Tell the listener that the wait goes on, when the next tick is due. ``ends``: the deadline, by the clock."""
        now = self._clock()
        if now >= self._next_tick:
            self._ticked = now
            self._listener.tick(ends - now)
