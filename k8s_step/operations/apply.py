"""Writes one object with server-side apply, and finds out whether that changed anything."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from k8s_step.api.client import Client
from k8s_step.api.request import Answer, Request
from k8s_step.errors import ApiError, ConflictError, InvalidError, StepError
from k8s_step.objects import provenance
from k8s_step.objects.body import PatchType, encode
from k8s_step.objects.metadata import RUN, annotations_of, guard_of
from k8s_step.operations.plan import ApplyOptions, Planned, Seen, Written

if TYPE_CHECKING:
    from k8s_step.api.fielderrors import FieldError


def write(client: Client, seen: Seen, options: ApplyOptions) -> Written:
    """Apply the manifest, unless that would certainly change nothing, and compare the object before and after.

    Raises :class:`ApiError` with file, line, kind and name, and the next move as its hint.
    """
    planned = seen.planned
    may_recreate = options.dry_run and options.recreates
    if may_recreate and RUN in annotations_of(planned.object):
        from k8s_step.operations.restoring import recreation

        if recreation.is_rerun(seen):
            return recreation.rerun(client, seen, options)
    if seen.handover is not None and not seen.is_absent:
        from k8s_step.operations.handover import handed_over

        seen = handed_over(client, seen, seen.handover, options)
    if seen.is_current and seen.live is not None:
        return Written(planned, "unchanged", seen.live, seen.warnings)
    try:
        if _may_be_current(seen, options) and _tried(client, seen, options) == "unchanged":
            return Written(planned, "unchanged", seen.live or {}, seen.warnings)
        answer = _answered(client, seen, options)
    except InvalidError as error:
        from k8s_step.operations.restoring import recreation

        if may_recreate and recreation.is_called_for(error, planned):
            return recreation.try_out(client, seen, error, options)
        raise _explained(client, planned, options, error) from None
    except ApiError as error:
        raise _explained(client, planned, options, error) from None
    warnings = answer.warnings
    if seen.handover is not None and seen.is_absent:
        from k8s_step.operations.handover import handed_on

        warnings = (*warnings, *handed_on(client, seen, seen.handover, options))
    return Written(planned, _action(seen, answer, options), answer.body, warnings)


def _may_be_current(seen: Seen, options: ApplyOptions) -> bool:
    """Whether nothing but the annotation ``k8s-step/source`` may change, which is no reason for a write."""
    if options.dry_run or seen.live is None or seen.takeover or seen.is_change:
        return False
    value = provenance.kept(seen.live, options.field_manager, force=options.force)
    return value is not None and value != options.source


def _tried(client: Client, seen: Seen, options: ApplyOptions) -> str:
    """The action that applying the manifest would be, by the server's dry run."""
    options = options._replace(dry_run=True)
    return _action(seen, _answered(client, seen, options), options)


def _explained(client: Client, planned: Planned, options: ApplyOptions, error: ApiError) -> ApiError:
    from k8s_step.operations.explanations import adoptable, explain, explain_invalid

    if isinstance(error, InvalidError):
        return explain_invalid(error, planned, _unknown_fields(client, planned, error))
    explained = explain(error, planned)
    if options.adopt is not None:
        explained.hint = f"{explained.hint or ''}{adoptable(error)}" or None
    return explained


def _answered(client: Client, seen: Seen, options: ApplyOptions) -> Answer:
    manifest = provenance.with_source(seen.planned.object, _source(seen, options))
    planned = replace(seen.planned, object=manifest)
    seen = replace(seen, planned=planned)

    def apply(options: ApplyOptions) -> Answer:
        return _applied(client, planned, options)

    if seen.takeover is None:
        return apply(options)
    from k8s_step.operations.adopt import apply_over, try_over

    work = try_over if options.dry_run else apply_over
    return work(client, seen, options, apply)


def _source(seen: Seen, options: ApplyOptions) -> str | None:
    """The value of the annotation ``k8s-step/source``; a dry run leaves it as it is, so that no difference shows it."""
    moved = seen.takeover.moved if seen.takeover else ()
    value = provenance.kept(seen.live, options.field_manager, moved, force=options.force)
    return value if options.dry_run or value is None else options.source


def _applied(client: Client, planned: Planned, options: ApplyOptions) -> Answer:
    """Apply; a conflict only with our own manager's Update entry (a patch, a restart, a scaling) is forced."""
    try:
        return client.send(_request(planned, options))
    except ConflictError as error:
        if not _is_with(options.field_manager, error):
            raise
        return client.send(_request(planned, options._replace(force=True)))


def _request(planned: Planned, options: ApplyOptions) -> Request:
    body = encode(planned.object)
    return Request("PATCH", planned.path, options.query, body, PatchType.APPLY.value, where=planned.where)


def _is_with(field_manager: str, error: ConflictError) -> bool:
    """Whether all conflicts are with fields that ``field_manager`` itself has written by an Update."""
    own = f'conflict with "{field_manager}"'
    return bool(error.conflicts) and all(str(one.get("message", "")).startswith(own) for one in error.conflicts)


def _unknown_fields(client: Client, planned: Planned, error: InvalidError) -> list[FieldError]:
    """All fields unknown to the server, found by a dry-run creation: the refusal of an apply names only some."""
    from k8s_step.api.fielderrors import field_errors

    if not any("not declared in schema" in one.message for one in field_errors(error)):
        return []
    query = (("dryRun", "All"), ("fieldValidation", "Strict"))
    path = planned.address.collection
    try:
        client.send(Request("POST", path, query, encode(planned.object), "application/json"))
    except InvalidError as more:
        return [one for one in field_errors(more) if one.message.startswith("unknown field")]
    except StepError:
        return []
    return []


def _action(seen: Seen, answer: Answer, options: ApplyOptions) -> str:
    """Created, configured or unchanged, by comparing the object before and after.

    ResourceVersions alone do not tell: controllers write between the read and the answer, and a dry run keeps the
    version. Nor does the status code alone: the repetition of a creation whose answer was lost gets a 200.
    """
    if answer.code == 201 or seen.is_absent:
        return "created"
    before, after = seen.live, answer.body
    if before is None or seen.takeover:
        return "configured"
    if not options.dry_run and guard_of(before) == guard_of(after):
        return "unchanged"
    from k8s_step.objects.ownership.applied import without_status

    same = without_status(before, options.field_manager) == without_status(after, options.field_manager)
    return "unchanged" if same else "configured"
