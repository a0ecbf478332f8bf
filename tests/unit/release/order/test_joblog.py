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
from k8s_step.release.order.joblog import ReleaseLogs
from k8s_step.release.planning.session import Run, Session
from k8s_step.report.formats.plain import Plain
from k8s_step.report.journal import Journal
from k8s_step.rollout import joblogs

JOB = Address(required("batch/v1", "Job"), Reference("batch/v1", "Job", "shop", "migrate"))


class Logs:
    """Stands in for the stream of a Job's log, and says what it is told to."""

    said: Any = None
    begun = 0

    def __init__(self, client: Any, jobs: Any, say: Any, notice: Any, *, several: bool) -> None:
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


def test_a_long_log_is_cut(lines: list[str]) -> None:
    logs_of(lines, "created").finish()
    for number in range(2010):
        Logs.said("x" * 3000 if number == 5 else f"line {number}")
    assert len(lines) == 2001
    assert lines[1] == "job.batch/migrate | line 1" and len(lines[5]) == len("job.batch/migrate | ") + 2000
    assert lines[-1] == "job.batch/migrate | … more than 2000 lines: kubectl logs -n shop job/migrate has the rest"
