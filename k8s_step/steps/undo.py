"""``undo``: workloads go back to an earlier revision, one patch each, and are followed to their verdict."""

from __future__ import annotations

from k8s_step.api.client import Client
from k8s_step.errors import ExitCode, InputError
from k8s_step.inputs import Inputs
from k8s_step.manifests.patchfile import Patch
from k8s_step.operations.patch import read, send
from k8s_step.operations.plan import ApplyOptions, Planned, PlannedPatch, Written
from k8s_step.operations.restoring.history import KINDS, chosen, revisions
from k8s_step.release.planning.plan import open_named
from k8s_step.release.planning.session import Run
from k8s_step.release.send import Writes


def undo(run: Run) -> ExitCode:
    """Find the revision, restore its pod template, and follow."""
    session, named = open_named(run, KINDS, "taken back")
    notes: list[str] = []

    def write(one: Planned) -> Written:
        return _restored(session.client, one, run.inputs, notes)

    written = Writes(run, session).make([Planned(one) for one in named], write)
    for note in notes:
        run.journal.notice(note)
    from k8s_step.release.following.follow import follow_written  # imported here: the writes go out before that

    return follow_written(run, session, written)


def _restored(client: Client, whole: Planned, inputs: Inputs, notes: list[str]) -> Written:
    live = read(client, whole)
    if live is None:
        hint = "allow get on it, and list on replicasets and controllerrevisions"
        raise InputError("this token may not read it, so its history is not known", where=whole.where, hint=hint)
    if (live.get("spec") or {}).get("paused"):
        raise InputError("it is paused, so no revision can be rolled out", where=whole.where, hint="resume it first")
    revision = chosen(revisions(client, whole, live), inputs.to_revision, live, whole.where)
    if revision.is_current(live):
        notes.append(f"{whole.reference}: it already is as in revision {revision.title}")
        return Written(whole, "unchanged", live)
    goes = "would go back" if inputs.dry_run else "back"
    notes.append(f"{whole.reference}: {goes} to revision {revision.title}")
    change = PlannedPatch.of(whole.address, Patch(revision.patch_type, revision.body))
    options = ApplyOptions(inputs.field_manager, dry_run=inputs.dry_run)
    return send(client, change, live, options)
