"""The logs of the Jobs that run at each release, line by line in the step's own log."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from k8s_step.objects.metadata import RUN, Object, annotations_of
from k8s_step.objects.reference import Reference
from k8s_step.operations.plan import Written
from k8s_step.release.planning.session import Run, Session
from k8s_step.report.journal import Journal

if TYPE_CHECKING:
    from k8s_step.rollout.joblogs import JobLogs

_MOST = 2000  # lines of one Job


class ReleaseLogs:
    """Streams the logs of a release's Jobs, those of one wave after those of another."""

    def __init__(self, run: Run, session: Session) -> None:
        self._run, self._session = run, session
        self._open: list[JobLogs] = []

    def begin(self, written: Iterable[Written]) -> None:
        """Stream the logs of those among the ``written`` objects that are Jobs to be run at each release."""
        asking = (one for one in written if RUN in annotations_of(one.planned.object))
        self._open += [self._logs_of(one) for one in asking if one.action in ("created", "replaced") and _is_run(one)]

    def _logs_of(self, one: Written) -> JobLogs:
        from k8s_step.release.jobs import has_several_logs  # imported here: few releases have such a Job
        from k8s_step.rollout.joblogs import JobLogs

        say, notice = _Printer(self._run.journal, one.reference), self._run.journal.notice
        several = has_several_logs([one.object])
        return JobLogs(self._session.open_ended, [one.object], say, notice, several=several)

    def saw(self, pods: Sequence[Object]) -> None:
        """Take in the pods that a watch has told of."""
        for logs in self._open:
            logs.saw(pods)

    def finish(self) -> None:
        """Wait for the rest of the logs of containers that have ended."""
        for logs in self._open:
            logs.finish()
        self._open = []

    def stop(self) -> None:
        """Print nothing more."""
        for logs in self._open:
            logs.stop()


def _is_run(one: Written) -> bool:
    from k8s_step.operations.restoring.recreation import runs_always

    return runs_always(one.planned.object)


class _Printer:
    """Passes on the lines of one Job's log, up to a limit. Called by one thread at a time."""

    def __init__(self, journal: Journal, reference: Reference) -> None:
        self._journal, self._reference = journal, reference
        self._lines = 0

    def __call__(self, line: str) -> None:
        self._lines += 1
        if self._lines <= _MOST:
            self._journal.logged(self._reference, line)
        elif self._lines == _MOST + 1:
            where = f"-n {self._reference.namespace} job/{self._reference.name}"
            self._journal.logged(self._reference, f"… more than {_MOST} lines: kubectl logs {where} has the rest")
