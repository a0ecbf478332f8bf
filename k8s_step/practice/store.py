"""The practice cluster's storage: objects, their resource versions, and the history of writes for watches."""

from __future__ import annotations

import copy
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from k8s_step.objects.metadata import MutableObject
from k8s_step.objects.resource import Resource, required
from k8s_step.practice import apply
from k8s_step.practice.admission import admit
from k8s_step.practice.refusal import Refusal, missing

Match = Callable[[MutableObject], bool]
NAMESPACE = required("v1", "Namespace")
_HISTORY = 20_000  # writes kept at least; a watch from an earlier version gets 410 Gone, as upstream


@dataclass(frozen=True)
class StoredWrite:
    """One write: ``before`` is ``None`` for a creation; for a deletion ``object`` is the last state."""

    type: str
    version: int
    resource: Resource
    object: MutableObject
    before: MutableObject | None


def now() -> str:
    """The present time as Kubernetes writes it: ``2026-11-22T10:00:00Z``."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Store:
    """The objects of the cluster. Thread-safe; a write stores a new dict and never changes a stored one."""

    def __init__(self) -> None:
        self._changed = threading.Condition(threading.RLock())
        self._objects: dict[tuple[Resource, str, str], MutableObject] = {}
        self._history: list[StoredWrite] = []
        self._closed = False
        self.version = 0
        self.listener: Callable[[StoredWrite], None] = lambda change: None

    def find(self, resource: Resource, namespace: str, name: str) -> MutableObject | None:
        """The object, or ``None``; ``namespace`` is empty for cluster-scoped resources."""
        return self._objects.get((resource, namespace, name))

    def get(self, resource: Resource, namespace: str, name: str) -> MutableObject:
        """The object; raises a :class:`Refusal` (404) if it is missing."""
        found = self.find(resource, namespace, name)
        if found is None:
            raise missing(resource, name)
        return found

    def find_all(self, resource: Resource, namespace: str = "", match: Match = bool) -> tuple[list[MutableObject], int]:
        """Objects sorted by namespace and name, and the store's version; an empty ``namespace`` means all."""
        with self._changed:
            keys = [key for key in self._objects if key[0] == resource and namespace in ("", key[1])]
            keys.sort(key=lambda key: key[1:])
            return [self._objects[key] for key in keys if match(self._objects[key])], self.version

    def create(self, resource: Resource, obj: MutableObject, manager: str, dry_run: bool = False) -> MutableObject:
        """Create an object; raises a :class:`Refusal` (409) if the name is taken."""
        with self._changed:
            meta = obj["metadata"]
            if self.find(resource, meta.get("namespace", ""), meta["name"]):
                raise Refusal(409, "AlreadyExists", f'{resource.full_name} "{meta["name"]}" already exists')
            obj = copy.deepcopy(obj)
            obj["metadata"]["managedFields"] = [apply.entry_for(obj, manager, "Update", now())]
            return self._write(resource, None, obj, dry_run)

    def apply(
        self, resource: Resource, wanted: MutableObject, manager: str, dry_run: bool = False
    ) -> tuple[MutableObject, bool]:
        """Apply ``wanted`` server-side: the object, and whether it is new."""
        with self._changed:
            live = self.find(resource, wanted["metadata"].get("namespace", ""), wanted["metadata"]["name"])
            merged = apply.applied(live, wanted, manager, now())
            return self._write(resource, live, merged, dry_run), live is None

    def update(
        self, resource: Resource, obj: MutableObject, mutate: Callable[[MutableObject], None]
    ) -> MutableObject | None:
        """Change the newest state of ``obj`` by ``mutate``, for controllers; ``None`` if the object is gone."""
        with self._changed:
            live = self.find(resource, obj["metadata"].get("namespace", ""), obj["metadata"]["name"])
            if live is None or live["metadata"]["uid"] != obj["metadata"]["uid"]:
                return None
            changed = copy.deepcopy(live)
            mutate(changed)
            return self._write(resource, live, changed)

    def delete(self, resource: Resource, namespace: str, name: str, dry_run: bool = False) -> MutableObject:
        """Delete at once, without finalizers or grace period; the controllers delete owned objects."""
        with self._changed:
            found = self.get(resource, namespace, name)
            if not dry_run:
                del self._objects[resource, namespace, name]
                gone = copy.deepcopy(found)
                gone["metadata"]["resourceVersion"] = str(self.version + 1)
                self._record("DELETED", resource, gone, found)
            return found

    def changes(self, after: int, timeout: float) -> Iterator[StoredWrite]:
        """Writes after version ``after``, for ``timeout`` seconds or until :meth:`close`; refused (410) if too old."""
        deadline = time.monotonic() + timeout
        while batch := self._await_changes(after, deadline):
            yield from batch
            after = batch[-1].version

    def close(self) -> None:
        """End every watch."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _await_changes(self, after: int, deadline: float) -> list[StoredWrite]:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self.version > after, deadline - time.monotonic())
            forgotten = self.version - len(self._history)
            if after < forgotten:
                raise Refusal(410, "Expired", f"too old resource version: {after} ({forgotten})")
            return [] if self._closed else self._history[after - forgotten :]

    def _write(
        self, resource: Resource, live: MutableObject | None, obj: MutableObject, dry_run: bool = False
    ) -> MutableObject:
        meta = obj["metadata"]
        namespace = meta.get("namespace", "")
        if namespace and live is None:
            self.get(NAMESPACE, "", namespace)
        admit(resource, obj)
        if live is None:
            meta |= {"uid": str(uuid.uuid4()), "creationTimestamp": now()}
        if "spec" in obj and resource.group and (live is None or live.get("spec") != obj["spec"]):
            meta["generation"] = meta.get("generation", 0) + 1
        if obj == live or dry_run:
            return obj
        meta["resourceVersion"] = str(self.version + 1)
        self._objects[resource, namespace, meta["name"]] = obj
        self._record("MODIFIED" if live else "ADDED", resource, obj, live)
        return obj

    def _record(self, kind: str, resource: Resource, obj: MutableObject, before: MutableObject | None) -> None:
        self.version += 1
        change = StoredWrite(kind, self.version, resource, obj, before)
        self._history.append(change)
        if len(self._history) > 2 * _HISTORY:
            del self._history[:_HISTORY]
        self._changed.notify_all()
        self.listener(change)
