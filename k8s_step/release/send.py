"""Sends a plan in phases, what others need first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from k8s_step.api.concurrency import gather_writes
from k8s_step.errors import CancelledError, ExitCode, InputError, NotFoundError, ReportedError, StepError
from k8s_step.operations.apply import write as write_one
from k8s_step.operations.plan import UNKNOWN, Planned, Seen, Written
from k8s_step.release.batch import explained_stop, raise_reported, tell_errors, tell_unsent
from k8s_step.release.follow import target_of
from k8s_step.release.phases import in_phases
from k8s_step.release.preflight import Preflight
from k8s_step.release.session import Session
from k8s_step.report.journal import Journal
from k8s_step.rollout.rollout import Limits, Rollout
from k8s_step.verdict.states import State

_ESTABLISHING = 60.0  # seconds a CRD of this release is given before its custom resources are sent
Item = TypeVar("Item", bound=Planned)


def send(
    preflight: Preflight, seen: Sequence[Seen], unchecked: Sequence[Seen] = (), written: list[Written] | None = None
) -> list[Written]:
    """Apply phase by phase what was read before; what could not be checked yet is checked as soon as it can be.

    Where the server refuses, the phase under way is finished and no other begun: ``written`` is what was, or may have
    been, by then.
    """
    by_key = {one.planned.reference.key: one for one in seen}
    client, options = preflight.session.client, preflight.options
    open_questions = {one.planned.reference.key: one for one in unchecked}

    def write(one: Planned) -> Written:
        open_questions.pop(one.reference.key, None)
        made = write_one(client, by_key[one.reference.key], options)
        by_key[one.reference.key] = Seen(one, made.object, is_current=True)
        return made

    def check_again() -> None:
        checked = preflight.check(list(open_questions.values()), list(by_key.values()))
        for one in checked:
            if one.lacks is None:
                del open_questions[one.seen.planned.reference.key]

    return write_in_phases(
        preflight.journal,
        preflight.session,
        [one.planned for one in seen],
        write,
        preflight.concurrency,
        dry_run=False,
        before=check_again if unchecked else None,
        written=written,
    )


def write_in_phases(
    journal: Journal,
    session: Session,
    plan: Sequence[Item],
    write: Callable[[Item], Written],
    concurrency: int,
    *,
    dry_run: bool,
    before: Callable[[], None] | None = None,
    written: list[Written] | None = None,
) -> list[Written]:
    """``write`` each object, what others need first, ``concurrency`` at a time; tell what came of it.

    ``before`` is called before each phase but the first; CRDs are established then if any later phase needs them.
    ``written`` is added to as objects are written, and returned: with the action UNKNOWN where nobody knows. Where the
    run is cancelled, what is under way is told first.
    Raises :class:`ReportedError` at the end of the phase in which something was refused.
    """
    written = [] if written is None else written
    phases = in_phases((one.reference.kind, one) for one in plan)
    unsent = {one.reference.key: one for one in plan}

    def work(one: Item) -> Written:
        return _write_one(one, write, plan, dry_run)

    try:
        for number, phase in enumerate(phases):
            if not dry_run:
                needing = [one for later in phases[number:] for one in later] if before else phase
                _await_kinds(journal, session, written, needing)
            if before and number:
                before()
            _tell_phase(journal, gather_writes(work, phase, concurrency), written, unsent, dry_run=dry_run)
    except (CancelledError, ReportedError):
        if not dry_run:
            tell_unsent(journal, [one.reference for one in unsent.values()])
        raise
    return written


def _tell_phase(
    journal: Journal,
    results: Iterator[tuple[Item, Written | Exception]],
    written: list[Written],
    unsent: dict[tuple[str, str, str, str], Item],
    *,
    dry_run: bool,
) -> None:
    """Tell what comes of each object, and take it from ``unsent``. Raises :class:`ReportedError` after the last."""
    errors: list[tuple[Planned, StepError]] = []
    try:
        for one, result in results:
            unsent.pop(one.reference.key, None)
            if isinstance(result, Written):
                written.append(result)
                tell(journal, result)
                continue
            if not isinstance(result, StepError):
                raise result
            errors.append((one, explained_stop(result, one.where)))
            if result.may_be_done and not dry_run:
                written.append(Written(one, UNKNOWN, {}))
                journal.acted(one.reference, UNKNOWN)
    except CancelledError:
        tell_errors(journal, errors)
        raise
    raise_reported(journal, errors)


def _write_one(one: Item, write: Callable[[Item], Written], plan: Sequence[Planned], dry_run: bool) -> Written:
    try:
        return write(one)
    except NotFoundError as error:
        if dry_run and _comes_with(one, plan):
            return Written(one, "created", dict(one.object), (f"not checked by the server: {error.message}",))
        raise


def _comes_with(one: Planned, plan: Sequence[Planned]) -> bool:
    """Whether what ``one`` lacks, its namespace or its CRD, is part of the same release."""
    crd = f"{one.resource.plural}.{one.resource.group}"
    needed = {("Namespace", one.reference.namespace), ("CustomResourceDefinition", crd)}
    return any((other.reference.kind, other.reference.name) in needed for other in plan)


def tell(journal: Journal, written: Written) -> None:
    """Tell what was done to an object, and what the server warned of."""
    planned = written.planned
    journal.acted(planned.reference, written.action)
    for warning in written.warnings:
        journal.warning(warning, planned.where_of(warning))


def _await_kinds(journal: Journal, session: Session, written: list[Written], phase: Sequence[Planned]) -> None:
    """CRDs of this release whose custom resources come next are waited for until they are established."""
    wanted = {one.resource.full_name for one in phase}
    crds = [
        one
        for one in written
        if one.planned.reference.kind == "CustomResourceDefinition" and one.planned.reference.name in wanted
    ]
    if not crds:
        return
    targets = [target_of(one) for one in crds]
    limits = Limits(min(_ESTABLISHING, session.client.time_left))
    in_time = Rollout(session.open_ended, targets, journal, limits).follow()
    for one, target in zip(crds, targets, strict=True):
        written[written.index(one)] = replace(one, object=target.object)
    bad = [target for target in targets if not target.judgement or target.judgement.state is not State.CURRENT]
    for target in bad:
        message = f"its CRD is not established: {target.judgement.message if target.judgement else ''}"
        journal.error(InputError(message, where=str(target.reference)), target.reference)
    if bad:
        raise ReportedError(ExitCode.FAILED if in_time else ExitCode.TIMED_OUT)
