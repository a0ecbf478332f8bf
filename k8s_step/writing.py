"""Writes one object with server-side apply and tells truthfully what that did."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from k8s_step.client import Answer, Client, Request
from k8s_step.errors import ApiError, ApiErrors, ConflictError, ForbiddenError, InvalidError, NotFoundError, StepError
from k8s_step.fielderrors import FieldError, field_errors
from k8s_step.patch import PatchType, encode, is_applied, without_status
from k8s_step.reference import Reference
from k8s_step.resource import Resource

Object = dict[str, Any]
UNKNOWN = "unknown"  # the action of a write whose answer was lost
_LEADING_PATH = re.compile(r"([A-Za-z][^\s:]*(?:\[[^\]]*\][^\s:]*)*): ")


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
    def content_type(self) -> str:
        """As the user wrote it: ``application/json`` for a JSON file, else ``application/yaml``."""
        return "application/json" if self.reference.file.endswith(".json") else "application/yaml"

    def where_of(self, warning: str) -> str:
        """The file and line that a warning is about: it may begin with a field's path."""
        path = _LEADING_PATH.match(warning)
        line = self.line_of(path[1]) if path else self.reference.line
        return f"{self.reference.file}:{line}" if self.reference.file else str(self.reference)

    @property
    def path(self) -> str:
        """The URL path of the object."""
        return self.resource.path(self.reference.namespace or None, self.reference.name)


@dataclass(frozen=True)
class Seen:
    """An object before it is written. ``live`` is ``None`` where it isn't there, or where it may not be read.

    ``is_current``: applying it would surely change nothing, so nothing need be sent. ``is_absent``: it isn't there.
    """

    planned: Planned
    live: Object | None
    is_current: bool = False
    is_absent: bool = False
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Written:
    """``action``: created, configured or unchanged; ``object`` as the server returned it, empty where it is UNKNOWN."""

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


def look(client: Client, planned: Planned, field_manager: str, deadline: float) -> Seen:
    """Read the object as it is: one GET, which is all that an object costs that need not be written."""
    try:
        answer = client.send(Request("GET", planned.path, where=planned.where), deadline=deadline)
    except NotFoundError:
        return Seen(planned, None, is_absent=True)
    except ForbiddenError:  # a token may be allowed to write but not to read
        return Seen(planned, None)
    is_current = is_applied(answer.body, planned.object, field_manager)
    return Seen(planned, answer.body, is_current, warnings=answer.warnings)


def write(client: Client, seen: Seen, options: ApplyOptions, deadline: float) -> Written:
    """Apply the manifest unless that would surely change nothing, and compare.

    Raises :class:`ApiError` with file, line, kind and name, and the way out.
    """
    planned = seen.planned
    if seen.is_current and seen.live is not None:
        return Written(planned, "unchanged", seen.live, seen.warnings)
    try:
        answer = _applied(client, planned, options, deadline)
    except InvalidError as error:
        raise _invalid(error, planned, _unknown_fields(client, planned, error, deadline)) from None
    except ApiError as error:
        raise explained(error, planned) from None
    return Written(planned, _action(seen, answer, options), answer.body, answer.warnings)


def _applied(client: Client, planned: Planned, options: ApplyOptions, deadline: float) -> Answer:
    """A field that this very manager wrote by a patch, a restart or a scaling is no conflict: it is taken over."""
    try:
        return client.send(_request(planned, options), deadline=deadline)
    except ConflictError as error:
        if not _is_with(options.field_manager, error):
            raise
        return client.send(_request(planned, replace(options, force=True)), deadline=deadline)


def _request(planned: Planned, options: ApplyOptions) -> Request:
    body = encode(planned.object)
    return Request("PATCH", planned.path, options.query, body, PatchType.APPLY.value, where=planned.where)


def _is_with(field_manager: str, error: ConflictError) -> bool:
    """Whether all that an apply conflicts with is what ``field_manager`` itself wrote otherwise than by an apply."""
    conflicts = [cause for cause in error.causes if cause.get("reason") == "FieldManagerConflict"]
    own = f'conflict with "{field_manager}"'
    return bool(conflicts) and all(str(cause.get("message", "")).startswith(own) for cause in conflicts)


def _unknown_fields(client: Client, planned: Planned, error: InvalidError, deadline: float) -> list[FieldError]:
    """All fields the server doesn't know: of an apply it tells some, of a creation (tried out, not done) all."""
    if not any("not declared in schema" in one.message for one in field_errors(error)):
        return []
    query = (("dryRun", "All"), ("fieldValidation", "Strict"))
    path = planned.resource.path(planned.reference.namespace or None)
    try:
        client.send(Request("POST", path, query, encode(planned.object), "application/json"), deadline=deadline)
    except InvalidError as more:
        return [one for one in field_errors(more) if one.message.startswith("unknown field")]
    except StepError:
        return []
    return []


def explained(error: ApiError, planned: Planned) -> ApiError:
    """The server's refusal with the manifest's line and the next move."""
    rule = _EXPLAINED.get(type(error))
    return rule(error, planned) if rule is not None else error


def _action(seen: Seen, answer: Answer, options: ApplyOptions) -> str:
    """Controllers write between our read and our answer, so resourceVersions alone would not be truthful.

    A dry run leaves the resourceVersion as it is, whatever would change. An apply whose answer was lost is repeated,
    and the second one is no longer told that it created the object.
    """
    if answer.code == 201 or seen.is_absent:
        return "created"
    before, after = seen.live, answer.body
    if before is None:
        return "configured"
    if not options.dry_run and before["metadata"].get("resourceVersion") == after["metadata"].get("resourceVersion"):
        return "unchanged"
    same = without_status(before, options.field_manager) == without_status(after, options.field_manager)
    return "unchanged" if same else "configured"


def _remade(error: ApiError, planned: Planned, message: str, hint: str, line: int | None = None) -> ApiError:
    reference = planned.reference
    place = f"{reference.file}:{line or reference.line}: {reference}" if reference.file else str(reference)
    return type(error)(message, code=error.code, status=error.status, where=place, hint=hint or error.hint)


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


def _invalid(error: ApiError, planned: Planned, more: Sequence[FieldError] = ()) -> ApiError:
    """Each field's error in its own line of the manifest; ``more`` are told unless they are among these."""
    found = [*_not_base64(error, planned), *field_errors(error)]
    found = [one for one in found if one.field] or found
    known = {_place(one, planned) for one in found}
    found += [one for one in more if _place(one, planned) not in known]
    errors = [_remade(error, planned, one.message, _hint(one, planned), planned.line_of(one.field)) for one in found]
    return errors[0] if len(errors) == 1 else ApiErrors(errors)


def _place(one: FieldError, planned: Planned) -> tuple[int, str]:
    """The same field whichever way its path is written."""
    return planned.line_of(one.field), one.field.rpartition(".")[2]


def _not_base64(error: ApiError, planned: Planned) -> list[FieldError]:
    """The server tells neither the key nor, luckily, the value."""
    if "illegal base64 data" not in error.message:
        return []
    data = planned.object.get("data")
    keys = [key for key, value in data.items() if not _is_base64(value)] if isinstance(data, Mapping) else []
    return [FieldError(f"data[{key}]", f"data.{key}: this is not base64") for key in keys]


def _is_base64(value: Any) -> bool:
    try:
        base64.b64decode("".join(str(value).split()), validate=True)
    except ValueError:
        return False
    return True


# Of a field that can't change: apimachinery's ValidateImmutableField, and what some kinds say in words of their own.
_IMMUTABLE = re.compile(
    r"immutable|may not be (?:changed|updated)|cannot (?:be changed|change roleRef)|updates to statefulset spec"
    r"|pod updates may not change fields"
)
_OTHERWISE = {
    "Job": "a Job's template can't change: delete it first, or name each run's Job anew",
    "StatefulSet": "delete it first, with --cascade orphan if its pods shall live on, or give it another name",
    "ConfigMap": "it is immutable: give the new one another name, and use that in its workloads",
    "Secret": "it is immutable: give the new one another name, and use that in its workloads",
    "PersistentVolumeClaim": "only its size may grow: make a claim of another name",
    "Pod": "delete it first, or let a Deployment replace its pods",
}


def _hint(found: FieldError, planned: Planned) -> str:
    if _IMMUTABLE.search(found.message):
        usual = "it can't change once the object is there: delete the object first, or give it another name"
        return _OTHERWISE.get(planned.reference.kind, usual)
    if found.message.endswith("is not base64"):
        return "text that is not encoded goes under stringData"
    if "not declared in schema" in found.message or found.message.startswith("unknown field"):
        return "is it spelt right, and in the right place?"
    return ""


def _not_found(error: ApiError, planned: Planned) -> ApiError:
    if f'namespaces "{planned.reference.namespace}" not found' in error.message:
        hint = "create it first, put a Namespace manifest into the release, or name another with -n"
        return _remade(error, planned, f"there is no namespace {planned.reference.namespace}", hint)
    role = planned.object.get("roleRef")
    if isinstance(role, Mapping) and (error.status.get("details") or {}).get("name") == role.get("name"):
        return _remade(error, planned, f"there is no {role.get('kind')} {role.get('name')} to bind", "create it first")
    if (error.status.get("details") or {}).get("name"):
        return _remade(error, planned, error.message, "")  # something it refers to, such as a role that is bound
    message = f"the server does not serve {planned.resource.full_name} in {planned.resource.api_version}"
    return _remade(error, planned, message, "is its CRD installed, and in this version?")


_EXPLAINED: dict[type[ApiError], Callable[[ApiError, Planned], ApiError]] = {
    ConflictError: _conflict,
    InvalidError: _invalid,
    NotFoundError: _not_found,
}
