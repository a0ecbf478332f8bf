"""Takes over the fields that kubectl's client-side apply, or a manager that the user names, has set on one object."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from k8s_step.api.client import Client
from k8s_step.api.request import Answer, Request
from k8s_step.errors import (
    ApiError,
    ConflictError,
    InvalidError,
    StepError,
    ThrottledError,
)
from k8s_step.objects import jsonpatch
from k8s_step.objects.body import PatchType, encode
from k8s_step.objects.metadata import Object, entries, guard_of
from k8s_step.objects.ownership.applied import without_servers_own
from k8s_step.objects.ownership.fieldset import Owner, Path, owners_of
from k8s_step.objects.ownership.takeover import Takeover, managed_by, moved_back
from k8s_step.operations.look import look
from k8s_step.operations.plan import ApplyOptions, Planned, Seen

_TRIES = 20  # conflicts with other writers: during a rollout, controllers write the object all the time
Apply = Callable[[ApplyOptions], Answer]


def others_owning(seen: Seen, path: Path, field_manager: str) -> set[Owner]:
    """Who owns the field at ``path``, but for our apply and those whose fields it takes over."""
    losing = {Owner(field_manager, "Apply"), *(seen.takeover.moved if seen.takeover else ())}
    return owners_of(seen.live or {}, path) - losing


def would_go(seen: Seen, path: Path, field_manager: str) -> bool:
    """Whether an apply that does not name the field at ``path`` removes it: it is ours, and nobody else's."""
    return bool(owners_of(seen.live or {}, path)) and not others_owning(seen, path, field_manager)


def apply_over(client: Client, seen: Seen, options: ApplyOptions, apply: Apply) -> Answer:
    """Move the fields to our Apply entry, then ``apply``; a refusal moves the fields back."""
    seen, moved = _move(client, seen, options)
    try:
        return apply(options)
    except StepError as error:
        is_refused = isinstance(error, ApiError) and not isinstance(error, ThrottledError)
        if moved and not (is_refused and _hand_back(client, seen, moved, options)):
            error.may_be_done = True  # a rollback then looks at the object
        raise


def try_over(client: Client, seen: Seen, options: ApplyOptions, apply: Apply) -> Answer:
    """The answer that :func:`apply_over` would get, by dry runs alone.

    One dry run can't build on another. A first one finds the conflicts with all other managers. Where the manifest
    drops fields, a second one, a JSON patch, makes the final object, which the server validates and defaults.
    """
    for _ in range(_TRIES):
        if seen.takeover is None or seen.live is None:
            return apply(options)
        try:
            return _tried(client, seen, seen.takeover, seen.live, options, apply)
        except _OutrunError:
            seen = look(client, seen.planned, options)
    raise _restless(seen.planned)


class _OutrunError(Exception):
    """Somebody else has changed the object since it was read."""


def _move(client: Client, seen: Seen, options: ApplyOptions) -> tuple[Seen, Object | None]:
    """The object before and after the fields moved; ``None`` for the latter where nothing was left to move."""
    for _ in range(_TRIES):
        if seen.takeover is None or seen.live is None:
            return seen, None
        try:
            return seen, _patched(client, seen, seen.takeover.patch(seen.live), options).body
        except ConflictError:
            seen = look(client, seen.planned, options)
    raise _restless(seen.planned)


def _hand_back(client: Client, seen: Seen, moved: Object, options: ApplyOptions) -> bool:
    """Undo the move in the object as it is now, since controllers write it all the time; ``False`` where that fails."""
    before, now = entries(seen.live or {}), moved
    with suppress(StepError):
        for _ in range(_TRIES):
            back = moved_back(before, entries(moved), entries(now))
            if back is None:
                break
            try:
                _patched(client, seen, managed_by(back, now), options)
            except ConflictError:
                now = look(client, seen.planned, options).live or {}
            else:
                return True
    return False


# -- without changing anything


def _tried(client: Client, seen: Seen, found: Takeover, live: Object, options: ApplyOptions, apply: Apply) -> Answer:
    manifest = seen.planned.object
    try:
        answer = _merged(found, options, apply)
        if found.left(answer.body, manifest) == answer.body:
            return answer
    except InvalidError as error:  # for one, a variable whose value became a valueFrom: the merge holds both
        if "failed to create typed patch object" in error.message:
            raise
    # From the live object: the answer holds values allocated for dropped fields, such as node ports.
    wanted = found.applied(live, manifest)
    patch = jsonpatch.between(without_servers_own(live), without_servers_own(wanted))
    version = {"op": "replace", "path": "/metadata/resourceVersion", "value": guard_of(live)}
    try:
        return _patched(client, seen, [*patch, version], options)
    except ConflictError:
        raise _OutrunError from None


def _merged(found: Takeover, options: ApplyOptions, apply: Apply) -> Answer:
    """The answer to the apply, which is forced where it conflicts only with fields to be taken over."""
    try:
        return apply(options)
    except ConflictError as error:
        left = found.conflicts(error.causes, options.field_manager)
        if left or not error.causes:
            raise _narrowed(error, left) from None
        return apply(options._replace(force=True))


def _narrowed(error: ConflictError, causes: list[Mapping[str, Any]]) -> ConflictError:
    details = {**(error.status.get("details") or {}), "causes": causes or error.causes}
    status = {**error.status, "details": details}
    return ConflictError(error.message, code=error.code, status=status, where=error.where, hint=error.hint)


# -- requests


def _patched(client: Client, seen: Seen, patch: Any, options: ApplyOptions) -> Answer:
    query = options._replace(force=False).query
    planned = seen.planned
    request = Request("PATCH", planned.path, query, encode(patch), PatchType.JSON.value, where=planned.where)
    return client.send(request)


def _restless(planned: Planned) -> ConflictError:
    message = "others write it faster than its fields can be taken over"
    return ConflictError(message, code=409, where=planned.where, hint="run this again once it has settled")
