"""A server that takes so many requests a second: a token bucket before the API server, and 429 beyond it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

from tests.controlplane.cluster import Cluster
from tests.faults.proxy import Proxy, Recorded, throttle


class Bucket:
    """Holds ``rate`` tokens at most, gains ``rate`` a second; ``refused`` counts those asked for in vain."""

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._clock = rate, clock
        self._tokens, self._at = rate, clock()
        self._lock = threading.Lock()
        self.refused = 0

    def take(self) -> bool:
        """Whether there was one left."""
        with self._lock:
            now = self._clock()
            self._tokens = min(self._rate, self._tokens + (now - self._at) * self._rate)
            self._at = now
            has_one = self._tokens >= 1
            self._tokens -= has_one
            self.refused += not has_one
            return has_one


@contextlib.contextmanager
def rationed(cluster: Cluster, rate: float) -> Iterator[tuple[Proxy, Bucket]]:
    """A proxy before the cluster that lets ``rate`` requests a second through, watches among them."""
    bucket = Bucket(rate)

    def is_too_much(_: Recorded) -> bool:
        return not bucket.take()

    with Proxy.before(cluster) as proxy:
        proxy.rule(is_too_much, throttle(1), times=None)
        yield proxy, bucket
