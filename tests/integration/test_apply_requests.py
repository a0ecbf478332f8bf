"""How much a release costs: requests in flight, connections, watches, and nothing asked by the clock."""

from __future__ import annotations

import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.conftest import Step
from tests.faults.proxy import Exchange, Proxy, Recorded, on
from tests.integration.objects import config_map, deployment, through, workload, write
from tests.integration.outcomes import statuses


class Crowd:
    """A proxy's action that counts how many requests are there at once; the first ones are held until ``size`` met."""

    def __init__(self, size: int) -> None:
        self.most = 0
        self.connections: set[tuple[str, int]] = set()
        self._size = size
        self._inside = 0
        self._changed = threading.Condition()

    def __call__(self, exchange: Exchange) -> None:
        with self._changed:
            self._inside += 1
            self.most = max(self.most, self._inside)
            self.connections.add(exchange.handler.client_address)
            self._changed.notify_all()
            assert self._changed.wait_for(lambda: self.most >= self._size, 60), f"{self.most} met, not {self._size}"
        try:
            exchange.forward()
        finally:
            with self._changed:
                self._inside -= 1


@pytest.mark.parametrize("concurrency", [1, 4, 16])
def test_requests_in_flight(concurrency: int, step: Step, namespace: str, proxy: Proxy, tmp_path: Path) -> None:
    crowd = Crowd(concurrency)
    proxy.rule(on(watch=False), crowd, times=None)
    path = write(tmp_path / "release.yaml", *(config_map(f"c{number}", a="b") for number in range(16)))
    outcome = step("apply", "-f", path, "-n", namespace, "--concurrency", str(concurrency), env=through(proxy))
    assert outcome.code == 0, outcome.text
    assert len(proxy.writes) == 16
    assert crowd.most == concurrency
    assert len(crowd.connections) == concurrency, "one pool, its connections used again"


@pytest.mark.usefixtures("played")
def test_a_rollout_of_many_costs_a_few_watches(step: Step, namespace: str, proxy: Proxy, tmp_path: Path) -> None:
    path = write(
        tmp_path / "release.yaml", *(deployment(f"web-{number}", replicas=number % 2) for number in range(100))
    )
    outcome = step("apply", "-f", path, "-n", namespace, env=through(proxy), report=True)
    assert outcome.code == 0, outcome.text
    assert set(statuses(outcome).values()) == {"current"} and len(statuses(outcome)) == 100
    watches = proxy.matching(on("GET", watch=True))
    kinds = Counter(watch.path.rpartition("/")[2] for watch in watches)
    assert kinds == {"deployments": 1, "replicasets": 1, "pods": 1}
    assert _reads_during(proxy, watches[0].begun) <= Counter(list=2) + Counter(list=1), "and the last look's"


@pytest.mark.usefixtures("played")
def test_nothing_is_asked_by_the_clock(step: Step, namespace: str, proxy: Proxy, tmp_path: Path) -> None:
    slow = [deployment("slow", delay="3s"), workload("StatefulSet", "store", "redis:7", delay="3s")]
    outcome = step("apply", "-f", write(tmp_path / "release.yaml", *slow), "-n", namespace, env=through(proxy))
    assert outcome.code == 0, outcome.text
    watches = proxy.matching(on("GET", watch=True))
    assert len(watches) <= 4
    reads = _reads_during(proxy, watches[0].begun)
    assert reads <= Counter(list=2, get=2), "three seconds of waiting, and not one request but the last look's"


def _reads_during(proxy: Proxy, since: float) -> Counter[str]:
    reads = [request for request in proxy.matching(on("GET", watch=False)) if request.begun >= since]
    return Counter("list" if _is_list(request) else "get" for request in reads)


def _is_list(request: Recorded) -> bool:
    return request.path.rpartition("/")[2] in ("pods", "replicasets", "deployments")


def test_the_version_that_the_answer_had_begins_the_watch(
    step: Step, namespace: str, proxy: Proxy, tmp_path: Path
) -> None:
    path = write(tmp_path / "release.yaml", deployment("web", delay="500ms"))
    assert step("apply", "-f", path, "-n", namespace, env=through(proxy)).code == 0
    (watch,) = proxy.matching(on("GET", "/deployments$", watch=True))
    assert watch.query["resourceVersion"] not in ("", "0")
    assert proxy.matching(on("GET", "/deployments$", watch=False)) == [], "nothing need be listed for it"


def test_an_idle_namespace_costs_nothing(step: Step, namespace: str, proxy: Proxy, tmp_path: Path) -> None:
    begin = time.monotonic()
    outcome = step("apply", "-f", write(tmp_path / "r.yaml", config_map(a="b")), "-n", namespace, env=through(proxy))
    assert outcome.code == 0, outcome.text
    assert [request.method for request in proxy.requests if request.begun > begin] == ["GET", "PATCH"]
    assert proxy.matching(on(watch=True)) == []
