"""``run``: a Job created under a fresh name, its pods' logs as they come, its verdict as the exit code."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial

from k8s_step.api.client import Client
from k8s_step.api.concurrency import gather, gather_writes, successes
from k8s_step.errors import CancelledError, ExitCode, StepError, StoppedError
from k8s_step.objects.reference import Reference
from k8s_step.operations.create import name_generated
from k8s_step.operations.plan import ApplyOptions, Planned, Written
from k8s_step.release.batch import explained_stop, raise_reported
from k8s_step.release.following.follow import follow, target_of
from k8s_step.release.jobs import create_job, delete_job, find_job, has_several_logs, jobs_of
from k8s_step.release.planning.plan import open_release
from k8s_step.release.planning.reading import read_manifests
from k8s_step.release.planning.session import Run, Session
from k8s_step.release.send import tell
from k8s_step.report.layout.text import printable, without_commands
from k8s_step.report.results.result import UNKNOWN
from k8s_step.rollout.joblogs import JobLogs
from k8s_step.surroundings import System
from k8s_step.verdict.readiness import is_decided
from k8s_step.verdict.target import Target

_DELETION, _LAST_DELETION = 5.0, 2.5  # seconds to delete all Jobs: usually, and in a cancelled run


def run(run: Run) -> ExitCode:
    """Create, follow with the logs, and clean up as asked."""
    inputs = run.inputs
    manifests = jobs_of(read_manifests(run, allow_generate_name=True, with_hooks=True))
    name_generated(manifests)
    session, plan = open_release(run, manifests)
    run.journal.content_follows()
    with _Started(run, session) as started:
        targets = started.create(plan)
        return ExitCode.SUCCEEDED if inputs.dry_run else _follow(run, session, targets)


def _follow(run: Run, session: Session, targets: list[Target]) -> ExitCode:
    jobs = [target.object for target in targets]
    logs = JobLogs(session.open_ended, jobs, _say(run), run.journal.notice, several=has_several_logs(jobs))
    return follow(run, session, targets, logs)


def _say(run: Run) -> Callable[[str], bool]:
    """Print a line of a log, each of which is wanted; workflow commands of GitHub in it are made harmless."""
    tame = without_commands if run.surroundings.system is System.GITHUB else str

    def say(line: str) -> bool:
        run.journal.content(tame(printable(line)))
        return True

    return say


class _Started:
    """The Jobs of this run, with those whose creation a cancellation interrupted.

    A context manager: whatever ends the run, the Jobs are deleted or left as the options say.
    """

    def __init__(self, run: Run, session: Session) -> None:
        self._run, self._session = run, session
        self._targets: list[Target] = []
        self._unanswered: list[Planned] = []
        self._begun = time.monotonic()

    def __enter__(self) -> _Started:
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, CancelledError):
            self._cancel()
            return
        try:
            self._clean_up()
        except CancelledError:
            self._cancel()
            raise

    def create(self, plan: Sequence[Planned]) -> list[Target]:
        """Create and report all. Raises :class:`ReportedError` after the last where one was refused."""
        errors: list[tuple[Reference, StepError]] = []

        def note(one: Planned, error: StepError) -> None:
            if error.may_be_done and not self._run.inputs.dry_run:
                self._run.journal.acted(one.reference, UNKNOWN)
                self._unanswered.append(one)
            if isinstance(error, StoppedError):
                self._run.journal.error(explained_stop(error, one.where), one.reference)
            else:
                errors.append((one.reference, error))

        for one, written in successes(gather_writes(self._create, plan, self._run.inputs.concurrency), note):
            self._created(one, written)
        raise_reported(self._run.journal, errors)
        return self._targets

    def _created(self, planned: Planned, written: Written) -> None:
        journal = self._run.journal
        journal.renamed(planned.reference, written.reference)
        tell(journal, written)
        if not self._run.inputs.dry_run:
            target = target_of(written)
            target.must_complete = True
            target.is_wanted = True
            self._targets.append(target)

    def _client_for(self, seconds: float) -> Client:
        """A client for requests after the run's deadline."""
        return self._session.client.until(time.monotonic() + seconds)

    def _clean_up(self) -> None:
        """Delete the created Jobs where ``--rm`` asks for it; report the unfinished ones that stay."""
        if self._run.inputs.rm:
            self._delete(self._targets, self._client_for(_DELETION))
        else:
            self._say_left()

    def _cancel(self) -> None:
        """Delete or leave the created Jobs, as ``--on-cancel`` says; report those that stay."""
        inputs, client = self._run.inputs, self._client_for(_LAST_DELETION)
        if inputs.on_cancel == "delete":
            self._find_unanswered(client)
            self._delete(self._targets if inputs.rm else self._unfinished(), client)
        else:
            self._say_left()

    def _find_unanswered(self, client: Client) -> None:
        """Add the Jobs that were created although the answer was lost, so that they are deleted like the others."""
        manager = self._run.inputs.field_manager

        def find(one: Planned) -> Written | None:
            return find_job(client, one, manager, self._begun)

        for one, found in gather(find, self._unanswered, self._run.inputs.concurrency):
            if isinstance(found, Written):
                self._created(one, found)

    def _create(self, one: Planned) -> Written:
        options = ApplyOptions(self._run.inputs.field_manager, dry_run=self._run.inputs.dry_run)
        return create_job(self._session.client, one, options)

    def _unfinished(self) -> list[Target]:
        return [target for target in self._targets if not is_decided(target.object)]

    def _delete(self, targets: Sequence[Target], client: Client) -> None:
        journal, work = self._run.journal, partial(delete_job, client)
        for target, error in gather_writes(work, targets, self._run.inputs.concurrency):
            if error is None:
                journal.notice(f"deleted {target.reference.title}")
            else:
                journal.warning(f"it is left as it is, for it can't be deleted: {error}", str(target.reference))

    def _say_left(self) -> None:
        for target in self._unfinished():
            self._run.journal.notice(f"{target.reference.title} is left as it is, unfinished; kubectl delete ends it")
