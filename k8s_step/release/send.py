"""The writes of one run, phase by phase, with objects first that others need."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from k8s_step.api.concurrency import gather_writes, successes
from k8s_step.errors import CancelledError, ExitCode, InputError, NotFoundError, ReportedError, StepError
from k8s_step.objects.address import Address
from k8s_step.objects.metadata import Object
from k8s_step.objects.reference import Reference
from k8s_step.operations.plan import Planned, Written
from k8s_step.release.batch import explained_stop, raise_reported, tell_absent, tell_errors, tell_unsent
from k8s_step.release.phases import in_phases
from k8s_step.release.planning.session import Run, Session
from k8s_step.report.journal import Journal
from k8s_step.report.results.result import UNKNOWN

_ESTABLISHING = 60.0  # seconds within which a CRD of this release must be established
Item = TypeVar("Item", bound=Planned)


def leave(_: Sequence[object]) -> None:
    """Do nothing before a phase."""


@dataclass
class Writes:
    """The writes of one run and their results so far, complete even where the run fails in the middle.

    ``done``: the written objects in the order of the writes, with the action UNKNOWN where an answer was lost.
    ``pruned``: the objects that were pruned after all of them, as they were. ``wave_of``: the wave of each object by
    key, counted from 1.
    """

    run: Run
    session: Session
    done: list[Written] = field(default_factory=list)
    pruned: list[tuple[Address, Object]] = field(default_factory=list, init=False)
    wave_of: dict[tuple[str, ...], int] = field(default_factory=dict, init=False)
    _waves: int = field(default=0, init=False)
    _deleted: dict[tuple[str, ...], Written] = field(default_factory=dict, init=False)
    _unsent: dict[tuple[str, ...], Planned] = field(default_factory=dict, init=False)
    _ahead: tuple[tuple[str, ...], Callable[[], None]] | None = field(default=None, init=False)

    def go_ahead(self, key: tuple[str, ...], then: Callable[[], None]) -> None:
        """Have the object of this key written before the others of its wave, and ``then`` called."""
        self._ahead = (key, then)

    def make(
        self,
        plan: Sequence[Item],
        write: Callable[[Item], Written],
        between: Callable[[], None] | None = None,
        before: Callable[[Sequence[Item]], None] = leave,
    ) -> Sequence[Written]:
        """``write`` each object of a wave, phase by phase, several at a time; report and return the results.

        ``between`` is called between two phases; with it, CRDs that later phases need are awaited as well. ``before``
        is called with each phase's objects. A cancelled run reports the writes under way before it ends.
        Raises :class:`ReportedError` at the end of the phase in which a write was refused; no further phase begins.
        """
        phases = self._with_ahead(in_phases((one.reference.kind, one) for one in plan))
        self._unsent = {one.reference.key: one for one in plan}
        self._waves += 1
        self.wave_of.update((one.reference.key, self._waves) for one in plan)
        first = len(self.done)

        def work(one: Item) -> Written:
            return self._write_one(one, write, plan)

        try:
            for number, phase in enumerate(phases):
                needing = [one for later in phases[number:] for one in later] if between else phase
                self._await_kinds(needing)
                if between and number:
                    between()
                before(phase)
                self._tell_phase(gather_writes(work, phase, self.run.inputs.concurrency))
                self._follow_ahead(phase)
        except (CancelledError, ReportedError):
            if not self.run.inputs.dry_run:
                tell_unsent(self.run.journal, [one.reference for one in self._unsent.values()])
                tell_absent(self.run.journal, [one.reference for one in self.done if one.action == "deleted"])
            raise
        return self.done[first:]

    def add(self, written: Written) -> Written:
        """Record a write and return it: as a replacement where the object was deleted to be created anew."""
        key = written.reference.key
        self._unsent.pop(key, None)
        if (deleted := self._deleted.pop(key, None)) is not None:
            self.done.remove(deleted)
            action = written.action if written.action == UNKNOWN else "replaced"
            written = replace(written, action=action, because=deleted.because)
        elif written.action == "deleted":
            self._deleted[key] = written
        self.done.append(written)
        return written

    def add_pruned(self, address: Address, before: Object) -> None:
        """Record that an object was pruned, which ends the run as a wave of its own. ``before``: as it was then."""
        self.pruned.append((address, before))
        self.wave_of[address.reference.key] = self._waves + 1

    def _with_ahead(self, phases: list[list[Item]]) -> list[list[Item]]:
        """The phases, with the object that goes ahead in one of its own."""
        key = self._ahead[0] if self._ahead else ()
        first = [one for phase in phases for one in phase if one.reference.key == key]
        rest = [[one for one in phase if one.reference.key != key] for phase in phases]
        return [phase for phase in (first, *rest) if phase]

    def _follow_ahead(self, phase: Sequence[Planned]) -> None:
        if self._ahead and phase[0].reference.key == self._ahead[0]:
            self._ahead[1]()

    def _write_one(self, one: Item, write: Callable[[Item], Written], plan: Sequence[Planned]) -> Written:
        try:
            return write(one)
        except NotFoundError as error:
            if self.run.inputs.dry_run and _comes_with(one, plan):
                note = f"not checked by the server: {error.message}"
                return Written(one, "created", dict(one.object), (note,))
            raise

    def _tell_phase(self, results: Iterator[tuple[Item, Written | Exception]]) -> None:
        """Report each result. Raises :class:`ReportedError` after the last one where any write was refused."""
        errors: list[tuple[Reference, StepError]] = []

        def note(one: Item, error: StepError) -> None:
            self._unsent.pop(one.reference.key, None)
            errors.append((one.reference, explained_stop(error, one.where)))
            self._tell_unknown(one, error)

        try:
            for _, written in successes(results, note):
                tell(self.run.journal, self.add(written))
        except CancelledError:
            tell_errors(self.run.journal, errors)
            raise
        raise_reported(self.run.journal, errors)

    def _tell_unknown(self, one: Planned, error: StepError) -> None:
        if error.may_be_done and not self.run.inputs.dry_run:
            self.add(Written(one, UNKNOWN, {}))
            self.run.journal.acted(one.reference, UNKNOWN)

    def _await_kinds(self, needing: Sequence[Planned]) -> None:
        """Wait until the CRDs of this run whose custom resources come next are established."""
        wanted = {one.resource.full_name for one in needing}
        crds = [] if self.run.inputs.dry_run else [one for one in self.done if _defined_by(one) in wanted]
        if not crds:
            return
        from k8s_step.release.following.follow import target_of
        from k8s_step.rollout.follower import Limits
        from k8s_step.rollout.rollout import Rollout
        from k8s_step.verdict.states import State

        targets = [target_of(one) for one in crds]
        limits = Limits(min(_ESTABLISHING, self.session.client.time_left))
        in_time = Rollout(self.session.open_ended, targets, self.run.journal, limits).follow()
        for one, target in zip(crds, targets, strict=True):
            self.done[self.done.index(one)] = replace(one, object=target.object)
        bad = [target for target in targets if not target.judgement or target.judgement.state is not State.CURRENT]
        for target in bad:
            message = f"its CRD is not established: {target.judgement.message if target.judgement else ''}"
            self.run.journal.error(InputError(message, where=str(target.reference)), target.reference)
        if bad:
            raise ReportedError(ExitCode.FAILED if in_time else ExitCode.TIMED_OUT)


def write_and_follow(run: Run, session: Session, plan: Sequence[Item], write: Callable[[Item], Written]) -> ExitCode:
    """``write`` each object of the plan, and follow all of them to the verdict."""
    written = Writes(run, session).make(plan, write)
    from k8s_step.release.following.follow import follow_written  # imported here: the writes go out before that

    return follow_written(run, session, written)


def tell(journal: Journal, written: Written) -> None:
    """Report what was done to an object, and the server's warnings."""
    journal.acted(written.reference, written.action)
    for warning in written.warnings:
        journal.warning(warning, written.planned.where_of(warning))


def _comes_with(one: Planned, plan: Sequence[Planned]) -> bool:
    """Whether the namespace or the CRD that ``one`` needs is part of the same release."""
    needed = {("Namespace", one.reference.namespace), ("CustomResourceDefinition", one.resource.full_name)}
    return any((other.reference.kind, other.reference.name) in needed for other in plan)


def _defined_by(written: Written) -> str:
    """``widgets.example.com`` of a CRD, which is its name; empty for any other object."""
    return written.reference.name if written.reference.kind == "CustomResourceDefinition" else ""
