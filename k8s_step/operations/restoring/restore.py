"""Takes back what this run did to one object, unless somebody else has changed it since.

A server-side apply of the fields that this manager owned before restores them; fields added since are removed by it.
Fields taken over from other managers are part of that apply, and their ownership is handed back afterwards.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from k8s_step.api.client import Client
from k8s_step.api.request import Request
from k8s_step.errors import ApiError, ConflictError, ForbiddenError, NotFoundError, StepError, StoppedError
from k8s_step.objects.body import PatchType, encode
from k8s_step.objects.jsonpatch import operation_at
from k8s_step.objects.kinds.pods import HAVE_PODS, controller_of, is_ready
from k8s_step.objects.kinds.retention import claims_go_with
from k8s_step.objects.metadata import Object, entries, guard_of, uid_of
from k8s_step.objects.ownership.fieldset import (
    Fields,
    Owner,
    Path,
    common,
    extract,
    owner_of,
    owns,
    path_text,
    sets,
    union,
    value_at,
    without,
)
from k8s_step.objects.ownership.managers import changes_text, differences, overlap, overwritten
from k8s_step.objects.reference import Reference
from k8s_step.objects.resource import required
from k8s_step.objects.selection import Group
from k8s_step.operations.delete import DeleteOptions, delete_read, is_terminating, members
from k8s_step.operations.plan import Planned
from k8s_step.verdict.readiness import compute
from k8s_step.verdict.states import State
from k8s_step.verdict.target import Target
from k8s_step.verdict.terms.pauses import asked_pause

_PODS = required("v1", "Pod")
_TRIES = 20  # conflicts with other writers: during a rollout, controllers write the object all the time
_OBSERVING, _POLL = 10.0, 0.1  # seconds: for the controller to observe the restored object, and between two reads
_SHOWN = 5  # fields that a message names
KEPT = {
    "Namespace": "it may hold what others made",
    "PersistentVolumeClaim": "its volume may hold data",
    "PersistentVolume": "a claim may be bound to it",
    "CustomResourceDefinition": "all its custom resources would go with it",
}


@dataclass(frozen=True)
class Reversal:
    """What this run did to an object, to be reversed.

    ``before``: the object as it was read; ``None`` where the token may not read it. ``wrote``: the object as written;
    ``None`` where the answer was lost. ``adopted``: the owners whose fields were taken over, including fields that the
    manifest does not name. ``is_replaced``: it was deleted, and another created in its place; ``is_pruned``: it was
    deleted, and none was.
    """

    planned: Planned
    is_new: bool
    before: Object | None
    wrote: Object | None
    adopted: tuple[Owner, ...] = ()
    is_replaced: bool = False
    is_pruned: bool = False

    @property
    def reference(self) -> Reference:
        """Which object it is."""
        return self.planned.reference


@dataclass(frozen=True)
class Outcome:
    """How a reversal ended.

    ``word``: restored, deleted, kept, skipped or failed; empty where the object had never been written. ``target``: the
    object where it is still to be followed.
    """

    word: str
    message: str = ""
    target: Target | None = None


class _SupersededError(Exception):
    """Somebody else has written the object since this run did."""


def restore(client: Client, change: Reversal, field_manager: str) -> Outcome:
    """Restore the object, or delete it where this run has created it."""
    try:
        wrote = change.wrote or _looked_up(client, change, field_manager)
        return _Restoration(client, change, wrote, field_manager).make() if wrote else Outcome("")
    except _SupersededError as newer:
        return Outcome("skipped", str(newer))
    except StoppedError:
        raise
    except StepError as error:
        return Outcome("failed", error.message)


def _looked_up(client: Client, change: Reversal, field_manager: str) -> Object | None:
    """The object that a write with a lost answer has made; ``None`` where that write was not done."""
    try:
        now = client.send(Request("GET", change.planned.path, where=change.planned.where)).body
    except NotFoundError:
        return None
    own, before = Owner(field_manager, "Apply"), change.before or {}
    is_written = sets(now).get(own) != sets(before).get(own) or _changed(before, now, own)
    return now if is_written else None


class _Restoration:
    """The reversal of the writes to one object."""

    def __init__(self, client: Client, change: Reversal, wrote: Object, field_manager: str) -> None:
        self._client = client
        self._planned = change.planned
        self._wrote = wrote
        self._before: Object = change.before or {}
        self._change = change
        self._manager = field_manager
        self._own = Owner(field_manager, "Apply")
        self._changed = _changed(self._before, wrote, self._own)
        self._taken = _taken(self._before, wrote, self._own, change.adopted)
        self._scaled: Fields = {}
        self._left_revision = ""
        self._found: Object = wrote

    def make(self) -> Outcome:
        """Restore or delete. Raises :class:`StepError`; ``_SupersededError`` where somebody has written it since."""
        return self._delete() if self._change.is_new else self._restore()

    # -- an object that this run created

    def _delete(self) -> Outcome:
        reference = self._planned.reference
        if reference.kind in KEPT:
            return Outcome("kept", KEPT[reference.kind])
        now = self._read()
        if now is None:
            return Outcome("deleted", "somebody else was faster")
        self._check(now)
        others = {owner.manager for owner in sets(self._wrote) if owner.manager != self._manager and not owner[2]}
        if others:
            raise _SupersededError(f"{', '.join(sorted(others))} made it at the same time")
        if claims_go_with(now):
            return Outcome("kept", "its claims, and their data, would go with it")
        options = DeleteOptions("foreground" if reference.kind in HAVE_PODS else "background")
        deleted = delete_read(self._client, Target(reference, self._planned.resource, now), options)
        is_gone = deleted.is_gone or not is_terminating(deleted.target.object)  # some kinds answer with the last state
        changes_text = "the claims of its pods are kept" if (now.get("spec") or {}).get("volumeClaimTemplates") else ""
        return Outcome("deleted", changes_text, None if is_gone else deleted.target)

    # -- an object that existed before

    def _restore(self) -> Outcome:
        if self._change.before is None:
            return Outcome("failed", "this token may not read it, so it is not known what it was")
        after = self._again(self._hand_back, self._again(self._put_back, self._applied()))
        left = [path_text(path) for path, *_ in self._differing(after)]
        if left:
            more = f" and {len(left) - _SHOWN} more" if len(left) > _SHOWN else ""
            return Outcome("failed", f"it still differs from what it was in {', '.join(left[:_SHOWN])}{more}")
        was = compute(self._before)
        if was.state is not State.CURRENT and self._planned.reference.kind not in HAVE_PODS:
            return Outcome("restored", f"it was not current before either: {was.message}")
        reference, resource = self._planned.reference, self._planned.resource
        target = Target(reference, resource, after, paused=bool(asked_pause(self._before)), wrote=after)
        return Outcome("restored", self._free(after), target)

    def _applied(self) -> Object:
        """The object after the apply that restores this manager's fields; each try is guarded by the version read."""
        for _ in range(_TRIES):
            now = self._read()
            if now is None:
                raise _SupersededError("somebody else has deleted it since")
            self._left_revision = _revision(now)
            self._scaled = union(*(fields for owner, fields in sets(now).items() if owner.subresource == "scale"))
            if not self._differing(now) and (self._changed or self._owned(now) == self._owned(self._before)):
                return now  # our answer was lost, or somebody else has restored it
            self._check(now)
            self._found = now
            try:
                return self._send(PatchType.APPLY, self._body(now))
            except ConflictError as error:
                if error.conflicts:
                    raise _SupersededError(f"somebody else has changed it since: {error.message}") from None
        raise self._restless()

    def _body(self, now: Object) -> Object:
        fields = without(union(self._owned(self._before) or {}, *self._taken.values()), self._scaled)
        others = union(*(each for owner, each in sets(self._before).items() if owner != self._own))
        body = extract(self._before, fields, without(others, union(*self._taken.values()))) if fields else {}
        metadata = now["metadata"]
        names = {key: metadata[key] for key in ("name", "namespace", "resourceVersion") if key in metadata}
        identity = {"apiVersion": self._planned.reference.api_version, "kind": self._planned.reference.kind}
        return {**body, **identity, "metadata": {**body.get("metadata", {}), **names}}

    def _put_back(self, now: Object) -> Object:
        """Restore changes that no manager owns: the data made of a ``stringData``, or an allocated node port."""
        ours = [
            (path, was)
            for path, was, _ in self._differing(now)
            if value_at(self._found, path) == value_at(self._wrote, path)
        ]
        patch = [operation for path, was in ours if (operation := operation_at(path, was, now))]
        return self._patched(patch, now) if patch else now

    def _hand_back(self, now: Object) -> Object:
        """Restore ``managedFields`` by a JSON patch, as client-go's ``UpgradeManagedFieldsPatch`` (csaupgrade) does."""
        before = {owner_of(entry): entry for entry in entries(self._before)}
        kept = {owner_of(entry): entry for entry in entries(now) if not self._is_own(owner_of(entry))}
        for owner, entry in before.items():
            fields = entry.get("fieldsV1") or {}
            if self._is_own(owner):
                kept[owner] = {**entry, "fieldsV1": without(fields, self._scaled)}
            elif owner in self._taken:
                current = kept.get(owner, {}).get("fieldsV1") or {}
                kept[owner] = {**entry, "fieldsV1": union(current, without(self._taken[owner], self._scaled))}
        wanted = [entry for entry in kept.values() if entry["fieldsV1"]]
        if not wanted or {owner_of(entry): entry["fieldsV1"] for entry in wanted} == sets(now):
            return now
        return self._patched([{"op": "replace", "path": "/metadata/managedFields", "value": wanted}], now)

    def _free(self, after: Object) -> str:
        """Delete the broken pods of the revision that a StatefulSet has left: it would wait for them for ever.

        Source: "Forced rollback" in kubernetes.io/docs/concepts/workloads/controllers/statefulset.
        """
        if self._planned.reference.kind != "StatefulSet" or self._left_revision in ("", _revision(self._before)):
            return ""
        self._await_observed(after)
        namespace = self._planned.reference.namespace
        group = Group(_PODS, namespace, f"controller-revision-hash={self._left_revision}")
        try:
            stuck = [pod for pod in members(self._client, group) if _is_stuck(pod.object, after)]
            for pod in stuck:
                delete_read(self._client, pod, DeleteOptions())
        except ApiError as error:
            return f"a pod of the revision that failed may hold it up: {error.message}"
        names = ", ".join(pod.reference.name for pod in stuck)
        return f"{names} of the revision that failed would have held it up, and is deleted" if stuck else ""

    def _await_observed(self, now: Object) -> None:
        """Wait until the controller has observed the restored template: else it would create the broken pod again."""
        ends = time.monotonic() + min(self._client.time_left, _OBSERVING)
        while _observed(now) < now["metadata"].get("generation", 0) and time.monotonic() < ends:
            time.sleep(_POLL)
            now = self._read() or now

    def _is_own(self, owner: Owner) -> bool:
        return owner.manager == self._manager and not owner.subresource

    # -- others' writes since

    def _check(self, now: Object) -> None:
        """Raise where somebody has overwritten this run's fields, or another run of this manager has applied them."""
        found = overwritten(self._wrote, now, self._manager)
        newer = [change for change in found if not (change.writer and change.writer.subresource == "scale")]
        if newer:
            raise _SupersededError(f"somebody else has changed it since: {changes_text(newer)}")
        theirs, ours = (without(self._owned(obj) or {}, self._scaled) for obj in (now, self._wrote))
        if theirs != ours:
            raise _SupersededError(f"{self._manager} has applied it once more since")

    def _owned(self, obj: Object) -> Fields | None:
        return sets(obj).get(self._own)

    def _differing(self, now: Object) -> list[tuple[Path, Any, Any]]:
        """The fields that this run changed and that differ from before; a field set through ``scale`` is left out."""
        return [
            found
            for found in differences(self._before, now)
            if any(overlap(found[0], path) for path in self._changed) and not owns(self._scaled, found[0])
        ]

    # -- requests

    def _read(self) -> Object | None:
        """The object now; ``None`` where it is gone, or a successor bears its name."""
        try:
            request = Request("GET", self._planned.path, where=self._planned.where)
            now = self._client.send(request).body
        except NotFoundError:
            return None
        except ForbiddenError:
            return self._wrote
        return now if uid_of(now) == uid_of(self._wrote) else None

    def _again(self, work: Callable[[Object], Object], now: Object) -> Object:
        """Do ``work`` on the object; after a conflict read it again and repeat."""
        for _ in range(_TRIES):
            try:
                return work(now)
            except ConflictError:
                read = self._read()
                if read is None:
                    raise _SupersededError("somebody else has deleted it since") from None
                now = read
        raise self._restless()

    def _patched(self, operations: list[Object], now: Object) -> Object:
        """Send a JSON patch that is bound to the version read."""
        version = {"op": "replace", "path": "/metadata/resourceVersion", "value": guard_of(now)}
        return self._send(PatchType.JSON, [*operations, version])

    def _send(self, kind: PatchType, body: Any) -> Object:
        query = (("fieldManager", self._manager),)
        where = self._planned.where
        request = Request("PATCH", self._planned.path, query, encode(body), kind.value, where=where)
        return self._client.send(request).body

    def _restless(self) -> ApiError:
        return ConflictError("others write it faster than it can be put back", code=409, where=self._planned.where)


def _revision(stateful_set: Mapping[str, Any]) -> str:
    return str((stateful_set.get("status") or {}).get("updateRevision") or "")


def _observed(obj: Object) -> int:
    return int((obj.get("status") or {}).get("observedGeneration") or 0)


def _is_stuck(pod: Object, stateful_set: Object) -> bool:
    return controller_of(pod).get("uid") == uid_of(stateful_set) and not is_ready(pod)


def _changed(before: Object, wrote: Object, own: Owner) -> list[Path]:
    """The fields that this run's write changed, without those that others wrote between its read and its write."""
    others = [fields for owner, fields in sets(wrote).items() if owner != own]
    found = [path for path, *_ in differences(before, wrote)]
    return [path for path in found if not any(owns(fields, path) for fields in others)]


def _taken(before: Object, wrote: Object, own: Owner, adopted: Collection[Owner]) -> dict[Owner, Fields]:
    """The fields that this run took over, by their former owner; our own Update entries count as such owners."""
    left, applied = sets(wrote), sets(wrote).get(own, {})
    lost = {
        owner: without(fields, left.get(owner, {}))
        for owner, fields in sets(before).items()
        if owner != own and owner.subresource != "status"
    }
    taken = {owner: fields if owner in adopted else common(fields, applied) for owner, fields in lost.items()}
    return {owner: fields for owner, fields in taken.items() if fields}
