"""Patches one object, and finds out what that changed, or why the server refused it."""

from __future__ import annotations

from collections.abc import Mapping
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
from k8s_step.objects.address import Addressed
from k8s_step.objects.body import PatchType, encode
from k8s_step.objects.metadata import Object, entries, guard_of
from k8s_step.objects.ownership.applied import (
    EACH_WRITE,
    has_same_content,
    without_controllers_own,
    without_counts,
    without_metadata,
    without_status,
)
from k8s_step.operations.plan import ApplyOptions, PlannedPatch, Written

_RACES = 10  # tries of a patch that others' writes keep outdating


def patch(client: Client, change: PlannedPatch, options: ApplyOptions) -> Written:
    """Read the object, patch it, and compare. An apply patch creates an object that does not exist.

    Raises :class:`ApiError` with file, line, kind and name, and the next move as its hint.
    """
    if change.patch_type is PatchType.APPLY:
        from k8s_step.operations.apply import write
        from k8s_step.operations.look import look

        return write(client, look(client, change, options), options)
    return send(client, change, read(client, change), options._replace(force=False))


def read(client: Client, asked: Addressed) -> Object | None:
    """The object before the patch; ``None`` where this token may not read it."""
    address = asked.address
    try:
        return client.send(Request("GET", address.path, where=address.where)).body
    except ForbiddenError:
        return None
    except NotFoundError as error:
        from k8s_step.operations.explanations import explain_missing  # imported here: few patches are refused

        raise explain_missing(error, address) from None


def send(client: Client, change: PlannedPatch, before: Object | None, options: ApplyOptions) -> Written:
    """Send the patch. ``before``: the object as the caller has read it; ``None`` where it could not."""
    try:
        if change.may_be_repeated or options.dry_run:
            answer = client.send(_request(change, change.body, options, retry=True))
        else:
            answer, before = _once(client, change, before, options)
    except InvalidError as error:
        raise _unfit(client, error, change) from None
    except ApiError as error:
        from k8s_step.operations.explanations import explain_patch

        raise explain_patch(error, change) from None
    return Written(change, _action(change, before, answer.body, options), answer.body, answer.warnings)


def _request(change: PlannedPatch, body: Any, options: ApplyOptions, *, retry: bool) -> Request:
    kind = change.patch_type.value
    return Request("PATCH", change.path, options.query, encode(body), kind, retry=retry, where=change.where)


def _once(
    client: Client, change: PlannedPatch, before: Object | None, options: ApplyOptions
) -> tuple[Answer, Object | None]:
    """Send a patch that must not be done twice; returns the answer, and the object as it was before.

    A JSON patch is bound to the version that was read, so the server refuses a lost request that arrives late. Where
    somebody else has changed the object, the patch is bound to the new version and sent again.
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
    """Whether only the version was outdated: the patch fits the present object."""
    if change.patch_type is not PatchType.JSON or guard_of(now) == guard_of(before):
        return False
    from k8s_step.objects import jsonpatch

    return jsonpatch.failing(change.body, now) is None


# -- the action


def _action(change: PlannedPatch, before: Object | None, after: Object, options: ApplyOptions) -> str:
    """Configured or unchanged. ResourceVersions alone do not tell: controllers write in between, too."""
    if before is None:
        return "configured"
    if not options.dry_run and guard_of(before) == guard_of(after):
        return "unchanged"
    return "unchanged" if _is_same(change, before, after, options.field_manager) else "configured"


def _is_same(change: PlannedPatch, before: Object, after: Object, field_manager: str) -> bool:
    if change.address.subresource == "status":
        return has_same_content(before, after)
    return without_status(before, field_manager) == without_status(after, field_manager)


# -- after a lost answer


def _look(client: Client, change: PlannedPatch, before: Object | None, options: ApplyOptions) -> Look:
    """A look at the object after a lost answer: was the patch done? It must not be done twice."""

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
    """Whether the patch was done: our entry in managedFields has changed, or the object equals the patch's result."""
    if _entries(before, field_manager) != _entries(now, field_manager):
        return True
    from k8s_step.objects import jsonpatch

    is_json = change.patch_type is PatchType.JSON
    expected = jsonpatch.applied(change.body, before) if is_json else jsonpatch.merged(before, change.body)
    return isinstance(expected, dict) and _spec(change, expected) == _spec(change, now) != _spec(change, before)


def _entries(obj: Object, field_manager: str) -> list[Any]:
    return [
        entry for entry in entries(obj) if entry.get("manager") == field_manager and entry.get("operation") == "Update"
    ]


def _spec(change: PlannedPatch, obj: Object) -> Object:
    if change.address.subresource == "status":
        return without_metadata(without_counts(obj), EACH_WRITE)
    return without_controllers_own(obj)


# -- refusals


def _unfit(client: Client, error: ApiError, change: PlannedPatch) -> ApiError:
    """The refusal, field by field; for a JSON patch without causes, the operation that fails.

    The server does not say which operation failed or why, so the patch is tried on the present object.
    """
    if change.patch_type is PatchType.JSON and not error.causes:
        return _failed_operation(client, error, change)
    from k8s_step.operations.explanations import explain_unfit

    return explain_unfit(error, change)


def _failed_operation(client: Client, error: ApiError, change: PlannedPatch) -> ApiError:
    from k8s_step.objects import jsonpatch
    from k8s_step.operations.explanations import remade

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
