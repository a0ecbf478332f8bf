"""Patches one object and tells truthfully what that did, or why the server would not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from k8s_step.api.client import Client
from k8s_step.api.delivery import Look, deliver
from k8s_step.api.request import Answer, Request
from k8s_step.errors import (
    AnswerLostError,
    ApiError,
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
)
from k8s_step.objects import jsonpatch
from k8s_step.objects.address import Addressed
from k8s_step.objects.applied import EACH_WRITE, has_same_content, without_metadata, without_status
from k8s_step.objects.body import PatchType, encode
from k8s_step.objects.metadata import Object, entries, guard_of
from k8s_step.operations.adopt import look
from k8s_step.operations.apply import write
from k8s_step.operations.explanations import explain_missing, explain_patch, explain_unfit, remade
from k8s_step.operations.plan import ApplyOptions, PlannedPatch, Written

_RACES = 10  # times that somebody may be faster


def patch(client: Client, change: PlannedPatch, options: ApplyOptions) -> Written:
    """Read the object, patch it, and compare. Raises :class:`ApiError` with file, line, kind and name, and the way out.

    Where the object is not there, an apply patch creates it.
    """
    if change.patch_type is PatchType.APPLY:
        return write(client, look(client, change, options), options)
    return send(client, change, read(client, change), replace(options, force=False))


def read(client: Client, asked: Addressed) -> Object | None:
    """What is to be patched, as it is; ``None`` where this token may patch but not read."""
    address = asked.address
    try:
        return client.send(Request("GET", address.path, where=address.where)).body
    except ForbiddenError:
        return None
    except NotFoundError as error:
        raise explain_missing(error, address) from None


def send(client: Client, change: PlannedPatch, before: Object | None, options: ApplyOptions) -> Written:
    """Patch without reading first. ``before`` is the object as it was, where the caller knows it."""
    try:
        if change.may_be_repeated or options.dry_run:
            answer = client.send(_request(change, change.body, options, retry=True))
        else:
            answer, before = _once(client, change, before, options)
    except InvalidError as error:
        raise _unfit(client, error, change) from None
    except ApiError as error:
        raise explain_patch(error, change) from None
    return Written(change, _action(change, before, answer.body, options), answer.body, answer.warnings)


def _request(change: PlannedPatch, body: Any, options: ApplyOptions, *, retry: bool) -> Request:
    kind = change.patch_type.value
    return Request("PATCH", change.path, options.query, encode(body), kind, retry=retry, where=change.where)


def _once(
    client: Client, change: PlannedPatch, before: Object | None, options: ApplyOptions
) -> tuple[Answer, Object | None]:
    """Send what must not be done twice; the answer, and the object as it was before.

    A JSON patch is bound to the version that was read: a try given up, that comes through late, is refused then. Where
    the object has a new version for another reason, the patch is bound to that one and sent again.
    """
    for _ in range(_RACES):
        request = _request(change, _guarded(change, before), options, retry=False)
        try:
            return deliver(client, request, _look(client, change, before, options)), before
        except InvalidError:
            now = read(client, change) if before is not None else None
            if now is None or not _is_outrun(change, before or {}, now):
                raise
            before = now
    message = f"it changed {_RACES} times while it was to be patched; nothing was done"
    raise ConflictError(message, code=409, where=change.where, hint="run this again once it has settled")


def _guarded(change: PlannedPatch, before: Object | None) -> Any:
    if change.patch_type is not PatchType.JSON or before is None:
        return change.body
    guard = {"op": "test", "path": "/metadata/resourceVersion", "value": guard_of(before)}
    return change.body if change.body[:1] == [guard] else [guard, *change.body]


def _is_outrun(change: PlannedPatch, before: Object, now: Object) -> bool:
    """Whether the version alone stood in the way: the patch fits the object as it is now."""
    is_json = change.patch_type is PatchType.JSON
    return is_json and guard_of(now) != guard_of(before) and jsonpatch.failing(change.body, now) is None


# -- what it did


def _action(change: PlannedPatch, before: Object | None, after: Object, options: ApplyOptions) -> str:
    """Controllers write between our read and our answer, so resourceVersions alone would not be truthful."""
    if before is None:
        return "configured"
    if not options.dry_run and guard_of(before) == guard_of(after):
        return "unchanged"
    return "unchanged" if _is_same(change, before, after, options.field_manager) else "configured"


def _is_same(change: PlannedPatch, before: Object, after: Object, field_manager: str) -> bool:
    if not change.address.subresource:
        return without_status(before, field_manager) == without_status(after, field_manager)
    return has_same_content(before, after)


# -- an answer that was lost


def _look(client: Client, change: PlannedPatch, before: Object | None, options: ApplyOptions) -> Look:
    """Whether the patch was done although its answer was lost: it must not be done twice."""

    def found() -> Answer | None:
        now = client.send(Request("GET", change.path, where=change.where))
        if before is not None and _was_done(change, before, now.body, options.field_manager):
            return now
        if before is not None and _is_same(change, before, now.body, options.field_manager):
            return None
        message = "the answer to the patch was lost, and nobody can tell whether it was done: the object has changed"
        raise AnswerLostError(message, where=change.where, hint="look at the object before you run this again")

    return found


def _was_done(change: PlannedPatch, before: Object, now: Object, field_manager: str) -> bool:
    """By our own entry in managedFields; or because the object is what the patch makes of it."""
    if _entries(before, field_manager) != _entries(now, field_manager):
        return True
    is_json = change.patch_type is PatchType.JSON
    expected = jsonpatch.applied(change.body, before) if is_json else jsonpatch.merged(before, change.body)
    return isinstance(expected, dict) and _spec(change, expected) == _spec(change, now) != _spec(change, before)


def _entries(obj: Object, field_manager: str) -> list[Any]:
    return [
        entry for entry in entries(obj) if entry.get("manager") == field_manager and entry.get("operation") == "Update"
    ]


def _spec(change: PlannedPatch, obj: Object) -> Object:
    bare = without_metadata(obj, EACH_WRITE)
    return bare if change.address.subresource else {key: value for key, value in bare.items() if key != "status"}


# -- what the server refuses


def _unfit(client: Client, error: ApiError, change: PlannedPatch) -> ApiError:
    """Each field that is wrong; of a JSON patch that could not be done, the operation: the server tells neither which
    nor why, so it is found out from the object as it is."""
    if change.patch_type is PatchType.JSON and not error.causes:
        return _failed_operation(client, error, change)
    return explain_unfit(error, change)


def _failed_operation(client: Client, error: ApiError, change: PlannedPatch) -> ApiError:
    live = read(client, change)
    is_secret = change.reference.kind == "Secret"
    failed = jsonpatch.failing(change.body, live, show_values=not is_secret) if live is not None else None
    if failed is None:
        message = "the JSON patch could not be done, and nothing was changed"
        hint = "it fits the object as it is now: run this again" if live else "one of its operations does not fit"
        return remade(error, change, message, hint)
    line = change.line_of_operation(failed.index)
    return remade(error, change, f"{failed.message}; nothing was changed", line=line)


def replicas_of(scale: Mapping[str, Any]) -> int:
    """``spec.replicas`` of a Scale, which leaves out a 0."""
    return int((scale.get("spec") or {}).get("replicas") or 0)
