"""Takes over the fields that kubectl's client-side apply, or a manager that the user names, has set on one object."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from k8s_step.api.client import Client
from k8s_step.api.request import Answer, Request
from k8s_step.errors import (
    ApiError,
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    StepError,
    ThrottledError,
)
from k8s_step.objects import jsonpatch, provenance
from k8s_step.objects.applied import is_applied, without_servers_own
from k8s_step.objects.body import PatchType, encode
from k8s_step.objects.fieldset import Owner
from k8s_step.objects.lastapplied import LAST_APPLIED, with_note
from k8s_step.objects.metadata import Object, annotations_of, entries, guard_of
from k8s_step.objects.takeover import Takeover, owns_annotation, takeover
from k8s_step.operations.plan import ApplyOptions, Planned, Seen

_TRIES = 20  # conflicts with other writers: during a rollout, controllers write the object all the time
Apply = Callable[[ApplyOptions], Answer]


def look(client: Client, planned: Planned, options: ApplyOptions) -> Seen:
    """Read the object, compare it with the manifest, and find the fields to be taken over, and from whom.

    An object that need not be written costs this one GET.
    """
    try:
        answer = client.send(Request("GET", planned.path, where=planned.where))
    except NotFoundError:
        return Seen(planned, None, is_absent=True)
    except ForbiddenError:  # a token may be allowed to write but not to read
        return Seen(planned, None)
    live: Object = answer.body
    if options.from_kubectl and LAST_APPLIED in annotations_of(live) and not entries(live):
        live = _with_entries(client, planned, live, options)
    manager, version = options.field_manager, planned.reference.api_version
    found = takeover(live, manager, version, options.adopt or (), from_kubectl=options.from_kubectl)
    planned = _with_note(planned, live, found, manager)
    done = found is None and is_current(live, planned.object, options)
    return Seen(planned, live, done, warnings=answer.warnings, takeover=found)


def is_current(live: Object, manifest: Object, options: ApplyOptions) -> bool:
    """Whether applying the manifest would certainly change nothing; another source is no reason for a write."""
    manager = options.field_manager
    source = provenance.kept(live, manager, force=options.force)
    return is_applied(live, provenance.with_source(manifest, source), manager)


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
    """Restore ``managedFields``; ``False`` where that fails, since somebody else has written the object meanwhile."""
    version = guard_of(moved)
    before = entries(seen.live or {})
    patch = [
        {"op": "replace", "path": "/metadata/managedFields", "value": before},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": version},
    ]
    try:
        _patched(client, seen, patch, options)
    except StepError:
        return False
    return True


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
        return apply(replace(options, force=True))


def _narrowed(error: ConflictError, causes: list[Mapping[str, Any]]) -> ConflictError:
    details = {**(error.status.get("details") or {}), "causes": causes or error.causes}
    status = {**error.status, "details": details}
    return ConflictError(error.message, code=error.code, status=status, where=error.where, hint=error.hint)


# -- requests


def _patched(client: Client, seen: Seen, patch: Any, options: ApplyOptions) -> Answer:
    query = replace(options, force=False).query
    planned = seen.planned
    request = Request("PATCH", planned.path, query, encode(patch), PatchType.JSON.value, where=planned.where)
    return client.send(request)


def _with_entries(client: Client, planned: Planned, live: Object, options: ApplyOptions) -> Object:
    """The object with the ``managedFields`` that its first apply would give it: an old server has kept none.

    A dry run of an empty apply returns them. Source: skipnonapplied.go of k8s.io/apimachinery's managedfields.
    """
    metadata = {key: live["metadata"][key] for key in ("name", "namespace") if key in live["metadata"]}
    identity = {"apiVersion": planned.reference.api_version, "kind": planned.reference.kind}
    body, query = encode({**identity, "metadata": metadata}), replace(options, dry_run=True, force=False).query
    request = Request("PATCH", planned.path, query, body, PatchType.APPLY.value, where=planned.where)
    try:
        found = client.send(request).body
    except ApiError:
        return live
    return {**live, "metadata": {**live["metadata"], "managedFields": entries(found)}}


def _with_note(planned: Planned, live: Object, found: Takeover | None, manager: str) -> Planned:
    """The manifest with kubectl's last-applied annotation, where the object has one and this manager owns it.

    With an up-to-date annotation a user can go back to ``kubectl apply``.
    """
    own = Owner(manager, "Apply")
    is_ours = owns_annotation(live, own) or any(
        owns_annotation(live, owner) for owner in (found.moved if found else ())
    )
    if LAST_APPLIED not in annotations_of(live) or not is_ours:
        return planned
    return replace(planned, object=with_note(planned.object, planned.reference.namespace))


def _restless(planned: Planned) -> ConflictError:
    message = "others write it faster than its fields can be taken over"
    return ConflictError(message, code=409, where=planned.where, hint="run this again once it has settled")
