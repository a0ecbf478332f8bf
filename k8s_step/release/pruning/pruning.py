"""The pruning of one release: what its set holds and the release no longer does goes once all of that is current."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from k8s_step.api.concurrency import gather, gather_writes, successes
from k8s_step.errors import (
    CancelledError,
    ConflictError,
    ExitCode,
    ForbiddenError,
    InputError,
    InputErrors,
    ReportedError,
    StepError,
)
from k8s_step.objects.applyset import Contents, labelled
from k8s_step.objects.kinds.secrets import values_of
from k8s_step.objects.metadata import PART_OF, labels_of, uid_of
from k8s_step.objects.reference import Reference
from k8s_step.operations.delete import Deleted, DeleteOptions
from k8s_step.operations.plan import Planned, Seen
from k8s_step.operations.prune import Pruned, prune
from k8s_step.release.batch import explained_stop, raise_reported, tell_unsent
from k8s_step.release.phases import in_phases
from k8s_step.release.planning.guards import Guards
from k8s_step.release.planning.session import Run, Session
from k8s_step.release.pruning import parent as parents
from k8s_step.release.pruning.membership import HINT, Members, Membership, kind_of, of_plan
from k8s_step.release.pruning.parent import Parent
from k8s_step.release.removal import await_gone
from k8s_step.release.send import Writes
from k8s_step.report.results.result import UNKNOWN
from k8s_step.verdict.target import Target

_BY_ADMISSION = re.compile(r"denied (the )?request|webhook")


@dataclass
class Pruning:
    """The set of one release; a run calls the public methods in the order in which they stand here.

    ``plan``: the release's objects, labelled as members of the set.
    """

    run: Run
    session: Session
    parent: Parent
    plan: Sequence[Planned]
    _membership: Membership = field(repr=False)
    _foreseen: set[str] = field(default_factory=set, init=False, repr=False)
    _kept: list[Target] = field(default_factory=list, init=False, repr=False)
    _goes_with_its_namespace: bool = field(default=False, init=False)

    @classmethod
    def open(cls, run: Run, session: Session, plan: Sequence[Planned]) -> Pruning:
        """The set that the inputs name, with the planned objects as its members.

        Raises :class:`StepError` where this run may not keep the set, or can't tell what it holds.
        """
        unread = parents.find(run.inputs, session)
        Guards.of(run.inputs).check([unread.address])
        plan = _labelled(plan, unread.id)
        parent = parents.read(unread, session.client, session.discovery)
        run.redactor.add_values(values_of([parent.live] if parent.live else []))
        return cls(run, session, parent, plan, Membership.of(run, session, parent, plan))

    def check(self, seen: Sequence[Seen]) -> None:
        """Report objects of other sets. Raises :class:`ReportedError` for them unless ``--applyset-adopt`` is given."""
        if self.parent.live is None and any(self._membership.holds(one.live) for one in seen if one.live):
            self._membership = self._membership.widened(of_plan(self.plan))
            message = "is gone, so members of kinds and in namespaces that this release has none in are not found"
            self.run.journal.warning(f"{self.parent.address.reference}, the parent of the set, {message}")
        if self.run.inputs.applyset_adopt:
            return
        errors: list[tuple[Reference, StepError]] = []
        for one in seen:
            if one.live is None and not one.is_absent:
                message = "this token may not read it, so whether it is in another set is not known"
                errors.append((one.reference, ForbiddenError(message, code=403, where=one.planned.where, hint=HINT)))
            elif (other := labels_of(one.live or {}).get(PART_OF, self.parent.id)) != self.parent.id:
                hint = "--applyset-adopt takes it into this one; else drop it from one of the two"
                message = f"it is in another set: its label {PART_OF} is {other}"
                errors.append((one.reference, ConflictError(message, code=409, where=one.planned.where, hint=hint)))
        raise_reported(self.run.journal, errors)

    def foresee(self, seen: Sequence[Seen], *, tries: bool = True) -> Members:
        """What would go, by the members as they are now.

        With ``tries``, the server tries out each deletion, in a dry run also the parent's write. Raises
        :class:`ReportedError` where the token may not delete a member: nothing has been written yet.
        """
        found = self._membership.find({uid_of(one.live) for one in seen if one.live})
        self._foreseen = {target.uid for target in (*found.going, *(each for each, _ in found.kept))}
        inputs = self.run.inputs
        if inputs.dry_run and not self._brings_its_namespace(seen):
            parents.write(self.session.client, self.parent, self._superset, dry_run=True)
        if tries and (inputs.dry_run or inputs.preflight):
            self._try_out(found.going)
        return found

    def begin(self, seen: Sequence[Seen], writes: Writes) -> None:
        """Write the parent with all that the set holds or will hold, so that an interrupted run leaks nothing.

        Where this release creates the parent's namespace, that is written ahead of all, and the parent thereafter.
        """
        if self._brings_its_namespace(seen):
            writes.go_ahead(self._space, self._begin)
        else:
            self._begin()

    def prune(self, writes: Writes) -> ExitCode:
        """Delete what the release no longer holds, the first phase last, and wait until it is gone.

        Raises :class:`ReportedError` at the end of the phase in which a deletion was refused.
        """
        found = self._of_old(self._membership.find({uid_of(one.object) for one in writes.done}))
        self._kept = [target for target, _ in found.kept]
        self._goes_with_its_namespace = any(target.reference.key == self._space for target in found.going)
        self.tell_kept(found)
        self.run.redactor.add_values(values_of(target.object for target in found.going))
        unsent: dict[tuple[str, ...], Reference] = {each.reference.key: each.reference for each in found.going}
        try:
            for phase in reversed(in_phases((target.reference.kind, target) for target in found.going)):
                deleted = self._each(phase, writes, unsent)
                await_gone(self.run, self.session, [one.target for one in deleted if not one.is_gone])
        except (CancelledError, ReportedError):
            tell_unsent(self.run.journal, list(unsent.values()))
            raise
        return ExitCode.SUCCEEDED

    def finish(self) -> None:
        """Write the parent with what the set holds from now on: the release, and the members that stay."""
        if self._goes_with_its_namespace:
            self.run.journal.notice(f"{self.parent.address.reference}, the parent of the set, went with its namespace")
            return
        kept = Contents.of((kind_of(each.resource), each.reference.namespace) for each in self._kept)
        self.parent = parents.write(self.session.client, self.parent, of_plan(self.plan) | kept)

    def tell(self, found: Members) -> None:
        """Report what would go, and what would stay."""
        for target in found.going:
            self.run.journal.acted(target.reference, "pruned")
        self.tell_kept(found)

    def show(self, found: Members) -> int:
        """Show the objects that would go, masked; return how many."""
        from k8s_step.report.difference import removal

        self.run.redactor.add_values(values_of(target.object for target in found.going))
        for target in found.going:
            self.run.journal.differs(removal(target.reference, "pruned", target.object, self.run.redactor))
        return len(found.going)

    def tell_kept(self, found: Members) -> None:
        """Report the members that stay, each with its reason."""
        for target, reason in found.kept:
            self.run.journal.notice(f"{target.reference} is not pruned: {reason}")

    # -- the parent

    @property
    def _superset(self) -> Contents:
        return self._membership.before | of_plan(self.plan)

    @property
    def _space(self) -> tuple[str, str, str, str]:
        return ("", "Namespace", "", self.parent.address.reference.namespace)

    def _brings_its_namespace(self, seen: Sequence[Seen]) -> bool:
        return any(one.reference.key == self._space and one.is_absent for one in seen)

    def _begin(self) -> None:
        is_new = self.parent.live is None
        self.parent = parents.write(self.session.client, self.parent, self._superset)
        if is_new:
            self.run.journal.notice(f"{self.parent.address.reference} is made the parent of the set")

    # -- deletions

    def _of_old(self, found: Members) -> Members:
        """The members with those left to the next run that have joined the set during this one: another's, perhaps."""
        new = [target for target in found.going if target.uid not in self._foreseen]
        going = [target for target in found.going if target.uid in self._foreseen]
        return Members(going, [*found.kept, *((target, "it has joined the set during this run") for target in new)])

    def _each(self, phase: Sequence[Target], writes: Writes, unsent: dict[tuple[str, ...], Reference]) -> list[Deleted]:
        errors: list[tuple[Reference, StepError]] = []
        deleted: list[Deleted] = []

        def note(target: Target, error: StepError) -> None:
            unsent.pop(target.reference.key, None)
            errors.append((target.reference, _explained(error, target)))
            if error.may_be_done:
                writes.add_pruned(target.address, target.object)
                self.run.journal.acted(target.reference, UNKNOWN)

        work = self._deleting(DeleteOptions())
        for target, done in successes(gather_writes(work, phase, self.run.inputs.concurrency), note):
            unsent.pop(target.reference.key, None)
            if done.deleted is None:
                self._keep(target, done)
            else:
                writes.add_pruned(target.address, done.before)
                deleted.append(self._tell(done.deleted))
        raise_reported(self.run.journal, errors)
        return deleted

    def _keep(self, target: Target, done: Pruned) -> None:
        """Note a member that another has changed since it was listed, so that it stays."""
        self.tell_kept(Members(kept=[(target, done.kept)]))
        if self._membership.holds(done.before):
            self._kept.append(target)

    def _tell(self, done: Deleted) -> Deleted:
        self.run.journal.acted(done.target.reference, "pruned")
        if done.is_gone:
            self.run.journal.gone(done.target.reference, 0.0)
        return done

    def _deleting(self, options: DeleteOptions) -> Callable[[Target], Pruned]:
        def work(target: Target) -> Pruned:
            return prune(self.session.client, target, options, lambda obj: self._membership.reason(target, obj))

        return work

    def _try_out(self, going: Sequence[Target]) -> None:
        """Try out deletions. A refusal by admission may be due to what this release changes: dry runs alone tell it."""
        errors: list[tuple[Reference, StepError]] = []

        def note(target: Target, error: StepError) -> None:
            if self.run.inputs.dry_run or _is_for_good(error):
                errors.append((target.reference, _explained(error, target)))

        work = self._deleting(DeleteOptions(dry_run=True))
        for _ in successes(gather(work, going, self.run.inputs.concurrency), note):
            pass
        raise_reported(self.run.journal, errors)


def _labelled(plan: Sequence[Planned], set_id: str) -> list[Planned]:
    """The plan with the label of the set's members. Raises :class:`InputErrors` for manifests with another set's."""
    errors: list[InputError] = []
    for one in plan:
        if labels_of(one.object).get(PART_OF, set_id) != set_id:
            place = one.address.at(one.line_of(f"metadata.labels.{PART_OF}"))
            errors.append(InputError(f"its label {PART_OF} is another set's", where=place, hint="drop the label"))
    if errors:
        raise InputErrors(errors)
    return [replace(one, object=labelled(one.object, set_id)) for one in plan]


def _is_for_good(error: StepError) -> bool:
    """Whether the token may not delete the object, whatever this release changes."""
    return isinstance(error, ForbiddenError) and not _BY_ADMISSION.search(error.message)


def _explained(error: StepError, target: Target) -> StepError:
    if _is_for_good(error):
        error.hint = error.hint or HINT
    return explained_stop(error, target.address.where)
