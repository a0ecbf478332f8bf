"""``undo``: workloads go back to an earlier revision, one patch each, and are followed to their verdict."""

from __future__ import annotations

from k8s_step.api.client import Client
from k8s_step.errors import ExitCode, InputError
from k8s_step.inputs import Inputs
from k8s_step.manifests.patchfile import Patch
from k8s_step.operations.history import KINDS, chosen, revisions
from k8s_step.operations.patch import read, send
from k8s_step.operations.plan import ApplyOptions, Planned, PlannedPatch, Written
from k8s_step.release.arguments import of_kinds, parse
from k8s_step.release.exemptions import announce
from k8s_step.release.follow import follow, target_of
from k8s_step.release.send import write_in_phases
from k8s_step.release.session import Run, open_session


def undo(run: Run) -> ExitCode:
    """Find the revision, restore its pod template, and follow."""
    inputs = run.inputs
    session = open_session(run)
    named = of_kinds(KINDS, parse(inputs.object, session.discovery, session.namespace), "taken back")
    announce(run, session, [one.reference for one in named])
    notes: list[str] = []

    def write(one: Planned) -> Written:
        return _restored(session.client, one, inputs, notes)

    plan = [Planned(one) for one in named]
    written = write_in_phases(run.journal, session, plan, write, inputs.concurrency, dry_run=inputs.dry_run)
    for note in notes:
        run.journal.notice(note)
    if inputs.dry_run:
        return ExitCode.SUCCEEDED
    return follow(run, session, [target_of(one) for one in written])


def _restored(client: Client, whole: Planned, inputs: Inputs, notes: list[str]) -> Written:
    live = read(client, whole)
    if live is None:
        hint = "allow get on it, and list on replicasets and controllerrevisions"
        raise InputError("this token may not read it, so its history is not known", where=whole.where, hint=hint)
    if live["spec"].get("paused"):
        raise InputError("it is paused, so no revision can be rolled out", where=whole.where, hint="resume it first")
    revision = chosen(revisions(client, whole, live), inputs.to_revision, whole.where)
    if revision.is_current(live):
        notes.append(f"{whole.reference}: it already is as in revision {revision.title}")
        return Written(whole, "unchanged", live)
    goes = "would go back" if inputs.dry_run else "back"
    notes.append(f"{whole.reference}: {goes} to revision {revision.title}")
    change = PlannedPatch.of(whole.address, Patch(revision.patch_type, revision.body))
    options = ApplyOptions(inputs.field_manager, dry_run=inputs.dry_run)
    return send(client, change, live, options)
