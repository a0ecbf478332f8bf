"""The loop under a rollout and a termination: what is watched, what has come, and when the user is told that it lasts.

Feeds (threads) put what the server says on one queue; the caller's thread alone takes it in, judges and reports.
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
from k8s_step.objects.metadata import version_of
from k8s_step.objects.reference import Reference
from k8s_step.objects.resource import Resource
from k8s_step.rollout.feeds import Board, Feed, Message, TargetFeed
from k8s_step.verdict.judgement import Judgement
from k8s_step.verdict.patience import USUAL, Patience
from k8s_step.verdict.target import Key, Target


class FollowListener(Protocol):
    """Whoever tells the user."""

    def progress(self, reference: Reference, judgement: Judgement, seconds: float) -> None:
        """Something changed: where ``reference`` stands now, ``seconds`` into the following."""

    def tick(self, remaining: float) -> None:
        """Some time has gone by; ``remaining`` seconds are left, below 0 where it is late."""

    def notice(self, message: str) -> None:
        """A line the user should know of."""


_Listener = TypeVar("_Listener", bound=FollowListener)


@dataclass(frozen=True)
class Limits:
    """Times in seconds. ``timeout``: of all that have none of their own; ``tick``: between two of its ticks.

    ``age``: of the oldest of the targets' objects. ``to_the_last``: whatever one comes to, follow the others.
    """

    timeout: float = 600.0
    fail_fast: bool = True
    age: float = 0.0
    to_the_last: bool = False
    tick: float = 30.0
    patience: Patience = USUAL


class Follower(Generic[_Listener]):
    """Watches targets, a feed a kind and namespace."""

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
        self._queue: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._feeds: list[Feed] = []

    def _watch_targets(self, *, from_known: bool) -> None:
        """Watch what is open and not watched yet: from the oldest version that is known, or with a list first."""
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
        """Take in all that has come, waiting up to ``wait`` seconds for the first; the targets that it touches."""
        touched: dict[Key, Target] = {}
        for feed, message in self._arrived(wait):
            if isinstance(message, Exception):
                self._lost(feed, message)
            else:
                touched.update((target.reference.key, target) for target in self._taken(feed, message))
        return list(touched.values())

    def _arrived(self, wait: float) -> Iterator[Message]:
        try:
            yield self._queue.get(timeout=max(wait, 0.0))
            while True:
                yield self._queue.get_nowait()
        except queue.Empty:
            return

    def _taken(self, feed: Feed, event: Event) -> list[Target]:
        return feed.take(event)

    def _lost(self, feed: Feed, error: Exception) -> None:
        """A feed has ended for good: start those that stand in for it. Raises ``error`` where none does."""
        self._feeds.remove(feed)
        for scope in feed.failed(error):
            self._start(type(feed), scope)

    @property
    def _next_tick(self) -> float:
        return self._ticked + self._limits.tick

    def _tick(self, ends: float) -> None:
        """Tell that it lasts, when that is due. ``ends``: of the clock."""
        now = self._clock()
        if now >= self._next_tick:
            self._ticked = now
            self._listener.tick(ends - now)
