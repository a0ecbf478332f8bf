"""One release: every manifest read and checked, every object applied, the rollout followed to its verdict."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from k8s_step.errors import ExitCode, InputError, ReportedError
from k8s_step.objects.metadata import ON_IMMUTABLE, RUN, Object, annotations_of
from k8s_step.operations.plan import Planned, Seen
from k8s_step.release.order.waves import ordered
from k8s_step.release.planning.plan import open_release
from k8s_step.release.planning.reading import read_manifests
from k8s_step.release.planning.session import Run
from k8s_step.release.preflight import Checked, Preflight, settled, show_differences
from k8s_step.release.pruning.gate import check_options, check_sets, foreseen, opened
from k8s_step.release.send import Writes, tell
from k8s_step.release.takeovers import apply_options, tell_takeover


def apply(run: Run) -> ExitCode:
    """Apply and follow. Local mistakes surface before the first request, all others before the first write."""
    inputs = run.inputs
    _check(run)
    session, plan = open_release(run, read_manifests(run))
    waves = ordered(run, plan)
    pruning = opened(run, session, plan)
    preflight = Preflight(run, session, apply_options(run))
    seen = _seen(preflight, pruning.plan if pruning else plan)
    check_sets(run, pruning, seen)
    tell_takeover(run.journal, seen, is_tried=inputs.dry_run)
    checked = _checked(run, preflight, seen)
    seen = settled(seen, checked)
    going = foreseen(run, pruning, seen)
    if inputs.dry_run:
        _tell_tried(run, checked)
        if pruning and going:
            pruning.tell(going)
        return ExitCode.SUCCEEDED
    writes = Writes(run, session)
    if pruning:
        pruning.begin(seen, writes)

    def release() -> ExitCode:
        from k8s_step.release.order.sequence import apply_in_waves

        code = apply_in_waves(writes, preflight, waves, seen, checked)
        return pruning.prune(writes) if pruning and code is ExitCode.SUCCEEDED else code

    code = _released(writes, seen, release)
    if pruning and code is ExitCode.SUCCEEDED:
        pruning.finish()
    return code


def _released(writes: Writes, seen: Sequence[Seen], release: Callable[[], ExitCode]) -> ExitCode:
    if not writes.run.inputs.rollback_on_failure:
        return release()
    from k8s_step.release.rollback import release_or_roll_back

    return release_or_roll_back(writes, seen, release)


def _tell_tried(run: Run, checked: Sequence[Checked]) -> None:
    """Report what the dry run has shown of each object."""
    for one in checked:
        tell(run.journal, one.written)
        if one.written.because:
            run.journal.notice(f"{one.seen.reference.title} would be created anew, as {one.written.because}")


def _check(run: Run) -> None:
    inputs = run.inputs
    check_options(inputs)
    if inputs.rollback_on_failure and not inputs.wait:
        where = inputs.sources.get("wait", "").replace("--wait", "--no-wait")
        message = "a release that is not followed can't be seen to fail, so it would never be rolled back"
        raise InputError(message, where=where, hint="drop --rollback-on-failure, or let the release be followed")


def _seen(preflight: Preflight, plan: Sequence[Planned]) -> list[Seen]:
    """All objects as they are, and as the release leaves them to others or rolls them."""
    seen = preflight.look(plan)
    # Imported here, as is all that the first request does not need: it goes out earlier.
    from k8s_step.release.autoscalers import leave_replicas
    from k8s_step.release.configuration import roll_on_config

    return roll_on_config(preflight, leave_replicas(preflight, seen))


def _checked(run: Run, preflight: Preflight, seen: Sequence[Seen]) -> list[Checked]:
    """The server's dry run; it is skipped where only one object changes, since a single write is atomic.

    What may be deleted and created anew is always tried out: nothing is deleted that could not be created again.
    """
    inputs = run.inputs
    changed = [one for one in seen if not one.is_current]
    is_wanted = inputs.dry_run or inputs.diff or (inputs.preflight and len(changed) > 1)
    wanted = seen if is_wanted else [one for one in changed if _may_be_replaced(one.planned.object)]
    if not wanted:
        return []
    try:
        checked = preflight.check(wanted, seen)
    except ReportedError:
        run.journal.notice("nothing was changed")
        raise
    preflight.tell_unchecked(checked)
    if inputs.diff:
        show_differences(run, checked)
    return checked


def _may_be_replaced(manifest: Object) -> bool:
    if not annotations_of(manifest).keys() & {RUN, ON_IMMUTABLE}:
        return False
    from k8s_step.operations.restoring.recreation import may_be_replaced

    return may_be_replaced(manifest)
