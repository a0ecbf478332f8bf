"""Follows the objects that a run has written to their verdict, and gathers the evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol, Self

from k8s_step.api.client import Client
from k8s_step.api.request import Request
from k8s_step.errors import CancelledError, ExitCode
from k8s_step.objects.address import Address
from k8s_step.objects.kinds.urls import url_of
from k8s_step.objects.metadata import Object
from k8s_step.operations.plan import PlannedPatch, Written
from k8s_step.release.following import exemptions
from k8s_step.release.following.logs import ReleaseLogs
from k8s_step.release.following.rules import give_rules
from k8s_step.release.planning.session import Run, Session
from k8s_step.report.journal import Journal
from k8s_step.rollout.follower import Limits
from k8s_step.rollout.rollout import Rollout
from k8s_step.verdict.culprits import culprits
from k8s_step.verdict.target import Target
from k8s_step.verdict.terms.patience import USUAL
from k8s_step.verdict.terms.pauses import OnPause, asked_pause

if TYPE_CHECKING:
    from k8s_step.verdict.evidence.finding import Finding


class Logs(Protocol):
    """Streams the logs of pods while their objects are followed."""

    def saw(self, target: Target, pods: Sequence[Object], replica_sets: Mapping[str, Object]) -> None:
        """A target's pods, and its ReplicaSets by uid, may have changed."""

    def finish(self) -> None:
        """The verdict has fallen: print what has been logged up to now."""

    def stop(self) -> None:
        """Print nothing more."""


class Following:
    """Follows the objects of a run wave by wave; the objects of earlier waves go on being judged.

    A context manager, whose end stops all watches and ``logs``.
    """

    def __init__(self, run: Run, session: Session, logs: Logs) -> None:
        self._run, self._session, self._logs = run, session, logs
        self._everything: list[Target] = []
        self._targets: list[Target] = []
        self._rollout: Rollout | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._logs.stop()
        if self._rollout is not None:
            self._rollout.close()

    def until_current(self, targets: list[Target], *, is_last: bool = True) -> ExitCode:
        """Follow the targets and all earlier ones to their verdict, gather the evidence, return the exit code.

        The last look at the server comes with the wave that ``is_last``.
        """
        self._everything += targets
        if self._run.inputs.wait:
            targets = exemptions.followed(self._run, self._session, targets)
            give_rules(self._run, self._session, targets)
        rollout, client = self._with(targets), self._session.open_ended
        if not self._run.inputs.wait:
            rollout.look()
            code = ExitCode.SUCCEEDED
            if self._run.inputs.logs:
                self._run.journal.notice("no logs are shown: with --no-wait nothing is followed")
        else:
            code = to_the_verdict(rollout, client, self._targets, self._run.journal, is_last=is_last)
            self._logs.finish()
        if is_last and code is ExitCode.SUCCEEDED:
            self._run.journal.served_at(url_of(target.object for target in self._everything))
        return code

    def _with(self, targets: list[Target]) -> Rollout:
        """The rollout, with these targets besides its own."""
        self._targets += targets
        if self._rollout is None:
            self._rollout = self._begun(targets)
        else:
            self._rollout.add(targets)
        return self._rollout

    def _begun(self, targets: list[Target]) -> Rollout:
        inputs = self._run.inputs
        return Rollout(
            self._session.open_ended,
            targets,
            self._run.journal,
            limits_of(self._run, self._session.client.time_left),
            on_pods=self._logs.saw,
            await_pods=inputs.logs,
            field_manager=inputs.field_manager,
        )


class ReleaseFollowing(Following):
    """Follows what a release writes, with the logs that it asks for."""

    def __init__(self, run: Run, session: Session) -> None:
        self._release_logs = ReleaseLogs(run, session)
        super().__init__(run, session, self._release_logs)

    def until_written_current(self, written: Sequence[Written], *, is_last: bool) -> ExitCode:
        """The same as :meth:`until_current` for a wave of written objects, some of which are Jobs whose logs stream."""
        self._release_logs.begin(written)
        return self.until_current([target_of(one) for one in written], is_last=is_last)


def limits_of(run: Run, left: float, *, to_the_last: bool = False) -> Limits:
    """How the objects of a run, or of its rollback, are followed in the ``left`` seconds, as the inputs say."""
    inputs = run.inputs
    return Limits(
        left,
        inputs.fail_fast,
        inputs.timeout - left,
        to_the_last,
        run.journal.tick_every,
        inputs.fail_after or USUAL,
        OnPause(inputs.paused) if inputs.paused else None,
        inputs.required,
    )


def follow(run: Run, session: Session, targets: list[Target], logs: Logs | None = None) -> ExitCode:
    """Follow the targets to their verdict, gather the evidence, return the exit code.

    ``logs``: by default those that the inputs ask for.
    """
    with Following(run, session, logs or ReleaseLogs(run, session)) as following:
        return following.until_current(targets)


def to_the_verdict(
    rollout: Rollout, client: Client, targets: Sequence[Target], journal: Journal, *, is_last: bool = True
) -> ExitCode:
    """Follow the rollout of ``targets`` to its end; states and evidence go to the journal. Returns the exit code.

    ``is_last``: as for :meth:`Rollout.follow`.
    """
    waiting = rollout.look()
    if waiting:
        journal.following(waiting, rollout.longest)
    try:
        in_time = rollout.follow(is_last=is_last)
    except CancelledError:
        known = culprits(targets)
        unfinished = [one for one in targets if one.is_open and one not in known]
        _tell_evidence(client, journal, known, unfinished, is_cancelled=True)
        raise
    is_lost = any(target.is_lost for target in targets)
    if in_time and not is_lost:
        return ExitCode.SUCCEEDED
    _tell_evidence(client, journal, culprits(targets))
    return ExitCode.FAILED if is_lost else ExitCode.TIMED_OUT


def target_read(client: Client, address: Address) -> Target:
    """An object as it is, to be followed without having been written. Raises :class:`NotFoundError`."""
    answer = client.send(Request("GET", address.path, where=str(address.reference)))
    return Target(address.reference, address.resource, answer.body, changed=False)


def follow_written(run: Run, session: Session, written: Sequence[Written]) -> ExitCode:
    """Follow the written objects; a dry run has written none."""
    if run.inputs.dry_run:
        return ExitCode.SUCCEEDED
    return follow(run, session, [target_of(one) for one in written])


def _tell_evidence(
    client: Client,
    journal: Journal,
    bad: Sequence[Target],
    unfinished: Sequence[Target] = (),
    *,
    is_cancelled: bool = False,
) -> None:
    """Gather and report the evidence; a cancelled run reports what it has gathered so far."""
    from k8s_step.rollout.diagnose import CANCELLED, LIMIT, diagnose  # imported here: good releases need none

    limit = CANCELLED if is_cancelled else LIMIT
    findings: Sequence[Finding] = ()
    undone = {target.reference.key for target in unfinished}
    try:
        for known in diagnose(client, [*bad, *unfinished], limit):
            findings = [replace(one, unfinished=one.reference.key in undone) for one in known]
    finally:
        journal.found(findings)


def target_of(written: Written) -> Target:
    """The target that follows a written object."""
    planned = written.planned
    changed = written.action != "unchanged"
    return Target(
        planned.reference,
        planned.resource,
        written.object,
        changed=changed,
        must_complete=_must_complete(written),
        paused=bool(asked_pause(planned.object)) or _pauses(written),
        wrote=written.object,
    )


def _pauses(written: Written) -> bool:
    """Whether a JSON patch has paused the object; unlike other patches, it holds no part of the object to look at."""
    planned = written.planned
    fields = ("/spec/paused", "/spec/suspend")
    is_own = isinstance(planned, PlannedPatch) and any(planned.writes(field) for field in fields)
    return is_own and bool(asked_pause(written.object))


def _must_complete(written: Written) -> bool:
    """Whether the object is a Job whose manifest does not suspend it; for a patch, the Job itself tells."""
    manifest = written.planned.object.get("spec") or {}
    spec = manifest if "template" in manifest else written.object.get("spec") or {}
    return written.reference.kind == "Job" and not spec.get("suspend")
