"""Several watches at once, each in a thread of its own, and the one queue that their changes come from."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from k8s_step.api.watch import Scope, Watch
from k8s_step.watching.changes import Change, Changes

_AHEAD = 1000  # changes that may wait to be told; further ones wait in the connection


@dataclass
class Feed:
    """One watch and what is known of its objects.

    ``is_settled``: its first list has been told whole, or will never be. ``error``: why it has ended for good.
    """

    watch: Watch
    changes: Changes
    is_settled: bool = False
    error: Exception | None = None

    @property
    def scope(self) -> Scope:
        """What it covers."""
        return self.watch.scope


@dataclass(frozen=True)
class News:
    """What a feed brings: a change, an error that has ended it, or neither at the end of a list."""

    feed: Feed
    change: Change | None = None
    error: Exception | None = None


class Feeds:
    """The feeds and their queue, to which other threads may put news of their own with :meth:`put`.

    A feed waits while ``_AHEAD`` of its changes are not yet :meth:`told`: a slow reader keeps no more in memory.
    """

    def __init__(self, feeds: Sequence[Feed]) -> None:
        self._feeds = list(feeds)
        self._listing, self._going = len(self._feeds), len(self._feeds)
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._room = threading.Semaphore(_AHEAD)
        self._is_stopped = False

    def __iter__(self) -> Iterator[Feed]:
        return iter(self._feeds)

    @property
    def are_settled(self) -> bool:
        """Whether the first lists of all have been told whole, or will never be."""
        return not self._listing

    @property
    def are_lost(self) -> bool:
        """Whether all have ended for good."""
        return not self._going

    def start(self) -> None:
        """Begin to watch."""
        for feed in self._feeds:
            threading.Thread(target=self._run, args=(feed,), daemon=True).start()

    def stop(self) -> None:
        """End all watches and their threads."""
        self._is_stopped = True
        for feed in self._feeds:
            feed.watch.stop()
            self._room.release()  # its thread may wait there

    def put(self, news: Any) -> None:
        """Let :meth:`next` return ``news`` in its turn."""
        self._queue.put(news)

    def next(self, timeout: float) -> Any:
        """The next news; ``None`` after ``timeout`` seconds without any."""
        try:
            news = self._queue.get(timeout=max(timeout, 0.0))
        except queue.Empty:
            return None
        if isinstance(news, News) and news.change is None:
            self._listing -= not news.feed.is_settled
            self._going -= news.error is not None
            news.feed.is_settled, news.feed.error = True, news.error
        return news

    def told(self) -> None:
        """Make room for another change."""
        self._room.release()

    def _run(self, feed: Feed) -> None:
        """Put the feed's changes on the queue until it is stopped, then the error it ended in, if any.

        An error of ours, too: nobody would hear of it here.
        """
        try:
            for event in feed.watch:
                for change in feed.changes.of(event):
                    self._room.acquire()
                    if self._is_stopped:
                        return
                    self._queue.put(News(feed, change))
                if event.ends:
                    self._queue.put(News(feed))
        except Exception as error:
            self._queue.put(News(feed, error=error))
