"""Where a log goes on after a cut: every line once, though the server begins again with a whole second."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k8s_step.api.request import Answer, Request
from k8s_step.rollout.joblogs import JobLogs, Position, _is_over, _numbers


def stamped(second: int, nanos: int, text: str) -> bytes:
    return f"2026-11-22T10:00:{second:02d}.{nanos:09d}Z {text}".encode()


lines = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), max_size=12).map(
    lambda times: [stamped(second, nanos, f"line {index}") for index, (second, nanos) in enumerate(sorted(times))]
)


@given(log=lines, cuts=st.lists(st.integers(0, 12), max_size=5))
def test_every_line_once_however_often_it_is_cut(log: list[bytes], cuts: list[int]) -> None:
    """Also of lines that bear the same time."""
    position, told = Position(), []
    for cut in [*cuts, len(log)]:
        position.rewind()
        since = position.second.removesuffix("Z").encode()
        answer = [line for line in log if line[: len(since)] >= since]
        told += [text for line in answer[:cut] if (text := position.text(line)) is not None]
    assert told == [line.partition(b" ")[2] for line in log]


@pytest.mark.parametrize(
    ("line", "text", "second"),
    [
        (b"2026-11-22T10:00:01.5Z hello", b"hello", "2026-11-22T10:00:01Z"),
        (b"2026-11-22T10:00:01Z hello", b"hello", "2026-11-22T10:00:01Z"),
        (b"2026-11-22T10:00:01.123456789+02:00  indented", b" indented", "2026-11-22T10:00:01+02:00"),
        (b"2026-11-22T10:00:01.123456789Z ", b"", "2026-11-22T10:00:01Z"),
        (b"2026-11-22T10:00:01.123456789Z", b"", "2026-11-22T10:00:01Z"),
        (b"2026-11-22T10:00:01Z 2026-11-22T10:00:02Z own", b"2026-11-22T10:00:02Z own", "2026-11-22T10:00:01Z"),
        (b"unable to retrieve container logs", b"unable to retrieve container logs", ""),
        (b"", b"", ""),
    ],
)
def test_the_time_is_taken_off(line: bytes, text: bytes, second: str) -> None:
    position = Position()
    assert position.text(line) == text
    assert position.second == second


def test_zones_and_digits_are_compared_as_times() -> None:
    position = Position()
    assert position.text(b"2026-11-22T12:00:01.5+02:00 one") == b"one"
    position.rewind()
    assert position.text(b"2026-11-22T10:00:01.500000000Z one") is None
    assert position.text(b"2026-11-22T10:00:01.499999999Z before") is None
    assert position.text(b"2026-11-22T10:00:01.51Z two") == b"two"


WAITING, ENDED = {"waiting": {"reason": "CrashLoopBackOff"}}, {"terminated": {"exitCode": 1}}
RUNNING = {"running": {"startedAt": "2026-11-22T10:00:00Z"}}


@pytest.mark.parametrize(
    ("state", "last", "restarts", "numbers", "over"),
    [
        ({"waiting": {"reason": "ContainerCreating"}}, {}, 0, [], True),
        (RUNNING, {}, 0, [0], False),
        (ENDED, {}, 0, [0], True),
        (WAITING, ENDED, 0, [0], True),
        (RUNNING, ENDED, 1, [0, 1], False),
        (WAITING, ENDED, 4, [4], True),
        (ENDED, ENDED, 2, [1, 2], True),
        (RUNNING, {}, 3, [3], False),  # the earlier run's log is gone
        ({}, {}, 0, [], True),
    ],
)
def test_the_runs_whose_logs_are_there(state: Any, last: Any, restarts: int, numbers: list[int], over: bool) -> None:
    entry = {"name": "app", "restartCount": restarts, "state": state, "lastState": last}
    assert _numbers(entry) == numbers
    assert _is_over(entry, restarts) is over
    assert _is_over(entry, restarts - 1)


class Faulty:
    """Answers a list of pods, and has a fault of ours where a log is read."""

    def __init__(self, *pods: dict[str, Any]) -> None:
        self._pods = list(pods)

    def until(self, _: float) -> Faulty:
        return self

    def send(self, _: Request) -> Answer:
        return Answer(200, {"items": self._pods}, b"")

    def stream(self, *_: Any, **__: Any) -> Any:
        raise ZeroDivisionError("a fault of ours")


def test_a_fault_of_ours_in_the_thread_of_a_log_is_not_lost() -> None:
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "a", "namespace": "shop", "uid": "j"}}
    owner = {"kind": "Job", "name": "a", "uid": "j", "controller": True}
    status = {"containerStatuses": [{"name": "app", "state": {"terminated": {"exitCode": 0}}}]}
    metadata = {"name": "a-1", "namespace": "shop", "uid": "p", "ownerReferences": [owner]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": status}
    faulty: Any = Faulty(pod)
    told: list[str] = []
    with pytest.raises(ZeroDivisionError, match="a fault of ours"):
        JobLogs(faulty, [job], told.append, told.append, several=False).finish()
    assert told == []
