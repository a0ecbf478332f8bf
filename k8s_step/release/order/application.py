"""The objects of a release as they were seen: each is applied in its turn, deleted before where it is created anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from k8s_step.api.concurrency import gather_writes, successes
from k8s_step.errors import ConflictError, StepError
from k8s_step.objects.metadata import Object
from k8s_step.objects.ownership.fieldset import sets
from k8s_step.objects.reference import Reference
from k8s_step.operations.look import look
from k8s_step.operations.plan import Planned, Seen, Written
from k8s_step.release.autoscalers import leave_replicas, may_be_autoscaled
from k8s_step.release.batch import explained_stop, raise_reported
from k8s_step.release.preflight import Checked, Preflight
from k8s_step.release.send import Writes
from k8s_step.report.results.result import UNKNOWN

if TYPE_CHECKING:
    from k8s_step.operations.delete import Deleted


class Application:
    """Applies the objects that were ``seen``; ``checked`` tells which can't be tried out yet and which are replaced."""

    def __init__(self, writes: Writes, preflight: Preflight, seen: Sequence[Seen], checked: Sequence[Checked]) -> None:
        self._writes, self._preflight = writes, preflight
        self._run, self._session = writes.run, writes.session
        self._known = {one.reference.key: one for one in seen}
        self._unchecked = {one.seen.reference.key: one.seen for one in checked if one.lacks}
        self._replaced: dict[tuple[str, ...], Written] = {}
        self._note_replaced(checked)

    def planned(self, one: Planned) -> Planned:
        """What is to be written of an object, by what was seen of it."""
        return self._known[one.reference.key].planned

    def write(self, one: Planned) -> Written:
        """Apply one object. Raises :class:`ApiError`."""
        self._unchecked.pop(one.reference.key, None)
        made = self._applied(self._known[one.reference.key])
        self._known[one.reference.key] = Seen(one, made.object, is_current=True)
        others = _others(made.object, self._run.inputs.field_manager) if one.reference.key in self._replaced else ""
        lost = f"{others} created it anew meanwhile: the manifest was applied over that"
        return replace(made, warnings=(*made.warnings, lost)) if others else made

    def _applied(self, one: Seen) -> Written:
        """Apply one object; where it has been scaled since it was read, see whether an autoscaler has done so."""
        try:
            return self._preflight.apply(one)
        except ConflictError as error:
            from k8s_step.operations.handover import is_about_replicas

            if not is_about_replicas(error):
                raise
        again = look(self._session.client, one.planned, self._preflight.options)
        return self._preflight.apply(leave_replicas(self._preflight, [again])[0])

    def check_again(self) -> None:
        """Try out what could not be tried out before: what it lacked may be there by now."""
        checked = self._preflight.check(list(self._unchecked.values()), list(self._known.values()))
        for one in checked:
            if one.lacks is None:
                del self._unchecked[one.seen.reference.key]
        self._note_replaced(checked)

    def _note_replaced(self, checked: Sequence[Checked]) -> None:
        self._replaced.update((one.seen.reference.key, one.written) for one in checked if one.written.because)

    def prepare(self, phase: Sequence[Planned]) -> None:
        """Before a phase: see which workloads autoscalers have scaled, and make room for what is created anew.

        Raises :class:`ReportedError`.
        """
        self._look_again([self._known[one.reference.key] for one in phase])
        self._make_room(phase)

    def _look_again(self, phase: Sequence[Seen]) -> None:
        """Read the workloads of a later wave again: the waves before may have taken long."""
        later = [one for one in phase if self._writes.wave_of[one.reference.key] > 1 and not one.is_current]
        scalable = [one.planned for one in later if may_be_autoscaled(one.planned) and not one.is_absent]
        if scalable:
            again = leave_replicas(self._preflight, self._preflight.look(scalable))
            self._known.update((one.reference.key, one) for one in again)

    def _make_room(self, phase: Sequence[Planned]) -> None:
        """Delete the objects of a phase that are created anew, and wait until they are gone.

        Raises :class:`ReportedError` where a deletion is refused, or an object is still there when time is up.
        """
        wanted = [self._known[one.reference.key] for one in phase if one.reference.key in self._replaced]
        if not wanted:
            return
        from k8s_step.operations.handover import anew  # imported here: few releases replace an object
        from k8s_step.release.removal import await_gone

        for one in wanted:
            because = self._replaced[one.reference.key].because
            self._run.journal.notice(f"{one.reference.title} is deleted and created anew, as {because}")
        deleted = self._deleted(wanted)
        await_gone(self._run, self._session, [one.target for one in deleted if not one.is_gone])
        self._known.update((one.reference.key, anew(one, self._preflight.options)) for one in wanted)

    def _deleted(self, wanted: Sequence[Seen]) -> list[Deleted]:
        errors: list[tuple[Reference, StepError]] = []
        deleted = []

        def note(one: Seen, error: StepError) -> None:
            errors.append((one.reference, explained_stop(error, one.planned.where)))
            if error.may_be_done:
                self._record(one, UNKNOWN)

        for one, done in successes(gather_writes(self._delete, wanted, self._run.inputs.concurrency), note):
            self._record(one, "deleted")
            deleted.append(done)
        raise_reported(self._run.journal, errors)
        return deleted

    def _delete(self, one: Seen) -> Deleted:
        from k8s_step.operations.delete import DeleteOptions, delete_read
        from k8s_step.operations.restoring.recreation import cascade_of, target_of

        cascade = cascade_of(one.live or {}, one.planned.object)
        return delete_read(self._session.client, target_of(one), DeleteOptions(cascade))

    def _record(self, one: Seen, action: str) -> None:
        because = self._replaced[one.reference.key].because
        self._writes.add(Written(one.planned, action, {}, because=because))
        self._run.journal.acted(one.reference, action)


def _others(made: Object, field_manager: str) -> str:
    """Who else has written an object that this run is to have created; controllers write subresources."""
    found = {owner.manager for owner in sets(made) if not owner.subresource} - {field_manager}
    return ", ".join(sorted(found))
