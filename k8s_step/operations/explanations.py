"""The server's refusal of a write, with the manifest's line and the next move."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from k8s_step.api.fielderrors import FieldError, field_errors, type_advice
from k8s_step.errors import ApiError, ApiErrors, ConflictError, InvalidError, NotFoundError, UnsupportedMediaTypeError
from k8s_step.objects.address import Addressed
from k8s_step.objects.body import PatchType
from k8s_step.objects.metadata import guard_of
from k8s_step.operations.plan import Planned, PlannedPatch


def explain(error: ApiError, planned: Planned) -> ApiError:
    """The server's refusal with the manifest's line and the next move."""
    rule = _EXPLAINED.get(type(error))
    return rule(error, planned) if rule is not None else error


def remade(error: ApiError, one: Addressed, message: str, hint: str | None = None, line: int = 0) -> ApiError:
    """The refusal in other words, at the manifest's own line or at that of a field."""
    where = one.address.at(line or one.reference.line)
    return type(error)(message, code=error.code, status=error.status, where=where, hint=hint or error.hint)


def _conflict(error: ApiError, planned: Planned) -> ApiError:
    """Name each field, its line and who owns it; the place is the first field's.

    Source: ``NewConflictError`` in k8s.io/apimachinery's managedfields.
    """
    conflicts = error.conflicts
    if not conflicts:
        return error
    lines = [planned.line_of(str(cause.get("field"))) for cause in conflicts]
    several = len(set(lines)) > 1 and bool(planned.reference.file)
    owned = "; ".join(
        f"{cause.get('field')}{f' (line {line})' if several else ''} belongs to"
        f" {str(cause.get('message', '')).removeprefix('conflict with ')}"
        for line, cause in sorted(zip(lines, conflicts, strict=True), key=lambda pair: pair[0])
    )
    hint = "leave these fields out of the manifest, or take them over with --force-conflicts"
    return remade(error, planned, owned, hint, min(lines))


def adoptable(error: ApiError) -> str:
    """The end of a conflict's hint that names the ``--adopt`` options; empty where none would help.

    A manager that writes a subresource, as an autoscaler does, is left out: it would write again.
    """
    found = (_MANAGER.fullmatch(str(cause.get("message", ""))) for cause in error.causes)
    names = dict.fromkeys(match[1] for match in found if match)
    options = " ".join(f"--adopt {name}" for name in names)
    return f"; {options} takes over all that {' and '.join(names)} set" if names else ""


_MANAGER = re.compile(r'conflict with "([^"]+)"(?! with subresource).*')


def explain_invalid(error: ApiError, planned: Planned, more: Sequence[FieldError] = ()) -> ApiError:
    """One error for each field, at its line of the manifest; ``more`` adds errors of further fields."""
    found = [*_not_base64(error, planned), *(_exact(one, planned.object) for one in field_errors(error))]
    found = [one for one in found if one.field] or found
    known = {_place(one, planned) for one in found}
    found += [one for one in more if _place(one, planned) not in known]
    errors = [remade(error, planned, one.message, _hint(one, planned), planned.line_of(one.field)) for one in found]
    return errors[0] if len(errors) == 1 else ApiErrors(errors)


def _place(one: FieldError, planned: Planned) -> tuple[int, str]:
    """A key that is equal for the same field, in whatever notation its path is."""
    return planned.line_of(one.field), one.field.rpartition(".")[2]


def _not_base64(error: ApiError, planned: Planned) -> list[FieldError]:
    """The keys of a Secret whose values are not base64: the server names neither key nor value."""
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


# Messages about immutable fields: of apimachinery's ValidateImmutableField, and of kinds with their own wording.
_IMMUTABLE = re.compile(
    r"immutable|may not (?:be (?:changed|updated)|change once set)|cannot (?:be changed|change roleRef)"
    r"|updates to statefulset spec|pod updates may not change fields"
    r"|updates to (?:parameters|provisioner) are forbidden"
)
_RECREATE = "the annotation k8s-step/on-immutable: recreate lets apply delete it and create it anew"
_RENAME = "it can't change once the object is there: give it another name"
_OTHERWISE = {
    "Job": f"a Job's template can't change: {_RECREATE}; with k8s-step/run: always it runs at each release",
    "StatefulSet": f"{_RECREATE}, its pods living on; or give it another name",
    "ConfigMap": "it is immutable: give the new one another name, and use that in its workloads",
    "Secret": "it is immutable: give the new one another name, and use that in its workloads",
    "PersistentVolumeClaim": "only its size may grow: make a claim of another name",
    "PersistentVolume": _RENAME,
    "CustomResourceDefinition": _RENAME,
    "Pod": f"let a Deployment replace its pods; or {_RECREATE}",
}


def is_immutable(message: str) -> bool:
    """Whether a field's error says that the field can't change once the object is there."""
    return bool(_IMMUTABLE.search(message))


def _hint(found: FieldError, planned: Planned) -> str:
    if is_immutable(found.message):
        usual = f"it can't change once the object is there: {_RECREATE}; or give it another name"
        return _OTHERWISE.get(planned.reference.kind, usual)
    if found.message.endswith("is not base64"):
        return "text that is not encoded goes under stringData"
    if "not declared in schema" in found.message or found.message.startswith("unknown field"):
        return "is it spelt right, and in the right place?"
    return type_advice(found.message)


_UNMARSHAL = re.compile(r"cannot unmarshal (bool|number|string|object|array) into")
_JSON_TYPES: Mapping[str, tuple[type, ...]] = {
    "bool": (bool,),
    "number": (int, float),
    "string": (str,),
    "object": (dict,),
    "array": (list,),
}


def _exact(found: FieldError, obj: Any) -> FieldError:
    """The error with the full path of the first value of the wrong type: Go's message lacks list items and map keys."""
    unfit = _UNMARSHAL.search(found.message)
    if unfit is None:
        return found
    types = _JSON_TYPES[unfit[1]]
    path = next(_unfit(obj, found.field.split("."), types, unfit[1] == "bool"), None)
    return FieldError(path, f"{path}: {found.message}") if path else found


def _unfit(value: Any, parts: Sequence[str], types: tuple[type, ...], is_bool: bool, path: str = "") -> Iterator[str]:
    if not parts and isinstance(value, types) and isinstance(value, bool) == is_bool:
        yield path
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _unfit(item, parts, types, is_bool, f"{path}[{index}]")
    elif isinstance(value, dict) and parts:
        yield from _unfit(value.get(parts[0]), parts[1:], types, is_bool, f"{path}.{parts[0]}".lstrip("."))
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _unfit(item, parts, types, is_bool, f"{path}[{key}]")


def _not_found(error: ApiError, planned: Planned) -> ApiError:
    if f'namespaces "{planned.reference.namespace}" not found' in error.message:
        hint = "create it first (sync: --create-namespace), put a Namespace into the release, or name another (-n)"
        return remade(error, planned, f"there is no namespace {planned.reference.namespace}", hint)
    role = planned.object.get("roleRef")
    if isinstance(role, Mapping) and (error.status.get("details") or {}).get("name") == role.get("name"):
        return remade(error, planned, f"there is no {role.get('kind')} {role.get('name')} to bind", "create it first")
    if (error.status.get("details") or {}).get("name"):
        return remade(error, planned, error.message, "")  # an object that the manifest refers to, such as a bound role
    message = f"the server does not serve {planned.resource.full_name} in {planned.resource.api_version}"
    return remade(error, planned, message, "is its CRD installed, and in this version?")


_EXPLAINED: dict[type[ApiError], Callable[[ApiError, Planned], ApiError]] = {
    ConflictError: _conflict,
    InvalidError: explain_invalid,
    NotFoundError: _not_found,
}


# -- of a patch


def explain_patch(error: ApiError, change: PlannedPatch) -> ApiError:
    """The server's refusal with the patch's line and the next move."""
    rule = _OF_A_PATCH.get(type(error))
    return rule(error, change) if rule is not None else error


def explain_missing(error: ApiError, asked: Addressed) -> ApiError:
    """The error for a missing object, subresource or kind."""
    address, kind = asked.address, asked.reference.kind
    if (error.status.get("details") or {}).get("name"):
        return remade(error, address, "it is not there", "apply and create make it; -n names another namespace")
    if address.subresource:
        return remade(error, address, f"a {kind} has no subresource {address.subresource}")
    return remade(error, address, f"the server does not serve {address.resource.full_name}", "is its CRD installed?")


def explain_unfit(error: ApiError, change: PlannedPatch) -> ApiError:
    """One error for each wrong field of a patch, at its line."""
    found = [one for one in field_errors(error) if one.field not in ("", "patch")] or [_of_the_patch(error)]
    errors = [remade(error, change, one.message, _hint_of_a_patch(one), change.line_of(one.field)) for one in found]
    return errors[0] if len(errors) == 1 else ApiErrors(errors)


def _unsupported(error: ApiError, change: PlannedPatch) -> ApiError:
    """Strategic merge patches need a schema with merge keys, which custom resources and aggregated APIs lack."""
    if change.patch_type is not PatchType.STRATEGIC:
        return remade(error, change, error.message, "try another --type")
    message = f"a {change.reference.kind} takes no strategic merge patch, as all custom resources"
    return remade(error, change, message, "use --type merge, which replaces lists whole, or --type apply")


def _of_another_version(error: ApiError, change: PlannedPatch) -> ApiError:
    version = guard_of(change.object)
    if not version:
        return remade(error, change, error.message)
    message = f"it has changed since resourceVersion {version}"
    line = change.line_of("metadata.resourceVersion")
    return remade(error, change, message, "read it again, or leave resourceVersion out of the patch", line)


def _hint_of_a_patch(found: FieldError) -> str | None:
    """``$patch: merge`` is documented with the others, but ``strategicpatch/patch.go`` has never taken it."""
    if "unknown patch type: merge" in found.message or "merging lists cannot" in found.message:
        return "drop $patch: merge: merging is what a strategic merge patch does anyway"
    return type_advice(found.message) or None


def _of_the_patch(error: ApiError) -> FieldError:
    """The end of the server's message: before it comes the whole patch or object."""
    found = error.message.rpartition('": ')[2]
    return FieldError("", f"the patch does not fit the object: {found}")


_OF_A_PATCH: dict[type[ApiError], Callable[[ApiError, PlannedPatch], ApiError]] = {
    NotFoundError: explain_missing,
    UnsupportedMediaTypeError: _unsupported,
    ConflictError: _of_another_version,
}
