"""The pods and ReplicaSets of the followed workloads, by owner."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from k8s_step.objects.conditions import mappings
from k8s_step.objects.kinds.pods import controller_of, without_token
from k8s_step.objects.metadata import TEMPLATE_HASH, MutableObject, Object, labels_of, uid_of


class Family:
    """Objects of one kind, by their uid and by the uid of their controller, without what no verdict looks at."""

    def __init__(self) -> None:
        self._objects: dict[str, Object] = {}
        self._children: dict[str, set[str]] = {}

    def put(self, obj: MutableObject) -> None:
        """Add an object, or replace its earlier state; it is kept itself, and not as a copy."""
        uid = uid_of(obj)
        _lighten(obj)
        self.drop(uid)
        self._objects[uid] = obj
        self._children.setdefault(_owner_uid(obj), set()).add(uid)

    def drop(self, uid: str) -> Object | None:
        """Remove the object with this uid and return it; ``None`` where there is none."""
        gone = self._objects.pop(uid, None)
        if gone is None:
            return None
        owner_uid = _owner_uid(gone)
        siblings = self._children[owner_uid]
        siblings.discard(uid)
        if not siblings:
            del self._children[owner_uid]
        return gone

    def of(self, owner_uid: str) -> list[Object]:
        """The objects this owner controls."""
        return [self._objects[uid] for uid in self._children.get(owner_uid, ())]

    @property
    def by_uid(self) -> Mapping[str, Object]:
        """All objects of the family, by uid."""
        return self._objects


class Ownership:
    """Who owns whom: Deployment → ReplicaSet → Pod, or workload → Pod."""

    def __init__(self) -> None:
        self.pods = Family()
        self.replica_sets = Family()

    def pods_under(self, workload_uid: str) -> list[Object]:
        """The pods of a workload, of all revisions."""
        between: Iterable[Object] = self.replica_sets.of(workload_uid)
        return [*self.pods.of(workload_uid), *(pod for one in between for pod in self.pods.of(uid_of(one)))]

    def replica_sets_under(self, workload_uid: str) -> Mapping[str, Object]:
        """The ReplicaSets of a Deployment, by uid."""
        return {uid_of(one): one for one in self.replica_sets.of(workload_uid)}

    def workload_of(self, obj: Object) -> str:
        """The uid of the topmost known owner of the object; the object's own uid where it has no owner."""
        uid = _owner_uid(obj)
        if not uid:
            return uid_of(obj)
        replica_set = self.replica_sets.by_uid.get(uid)
        return (_owner_uid(replica_set) if replica_set else "") or uid


def _owner_uid(obj: Object) -> str:
    return str(controller_of(obj).get("uid", ""))


def _lighten(obj: MutableObject) -> None:
    """Drop what neither verdict nor evidence reads: managedFields, and parts of the spec of a Deployment's pods.

    A bare ReplicaSet's pods are compared with its template, and stay whole.
    """
    obj["metadata"].pop("managedFields", None)
    spec = obj.get("spec")
    if TEMPLATE_HASH not in labels_of(obj) or not isinstance(spec, dict) or "containers" not in spec:
        return
    spec.pop("tolerations", None)
    if "volumes" in spec:
        spec["volumes"] = without_token(mappings(spec["volumes"]))
    for container in spec["containers"]:
        for field in ("env", "resources"):
            container.pop(field, None)
        if "volumeMounts" in container:
            container["volumeMounts"] = without_token(mappings(container["volumeMounts"]))
