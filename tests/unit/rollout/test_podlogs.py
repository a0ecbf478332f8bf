"""Where a log goes on after a cut, which logs are read at a time, and how they end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k8s_step.api.request import Answer, Request
from k8s_step.errors import ForbiddenError, NotFoundError, UnauthorizedError, UnreachableError
from k8s_step.rollout.podlogs import Container, PodLogs, Position, _is_over, _numbers
from tests.conftest import poll


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


def test_the_kubelets_own_words_are_told_once() -> None:
    """Each answer has them again, on a log that was rotated away."""
    position = Position()
    assert position.text(b"unable to retrieve container logs") == b"unable to retrieve container logs"
    position.rewind()
    assert position.text(b"unable to retrieve container logs") is None
    assert position.text(b"failed to watch file") == b"failed to watch file"


HELD = object()  # an answer that goes on until it is closed


class Lines:
    """One answer: its lines, and how it ends."""

    def __init__(self, *parts: Any) -> None:
        self._parts = parts
        self._closed = threading.Event()
        self.began = threading.Event()

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._closed.set()

    def __iter__(self) -> Iterator[bytes]:
        for part in self._parts:
            if isinstance(part, Exception):
                raise part
            if part is HELD:
                self.began.set()
                assert self._closed.wait(60)
            elif not self._closed.is_set():
                yield part


Answers = dict[str, list[Any]]  # by "pod/container"


class Node:
    """A server with these pods that gives each log's answers in turn; the last one again and again."""

    def __init__(self, pods: list[dict[str, Any]], answers: Answers) -> None:
        self.pods, self.answers = pods, answers
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.looks = 0
        self._lock = threading.Lock()

    def send(self, request: Request) -> Answer:
        self.looks += 1
        name = request.path.rpartition("/")[2]
        for pod in self.pods:
            if pod["metadata"]["name"] == name:
                return Answer(200, pod, b"")
        raise NotFoundError("gone", code=404)

    def stream(self, request: Request, *, idle_timeout: float) -> Any:
        query = dict(request.query)
        with self._lock:
            key = f"{request.path.split('/')[-2]}/{query['container']}"
            self.asked.append((key, query))
            left = self.answers[key]
            found = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(found, Exception):
            raise found
        return found if isinstance(found, Lines) else Lines(*found)


RUNS, OVER = RUNNING, {"terminated": {"exitCode": 0}}


def pod_of(name: str, state: Any = None, restarts: int = 0, last: Any = None, containers: int = 1) -> dict[str, Any]:
    """A pod whose containers, ``app`` and others, are all in one state."""
    names = ["app", *(f"beside-{number}" for number in range(1, containers))]
    entry = {"restartCount": restarts, "state": state or OVER, "lastState": last or {}}
    return {
        "metadata": {"name": name, "namespace": "shop", "uid": f"uid-of-{name}"},
        "spec": {"containers": [{"name": each} for each in names]},
        "status": {"containerStatuses": [{"name": each, **entry} for each in names]},
    }


class Told:
    """What was passed on, and the logs that pass it."""

    def __init__(self, node: Any, *, wants: Callable[[str], bool] = lambda line: True, **more: Any) -> None:
        self.lines: list[str] = []
        self.of: list[Container] = []
        self.notices: list[str] = []
        self._wants = wants
        self.logs = PodLogs(node, self._say, self.notices.append, **more)

    def _say(self, container: Container, line: str) -> bool:
        self.lines.append(line)
        self.of.append(container)
        return self._wants(line)


ONE, TWO, THREE = (stamped(number, 0, f"line {number}") for number in (1, 2, 3))


def test_an_ended_log_is_read_until_nothing_new_comes() -> None:
    """The end of a log may be there only after the container's own end."""
    node = Node([pod_of("web")], {"web/app": [[ONE], [ONE, TWO], [TWO]]})
    told = Told(node)
    told.logs.saw(node.pods)
    told.logs.finish()
    assert told.lines == ["line 1", "line 2"] and len(node.asked) == 3 and told.notices == []


def test_the_log_of_a_run_that_goes_on_is_read_to_where_it_is_at_the_end() -> None:
    held = Lines(ONE, HELD)
    node = Node([pod_of("web", RUNS)], {"web/app": [held, [ONE, TWO]]})
    told = Told(node)
    told.logs.saw(node.pods)
    assert held.began.wait(60)
    told.logs.finish()
    assert told.lines == ["line 1", "line 2"]
    assert [query.get("follow") for _, query in node.asked] == ["true", None]
    assert node.asked[1][1]["sinceTime"] == "2026-11-22T10:00:01Z" and node.looks <= 1


def test_a_cut_log_goes_on_where_it_was() -> None:
    held = Lines(TWO, THREE, HELD)
    cut = Lines(ONE, TWO, UnreachableError("cut"))
    node = Node([pod_of("web", RUNS)], {"web/app": [cut, [TWO], held, [THREE]]})
    told = Told(node)
    told.logs.saw(node.pods)
    assert held.began.wait(60)
    told.logs.finish()
    assert told.lines == ["line 1", "line 2", "line 3"] and told.notices == []


def test_what_follows_the_stop_is_not_told() -> None:
    held = Lines(ONE, HELD, TWO)
    node = Node([pod_of("web", RUNS)], {"web/app": [held, [ONE, TWO]]})
    told = Told(node)
    told.logs.saw(node.pods)
    assert held.began.wait(60)
    told.logs.stop()
    assert told.lines == ["line 1"] and held._closed.is_set()


def test_a_run_after_another_is_read_after_it() -> None:
    """The log of the run before is the ``previous`` one; each is read once."""
    ended = pod_of("web", RUNS, restarts=1, last=OVER)
    held = Lines(TWO, HELD)
    node = Node([ended], {"web/app": [[ONE], [ONE], held, [TWO]]})
    told = Told(node)
    told.logs.saw([ended])
    assert held.began.wait(60)
    told.logs.finish()
    assert told.lines == ["line 1", "line 2"]
    assert [query.get("previous") for _, query in node.asked[:3]] == ["true", "true", None]


def test_a_run_that_restarts_under_way_has_its_rest_in_the_previous_log() -> None:
    begun, again = pod_of("web", RUNS), pod_of("web", RUNS, restarts=1, last=OVER)
    node = Node([again], {"web/app": [[ONE], [ONE, TWO], [ONE, TWO], [THREE]]})
    told = Told(node)
    told.logs.saw([begun])
    poll(lambda: len(node.asked) >= 3, "the first run to be read to its end")
    told.logs.saw([again])
    told.logs.finish()
    assert told.lines == ["line 1", "line 2", "line 3"]
    assert [query.get("previous") for _, query in node.asked[:3]] == [None, "true", "true"]


def test_no_more_than_so_many_are_read_at_once() -> None:
    pods = [pod_of(f"web-{number}", RUNS) for number in range(5)]
    held = {f"web-{number}/app": [Lines(ONE, HELD), [ONE]] for number in range(5)}
    node = Node(pods, held)
    told = Told(node, at_once=2)
    told.logs.saw(pods)
    poll(lambda: len(told.lines) == 2, "two of them to say something")
    assert [each.pod for each in told.logs.skip()] == ["web-2", "web-3", "web-4"]
    told.logs.finish()
    assert len(told.lines) == 2 and told.notices == []


def test_one_that_waits_has_its_turn_when_another_ends() -> None:
    pods = [pod_of(f"web-{number}") for number in range(5)]
    node = Node(pods, {f"web-{number}/app": [[ONE]] for number in range(5)})
    told = Told(node, at_once=1)
    told.logs.saw(pods)
    told.logs.finish()
    assert [each.pod for each in told.of] == [f"web-{number}" for number in range(5)] and told.logs.skip() == []


def test_a_log_that_nobody_wants_any_more_is_left() -> None:
    node = Node([pod_of("web", RUNS)], {"web/app": [Lines(ONE, TWO, THREE)]})
    told = Told(node, wants=lambda line: line != "line 2")
    told.logs.saw(node.pods)
    poll(lambda: len(told.lines) == 2, "two lines")
    told.logs.saw([pod_of("web", RUNS, restarts=1, last=OVER)])
    told.logs.finish()
    assert told.lines == ["line 1", "line 2"] and len(node.asked) == 1


def test_an_answer_may_be_limited() -> None:
    node = Node([pod_of("web")], {"web/app": [[ONE]]})
    told = Told(node, most_bytes=1000)
    told.logs.saw(node.pods)
    told.logs.finish()
    assert {query["limitBytes"] for _, query in node.asked} == {"1000"}


def test_a_log_that_may_not_be_read_is_told_once_a_namespace() -> None:
    pods = [pod_of(f"web-{number}", RUNS) for number in range(3)]
    refused = [ForbiddenError("no", code=403)]
    node = Node(pods, {f"web-{number}/app": list(refused) for number in range(3)})
    told = Told(node, at_once=1)
    told.logs.saw(pods)
    told.logs.finish()
    assert told.notices == ["no logs: grant get on pods and pods/log in namespace shop (no)"] and len(node.asked) == 1


def test_a_refusal_of_another_kind_is_told_once() -> None:
    pods = [pod_of(f"web-{number}", RUNS) for number in range(3)]
    node = Node(pods, {f"web-{number}/app": [UnauthorizedError("who?", code=401)] for number in range(3)})
    told = Told(node, at_once=1)
    told.logs.saw(pods)
    told.logs.finish()
    assert told.notices == ["no log of pod/web-0: who?"] and len(node.asked) == 3


def test_a_log_that_does_not_arrive_is_told_of() -> None:
    stalled = {f"web-{number}/app": [Lines(HELD)] for number in range(2)}
    pods = [pod_of(f"web-{number}") for number in range(2)]
    node = Node(pods, stalled)
    told = Told(node, rest=0.1)
    told.logs.saw(pods)
    told.logs.finish()
    assert told.notices == ["the log of pod/web-0 did not arrive to its end, nor those of 1 more"]


def test_a_pod_that_is_gone_is_no_trouble() -> None:
    node = Node([], {"web/app": [[ONE]]})
    told = Told(node)
    told.logs.saw([pod_of("web", RUNS)])
    told.logs.finish()
    assert told.lines == ["line 1"] and told.notices == []


@pytest.mark.parametrize(("containers", "alone"), [(1, True), (2, False)])
def test_it_is_known_whether_a_container_is_alone(containers: int, alone: bool) -> None:
    node = Node([pod_of("web", containers=containers)], {"web/app": [[ONE]], "web/beside-1": [[ONE]]})
    told = Told(node)
    told.logs.saw(node.pods)
    told.logs.finish()
    assert {each.is_alone for each in told.of} == {alone} and len(told.of) == containers


def test_a_run_whose_log_was_empty_when_it_restarted_has_it_in_the_previous_log() -> None:
    begun, again = pod_of("web", RUNS), pod_of("web", RUNS, restarts=1, last=OVER)
    node = Node([again], {"web/app": [[], [ONE]]})
    told = Told(node)
    told.logs.saw([begun])
    poll(lambda: node.looks, "the restart to be seen")
    told.logs.finish()
    assert told.lines == ["line 1"]


def test_a_last_answer_that_is_cut_is_asked_for_again() -> None:
    held = Lines(ONE, HELD)
    node = Node([pod_of("web", RUNS)], {"web/app": [held, [UnreachableError("cut")], [ONE, TWO]]})
    told = Told(node)
    told.logs.saw(node.pods)
    assert held.began.wait(60)
    told.logs.finish()
    assert told.lines == ["line 1", "line 2"] and told.notices == []


def test_a_log_that_was_closed_for_the_end_is_read_once_more_though_its_container_has_ended() -> None:
    held = Lines(HELD)
    told = Told(Node([pod_of("web")], {"web/app": [held, [ONE]]}))
    told.logs.saw([pod_of("web", RUNS)])
    assert held.began.wait(60)
    told.logs.finish()
    assert told.lines == ["line 1"]
