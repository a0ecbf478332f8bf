"""Deletes objects that are named, in manifests or chosen by selectors, phase by phase, until they are gone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from k8s_step.api.concurrency import gather_writes, successes
from k8s_step.errors import CancelledError, ExitCode, InputError, NotFoundError, ReportedError, StepError, StoppedError
from k8s_step.objects.address import Address, Addressed
from k8s_step.objects.selection import Group, selectors
from k8s_step.operations.delete import Deleted, DeleteOptions, delete, delete_group, delete_read, members
from k8s_step.release.batch import explained_stop, tell_unsent
from k8s_step.release.phases import in_phases
from k8s_step.release.planning.arguments import names_object
from k8s_step.release.planning.session import Run, Session
from k8s_step.report.results.result import UNKNOWN
from k8s_step.rollout.follower import Limits
from k8s_step.rollout.termination import Termination, finding, held
from k8s_step.verdict.judgement import Judgement
from k8s_step.verdict.states import State
from k8s_step.verdict.target import Target

Item = TypeVar("Item", bound=Addressed)


class Removal:
    """The deletions of one run. Raises :class:`ReportedError` at the end of a phase in which one was refused."""

    def __init__(self, run: Run, session: Session) -> None:
        inputs = run.inputs
        self._run = run
        self._inputs = inputs
        self._journal = run.journal
        self._session = session
        self._client = session.client
        self._options = DeleteOptions(inputs.cascade, inputs.grace_period, inputs.dry_run)
        self._missing = 0
        self._unsent: dict[tuple[str, ...], Address] = {}

    def of_objects(self, waves: Sequence[Sequence[Address]]) -> ExitCode:
        """Delete the waves of a release, the last one first, and each wave in reverse order of phases.

        A custom resource goes before the operator that cleans it up. A missing object is reported; the others are
        deleted all the same.
        """
        self._journal.loaded([one.reference for wave in waves for one in wave])
        phases = [in_phases((one.reference.kind, one) for one in wave) for wave in waves]
        self._unsent = {one.reference.key: one for wave in reversed(phases) for each in reversed(wave) for one in each}
        try:
            for number in range(len(waves), 0, -1):
                if len(waves) > 1:
                    self._journal.wave(number, len(waves), len(waves[number - 1]))
                for phase in reversed(phases[number - 1]):
                    self._finish(self._each(phase, self._delete))
        except (CancelledError, ReportedError):
            if not self._inputs.dry_run:
                tell_unsent(self._journal, [one.reference for one in self._unsent.values()])
            raise
        return ExitCode.REFUSED if self._missing else ExitCode.SUCCEEDED

    def of_groups(self, groups: Sequence[Group]) -> ExitCode:
        """Delete the objects that selectors choose, one collection after the other."""
        found = [(group, members(self._client, group, self._journal.notice)) for group in groups]
        targets = [target for _, members_of in found for target in members_of]
        if not targets:
            self._journal.notice(f"nothing to delete: no {', no '.join(group.text for group in groups)}")
            return ExitCode.SUCCEEDED
        self._journal.loaded([target.reference for target in targets])
        self._finish([deleted for group, members_of in found for deleted in self._group(group, members_of)])
        return ExitCode.SUCCEEDED

    def _delete(self, one: Address) -> Deleted:
        return delete(self._client, one, self._options)

    def _delete_read(self, one: Target) -> Deleted:
        return delete_read(self._client, one, self._options)

    def _group(self, group: Group, found: list[Target]) -> list[Deleted]:
        if not found:
            return []
        if self._collection(group, found):
            return [Deleted(target, is_gone=False) for target in found]
        self._journal.notice(f"{group.text} can't be deleted as a collection here: deleting one by one")
        return self._each(found, self._delete_read)

    def _collection(self, group: Group, found: list[Target]) -> bool:
        """Delete the group by one request; ``False`` where the kind has no such verb or the token may not use it."""

        def work(group: Group) -> bool:
            return delete_group(self._client, group, found, self._options)

        is_done = False
        for _, result in gather_writes(work, [group], 1):
            is_done = result is True
            if is_done or (isinstance(result, StepError) and result.may_be_done and not self._inputs.dry_run):
                for target in found:
                    self._journal.acted(target.reference, "deleted" if is_done else UNKNOWN)
            if isinstance(result, StoppedError):
                self._journal.error(explained_stop(result, group.text))
            elif isinstance(result, Exception):
                raise result
        return is_done

    def _each(self, items: Sequence[Item], work: Callable[[Item], Deleted]) -> list[Deleted]:
        """Delete several objects at once; refusals are reported, and the run ends with this phase."""
        deleted: list[Deleted] = []
        refused: list[StepError] = []

        def tell(one: Item, error: StepError) -> None:
            self._unsent.pop(one.reference.key, None)
            if isinstance(error, NotFoundError):
                self._not_there(one, error)
                return
            if error.may_be_done and not self._inputs.dry_run:
                self._journal.acted(one.reference, UNKNOWN)
            self._journal.error(explained_stop(error, one.address.where), one.reference)
            refused.append(error)

        for one, done in successes(gather_writes(work, items, self._inputs.concurrency), tell):
            self._unsent.pop(one.reference.key, None)
            deleted.append(done)
            self._journal.acted(done.target.reference, "deleted")
        if refused:
            raise ReportedError(min(error.exit_code for error in refused))
        return deleted

    def _not_there(self, one: Addressed, error: NotFoundError) -> None:
        if self._inputs.ignore_not_found:
            self._journal.gone(one.reference, 0.0)
            return
        self._missing += 1
        self._journal.error(error, one.reference)

    def _finish(self, deleted: Sequence[Deleted]) -> None:
        """Wait until all are gone, unless ``--no-wait`` is given."""
        if self._inputs.dry_run:
            return
        for one in deleted:
            if one.is_gone:
                self._journal.gone(one.target.reference, 0.0)
        waiting = [one.target for one in deleted if not one.is_gone]
        if self._inputs.wait:
            await_gone(self._run, self._session, waiting)
            return
        for target in waiting:
            self._journal.progress(target.reference, Judgement(State.TERMINATING, held(target.object)), 0.0)


def await_gone(run: Run, session: Session, waiting: Sequence[Target]) -> None:
    """Wait until the objects are gone. Raises :class:`ReportedError` where one is still there when time is up."""
    if not waiting:
        return
    limits = Limits(session.client.time_left, tick=run.journal.tick_every)
    run.journal.following(len(waiting), limits.timeout)
    left = Termination(session.open_ended, waiting, run.journal, limits).follow()
    if left:
        run.journal.found([finding(target) for target in left])
        raise ReportedError(ExitCode.TIMED_OUT)


def groups(run: Run, session: Session) -> list[Group]:
    """The kinds that the words name, ``pods`` or ``deploy,svc``, with the selectors. Raises :class:`InputError`."""
    inputs = run.inputs
    if inputs.names_manifests:
        where = "--filename" if inputs.filename else "--kustomize"
        raise InputError("a selector chooses among a kind, not among manifests", where=where)
    labels, fields = selectors(inputs.selector, inputs.field_selector)
    kinds = [kind for word in inputs.object for kind in word.replace(",", " ").split()]
    if not kinds:
        raise InputError("a selector chooses among a kind, and none was named", hint="pods -l app=web, say")
    if any(names_object(kind) for kind in kinds):
        raise InputError("an object is named and a selector given as well", hint="KIND/NAME, or KIND -l SELECTOR")
    found = [session.discovery.find(kind) for kind in kinds]
    return [Group(one, session.namespace if one.namespaced else "", labels, fields) for one in dict.fromkeys(found)]
