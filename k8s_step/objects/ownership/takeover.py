"""Fields that our field manager takes over from kubectl's client-side apply and from managers the user names. Pure.

Source: ``UpgradeManagedFields`` of client-go's csaupgrade and ``migrateToSSAIfNecessary`` of kubectl's apply, which
move ``managedFields`` in the same way.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from k8s_step.objects.metadata import Object, annotations_of, entries, guard_of, metadata_of
from k8s_step.objects.ownership.applied import as_stored
from k8s_step.objects.ownership.fieldset import (
    MISSING,
    Fields,
    Owner,
    Path,
    child,
    is_member,
    made,
    owner_of,
    path_text,
    union,
    value_at,
    without,
)
from k8s_step.objects.ownership.lastapplied import LAST_APPLIED, last_applied

_ANNOTATION: Path = ("f:metadata", "f:annotations", f"f:{LAST_APPLIED}")
# The manager that the server records for all fields an object had before its first apply, whoever had set them:
# skipnonapplied.go of k8s.io/apimachinery's managedfields.
BEFORE_FIRST_APPLY = "before-first-apply"
# Manager names of kubectl apply and create, now and earlier. Old versions also scaled and edited as "kubectl".
_KUBECTL = ("kubectl-client-side-apply", "kubectl", "kubectl-create", BEFORE_FIRST_APPLY)
_NOTE_KEEPER = "kubectl-last-applied"
# A conflict's message, by ``printManager`` of k8s.io/apimachinery's managedfields; only an Update has "using VERSION".
_CONFLICT = re.compile(
    r'conflict with "(?P<manager>(?:[^"\\]|\\.)*)"'
    r'(?: with subresource "(?P<subresource>[^"]*)")?(?P<is_update> using )?'
)


@dataclass(frozen=True)
class Takeover:
    """The fields that move to our manager.

    ``moved``: those fields, by their present owner. ``entries``: ``managedFields`` after the move. ``fields``: all our
    fields after the move, before the manifest is applied. ``others``: all fields of other managers after the move.
    """

    moved: Mapping[Owner, Fields]
    entries: Sequence[Mapping[str, Any]]
    fields: Fields
    others: Fields

    @property
    def managers(self) -> tuple[str, ...]:
        """The names of the managers that lose fields, each once."""
        return tuple(dict.fromkeys(owner.manager for owner in self.moved))

    def patch(self, live: Object) -> list[dict[str, Any]]:
        """The JSON patch that moves the fields, valid only for the version of ``live``."""
        return managed_by(self.entries, live)

    def conflicts(self, causes: Sequence[Mapping[str, Any]], field_manager: str) -> list[Mapping[str, Any]]:
        """The conflicts among ``causes`` of an apply that remain after the move."""
        return [cause for cause in causes if self._is_left(cause, field_manager)]

    def _is_left(self, cause: Mapping[str, Any], field_manager: str) -> bool:
        found = _CONFLICT.match(str(cause.get("message", "")))
        if cause.get("reason") != "FieldManagerConflict" or not found or found["manager"] == field_manager:
            return False
        key = (found["manager"], "Update" if found["is_update"] else "Apply", found["subresource"] or "")
        moved = [fields for owner, fields in self.moved.items() if owner[:3] == key]
        if moved and found["manager"] == BEFORE_FIRST_APPLY:
            return False
        return all(str(cause.get("field")) not in map(path_text, _paths(fields, ())) for fields in moved)

    def dropped(self, manifest: Object) -> dict[str, Any]:
        """The fields that are ours after the move and not in ``manifest``, so that applying it removes them."""
        return _absent(self.fields, manifest)

    def left(self, obj: Object, manifest: Object) -> Any:
        """``obj`` without the fields of :meth:`dropped` that no other manager owns.

        Source: ``prune`` of sigs.k8s.io/structured-merge-diff's merge/update.go.
        """
        return _removed(obj, self.dropped(manifest), self.others)

    def applied(self, live: Object, manifest: Object) -> Any:
        """``live`` after ``manifest`` is applied, without the server's defaults."""
        return _merged(self.left(live, manifest), manifest, union(self.fields, self.others))


def takeover(
    live: Object, field_manager: str, api_version: str, adopt: Sequence[str], *, from_kubectl: bool
) -> Takeover | None:
    """The fields that ``field_manager`` takes over on ``live``, read in ``api_version``; ``None`` where there are none.

    These are all fields of the managers named in ``adopt`` and, with ``from_kubectl``, the fields that kubectl's
    client-side apply has set. Fields of subresources stay with their managers.
    """
    found = {owner_of(entry): entry for entry in entries(live)}
    own = Owner(field_manager, "Apply")
    moved = {**(_from_kubectl(live, found) if from_kubectl else {}), **_named(found, adopt)}
    moved.pop(own, None)
    if not moved:
        return None
    version = _version(found, own, moved, api_version)
    ours = union(*(_readable(found[owner], each, version, live) for owner, each in moved.items()), _fields(found, own))
    kept = {owner: _rest(owner, entry, moved) for owner, entry in found.items() if owner != own}
    others = [{**found[owner], "fieldsV1": fields} for owner, fields in kept.items() if fields]
    first = found.get(own) or found[next(iter(moved))]
    entry = {**first, "manager": own.manager, "operation": own.operation, "apiVersion": version, "fieldsV1": ours}
    return Takeover(moved, [entry, *others], ours, union(*(fields for fields in kept.values() if fields)))


def managed_by(managed: Sequence[Mapping[str, Any]], live: Object) -> list[dict[str, Any]]:
    """The JSON patch that sets ``managedFields``, valid only for the version of ``live``.

    It replaces the resourceVersion instead of testing it, so that the server answers 409 for another version.
    """
    return [
        {"op": "replace", "path": "/metadata/managedFields", "value": list(managed)},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": guard_of(live)},
    ]


def moved_back(
    before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]], now: Sequence[Mapping[str, Any]]
) -> list[Mapping[str, Any]] | None:
    """``managedFields`` as they are ``now``, without the move that made ``after`` of ``before``.

    ``None`` where what the move wrote is not there any more, or what it took has a new owner of the same name.
    """
    taken = [entry for entry in before if entry not in after]
    written = [entry for entry in after if entry not in before]
    rest = [entry for entry in now if entry not in written]
    if len(rest) + len(written) != len(now) or {*map(owner_of, rest)} & {*map(owner_of, taken)}:
        return None
    return [*rest, *taken]


def owns_annotation(live: Object, owner: Owner) -> bool:
    """Whether ``owner`` owns kubectl's last-applied annotation."""
    return any(owner_of(entry)[:3] == owner[:3] and _has_annotation(entry) for entry in entries(live))


# -- which fields move


def _named(found: Mapping[Owner, Mapping[str, Any]], adopt: Sequence[str]) -> dict[Owner, Fields]:
    """All fields of the managers in ``adopt``.

    ``kubectl`` includes the manager name under which its server-side apply keeps the last-applied annotation.
    """
    names = {*adopt, _NOTE_KEEPER} if "kubectl" in adopt else adopt
    return {owner: _fields(found, owner) for owner in found if owner.manager in names and not owner.subresource}


def _from_kubectl(live: Object, found: Mapping[Owner, Mapping[str, Any]]) -> dict[Owner, Fields]:
    """All fields of the managers that wrote the annotation, and kubectl's other names' fields that it contains.

    ``kubectl create`` and kubectl before 1.18 wrote under manager names that today's apply does not use.
    """
    updates = [owner for owner in found if owner.operation == "Update" and not owner.subresource]
    appliers = {owner.manager for owner in updates if _has_annotation(found[owner])}
    if not appliers:
        return {}
    moved: dict[Owner, Fields] = {}
    for owner in updates:
        if owner.manager in appliers and owner.manager != BEFORE_FIRST_APPLY:
            moved[owner] = _fields(found, owner)
        elif owner.manager in _KUBECTL:
            fields = _as_told(_fields(found, owner), _applied_last(live), live)
            moved.update({owner: fields} if fields or owner.manager == BEFORE_FIRST_APPLY else {})
    return moved


def _applied_last(live: Object) -> Any:
    """The manifest that kubectl applied last, with the annotation itself added."""
    told = last_applied(live)
    annotations = {**annotations_of(told), LAST_APPLIED: value_at(live, _ANNOTATION)}
    return {**told, "metadata": {**metadata_of(told), "annotations": annotations}}


def _has_annotation(entry: Mapping[str, Any]) -> bool:
    at: Any = entry.get("fieldsV1") or {}
    for key in _ANNOTATION:
        at = at.get(key)
        if at is None:
            return False
    return True


def _rest(owner: Owner, entry: Mapping[str, Any], moved: Mapping[Owner, Fields]) -> Fields:
    """The fields that stay with ``owner``; none with a moved ``BEFORE_FIRST_APPLY``, which is no real manager."""
    fields: Fields = entry.get("fieldsV1") or {}
    if owner not in moved:
        return fields
    return {} if owner.manager == BEFORE_FIRST_APPLY else without(fields, moved[owner])


def _fields(found: Mapping[Owner, Mapping[str, Any]], owner: Owner) -> Fields:
    return (found.get(owner) or {}).get("fieldsV1") or {}


def _version(
    found: Mapping[Owner, Mapping[str, Any]], own: Owner, moved: Mapping[Owner, Fields], api_version: str
) -> str:
    """The apiVersion of our entry: its present one, else the manifest's if a moved entry has it, else the first."""
    if own in found:
        return str(found[own].get("apiVersion"))
    versions = [str(found[owner].get("apiVersion")) for owner in moved]
    return api_version if api_version in versions else versions[0]


def _readable(entry: Mapping[str, Any], fields: Fields, version: str, live: Object) -> Fields:
    """The fields of ``entry`` that are valid in ``version``: an entry of another apiVersion may name others."""
    return fields if entry.get("apiVersion") == version else _present(fields, live)


# -- fields against values


def _as_told(fields: Fields, told: Any, live: Any) -> dict[str, Any]:
    """The part of ``fields`` that ``told``, the manifest in the annotation, has with the same values as ``live``."""
    found: dict[str, Any] = {}
    for key, below in _members(fields):
        one, other = child(told, key), child(live, key)
        if one is MISSING or other is MISSING:
            continue
        if set(below) - {"."}:
            part = _as_told(below, one, other)
            found.update({key: made(part, is_member(below))} if part else {})
        elif as_stored(one) == as_stored(other):
            found[key] = {}
    return found


def _present(fields: Fields, value: Any) -> dict[str, Any]:
    """The part of ``fields`` that ``value`` has."""
    return without(fields, _absent(fields, value))


def _absent(fields: Fields, value: Any) -> dict[str, Any]:
    """The part of ``fields`` that ``value`` lacks; a named field that it lacks counts itself, not only fields below.

    Source: ``EnsureNamedFieldsAreMembers`` of sigs.k8s.io/structured-merge-diff's fieldpath/set.go.
    """
    found: dict[str, Any] = {}
    for key, below in _members(fields):
        inner = child(value, key)
        if inner is MISSING:
            found[key] = {".": {}, **below} if key.startswith("f:") else below
        elif part := _absent(below, inner):
            found[key] = part
    return found


def _removed(value: Any, fields: Fields, others: Fields) -> Any:
    if isinstance(value, Mapping):
        keys = {name: f"f:{name}" for name in value}
        pairs = {name: _less(value[name], key, fields, others) for name, key in keys.items()}
        return {name: each for name, each in pairs.items() if each is not MISSING}
    if isinstance(value, list):
        names = [_key_of(item, fields) for item in value]
        items = [_less(item, key, fields, others) for item, key in zip(value, names, strict=True)]
        return [item for item in items if item is not MISSING]
    return value


def _less(value: Any, key: str | None, fields: Fields, others: Fields) -> Any:
    """The value at ``key`` less ``fields``; ``MISSING`` where nothing of it stays."""
    if key is None or key not in fields:
        return value
    theirs = others.get(key)
    is_theirs = theirs is not None and (key.startswith("f:") or is_member(theirs))
    if is_member(fields[key]) and not is_theirs:
        return MISSING
    rest = _removed(value, fields[key], theirs or {})
    return rest if rest or rest == value else MISSING  # an emptied map or list is removed: typed/remove.go upstream


def _merged(live: Any, wanted: Any, fields: Fields | None) -> Any:
    """``live`` with ``wanted`` merged key by key, or replaced as a whole where ``fields`` own it as a whole."""
    if fields is not None and not set(fields) - {"."}:
        return wanted
    below = fields or {}
    if isinstance(live, Mapping) and isinstance(wanted, Mapping):
        return {**live, **{key: _merged(live.get(key), each, below.get(f"f:{key}")) for key, each in wanted.items()}}
    if isinstance(live, list) and isinstance(wanted, list) and below:
        return _merged_list(live, wanted, below)
    return wanted


def _merged_list(live: list[Any], wanted: list[Any], fields: Fields) -> list[Any]:
    """The merged list in the order of ``wanted``; an item only in ``live`` stays behind the item that it follows.

    Source: ``visitListItems`` of sigs.k8s.io/structured-merge-diff's typed/merge.go.
    """
    by_key = {key: item for item in live if (key := _key_of(item, fields)) is not None}
    keys = [_key_of(item, fields) or "" for item in wanted]
    coming = [(key, _merged(by_key.get(key), item, fields.get(key))) for key, item in zip(keys, wanted, strict=True)]
    found: list[Any] = []
    for item in live:
        key = _key_of(item, fields)
        shared = next((each for each, _ in coming if each in by_key), None)
        if key not in keys:
            found.append(item)
        elif key == shared:
            end = [each for each, _ in coming].index(key) + 1
            found += [each for _, each in coming[:end]]
            coming = coming[end:]
    return [*found, *(each for _, each in coming)]


def _key_of(item: Any, fields: Fields) -> str | None:
    return next((key for key in fields if key[:2] in ("k:", "v:") and child([item], key) is not MISSING), None)


def _members(fields: Fields) -> Iterator[tuple[str, Fields]]:
    return ((key, below) for key, below in fields.items() if key != ".")


def _paths(fields: Fields, path: Path) -> Iterator[Path]:
    for key, below in _members(fields):
        yield (*path, key)
        yield from _paths(below, (*path, key))
