"""The pruning of one release: what its set holds and the release no longer does goes once all of that is current."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from k8s_step.errors import (
    ConflictError,
    ExitCode,
    ForbiddenError,
    InputError,
    InputErrors,
    StepError,
)
from k8s_step.objects.applyset import Contents, labelled
from k8s_step.objects.kinds.secrets import values_of
from k8s_step.objects.metadata import PART_OF, guard_of, labels_of, uid_of
from k8s_step.objects.reference import Reference
from k8s_step.operations.plan import Planned, Seen
from k8s_step.release.batch import raise_reported
from k8s_step.release.planning.guards import Guards
from k8s_step.release.planning.session import Run, Session
from k8s_step.release.pruning import parent as parents
from k8s_step.release.pruning.deletion import Deletion
from k8s_step.release.pruning.membership import Members, Membership, kind_of, of_plan
from k8s_step.release.pruning.parent import HINT, Parent
from k8s_step.release.send import Writes
from k8s_step.verdict.target import Target


@dataclass
class Pruning:
    """The set of one release; a run calls the public methods in the order in which they stand here.

    ``plan``: the release's objects, labelled as members of the set.
    """

    run: Run
    session: Session
    parent: Parent
    plan: Sequence[Planned]
    _deletion: Deletion = field(repr=False)
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
        return cls(run, session, parent, plan, Deletion(run, session, Membership.of(run, session, parent, plan)))

    def check(self, seen: Sequence[Seen]) -> None:
        """Report objects of other sets. Raises :class:`ReportedError` for them unless ``--applyset-adopt`` is given."""
        if self.parent.live is None and any(self._membership.holds(one.live) for one in seen if one.live):
            self._deletion.membership = self._membership.widened(of_plan(self.plan))
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
            self._deletion.try_out(found.going)
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
        """Delete what the release no longer holds, and wait until it is gone.

        Raises :class:`ReportedError` where a deletion was refused, or a member is still there when time is up.
        """
        found = self._without_new(self._membership.find({uid_of(one.object) for one in writes.done}))
        self._goes_with_its_namespace = any(target.reference.key == self._space for target in found.going)
        self.tell_kept(found)
        self.run.redactor.add_values(values_of(target.object for target in found.going))
        self._deletion.make(found.going, writes)
        self._kept = [*(target for target, _ in found.kept), *self._deletion.kept]
        return ExitCode.SUCCEEDED

    def finish(self) -> None:
        """Write the parent with what the set holds from now on: the release, and the members that stay.

        Where another run has written the parent meanwhile, all that it lists stays as well: that run is not done yet.
        """
        if self._goes_with_its_namespace:
            self.run.journal.notice(f"{self.parent.address.reference}, the parent of the set, went with its namespace")
            return
        kept = Contents.of((kind_of(each.resource), each.reference.namespace) for each in self._kept)
        now = parents.read(self.parent, self.session.client, self.session.discovery)
        is_as_written = guard_of(now.live or {}) == guard_of(self.parent.live or {})
        others = Contents() if is_as_written else now.contents
        self.parent = parents.write(self.session.client, now, of_plan(self.plan) | kept | others)

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
            self._deletion.tell_kept(target, reason)

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

    # -- the members

    @property
    def _membership(self) -> Membership:
        return self._deletion.membership

    def _without_new(self, found: Members) -> Members:
        """The members; those that have joined the set during this run, another run's perhaps, stay for the next one."""
        new = [target for target in found.going if target.uid not in self._foreseen]
        going = [target for target in found.going if target.uid in self._foreseen]
        return Members(going, [*found.kept, *((target, "it has joined the set during this run") for target in new)])


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
