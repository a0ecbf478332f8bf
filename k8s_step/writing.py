"""Writes one object with server-side apply and tells truthfully what that did."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from k8s_step.client import Answer, Client, Request
from k8s_step.errors import ApiError, ConflictError, ForbiddenError, InvalidError, NotFoundError
from k8s_step.patch import PatchType, encode, is_applied, without_status
from k8s_step.reference import Reference
from k8s_step.resource import Resource

Object = dict[str, Any]


@dataclass(frozen=True)
class Planned:
    """One object to be written. ``line_of`` tells the manifest's line of a field path."""

    reference: Reference
    resource: Resource
    object: Mapping[str, Any]
    line_of: Callable[[str], int]

    @property
    def where(self) -> str:
        """``k8s/web.yaml:12: deployment/shop/web``."""
        reference = self.reference
        return f"{reference.where}: {reference}" if reference.where else str(reference)

    @property
    def path(self) -> str:
        """The URL path of the object."""
        return self.resource.path(self.reference.namespace or None, self.reference.name)


@dataclass(frozen=True)
class Written:
    """``action``: created, configured or unchanged; ``object`` as the server returned it."""

    planned: Planned
    action: str
    object: Object
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class ApplyOptions:
    """How objects are applied."""

    field_manager: str = "k8s-step"
    force: bool = False
    dry_run: bool = False

    @property
    def query(self) -> tuple[tuple[str, str], ...]:
        """As query parameters."""
        pairs = [("fieldManager", self.field_manager), ("fieldValidation", "Strict")]
        if self.force:
            pairs.append(("force", "true"))
        if self.dry_run:
            pairs.append(("dryRun", "All"))
        return tuple(pairs)


def apply(client: Client, planned: Planned, options: ApplyOptions, deadline: float) -> Written:
    """Read the object, apply the manifest unless that would surely change nothing, and compare.

    Raises :class:`ApiError` with file, line, kind and name, and the way out.
    """
    live = _live(client, planned, deadline)
    if live is not None and is_applied(live.body, planned.object, options.field_manager):
        return Written(planned, "unchanged", live.body, live.warnings)
    request = Request(
        "PATCH",
        planned.path,
        options.query,
        encode(planned.object),
        PatchType.APPLY.value,
        where=planned.where,
    )
    try:
        answer = client.send(request, deadline=deadline)
    except ApiError as error:
        raise explained(error, planned) from None
    action = _action(live.body if live is not None else None, answer, options)
    return Written(planned, action, answer.body, answer.warnings)


def explained(error: ApiError, planned: Planned) -> ApiError:
    """The server's refusal with the manifest's line and the next move."""
    rule = _EXPLAINED.get(type(error))
    return rule(error, planned) if rule is not None else error


def _live(client: Client, planned: Planned, deadline: float) -> Answer | None:
    """The object as it is; ``None`` where it isn't, or where this token may write but not read."""
    try:
        return client.send(Request("GET", planned.path, where=planned.where), deadline=deadline)
    except (NotFoundError, ForbiddenError):
        return None


def _action(before: Object | None, answer: Answer, options: ApplyOptions) -> str:
    """Controllers write between our read and our answer, so resourceVersions alone would not be truthful.

    A dry run leaves the resourceVersion as it is, whatever would change.
    """
    if answer.code == 201:
        return "created"
    if before is None:
        return "configured"
    after = answer.body
    if not options.dry_run and before["metadata"].get("resourceVersion") == after["metadata"].get("resourceVersion"):
        return "unchanged"
    same = without_status(before, options.field_manager) == without_status(after, options.field_manager)
    return "unchanged" if same else "configured"


def _remade(error: ApiError, planned: Planned, message: str, hint: str, line: int | None = None) -> ApiError:
    reference = planned.reference
    place = f"{reference.file}:{line or reference.line}: {reference}" if reference.file else str(reference)
    return type(error)(message, code=error.code, status=error.status, where=place, hint=hint)


def _conflict(error: ApiError, planned: Planned) -> ApiError:
    """Name each field and who owns it. Source: ``NewConflictError`` in k8s.io/apimachinery's managedfields."""
    conflicts = [cause for cause in error.causes if cause.get("reason") == "FieldManagerConflict"]
    if not conflicts:
        return error
    owned = "; ".join(
        f"{cause.get('field')} belongs to {str(cause.get('message', '')).removeprefix('conflict with ')}"
        for cause in conflicts
    )
    hint = "leave these fields out of the manifest, or take them over with --force-conflicts"
    return _remade(error, planned, owned, hint)


def _invalid(error: ApiError, planned: Planned) -> ApiError:
    fields = [str(cause.get("field")) for cause in error.causes if cause.get("field")]
    line = planned.line_of(fields[0]) if fields else None
    return _remade(error, planned, error.message, error.hint or "", line)


def _not_found(error: ApiError, planned: Planned) -> ApiError:
    if f'namespaces "{planned.reference.namespace}" not found' in error.message:
        hint = "create it first, put a Namespace manifest into the release, or name another with -n"
        return _remade(error, planned, f"there is no namespace {planned.reference.namespace}", hint)
    message = f"the server does not serve {planned.resource.full_name} in {planned.resource.api_version}"
    return _remade(error, planned, message, "is its CRD installed, and in this version?")


_EXPLAINED: dict[type[ApiError], Callable[[ApiError, Planned], ApiError]] = {
    ConflictError: _conflict,
    InvalidError: _invalid,
    NotFoundError: _not_found,
}
