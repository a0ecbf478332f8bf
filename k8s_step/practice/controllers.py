"""The controllers of Deployments and ReplicaSets, and the deletion of owned objects and of namespaces' contents."""

from __future__ import annotations

import json
import math
import random
import zlib
from collections.abc import Callable
from datetime import UTC, datetime

from k8s_step.objects.metadata import REVISION, TEMPLATE_HASH, MutableObject
from k8s_step.objects.reference import NAME_LETTERS, name_ending
from k8s_step.objects.resource import BUILTIN, Resource, required
from k8s_step.practice import events
from k8s_step.practice.kubelet import POD, Kubelet
from k8s_step.practice.store import NAMESPACE, Store, StoredWrite, now
from k8s_step.practice.timers import Timers

DEPLOYMENT = required("apps/v1", "Deployment")
REPLICA_SET = required("apps/v1", "ReplicaSet")


class Controllers:
    """Receives every write to the store and queues the controllers' reactions."""

    def __init__(self, store: Store, timers: Timers, pace: float) -> None:
        self._store = store
        self._timers = timers
        self._kubelet = Kubelet(store, timers, pace)

    def heed(self, change: StoredWrite) -> None:
        """Queue reactions to ``change``. Called under the store's lock, so it writes nothing itself."""
        meta = change.object["metadata"]
        if change.type == "DELETED" and change.resource in (DEPLOYMENT, REPLICA_SET):
            self._timers.after(0, self._clear_owned, meta["namespace"], meta["uid"])
        elif change.type == "DELETED" and change.resource == NAMESPACE:
            self._timers.after(0, self._clear_namespace, meta["name"])
        elif change.resource in (DEPLOYMENT, REPLICA_SET):
            self._queue(change.resource.kind, meta["namespace"], meta["name"])
        elif change.resource == POD and change.type == "ADDED":
            self._kubelet.take(change.object)
        for owner in meta.get("ownerReferences", []):
            self._queue(owner["kind"], meta["namespace"], owner["name"])

    def _queue(self, kind: str, namespace: str, name: str) -> None:
        if sync := {"Deployment": self._sync_deployment, "ReplicaSet": self._sync_replica_set}.get(kind):
            self._timers.after(0, sync, namespace, name)

    def _owned(self, resource: Resource, namespace: str, uid: str) -> list[MutableObject]:
        return self._store.find_all(resource, namespace, lambda obj: _owner(obj) == uid)[0]

    def _clear_owned(self, namespace: str, uid: str) -> None:
        for resource in (REPLICA_SET, POD):
            for obj in self._owned(resource, namespace, uid):
                self._store.delete(resource, namespace, obj["metadata"]["name"])

    def _clear_namespace(self, namespace: str) -> None:
        for resource in BUILTIN:
            for obj in self._store.find_all(resource, namespace)[0] if resource.namespaced else []:
                self._store.delete(resource, namespace, obj["metadata"]["name"])

    # ReplicaSets

    def _sync_replica_set(self, namespace: str, name: str) -> None:
        replica_set = self._store.get(REPLICA_SET, namespace, name)
        pods = self._owned(POD, namespace, replica_set["metadata"]["uid"])
        wanted = replica_set["spec"]["replicas"]
        for _ in range(wanted - len(pods)):
            pod = self._store.create(POD, _new_pod(replica_set), "kube-controller-manager")
            self._event("replicaset-controller", replica_set, "SuccessfulCreate", f"Created pod: {_name(pod)}")
        for pod in sorted(pods, key=_is_ready)[: max(0, len(pods) - wanted)]:
            self._store.delete(POD, namespace, _name(pod))
            self._event("replicaset-controller", replica_set, "SuccessfulDelete", f"Deleted pod: {_name(pod)}")
        pods = self._owned(POD, namespace, replica_set["metadata"]["uid"])
        ready = sum(_is_ready(pod) for pod in pods)
        status = _without_zeros(fullyLabeledReplicas=len(pods), readyReplicas=ready, availableReplicas=ready)
        status |= {"replicas": len(pods), "observedGeneration": replica_set["metadata"]["generation"]}
        self._store.update(REPLICA_SET, replica_set, lambda obj: obj.update(status=status))

    # Deployments

    def _sync_deployment(self, namespace: str, name: str) -> None:
        deployment = self._store.get(DEPLOYMENT, namespace, name)
        new = self._new_replica_set(deployment)
        old = [item for item in self._replica_sets(deployment) if _name(item) != _name(new)]
        if deployment["spec"]["strategy"]["type"] == "Recreate":
            self._recreate(deployment, new, old)
        else:
            self._roll(deployment, new, old)
        self._write_status(deployment, _name(new))

    def _replica_sets(self, deployment: MutableObject) -> list[MutableObject]:
        meta = deployment["metadata"]
        return self._owned(REPLICA_SET, meta["namespace"], meta["uid"])

    def _new_replica_set(self, deployment: MutableObject) -> MutableObject:
        """The ReplicaSet of the current template, created if missing, with the highest revision."""
        replica_sets = self._replica_sets(deployment)
        name = f"{_name(deployment)}-{_template_hash(deployment)}"
        revisions = {_name(item): int(item["metadata"]["annotations"][REVISION]) for item in replica_sets}
        newest = max(revisions.values(), default=0)
        revision = newest if newest and revisions.get(name) == newest else newest + 1
        new = next((item for item in replica_sets if _name(item) == name), None)
        if new is None:
            made = _new_replica_set(deployment, name, revision)
            new = self._store.create(REPLICA_SET, made, "kube-controller-manager")
        self._store.update(REPLICA_SET, new, lambda obj: _annotate(obj, revision))
        self._store.update(DEPLOYMENT, deployment, lambda obj: _annotate(obj, revision))
        return self._store.get(REPLICA_SET, deployment["metadata"]["namespace"], name)

    def _recreate(self, deployment: MutableObject, new: MutableObject, old: list[MutableObject]) -> None:
        for item in old:
            self._scale(deployment, item, 0)
        if not any(item.get("status", {}).get("replicas") for item in old):
            self._scale(deployment, new, deployment["spec"]["replicas"])

    def _roll(self, deployment: MutableObject, new: MutableObject, old: list[MutableObject]) -> None:
        """One step of upstream's rolling.go: scale the new ReplicaSet up, then old ones down, unhealthy pods first."""
        wanted = deployment["spec"]["replicas"]
        surge, unavailable = _budget(deployment)
        total = sum(item["spec"]["replicas"] for item in [new, *old])
        size = new["spec"]["replicas"]
        size = min(wanted, size + max(0, wanted + surge - total)) if size < wanted else wanted
        total += size - new["spec"]["replicas"]
        self._scale(deployment, new, size)
        removable = total - (wanted - unavailable) - (size - _available(new))
        spare = _available(new) + sum(map(_available, old)) - (wanted - unavailable)
        for item in old:
            unhealthy = min(max(0, removable), item["spec"]["replicas"] - _available(item))
            removable -= unhealthy
            item = self._scale(deployment, item, item["spec"]["replicas"] - unhealthy)
            healthy = min(max(0, removable), max(0, spare), item["spec"]["replicas"])
            removable, spare = removable - healthy, spare - healthy
            self._scale(deployment, item, item["spec"]["replicas"] - healthy)

    def _scale(self, deployment: MutableObject, replica_set: MutableObject, size: int) -> MutableObject:
        before = replica_set["spec"]["replicas"]
        if size == before:
            return replica_set
        way = "up" if size > before else "down"
        message = f"Scaled {way} replica set {_name(replica_set)} from {before} to {size}"
        self._event("deployment-controller", deployment, "ScalingReplicaSet", message)
        scaled = self._store.update(REPLICA_SET, replica_set, lambda obj: obj["spec"].update(replicas=size))
        return scaled or replica_set

    def _write_status(self, deployment: MutableObject, new_name: str) -> None:
        replica_sets = self._replica_sets(deployment)
        deadline = deployment["spec"]["progressDeadlineSeconds"]

        def write(obj: MutableObject) -> None:
            obj["status"] = _deployment_status(deployment, obj.get("status", {}), replica_sets, new_name)

        written = self._store.update(DEPLOYMENT, deployment, write)
        progress = _progress(written["status"]) if written else {}
        if progress.get("reason") == "ReplicaSetUpdated":
            meta = deployment["metadata"]
            self._timers.after(deadline - _age(progress), self._check_deadline, meta["namespace"], meta["name"])

    def _check_deadline(self, namespace: str, name: str) -> None:
        """Sync at the progress deadline; a method of its own, or :class:`Timers` would merge it with other syncs."""
        self._sync_deployment(namespace, name)

    def _event(self, source: str, about: MutableObject, reason: str, message: str) -> None:
        events.record(self._store, source, about, reason, message)


def _name(obj: MutableObject) -> str:
    return str(obj["metadata"]["name"])


def _owner(obj: MutableObject) -> str | None:
    return next((ref["uid"] for ref in obj["metadata"].get("ownerReferences", []) if ref.get("controller")), None)


def _reference(owner: MutableObject) -> MutableObject:
    reference = {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": _name(owner)}
    return reference | {"uid": owner["metadata"]["uid"], "controller": True, "blockOwnerDeletion": True}


def _annotate(obj: MutableObject, revision: int) -> None:
    obj["metadata"].setdefault("annotations", {})[REVISION] = str(revision)


def _is_ready(pod: MutableObject) -> bool:
    conditions = pod.get("status", {}).get("conditions", [])
    return any((item["type"], item["status"]) == ("Ready", "True") for item in conditions)


def _available(replica_set: MutableObject) -> int:
    return int(replica_set.get("status", {}).get("availableReplicas", 0))


def _without_zeros(**counts: int) -> MutableObject:
    """The counts without zeros, as upstream's ``omitempty`` leaves them out."""
    return {key: count for key, count in counts.items() if count}


def _template_hash(deployment: MutableObject) -> str:
    template = json.dumps(deployment["spec"]["template"], sort_keys=True)
    return "".join(NAME_LETTERS[ord(digit) % 27] for digit in str(zlib.crc32(template.encode())))


def _new_replica_set(deployment: MutableObject, name: str, revision: int) -> MutableObject:
    template = deployment["spec"]["template"]
    label = {TEMPLATE_HASH: _template_hash(deployment)}
    labels = template.get("metadata", {}).get("labels", {}) | label
    selector = deployment["spec"]["selector"]
    selector = selector | {"matchLabels": selector.get("matchLabels", {}) | label}
    metadata = {
        "name": name,
        "namespace": deployment["metadata"]["namespace"],
        "labels": labels,
        "annotations": {REVISION: str(revision)},
        "ownerReferences": [_reference(deployment)],
    }
    template = template | {"metadata": template.get("metadata", {}) | {"labels": labels}}
    spec = {"replicas": 0, "selector": selector, "template": template}
    return {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": metadata, "spec": spec}


def _new_pod(replica_set: MutableObject) -> MutableObject:
    template = replica_set["spec"]["template"]
    metadata = template["metadata"] | {
        "name": f"{_name(replica_set)}-{name_ending(random.choice)}",
        "namespace": replica_set["metadata"]["namespace"],
        "ownerReferences": [_reference(replica_set)],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}


def _budget(deployment: MutableObject) -> tuple[int, int]:
    """maxSurge (rounded up) and maxUnavailable (rounded down) in pods; never both zero, as upstream."""
    rolling = deployment["spec"]["strategy"].get("rollingUpdate", {})
    replicas = deployment["spec"]["replicas"]
    surge = _share(rolling.get("maxSurge", "25%"), replicas, math.ceil)
    unavailable = _share(rolling.get("maxUnavailable", "25%"), replicas, math.floor)
    return surge, unavailable or int(surge == 0)


def _share(value: int | str, of: int, rounded: Callable[[float], int]) -> int:
    return rounded(of * int(value.rstrip("%")) / 100) if isinstance(value, str) else value


def _deployment_status(
    deployment: MutableObject, before: MutableObject, replica_sets: list[MutableObject], new_name: str
) -> MutableObject:
    def count(field: str, sets: list[MutableObject]) -> int:
        return sum(item.get("status", {}).get(field, 0) for item in sets)

    available = count("availableReplicas", replica_sets)
    status = {"observedGeneration": deployment["metadata"]["generation"]}
    status |= _without_zeros(
        replicas=count("replicas", replica_sets),
        updatedReplicas=count("replicas", [item for item in replica_sets if _name(item) == new_name]),
        readyReplicas=count("readyReplicas", replica_sets),
        availableReplicas=available,
        unavailableReplicas=max(0, sum(item["spec"]["replicas"] for item in replica_sets) - available),
    )
    known = {item["type"]: item for item in before.get("conditions", [])}
    progress = _progressing(deployment, before, status, new_name)
    conditions = [_available_condition(deployment, available), progress or known.get("Progressing")]
    status["conditions"] = [_dated(known.get(item["type"]), item, item is progress) for item in conditions if item]
    return status


def _available_condition(deployment: MutableObject, available: int) -> MutableObject:
    if available >= deployment["spec"]["replicas"] - _budget(deployment)[1]:
        return _condition("Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    message = "Deployment does not have minimum availability."
    return _condition("Available", "False", "MinimumReplicasUnavailable", message)


def _progressing(
    deployment: MutableObject, before: MutableObject, status: MutableObject, new_name: str
) -> MutableObject | None:
    """The new Progressing condition by upstream's progress.go; ``None`` keeps the present one."""
    known, what = _progress(before), f'ReplicaSet "{new_name}"'
    fresh = not known or before.get("observedGeneration") != status["observedGeneration"]
    rolled_out = known.get("reason") == "NewReplicaSetAvailable"
    if rolled_out and not fresh and status.get("replicas") == status.get("updatedReplicas"):
        return None
    if _is_complete(deployment, status):
        return _condition("Progressing", "True", "NewReplicaSetAvailable", f"{what} has successfully progressed.")
    if fresh or _has_progressed(before, status):
        return _condition("Progressing", "True", "ReplicaSetUpdated", f"{what} is progressing.")
    if known["status"] == "False" or _age(known) < deployment["spec"]["progressDeadlineSeconds"]:
        return None
    return _condition("Progressing", "False", "ProgressDeadlineExceeded", f"{what} has timed out progressing.")


def _progress(status: MutableObject) -> MutableObject:
    return next((item for item in status.get("conditions", []) if item["type"] == "Progressing"), {})


def _age(condition: MutableObject) -> float:
    return (datetime.now(UTC) - datetime.fromisoformat(condition["lastUpdateTime"])).total_seconds()


def _is_complete(deployment: MutableObject, status: MutableObject) -> bool:
    wanted = deployment["spec"]["replicas"]
    counts = [status.get(key, 0) for key in ("replicas", "updatedReplicas", "availableReplicas")]
    return counts == [wanted] * 3 and status["observedGeneration"] >= deployment["metadata"]["generation"]


def _has_progressed(before: MutableObject, status: MutableObject) -> bool:
    def old(counts: MutableObject) -> int:
        return int(counts.get("replicas", 0)) - int(counts.get("updatedReplicas", 0))

    grown = any(status.get(key, 0) > before.get(key, 0) for key in ("updatedReplicas", "readyReplicas"))
    return grown or old(status) < old(before)


def _condition(kind: str, status: str, reason: str, message: str) -> MutableObject:
    return {"type": kind, "status": status, "reason": reason, "message": message}


def _dated(known: MutableObject | None, condition: MutableObject, progressed: bool) -> MutableObject:
    """The condition with upstream's times: transition at a change of status, update at any change or progress."""
    if known is None:
        return condition | {"lastUpdateTime": now(), "lastTransitionTime": now()}
    same = all(known[key] == condition[key] for key in ("status", "reason", "message"))
    moved = known["status"] != condition["status"]
    return condition | {
        "lastUpdateTime": known["lastUpdateTime"] if same and not progressed else now(),
        "lastTransitionTime": now() if moved else known["lastTransitionTime"],
    }
