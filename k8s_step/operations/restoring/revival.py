"""Creates an object again that this run has deleted: its content, and who owns which field of it, as it was."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from k8s_step.api import concurrency
from k8s_step.api.client import Client
from k8s_step.api.delivery import deliver
from k8s_step.api.request import Answer, Request
from k8s_step.errors import ConflictError, NotFoundError, StepError, StoppedError
from k8s_step.objects.address import Address
from k8s_step.objects.body import PatchType, encode
from k8s_step.objects.kinds.pods import HAVE_PODS
from k8s_step.objects.kinds.retention import claims_go_with
from k8s_step.objects.metadata import Object, entries, guard_of, metadata_of, uid_of
from k8s_step.objects.ownership.applied import without_servers_own
from k8s_step.objects.ownership.fieldset import Owner, sets
from k8s_step.objects.ownership.managers import overwritten
from k8s_step.operations.delete import DeleteOptions, delete_read, is_terminating
from k8s_step.operations.restoring.recreation import cascade_of
from k8s_step.operations.restoring.restore import KEPT, Outcome, Reversal
from k8s_step.verdict.readiness import compute
from k8s_step.verdict.states import State
from k8s_step.verdict.target import Target
from k8s_step.verdict.terms.pauses import asked_pause

_TRIES = 20  # a controller may write the new object meanwhile
_LOST = {"PersistentVolumeClaim": "its data is gone, and it is not created anew, since it would be empty"}
_POLL = 0.2  # seconds between two looks whether an object is gone
# Set by the server for each object anew: ``generateSelector`` of kubernetes' batch/job strategy.go; by the scheduler.
_JOBS_LABELS = ("controller-uid", "batch.kubernetes.io/controller-uid")


def revive(client: Client, address: Address, before: Object, field_manager: str) -> Object:
    """Create the object as it was ``before`` it was deleted. Raises :class:`ApiError`, as where its name is taken."""
    made = _created(client, address, before, field_manager)
    kept = [entry for entry in entries(before) if not entry.get("subresource")]
    for _ in range(_TRIES if kept else 0):
        patch = [
            {"op": "replace", "path": "/metadata/managedFields", "value": [*kept, *_of_subresources(made)]},
            {"op": "replace", "path": "/metadata/resourceVersion", "value": guard_of(made)},
        ]
        query, body = (("fieldManager", field_manager),), encode(patch)
        request = Request("PATCH", address.path, query, body, PatchType.JSON.value, where=address.where)
        try:
            return client.send(request).body
        except ConflictError:
            made = client.send(Request("GET", address.path, where=address.where)).body
    return made


def bring_back(client: Client, change: Reversal, field_manager: str) -> Outcome:
    """Create an object again that this run has replaced or pruned, and delete the one that came after it."""
    try:
        return _brought_back(client, change, field_manager)
    except StoppedError:
        raise
    except StepError as error:
        return Outcome("failed", error.message)


def _brought_back(client: Client, change: Reversal, field_manager: str) -> Outcome:
    address, before = change.planned.address, change.before or {}
    reference = change.reference
    if reference.kind == "Job":
        return Outcome("kept", "what a Job has done stays done, so the one before is not run again")
    now = _read(client, address)
    if now is not None and uid_of(now) == uid_of(before):
        if not is_terminating(now):
            return Outcome("")
        await_gone(client, address, uid_of(now))
        now = _read(client, address)
    if reference.kind in _LOST:
        return Outcome("failed", _LOST[reference.kind])
    if now is not None:
        if obstacle := _obstacle(now, change, field_manager):
            return obstacle
        delete_read(client, Target(reference, address.resource, now), DeleteOptions(cascade_of(now, before)))
        await_gone(client, address, uid_of(now))
    after = revive(client, address, before, field_manager)
    if reference.kind in KEPT:
        return Outcome("failed", "created anew, but what it held is gone")
    if change.is_pruned and claims_go_with(before):
        return Outcome("failed", "created anew, but its claims and their data are gone")
    was = compute(before)
    if was.state is not State.CURRENT and reference.kind not in HAVE_PODS:
        return Outcome("restored", f"it was not current before either: {was.message}")
    target = Target(reference, address.resource, after, paused=bool(asked_pause(before)), wrote=after)
    return Outcome("restored", "created anew as it was", target)


def _obstacle(now: Object, change: Reversal, field_manager: str) -> Outcome | None:
    """Why the object that bears the name by now stays; ``None`` where it makes way for the one before."""
    if change.is_pruned:
        return Outcome("skipped", "somebody else has created it anew since")
    if _is_anothers(now, change, field_manager):
        return Outcome("skipped", "somebody else has changed it since")
    if claims_go_with(now) and cascade_of(now, change.before or {}) != "orphan":
        return Outcome("failed", "the one in its place stays: its claims, and their data, would go with it")
    return None


def _is_anothers(now: Object, change: Reversal, field_manager: str) -> bool:
    """Whether another object bears the name by now, or somebody has overwritten what this run wrote."""
    wrote = change.wrote
    if wrote is None:  # its answer was lost: it is ours where this manager has applied it
        return Owner(field_manager, "Apply") not in sets(now)
    found = overwritten(wrote, now, field_manager)
    is_overwritten = any(not (one.writer and one.writer.subresource == "scale") for one in found)
    return uid_of(now) != uid_of(wrote) or is_overwritten


def _read(client: Client, address: Address) -> Object | None:
    try:
        return client.send(Request("GET", address.path, where=address.where)).body
    except NotFoundError:
        return None


def await_gone(client: Client, address: Address, uid: str) -> None:
    """Wait until no object with this uid is there. Raises :class:`StepError` where the client's time is up before."""
    while True:
        try:
            now = client.send(Request("GET", address.path, where=address.where)).body
        except NotFoundError:
            return
        if uid_of(now) != uid:
            return
        if client.time_left <= _POLL:
            finalizers = ", ".join(metadata_of(now).get("finalizers") or [])
            raise StepError(f"it is deleted, but not gone{f': held by {finalizers}' if finalizers else ''}")
        concurrency.pause(_POLL, threading.Event())


def _created(client: Client, address: Address, before: Object, field_manager: str) -> Object:
    query, body = (("fieldManager", field_manager),), encode(_content(before))
    request = Request("POST", address.collection, query, body, "application/json", retry=False, where=address.where)

    def look() -> Answer | None:
        try:
            found = client.send(Request("GET", address.path, where=address.where))
        except NotFoundError:
            return None
        if any(entry.get("manager") == field_manager for entry in entries(found.body)):
            return found
        raise ConflictError("somebody else has created it anew meanwhile", code=409, where=address.where)

    return deliver(client, request, look).body


def _content(before: Object) -> Mapping[str, Any]:
    """What a creation takes: no status, nothing that the server sets for each object anew."""
    content = without_servers_own(before)
    for name in ("deletionTimestamp", "deletionGracePeriodSeconds"):
        content["metadata"].pop(name, None)
    spec = content.get("spec")
    if content.get("kind") == "Pod" and isinstance(spec, Mapping):
        content["spec"] = {key: value for key, value in spec.items() if key != "nodeName"}
    if content.get("kind") == "Job" and isinstance(spec, Mapping) and not spec.get("manualSelector"):
        content["spec"] = _without_labels({key: value for key, value in spec.items() if key != "selector"})
        content = _without_labels(content)
    return content


def _without_labels(value: Any) -> Any:
    """``value`` without the labels by which a Job knows its pods."""
    if isinstance(value, Mapping):
        return {key: _without_labels(each) for key, each in value.items() if key not in _JOBS_LABELS}
    return [_without_labels(each) for each in value] if isinstance(value, list) else value


def _of_subresources(obj: Object) -> list[Mapping[str, Any]]:
    return [entry for entry in entries(obj) if entry.get("subresource")]
