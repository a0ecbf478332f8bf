"""``scale``: so many replicas, through the scale subresource of whatever kind has one, followed to the verdict."""

from __future__ import annotations

from dataclasses import replace

from k8s_step.api.client import Client
from k8s_step.api.request import Request
from k8s_step.errors import ConflictError, ExitCode, InputError
from k8s_step.inputs import Inputs
from k8s_step.manifests.patchfile import Patch
from k8s_step.objects.address import Address
from k8s_step.objects.body import PatchType
from k8s_step.objects.metadata import Object
from k8s_step.operations.patch import read, replicas_of, send
from k8s_step.operations.plan import ApplyOptions, Planned, PlannedPatch, Written
from k8s_step.release.planning.plan import open_named
from k8s_step.release.planning.session import Run
from k8s_step.release.send import Writes


def scale(run: Run) -> ExitCode:
    """Read the scale, write it where the number differs, and follow."""
    inputs = run.inputs
    if inputs.replicas is None:
        raise InputError("how many replicas?", where="--replicas", hint="say --replicas N")
    session, named = open_named(run)

    def write(one: Planned) -> Written:
        return _scaled(session.client, one.address, inputs)

    written = Writes(run, session).make([Planned(one) for one in named], write)
    if inputs.dry_run:
        return ExitCode.SUCCEEDED
    from k8s_step.release.following.follow import follow_written  # imported here: the writes go out before that

    return follow_written(run, session, [_whole(session.client, one) for one in written])


def _scaled(client: Client, named: Address, inputs: Inputs) -> Written:
    options = ApplyOptions(inputs.field_manager, dry_run=inputs.dry_run)
    before = read(client, named._replace(subresource="scale"))
    _check_current(named, before, inputs.current_replicas)
    written = Written(Planned(named), "unchanged", {})
    if before is None or replicas_of(before) != inputs.replicas:
        written = send(client, _change(named, inputs, before), before, options)
    return replace(written, planned=Planned(named))


def _whole(client: Client, written: Written) -> Written:
    """The whole object, which is followed: a Scale holds only the number.

    It is read after the write was reported, so that a failed read does not hide the write.
    """
    planned = written.planned
    answer = client.send(Request("GET", planned.path, where=planned.where))
    return replace(written, object=answer.body)


def _change(named: Address, inputs: Inputs, before: Object | None) -> PlannedPatch:
    """The patch of the scale; with ``--current-replicas`` the server checks the present number in the same request.

    ``before``: ``None`` where this token may not read the scale, so that only the server can compare.
    """
    scale_of = named._replace(subresource="scale")
    if inputs.current_replicas is None:
        return PlannedPatch.of(scale_of, Patch(PatchType.MERGE, {"spec": {"replicas": inputs.replicas}}))
    # A Scale leaves out a 0, for which JSON Patch's test takes null.
    held = (before.get("spec") or {}).get("replicas") if before else inputs.current_replicas or None
    operations = [
        {"op": "test", "path": "/spec/replicas", "value": held},
        {"op": "add", "path": "/spec/replicas", "value": inputs.replicas},
    ]
    return PlannedPatch.of(scale_of, Patch(PatchType.JSON, operations))


def _check_current(named: Address, before: Object | None, expected: int | None) -> None:
    if expected is None or before is None or replicas_of(before) == expected:
        return
    message = f"it has {replicas_of(before)} replicas, not {expected}; nothing was changed"
    raise ConflictError(message, code=409, where=str(named.reference), hint="somebody else has scaled it")
