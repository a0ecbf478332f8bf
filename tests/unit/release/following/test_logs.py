"""Whose logs are streamed, and how much of them."""

from __future__ import annotations

from typing import Any

import pytest

from k8s_step.inputs import Inputs
from k8s_step.objects.address import Address
from k8s_step.objects.metadata import RUN
from k8s_step.objects.reference import Reference
from k8s_step.objects.resource import required
from k8s_step.operations.plan import Planned, Written
from k8s_step.redaction import Redactor
from k8s_step.release.following.logs import ReleaseLogs
from k8s_step.release.planning.session import Run, Session
from k8s_step.report.formats.plain import Plain
from k8s_step.report.journal import Journal
from k8s_step.rollout import joblogs
from k8s_step.rollout.podlogs import Container
from k8s_step.verdict.target import Target

JOB = Address(required("batch/v1", "Job"), Reference("batch/v1", "Job", "shop", "migrate"))


class Logs:
    """Stands in for the stream of a Job's log, and says what it is told to."""

    said: Any = None
    begun = 0

    def __init__(self, client: Any, jobs: Any, say: Any, notice: Any, *, several: bool, most_bytes: int) -> None:
        Logs.said, Logs.begun = say, Logs.begun + 1

    def finish(self) -> None:
        """Nothing is left."""


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(joblogs, "JobLogs", Logs)
    monkeypatch.setattr(Logs, "begun", 0)
    return []


def logs_of(lines: list[str], action: str, run: str = "always") -> ReleaseLogs:
    class NoServer:
        def until(self, _: Any) -> Any:
            return self

    client: Any = NoServer()
    run_ = Run(Inputs(), {}, Journal("apply", [Plain(lines.append, lines.append)]), Redactor())
    found = ReleaseLogs(run_, Session(client, client, "shop"))
    obj = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"annotations": {RUN: run} if run else {}}}
    found.begin([Written(Planned(JOB, obj), action, obj)])
    return found


@pytest.mark.parametrize(
    ("action", "run", "begun"),
    [("created", "always", 1), ("replaced", "always", 1), ("created", "", 0), ("unknown", "always", 0)],
)
def test_only_of_jobs_that_run_at_each_release(lines: list[str], action: str, run: str, begun: int) -> None:
    logs_of(lines, action, run)
    assert Logs.begun == begun


def test_a_log_of_long_lines_is_cut(lines: list[str]) -> None:
    logs_of(lines, "created").finish()
    wanted = [Logs.said("x" * 1000) for _ in range(1200)]
    assert (len(lines), wanted.count(True)) == (1049, 1048)
    assert lines[-1] == "job.batch/migrate | … more than 1024 KiB: kubectl logs -n shop job/migrate has the rest"


def test_a_long_log_is_cut(lines: list[str]) -> None:
    logs_of(lines, "created").finish()
    for number in range(2010):
        Logs.said("x" * 3000 if number == 5 else f"line {number}")
    assert len(lines) == 2001
    assert lines[1] == "job.batch/migrate | line 1" and len(lines[5]) == len("job.batch/migrate | ") + 2000
    assert lines[-1] == "job.batch/migrate | … more than 2000 lines: kubectl logs -n shop job/migrate has the rest"


def of_pods(lines: list[str]) -> Any:
    """What ``--logs`` does with a line of a container."""

    class NoServer:
        begun = ""

        def until(self, _: Any) -> Any:
            return self

    client: Any = NoServer()
    run = Run(Inputs(logs=True), {}, Journal("apply", [Plain(lines.append, lines.append)]), Redactor())
    pods: Any = ReleaseLogs(run, Session(client, client, "shop"))._pods
    return pods


def container(pod: str = "web", name: str = "app", *, alone: bool = True) -> Container:
    return Container("shop", pod, f"uid-of-{pod}", name, alone)


def test_a_line_comes_with_its_pod_and_with_its_container_where_there_are_several(lines: list[str]) -> None:
    say = of_pods(lines)._say
    assert say(container(), "one") and say(container("api", alone=False), "two")
    assert lines == ["pod/web | one", "pod/api/app | two"]


def test_the_containers_of_a_pod_share_its_budget_and_it_is_told_once(lines: list[str]) -> None:
    say = of_pods(lines)._say
    both = [container(name=name, alone=False) for name in ("app", "beside")]
    wanted = [say(both[number % 2], "x" * 1024) for number in range(300)]
    assert wanted.count(True) == 256 and len(lines) == 257
    assert lines[-1] == "pod/web/app | … more than 256 KiB: kubectl logs -n shop pod/web has the rest"
    assert say(container("api"), "another"), "other pods have their own"


def test_all_pods_share_a_budget_and_it_is_told_once(lines: list[str]) -> None:
    say = of_pods(lines)._say
    wanted = [say(container(f"web-{number % 20}"), "x" * 1024) for number in range(3000)]
    assert wanted.count(True) == 2048 and len(lines) == 2049
    assert lines[-1] == "note: no more logs are shown: these were 2048 KiB"
    assert not say(container("api"), "another") and len(lines) == 2049


POD = {"metadata": {"uid": "p", "creationTimestamp": "2026-11-22T10:00:01Z"}}
READY = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}


@pytest.mark.parametrize(
    ("pod", "begun", "new"),
    [
        (POD, "Sun, 22 Nov 2026 10:00:09 GMT", True),
        ({**POD, **READY}, "Sun, 22 Nov 2026 10:00:09 GMT", False),
        ({**POD, **READY}, "Sun, 22 Nov 2026 10:00:01 GMT", True),
        ({**POD, **READY}, "", True),
    ],
    ids=["not ready", "ready before", "made since", "a server without a clock"],
)
def test_which_pods_are_new(lines: list[str], pod: Any, begun: str, new: bool) -> None:
    pods, seen = of_pods(lines), []
    pods._session.client.begun = begun
    pods._logs.saw = lambda found: seen.extend(found)
    target: Any = Target(Reference("v1", "Pod", "shop", "web"), required("v1", "Pod"), {"kind": "Pod", **pod})
    pods.saw(target, [pod], {})
    pods.saw(target, [{**pod, "status": {}}], {})
    assert len(seen) == 2 * new, "what was seen first counts"
