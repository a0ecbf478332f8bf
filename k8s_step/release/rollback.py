"""Undoes the writes of one run, and only those, once its release has failed and the evidence is gathered.

Changed objects are restored first and followed to their verdict; then created objects are deleted, in reverse order.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from k8s_step.api.concurrency import gather_writes
from k8s_step.api.request import Request
from k8s_step.errors import (
    CancelledError,
    ExitCode,
    ForbiddenError,
    NotFoundError,
    StepError,
    StoppedError,
)
from k8s_step.objects.address import Address
from k8s_step.objects.kinds.secrets import values_of
from k8s_step.objects.metadata import Object
from k8s_step.operations.plan import Planned, Seen, Written
from k8s_step.operations.restoring.restore import Outcome, Reversal, restore
from k8s_step.operations.restoring.revival import bring_back
from k8s_step.release.batch import exit_code_of
from k8s_step.release.following import exemptions
from k8s_step.release.following.follow import limits_of
from k8s_step.release.following.rules import give_rules
from k8s_step.release.phases import in_phases
from k8s_step.release.planning.session import Run, Session
from k8s_step.release.send import Writes
from k8s_step.report.results.result import NOT_BACK, UNKNOWN
from k8s_step.rollout.follower import Limits
from k8s_step.rollout.rollout import Rollout
from k8s_step.rollout.termination import Termination, held
from k8s_step.verdict.states import State
from k8s_step.verdict.target import Target

# Created objects of these kinds could refuse the restored objects, or keep them from running: delete them first.
_IN_THE_WAY = (
    "ValidatingWebhookConfiguration",
    "MutatingWebhookConfiguration",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "ResourceQuota",
    "LimitRange",
    "NetworkPolicy",
)
_LOOK = 5.0  # seconds in which a server that had failed must answer before a rollback begins
_CALLS_FOR_IT = (ExitCode.SUCCEEDED, ExitCode.FAILED, ExitCode.TIMED_OUT, ExitCode.REFUSED)


def release_or_roll_back(writes: Writes, seen: Sequence[Seen], release: Callable[[], ExitCode]) -> ExitCode:
    """Run ``release`` and return its exit code; on failure, timeout or refusal undo every one of ``writes``.

    Writes are undone, too, where only a part of the server fails, such as a webhook, and the written objects can still
    be read. Where the server is unreachable, or the run is cancelled, the objects left changed are only reported.
    """
    run, session = writes.run, writes.session
    try:
        code = exit_code_of(release, run.journal)
    except CancelledError:
        _tell_left(writes)
        raise
    if run.stays(code) and code is ExitCode.SUCCEEDED:
        return code
    changes = _changes(seen, writes)
    is_ill = code is ExitCode.UNREACHABLE and bool(changes) and _is_readable(session, changes[0])
    if code not in _CALLS_FOR_IT and not is_ill:
        _tell_left(writes)
        return code
    if not changes:
        run.journal.notice("nothing to roll back: this run changed nothing")
        return code
    run.redactor.add_values(values_of(one.before for one in changes if one.before))
    return Rollback(run, session, changes, writes.wave_of).make(code)


class Rollback:
    """The rollback of one run: its waves, the last one first. It has a timeout of its own, as long as the release's."""

    def __init__(
        self, run: Run, session: Session, changes: Sequence[Reversal], wave_of: Mapping[tuple[str, ...], int]
    ) -> None:
        self._run, self._session = run, session
        self._inputs = run.inputs
        self._journal = run.journal
        self._changes = changes
        self._wave_of = wave_of
        self._client = session.client.until(time.monotonic() + run.inputs.timeout)
        self._outcomes: dict[tuple[str, ...], Outcome] = {}

    def make(self, released: ExitCode) -> ExitCode:
        """Undo all writes. The exit code is ``ROLLED_BACK`` where all succeed and the restored objects are current."""
        first = [one for one in self._changes if _is_in_the_way(one)]
        rest = [one for one in self._changes if not _is_in_the_way(one)]
        try:
            self._journal.rolling_back(released, len(self._changes), self._inputs.timeout)
            self._each(first)
            for wave in self._waves(one for one in rest if not one.is_new):
                for phase in _phases(wave):
                    self._each(phase)
            self._follow()
            for wave in self._waves(one for one in rest if one.is_new):
                for phase in reversed(_phases(wave)):
                    self._each(phase)
                self._await_gone(wave)
            self._await_gone(first)
        except CancelledError:
            self._tell_undone()
            raise
        return self._verdict()

    def _each(self, changes: Sequence[Reversal]) -> None:
        def work(one: Reversal) -> Outcome:
            undo = bring_back if one.is_replaced or one.is_pruned else restore
            return undo(self._client, one, self._inputs.field_manager)

        for one, outcome in gather_writes(work, changes, self._inputs.concurrency):
            if isinstance(outcome, StoppedError):
                outcome = Outcome("failed", "cancelled before it was known to be done")
            elif isinstance(outcome, Exception):  # the failure of one does not stop the others
                outcome = Outcome("failed", f"{type(outcome).__name__}: {outcome}, a bug of k8s-step")
            self._settle(one, outcome)

    def _settle(self, change: Reversal, outcome: Outcome) -> None:
        reference = change.reference
        self._outcomes[reference.key] = outcome
        if outcome.word:
            self._journal.rolled_back(reference, outcome.word, outcome.message)

    def _waves(self, changes: Iterable[Reversal]) -> list[list[Reversal]]:
        """The changes of each wave, the last one first."""
        waves: dict[int, list[Reversal]] = {}
        for one in changes:
            waves.setdefault(self._wave_of.get(one.reference.key, 0), []).append(one)
        return [waves[number] for number in sorted(waves, reverse=True)]

    def _targets(self, word: str, changes: Iterable[Reversal]) -> list[Target]:
        """What is still to be followed of these changes."""
        outcomes = [self._outcomes[one.reference.key] for one in changes]
        return [one.target for one in outcomes if one.word == word and one.target]

    def _follow(self) -> None:
        """Follow the restored objects, by the release's terms, each to its own verdict even where another one fails."""
        restored = [one for one in self._changes if one.reference.key in self._outcomes]
        targets = exemptions.followed(self._run, self._session, self._targets("restored", restored), silent=True)
        give_rules(self._run, self._session, targets)
        rollout = self._rollout(targets)
        if count := rollout.look():
            self._journal.following(count, self._left)
        trouble = ""
        try:
            rollout.follow()
        except StepError as error:
            trouble = f"it can't be followed: {error.message}"
        for target in targets:
            found = target.judgement
            if found is None or found.state is not State.CURRENT:
                told = ": ".join(part for part in (found.reason, found.message) if part) if found else ""
                self._fail(target, f"it is as it was before this run, but not current: {trouble or told}")

    def _rollout(self, targets: Sequence[Target]) -> Rollout:
        limits, manager = limits_of(self._run, self._left, to_the_last=True), self._inputs.field_manager
        return Rollout(self._session.open_ended, targets, self._journal, limits, field_manager=manager)

    def _await_gone(self, changes: Iterable[Reversal]) -> None:
        waiting = self._targets("deleted", changes)
        if not waiting:
            return
        self._journal.following(len(waiting), self._left)
        limits = Limits(self._left, tick=self._journal.tick_every)
        departure = Termination(self._session.open_ended, waiting, self._journal, limits)
        try:
            for target in departure.follow():
                self._fail(target, f"it is deleted, but not gone: {held(target.object)}")
        except StepError as error:
            self._journal.notice(f"whether all that was deleted is gone can't be seen: {error}")

    @property
    def _left(self) -> float:
        return self._client.time_left

    def _fail(self, target: Target, message: str) -> None:
        self._outcomes[target.reference.key] = Outcome("failed", message)
        self._journal.rolled_back(target.reference, "failed", message)

    def _tell_undone(self) -> None:
        for one in self._changes:
            if one.reference.key not in self._outcomes:
                self._settle(one, Outcome("failed", "cancelled before it was known to be done"))

    def _verdict(self) -> ExitCode:
        bad = [one for one in self._changes if self._outcomes[one.reference.key].word in NOT_BACK]
        if not bad:
            return ExitCode.ROLLED_BACK
        names = ", ".join(str(one.reference) for one in bad)
        self._journal.error(
            StepError(
                f"the rollback is not complete: look after {names}",
                hint="apply the last good release, or put it right by hand",
            )
        )
        return ExitCode.FAILED


def _is_readable(session: Session, change: Reversal) -> bool:
    """Whether the server and its storage can read the written object."""
    request = Request("GET", change.planned.path, where=change.planned.where, patient=False)
    try:
        session.client.until(time.monotonic() + _LOOK).send(request)
    except StepError as error:
        return isinstance(error, (NotFoundError, ForbiddenError))
    return True


def _is_in_the_way(change: Reversal) -> bool:
    return change.reference.kind in _IN_THE_WAY and not change.is_pruned


def _changes(seen: Sequence[Seen], writes: Writes) -> list[Reversal]:
    before = {one.reference.key: one for one in seen}
    changes = [_change(before[one.reference.key], one) for one in writes.done if one.action != "unchanged"]
    return changes + [_pruned(*each) for each in writes.pruned]


def _pruned(address: Address, before: Object) -> Reversal:
    return Reversal(Planned(address), is_new=False, before=before, wrote=None, is_pruned=True)


def _change(seen: Seen, written: Written) -> Reversal:
    is_new = written.action == "created" or (written.action == UNKNOWN and seen.is_absent)
    adopted = tuple(seen.takeover.moved) if seen.takeover else ()
    wrote = None if written.action in (UNKNOWN, "deleted") else written.object
    return Reversal(written.planned, is_new, seen.live, wrote, adopted, is_replaced=bool(written.because))


def _tell_left(writes: Writes) -> None:
    left = [f"{one.reference} ({one.action})" for one in writes.done if one.action != "unchanged"]
    left += [f"{address.reference} (pruned)" for address, _ in writes.pruned]
    if left:
        writes.run.journal.notice(f"not rolled back; what this run changed stays: {', '.join(left)}")


def _phases(changes: Iterable[Reversal]) -> list[list[Reversal]]:
    return in_phases((one.reference.kind, one) for one in changes)
