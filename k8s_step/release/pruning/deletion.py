"""The deletions of a pruning: tried out before the first write, then made phase by phase, each as it was foreseen."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from k8s_step.api.concurrency import gather, gather_writes, successes
from k8s_step.errors import CancelledError, ForbiddenError, ReportedError, StepError
from k8s_step.objects.reference import Reference
from k8s_step.operations.delete import Deleted, DeleteOptions, is_terminating
from k8s_step.operations.prune import Pruned, prune
from k8s_step.release.batch import explained_stop, raise_reported, tell_unsent
from k8s_step.release.phases import in_phases
from k8s_step.release.planning.session import Run, Session
from k8s_step.release.pruning.membership import Membership
from k8s_step.release.pruning.parent import HINT
from k8s_step.release.removal import await_gone
from k8s_step.release.send import Writes
from k8s_step.report.results.result import UNKNOWN
from k8s_step.verdict.target import Target

_BY_ADMISSION = re.compile(r"denied (the )?request|webhook")


@dataclass
class Deletion:
    """Deletes members of a set. ``kept``: those that another has changed meanwhile, so that they stay in the set."""

    run: Run
    session: Session
    membership: Membership
    kept: list[Target] = field(default_factory=list, init=False)
    _unsent: dict[tuple[str, ...], Reference] = field(default_factory=dict, init=False)

    def try_out(self, going: Sequence[Target]) -> None:
        """Delete by dry runs, several at a time. Raises :class:`ReportedError` where the token may not delete one.

        A refusal by admission may be due to what this release is about to change, so only dry runs report it.
        """
        errors: list[tuple[Reference, StepError]] = []

        def note(target: Target, error: StepError) -> None:
            if self.run.inputs.dry_run or _is_for_good(error):
                errors.append((target.reference, _explained(error, target)))

        work = self._work(DeleteOptions(dry_run=True))
        for _ in successes(gather(work, going, self.run.inputs.concurrency), note):
            pass
        raise_reported(self.run.journal, errors)

    def make(self, going: Sequence[Target], writes: Writes) -> None:
        """Delete, the first phase last, and wait after each until it is gone; ``writes`` takes what a rollback needs.

        Raises :class:`ReportedError` at the end of the phase in which a deletion was refused.
        """
        self._unsent = {target.reference.key: target.reference for target in going}
        try:
            for phase in reversed(in_phases((target.reference.kind, target) for target in going)):
                deleted = self._each(phase, writes)
                await_gone(self.run, self.session, [one.target for one in deleted if not one.is_gone])
        except (CancelledError, ReportedError):
            tell_unsent(self.run.journal, list(self._unsent.values()))
            raise

    def tell_kept(self, target: Target, reason: str) -> None:
        """Report a member that stays."""
        self.run.journal.notice(f"{target.reference} is not pruned: {reason}")

    def _each(self, phase: Sequence[Target], writes: Writes) -> list[Deleted]:
        errors: list[tuple[Reference, StepError]] = []

        def note(target: Target, error: StepError) -> None:
            self._unsent.pop(target.reference.key, None)
            errors.append((target.reference, _explained(error, target)))
            if error.may_be_done:
                writes.add_pruned(target.address, target.object)
                self.run.journal.acted(target.reference, UNKNOWN)

        results = gather_writes(self._work(DeleteOptions()), phase, self.run.inputs.concurrency)
        settled = [self._settled(done, writes) for _, done in successes(results, note)]
        raise_reported(self.run.journal, errors)
        return [one for one in settled if one]

    def _settled(self, done: Pruned, writes: Writes) -> Deleted | None:
        """Report a member after its turn; ``None`` where it is kept."""
        reference = done.target.reference
        self._unsent.pop(reference.key, None)
        if done.deleted is None:
            self.tell_kept(done.target, done.kept)
            self.kept += [done.target] if self.membership.holds(done.before) else []
            return None
        if not is_terminating(done.before):  # else another had deleted it before
            writes.add_pruned(done.target.address, done.before)
        self.run.journal.acted(reference, "pruned")
        if done.deleted.is_gone:
            self.run.journal.gone(reference, 0.0)
        return done.deleted

    def _work(self, options: DeleteOptions) -> Callable[[Target], Pruned]:
        def work(target: Target) -> Pruned:
            return prune(self.session.client, target, options, lambda obj: self.membership.reason(target, obj))

        return work


def _is_for_good(error: StepError) -> bool:
    """Whether the token may not delete the object, whatever this release changes."""
    return isinstance(error, ForbiddenError) and not _BY_ADMISSION.search(error.message)


def _explained(error: StepError, target: Target) -> StepError:
    if _is_for_good(error):
        error.hint = error.hint or HINT
    return explained_stop(error, target.address.where)
