"""``apply``: every manifest read and checked, every object applied, the rollout followed to its verdict."""

from __future__ import annotations

from collections.abc import Sequence

from k8s_step.errors import ExitCode, InputError, ReportedError
from k8s_step.inputs import Inputs
from k8s_step.operations.plan import Seen, Written
from k8s_step.release.exemptions import announce
from k8s_step.release.follow import follow, target_of
from k8s_step.release.plan import planned, read_manifests
from k8s_step.release.preflight import Checked, Preflight, show_differences
from k8s_step.release.rollback import release_or_roll_back
from k8s_step.release.send import send, tell
from k8s_step.release.session import Run, open_session
from k8s_step.release.takeovers import apply_options, tell_takeover


def apply(run: Run) -> ExitCode:
    """Apply and follow. Every local mistake surfaces before the first request, every other before the first write."""
    inputs = run.inputs
    _check(inputs)
    manifests = read_manifests(run)
    session = open_session(run)
    plan = planned(manifests, session, explicit_namespace=inputs.namespace)
    announce(run, session, [one.reference for one in plan])
    options = apply_options(inputs)
    preflight = Preflight(run.journal, session, options, inputs.concurrency)
    seen = preflight.look(plan)
    tell_takeover(run.journal, seen, is_tried=inputs.dry_run)
    checked = _checked(run, preflight, seen)
    if inputs.dry_run:
        for one in checked:
            tell(run.journal, one.written)
        return ExitCode.SUCCEEDED
    written: list[Written] = []

    def release() -> ExitCode:
        send(preflight, seen, [one.seen for one in checked if one.lacks], written)
        return follow(run, session, [target_of(one) for one in written])

    return release_or_roll_back(run, session, seen, written, release) if inputs.rollback_on_failure else release()


def _check(inputs: Inputs) -> None:
    if inputs.rollback_on_failure and not inputs.wait:
        where = inputs.sources.get("wait", "").replace("--wait", "--no-wait")
        message = "a release that is not followed can't be seen to fail, so it would never be rolled back"
        raise InputError(message, where=where, hint="drop --rollback-on-failure, or let the release be followed")


def _checked(run: Run, preflight: Preflight, seen: Sequence[Seen]) -> list[Checked]:
    """The server's dry run. Where one object changes, its write is all or nothing by itself and needs none."""
    inputs = run.inputs
    changes = sum(not one.is_current for one in seen)
    if not (inputs.dry_run or inputs.diff or (inputs.preflight and changes > 1)):
        return []
    try:
        checked = preflight.check(seen, seen)
    except ReportedError:
        run.journal.notice("nothing was changed")
        raise
    preflight.tell_unchecked(checked)
    if inputs.diff:
        show_differences(run, checked)
    return checked
