"""Whether pods may not be created, as events tell; against a server that counts how often it is asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from k8s_step.api.client import Client, Manner
from k8s_step.connection.settings import Connection
from k8s_step.objects.reference import Reference
from k8s_step.objects.resource import required
from k8s_step.rollout.failedcreate import FailedCreates
from k8s_step.verdict.judgement import Judgement
from k8s_step.verdict.states import State
from k8s_step.verdict.target import Target
from k8s_step.verdict.terms.patience import USUAL, parse
from tests.unit.loopback import Exchange, Loopback

QUOTA = 'create Pod db-1 in StatefulSet db failed error: pods "db-1" is forbidden: exceeded quota: small'
PROGRESS = Judgement(State.IN_PROGRESS, "1 of 3 pods ready")


def refusal(second: int, message: str = QUOTA, kind: str = "Warning") -> dict[str, Any]:
    return {
        "type": kind,
        "reason": "FailedCreate",
        "message": message,
        "lastTimestamp": f"2026-11-22T10:00:{second:02d}Z",
    }


def born(second: int) -> dict[str, Any]:
    return {"metadata": {"creationTimestamp": f"2026-11-22T10:00:{second:02d}Z"}}


def target(kind: str = "StatefulSet", spec: Any = None, status: Any = None, fail_after: str = "") -> Target:
    """Written at 10:00:05."""
    api_version = "batch/v1" if kind == "Job" else "apps/v1"
    metadata = {"name": "db", "namespace": "shop", "uid": "u-1", "creationTimestamp": "2026-11-22T10:00:05Z"}
    made = {"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec or {}, "status": status or {}}
    patience = parse([fail_after], "--fail-after") if fail_after else USUAL
    return Target(Reference.to(made), required(api_version, kind), made, patience=patience)


class Bench:
    def __init__(self, *events: dict[str, Any], code: int = 200) -> None:
        self.events = list(events)
        self.said: list[str] = []
        self._code = code
        self.server = Loopback(self._answer)
        self.client = Client(Connection(self.server.url, "test"), Manner(10.0))
        self.creations = FailedCreates(self.client, self.said.append)

    def _answer(self, exchange: Exchange) -> None:
        status = {"kind": "Status", "message": "said no"}
        exchange.reply(self._code, {"items": self.events} if self._code == 200 else status)

    def judge(self, one: Target, now: float, *pods: dict[str, Any]) -> Judgement:
        return self.creations.judge(one, pods, PROGRESS, now)

    @property
    def asked(self) -> int:
        return len(self.server.exchanges)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as entered:
        yield entered


def bench(stack: ExitStack, *events: dict[str, Any], code: int = 200) -> Bench:
    made = Bench(*events, code=code)
    stack.enter_context(made.server)
    stack.callback(made.client.close)
    return made


THREE = {"replicas": 3, "podManagementPolicy": "Parallel"}
LACKING: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("StatefulSet", THREE, {"replicas": 1}),
    ("StatefulSet", {}, {}),
    ("StatefulSet", {"replicas": 3}, {"replicas": 1, "readyReplicas": 1}),
    ("DaemonSet", {}, {"desiredNumberScheduled": 3, "updatedNumberScheduled": 2}),
    ("DaemonSet", {"updateStrategy": {"type": "OnDelete"}}, {"desiredNumberScheduled": 3}),
    ("Job", {"completions": 1, "parallelism": 1}, {}),
    ("Job", {"completions": 5, "parallelism": 2}, {"active": 1, "succeeded": 1, "failed": 3}),
    ("Job", {"parallelism": 2}, {"active": 1}),
]


@pytest.mark.parametrize(("kind", "spec", "status"), LACKING)
def test_pods_that_may_not_be_created_fail_their_workload(
    kind: str, spec: dict[str, Any], status: dict[str, Any], stack: ExitStack
) -> None:
    made, one = bench(stack, refusal(6), refusal(8, "the newest")), target(kind, spec, status)
    assert made.judge(one, 100.0).due == 115.0
    assert made.judge(one, 114.9).state is State.IN_PROGRESS
    assert made.asked == 0
    found = made.judge(one, 115.0)
    assert (found.state, found.reason, found.message) == (State.FAILED, "FailedCreate", "the newest")
    assert "reason%3DFailedCreate" in made.server.exchanges[0].target


WELL: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("StatefulSet", {"replicas": 3}, {"replicas": 3}),
    ("StatefulSet", {"replicas": 3}, {"replicas": 1, "readyReplicas": 0}),  # the next comes when the first is ready
    ("StatefulSet", {"replicas": 3}, {"observedGeneration": 1}),
    ("DaemonSet", {}, {}),
    ("Job", {"completions": 5, "parallelism": 5}, {"active": 2, "succeeded": 3}),
    ("Job", {"parallelism": 2}, {"active": 0, "succeeded": 1}),
    ("Job", {"completions": 1, "parallelism": 1, "suspend": True}, {}),
    ("Deployment", {"replicas": 3}, {}),
]


@pytest.mark.parametrize(("kind", "spec", "status"), WELL)
def test_where_no_pod_is_lacking_nobody_is_asked(
    kind: str, spec: dict[str, Any], status: dict[str, Any], stack: ExitStack
) -> None:
    made, one = bench(stack, refusal(8)), target(kind, spec, status)
    one.object["metadata"]["generation"] = 2 if "observedGeneration" in status else None
    assert [made.judge(one, now) for now in (100.0, 200.0)] == [PROGRESS, PROGRESS]
    assert made.asked == 0


@pytest.mark.parametrize(
    ("events", "pods"),
    [
        ([], []),
        ([refusal(4)], []),  # of before the write
        ([refusal(8, kind="Normal")], []),
        ([refusal(6)], [born(6)]),  # a pod has come since
        ([refusal(8)], [born(1), born(9)]),
    ],
)
def test_events_that_prove_nothing(events: list[dict[str, Any]], pods: list[dict[str, Any]], stack: ExitStack) -> None:
    made, one = bench(stack, *events), target(spec=THREE)
    made.judge(one, 100.0, *pods)
    assert made.judge(one, 115.0, *pods).state is State.IN_PROGRESS
    assert made.asked == 1


def test_a_refusal_after_the_youngest_pod_counts(stack: ExitStack) -> None:
    made, one = bench(stack, refusal(7)), target(spec=THREE)
    made.judge(one, 100.0, born(6))
    assert made.judge(one, 115.0, born(6)).state is State.FAILED


def test_one_look_in_fifteen_seconds(stack: ExitStack) -> None:
    made, one = bench(stack), target(spec=THREE)
    for tenth in range(600):
        made.judge(one, 100.0 + tenth / 10)
    assert made.asked == 3


def test_no_look_while_pods_come(stack: ExitStack) -> None:
    made, one = bench(stack, refusal(8)), target(spec={**THREE, "replicas": 99})
    for number in range(90):
        one.object["status"] = {"replicas": number}
        made.judge(one, 100.0 + 10 * number)
    assert made.asked == 0


@pytest.mark.parametrize(("entry", "due"), [("FailedCreate=2s", 102.0), ("FailedCreate=1m", 160.0)])
def test_as_patient_as_the_user(entry: str, due: float, stack: ExitStack) -> None:
    made, one = bench(stack, refusal(8)), target(spec=THREE, fail_after=entry)
    assert made.judge(one, 100.0).due == due
    assert made.judge(one, due - 0.1).state is State.IN_PROGRESS
    assert made.judge(one, due).state is State.FAILED


def test_never(stack: ExitStack) -> None:
    made, one = bench(stack, refusal(8)), target(spec=THREE, fail_after="FailedCreate=never")
    assert [made.judge(one, now) for now in (100.0, 1e6)] == [PROGRESS, PROGRESS]


def test_without_permission_it_is_said_once_and_gone_on(stack: ExitStack) -> None:
    made, one = bench(stack, code=403), target(spec=THREE)
    states = {made.judge(one, now).state for now in (100.0, 115.0, 130.0, 145.0)}
    assert (states, made.asked) == ({State.IN_PROGRESS}, 1)
    (said,) = made.said
    assert "may not list events in namespace shop" in said and "grant list on events" in said


@pytest.mark.parametrize("code", [404, 500])
def test_an_answer_that_is_none_changes_nothing(code: int, stack: ExitStack) -> None:
    made, one = bench(stack, code=code), target(spec=THREE)
    made.judge(one, 100.0)
    assert made.judge(one, 115.0).state is State.IN_PROGRESS
    assert made.said == []


def test_other_verdicts_stand(stack: ExitStack) -> None:
    made, one = bench(stack, refusal(8)), target(spec=THREE)
    for found in (Judgement(State.CURRENT, ""), Judgement(State.FAILED, "x", "CrashLoopBackOff")):
        assert [made.creations.judge(one, [], found, now) for now in (100.0, 200.0)] == [found, found]
    assert json.dumps(made.said) == "[]"
