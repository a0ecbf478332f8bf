"""Which nodes have dropped out; against a server that counts how often it is asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from k8s_step.api.client import Client, Manner
from k8s_step.connection.settings import Connection
from k8s_step.objects.reference import Reference
from k8s_step.objects.resource import required
from k8s_step.rollout.nodes import LostNodes
from k8s_step.verdict.judgement import Judgement
from k8s_step.verdict.states import State
from k8s_step.verdict.target import Target
from tests.unit.loopback import Exchange, Loopback

PROGRESS = Judgement(State.IN_PROGRESS, "1 of 2 pods available")
LOST = {
    "apiVersion": "v1",
    "kind": "Node",
    "metadata": {"name": "n1"},
    "status": {"conditions": [{"type": "Ready", "status": "Unknown"}]},
}
READY = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
PODS = [
    {"metadata": {"name": "a"}, "spec": {"nodeName": "n1"}, "status": {"phase": "Running"}},
    {"metadata": {"name": "b"}, "spec": {"nodeName": "n2"}, "status": READY},
]


class Bench:
    def __init__(self, code: int) -> None:
        self.said: list[str] = []
        self._code = code
        self.server = Loopback(self._answer)
        self.client = Client(Connection(self.server.url, "test"), Manner(10.0))
        self.nodes = LostNodes(self.client, self.said.append)

    def _answer(self, exchange: Exchange) -> None:
        exchange.reply(self._code, LOST if self._code == 200 else {"kind": "Status", "message": "said no"})

    def of(self, now: float, kind: str = "DaemonSet", found: Judgement = PROGRESS, pods: Any = PODS) -> dict[str, str]:
        return self.nodes.of(target(kind), pods, found, now)

    @property
    def asked(self) -> int:
        return len(self.server.exchanges)


def target(kind: str) -> Target:
    made = {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "db", "namespace": "shop", "uid": "u"}}
    return Target(Reference.to(made), required("apps/v1", kind), made)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as entered:
        yield entered


def bench(stack: ExitStack, code: int = 200) -> Bench:
    made = Bench(code)
    stack.enter_context(made.server)
    stack.callback(made.client.close)
    return made


def test_a_node_is_looked_at_once_its_pod_has_been_missing_and_then_seldom(stack: ExitStack) -> None:
    made = bench(stack)
    assert made.of(0.0) == {} and made.asked == 0
    assert made.nodes.until_next(target("DaemonSet"), PROGRESS).due == 5.0
    assert made.of(5.0) == {"n1": "is NotReady"} and made.asked == 1
    assert made.of(19.0) == {"n1": "is NotReady"} and made.asked == 1
    assert made.of(20.0) == {"n1": "is NotReady"} and made.asked == 2


def test_a_failed_daemon_set_is_looked_at_at_once(stack: ExitStack) -> None:
    made = bench(stack)
    assert made.of(0.0, found=Judgement(State.FAILED, "")) == {"n1": "is NotReady"}


def test_where_no_pod_is_ready_nodes_are_not_the_cause(stack: ExitStack) -> None:
    made = bench(stack)
    for now in (0.0, 5.0):
        assert made.of(now, pods=PODS[:1]) == {}
    assert made.asked == 0


def test_a_node_that_is_gone(stack: ExitStack) -> None:
    made = bench(stack, 404)
    made.of(0.0)
    assert made.of(5.0) == {"n1": "is gone"}


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_other_workloads_move_their_pods(kind: str, stack: ExitStack) -> None:
    made = bench(stack)
    for now in (0.0, 5.0):
        assert made.of(now, kind) == {}
    assert made.asked == 0 and made.nodes.until_next(target(kind), PROGRESS) is PROGRESS


def test_a_token_that_may_not_is_told_once(stack: ExitStack) -> None:
    made = bench(stack, 403)
    for now in (0.0, 5.0, 30.0):
        assert made.of(now) == {}
    assert made.asked == 1
    (line,) = made.said
    assert "may not get nodes" in line


def test_no_verdict_is_changed_by_a_server_that_fails(stack: ExitStack) -> None:
    made = bench(stack, 400)
    made.of(0.0)
    assert made.of(5.0) == {} and not made.said
