"""Which pods belong to a workload's current revision: by ownership, never by selector alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from k8s_step.objects.kinds.pods import controller_of
from k8s_step.objects.metadata import (
    TEMPLATE_GENERATION,
    TEMPLATE_HASH,
    Object,
    annotations_of,
    entries,
    labels_of,
    metadata_of,
    uid_of,
)

ReplicaSets = Mapping[str, Object]  # by uid
Test = Callable[[Object], bool]


def current_pods(obj: Object, pods: Iterable[Object], replica_sets: ReplicaSets) -> list[Object]:
    """The pods of ``obj``'s current revision. ``obj`` is a workload whose generation has been observed."""
    rule = _RULES.get(str(obj.get("kind")))
    if rule is None:
        return []
    is_current = rule(obj, replica_sets)
    return [pod for pod in pods if is_current(pod)]


def replica_set_of(deployment: Object, replica_sets: ReplicaSets) -> Object | None:
    """The ReplicaSet with the current pod template of ``deployment``; ``None`` if ``replica_sets`` has none.

    Compares templates without the hash label, as ``FindNewReplicaSet`` in kubernetes' ``deployment_util.go`` does.
    Revision annotations are no substitute: they lag behind observedGeneration when a scaling or a rollback comes with
    the change.
    """
    own = (each for each in replica_sets.values() if controller_of(each).get("uid") == uid_of(deployment))
    wanted = _digest(deployment)
    alike = [each for each in own if _digest(each) == wanted]
    return min(alike, key=_created, default=None)


def is_old_replica_set(deployment: Object, name: str, replica_sets: ReplicaSets) -> bool | None:
    """Whether the ReplicaSet ``name`` has another template than ``deployment``; ``None`` if it is not known."""
    known = [each for each in replica_sets.values() if metadata_of(each).get("name") == name]
    if not known:
        return None
    return _digest(known[0]) != _digest(deployment)


def same_template(workload: Object, template: Object) -> bool:
    """Whether ``workload`` already has this pod template."""
    return bool(_template(workload) == _template({"spec": {"template": template}}))


def _created(obj: Object) -> tuple[str, str]:
    metadata = metadata_of(obj)
    return str(metadata.get("creationTimestamp", "")), str(metadata.get("name", ""))


_digests: dict[str, tuple[Any, bytes]] = {}  # by uid: the pod template last seen there, and its digest
_MOST_DIGESTS = 10_000


def _digest(workload: Object) -> bytes:
    """A digest of the pod template of an object as the server has it; equal templates have equal digests.

    The uid and generation alone would not do: a cluster restored from a backup counts its generations anew.
    """
    uid, template = uid_of(workload), (workload.get("spec") or {}).get("template")
    known = _digests.get(uid)
    if known is not None and (known[0] is template or known[0] == template):
        return known[1]
    found = hashlib.sha256(json.dumps(_template(workload), sort_keys=True).encode()).digest()
    if uid:
        if len(_digests) >= _MOST_DIGESTS:
            _digests.clear()
        _digests[uid] = template, found
    return found


def _template(obj: Object) -> Any:
    template = (obj.get("spec") or {}).get("template") or {}
    labels = dict(labels_of(template))
    labels.pop(TEMPLATE_HASH, None)
    return _filled({**template, "metadata": {**metadata_of(template), "labels": labels}})


def _filled(value: Any) -> Any:
    """``value`` without null and empty entries, which the server sometimes writes and sometimes leaves out."""
    if isinstance(value, Mapping):
        kept = {key: _filled(entry) for key, entry in value.items()}
        return {key: entry for key, entry in kept.items() if entry not in (None, "", [], {})}
    if isinstance(value, list):
        return [_filled(entry) for entry in value]
    return value


def _annotation(obj: Object, name: str) -> str:
    return str(annotations_of(obj).get(name, ""))


def _label(obj: Object, name: str) -> str:
    return str(labels_of(obj).get(name, ""))


def _owned(obj: Object, _: ReplicaSets) -> Test:
    return _owned_by(uid_of(obj))


def _owned_by(uid: str) -> Test:
    return lambda pod: bool(uid) and controller_of(pod).get("uid") == uid


def _of_template(obj: Object, _: ReplicaSets) -> Test:
    """For a bare ReplicaSet, which does not label pods with a revision and keeps old pods when its template changes.

    A pod is of an older revision if it was created before the last write and lacks parts of the template. Age is needed
    as well, since admission may change a new pod.
    """
    is_own, written, template = _owned_by(uid_of(obj)), _last_written(obj), _template(obj)
    return lambda pod: is_own(pod) and (_created(pod)[0] > written or _within(template, pod))


def _last_written(obj: Object) -> str:
    """The time of the last write to more than a subresource; ``~``, later than any time, where none is recorded."""
    return max((str(entry.get("time", "")) for entry in entries(obj) if not entry.get("subresource")), default="~")


def _within(part: Any, whole: Any) -> bool:
    """Whether ``whole`` contains all of ``part``."""
    if isinstance(part, Mapping):
        return isinstance(whole, Mapping) and all(_within(value, whole.get(key)) for key, value in part.items())
    if isinstance(part, list):
        return isinstance(whole, list) and all(any(_within(entry, each) for each in whole) for entry in part)
    return bool(part == whole)


def _of_deployment(obj: Object, replica_sets: ReplicaSets) -> Test:
    return _owned_by(uid_of(replica_set_of(obj, replica_sets) or {}))


def _of_statefulset(obj: Object, _: ReplicaSets) -> Test:
    updated, is_own = (obj.get("status") or {}).get("updateRevision"), _owned_by(uid_of(obj))
    return lambda pod: bool(updated) and is_own(pod) and _label(pod, "controller-revision-hash") == updated


def _of_daemonset(obj: Object, _: ReplicaSets) -> Test:
    """By the template generation, which ``IsPodUpdated`` in kubernetes' daemonset controller accepts.

    The hash of the newest ControllerRevision would cost one more request.
    """
    generation, is_own = _annotation(obj, TEMPLATE_GENERATION), _owned_by(uid_of(obj))
    return lambda pod: bool(generation) and is_own(pod) and _label(pod, "pod-template-generation") == generation


def _itself(obj: Object, _: ReplicaSets) -> Test:
    uid = uid_of(obj)
    return lambda pod: bool(uid) and uid_of(pod) == uid


_RULES: dict[str, Callable[[Object, ReplicaSets], Test]] = {
    "Deployment": _of_deployment,
    "StatefulSet": _of_statefulset,
    "DaemonSet": _of_daemonset,
    "ReplicaSet": _of_template,
    "ReplicationController": _of_template,
    "Job": _owned,
    "Pod": _itself,
}
