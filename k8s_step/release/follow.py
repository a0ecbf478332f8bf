"""Follows the objects that a run has written to their verdict, and gathers the evidence."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from k8s_step.errors import CancelledError, ExitCode
from k8s_step.objects.urls import url_of
from k8s_step.operations.plan import PlannedPatch, Written
from k8s_step.release import exemptions
from k8s_step.release.session import Run, Session
from k8s_step.rollout.diagnose import CANCELLED, LIMIT, diagnose
from k8s_step.rollout.follower import Limits
from k8s_step.rollout.rollout import Rollout
from k8s_step.verdict.culprits import culprits
from k8s_step.verdict.finding import Finding
from k8s_step.verdict.patience import USUAL
from k8s_step.verdict.readiness import is_paused
from k8s_step.verdict.target import Target


def follow(
    run: Run,
    session: Session,
    targets: list[Target],
    on_pods: Callable[[Sequence[Mapping[str, Any]]], None] | None = None,
) -> ExitCode:
    """Follow the targets to their verdict, gather the evidence, return the exit code. ``on_pods`` gets all pods."""
    inputs, left, everything = run.inputs, session.client.time_left, targets
    if inputs.wait:
        targets = exemptions.followed(run, session, targets)
    limits = Limits(
        left, inputs.fail_fast, inputs.timeout - left, tick=run.journal.tick_every, patience=inputs.fail_after or USUAL
    )
    manager = inputs.field_manager
    rollout = Rollout(session.open_ended, targets, run.journal, limits, on_pods=on_pods, field_manager=manager)
    if not inputs.wait:
        rollout.look()
        run.journal.served_at(url_of(target.object for target in everything))
        return ExitCode.SUCCEEDED
    waiting = rollout.look()
    if waiting:
        run.journal.following(waiting, rollout.longest)
    try:
        in_time = rollout.follow()
    except CancelledError:
        known = culprits(targets)
        _tell_evidence(run, session, known, CANCELLED, [one for one in targets if one.is_open and one not in known])
        raise
    is_good = in_time and not any(target.is_lost for target in targets)
    if is_good:
        run.journal.served_at(url_of(target.object for target in everything))
        return ExitCode.SUCCEEDED
    _tell_evidence(run, session, culprits(targets), LIMIT)
    return ExitCode.FAILED if any(target.is_lost for target in targets) else ExitCode.TIMED_OUT


def follow_written(run: Run, session: Session, written: Sequence[Written]) -> ExitCode:
    """Follow the written objects; a dry run has written none."""
    if run.inputs.dry_run:
        return ExitCode.SUCCEEDED
    return follow(run, session, [target_of(one) for one in written])


def _tell_evidence(
    run: Run, session: Session, bad: Sequence[Target], limit: float, unfinished: Sequence[Target] = ()
) -> None:
    """Gather and report the evidence; a cancelled run reports what it has gathered so far."""
    findings: Sequence[Finding] = ()
    undone = {target.reference.key for target in unfinished}
    try:
        for known in diagnose(session.open_ended, [*bad, *unfinished], limit):
            findings = [replace(one, unfinished=one.reference.key in undone) for one in known]
    finally:
        run.journal.found(findings)


def target_of(written: Written) -> Target:
    """The target that follows a written object."""
    planned = written.planned
    changed = written.action != "unchanged"
    return Target(
        planned.reference,
        planned.resource,
        written.object,
        changed=changed,
        must_complete=_must_complete(written),
        paused=is_paused(planned.object) or _pauses(written),
        wrote=written.object,
    )


def _pauses(written: Written) -> bool:
    """Whether a JSON patch has paused the object; unlike other patches, it holds no part of the object to look at."""
    planned = written.planned
    fields = ("/spec/paused", "/spec/suspend")
    is_own = isinstance(planned, PlannedPatch) and any(planned.writes(field) for field in fields)
    return is_own and is_paused(written.object)


def _must_complete(written: Written) -> bool:
    """Whether the object is a Job whose manifest does not suspend it; for a patch, the Job itself tells."""
    manifest = written.planned.object.get("spec") or {}
    spec = manifest if "template" in manifest else written.object.get("spec") or {}
    return written.reference.kind == "Job" and not spec.get("suspend")
