"""What the cluster's own records say of an object: whether it is current, what it holds, whether it is really broken.

Written from the API's documentation of each status, apart from the product's rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from tests.chaos.record import Key, Object, State

_FATAL = (
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
    "CrashLoopBackOff",
)
_OF_CONTROLLERS = ("deployment.kubernetes.io/", "deprecated.daemonset.", "batch.kubernetes.io/", "controller-uid")
_PARENTS = {"Deployment": "ReplicaSet"}


def is_current(found: Object | None) -> bool:
    """Whether the status, of the generation that is written, says that all is done."""
    if found is None or found["metadata"].get("deletionTimestamp"):
        return False
    return _CURRENT.get(str(found["kind"]), lambda _: True)(found)


def _deployment(found: Object) -> bool:
    status, count = _status(found), _replicas(found)
    counts = [int(status.get(name) or 0) for name in ("replicas", "updatedReplicas", "availableReplicas")]
    return _observed(found) and counts == [count] * 3


def _stateful_set(found: Object) -> bool:
    status, count = _status(found), _replicas(found)
    counts = [int(status.get(name) or 0) for name in ("replicas", "readyReplicas", "availableReplicas")]
    is_rolled = status.get("currentRevision") == status.get("updateRevision")
    return _observed(found) and is_rolled and counts == [count] * 3


def _daemon_set(found: Object) -> bool:
    status = _status(found)
    names = ("updatedNumberScheduled", "numberAvailable", "numberReady")
    wanted = status.get("desiredNumberScheduled")
    return _observed(found) and wanted is not None and all(int(status.get(name) or 0) == wanted for name in names)


def _job(found: Object) -> bool:
    return _says(found, "Complete", "True")


def _definition(found: Object) -> bool:
    return _says(found, "Established", "True")


def _widget(found: Object) -> bool:
    """One without conditions can't be judged, by anybody."""
    if not _status(found).get("conditions"):
        return True
    return _observed(found) and _says(found, "Ready", "True")


_CURRENT = {
    "Deployment": _deployment,
    "StatefulSet": _stateful_set,
    "DaemonSet": _daemon_set,
    "Job": _job,
    "CustomResourceDefinition": _definition,
    "Widget": _widget,
}


def _status(found: Object) -> Mapping[str, Any]:
    return found.get("status") or {}


def _observed(found: Object) -> bool:
    return int(_status(found).get("observedGeneration") or 0) >= int(found["metadata"].get("generation") or 0)


def _replicas(found: Object) -> int:
    count = (found.get("spec") or {}).get("replicas")
    return 1 if count is None else int(count)


def _says(found: Object, kind: str, status: str, reason: str = "") -> bool:
    return any(
        one.get("type") == kind and one.get("status") == status and (not reason or one.get("reason") == reason)
        for one in _status(found).get("conditions") or ()
    )


def holds(wanted: Any, found: Any, *, without: Sequence[str] = ()) -> bool:
    """Whether all that is wanted is there; ``without`` names fields that others have a right to."""
    if isinstance(wanted, Mapping):
        return isinstance(found, Mapping) and all(
            name in found and holds(value, found[name], without=without)
            for name, value in wanted.items()
            if name not in without and value not in ({}, None)
        )
    if isinstance(wanted, list):
        return (
            isinstance(found, list)
            and len(wanted) == len(found)
            and all(holds(one, other, without=without) for one, other in zip(wanted, found, strict=True))
        )
    return bool(wanted == found)


def content(found: Object | None) -> dict[str, Any] | None:
    """What users and tools write: without status, the server's own metadata and the controllers' notes."""
    if found is None:
        return None
    metadata = found["metadata"]
    kept = {name: _own(metadata.get(name)) for name in ("labels", "annotations")}
    kept["deletionTimestamp"] = metadata.get("deletionTimestamp")
    rest = {name: value for name, value in found.items() if name not in ("metadata", "status")}
    return {**rest, "metadata": {name: value for name, value in kept.items() if value}}


def _own(notes: Mapping[str, str] | None) -> dict[str, str]:
    return {name: value for name, value in (notes or {}).items() if not name.startswith(_OF_CONTROLLERS)}


def managers(found: Object | None, *names: str) -> list[Mapping[str, Any]]:
    """The entries of these field managers."""
    entries = (found or {"metadata": {}})["metadata"].get("managedFields") or ()
    return [entry for entry in entries if entry.get("manager") in names and not entry.get("subresource")]


def in_effect(states: Sequence[State], key: Key, first: int, last: int) -> list[State]:
    """The states of an object between two revisions: the one it had at the first, and all that followed."""
    own = [one for one in states if one.key == key and one.revision <= last]
    before = [one for one in own if one.revision <= first]
    return (before[-1:] or [State(key, 0, 0.0, None)]) + [one for one in own if one.revision > first]


def broken(states: Sequence[State], key: Key, first: int, last: int) -> Iterator[str]:
    """All that was really wrong with an object, or with pods that are its own, in these revisions."""
    own = in_effect(states, key, first, last)
    was_there = False
    for one in own:
        is_going = one.object is None or one.object["metadata"].get("deletionTimestamp")
        if was_there and is_going:
            yield "it was deleted"
        was_there = was_there or one.object is not None
        yield from _said(one.object)
    uids = {one.object["metadata"].get("uid") for one in own if one.object is not None}
    yield from _of_pods(states, _with_parents(states, key, uids), first, last)


def _said(found: Object | None) -> Iterator[str]:
    if found is None:
        return
    for kind, status, reason in _FAILURES:
        if _says(found, kind, status, reason):
            yield f"{kind}={status} {reason}".strip()


_FAILURES = (
    ("Progressing", "False", "ProgressDeadlineExceeded"),
    ("ReplicaFailure", "True", ""),
    ("Failed", "True", ""),
    ("FailureTarget", "True", ""),
    ("Stalled", "True", ""),
)


def _with_parents(states: Sequence[State], key: Key, uids: set[Any]) -> set[Any]:
    """A Deployment's pods are its ReplicaSets'."""
    parent = _PARENTS.get(key.kind)
    made = {
        one.object["metadata"].get("uid")
        for one in states
        if one.object is not None and one.key.kind == parent and _owners(one.object) & uids
    }
    return uids | made


def _owners(found: Object) -> set[Any]:
    return {owner.get("uid") for owner in found["metadata"].get("ownerReferences") or ()}


def _of_pods(states: Sequence[State], uids: set[Any], first: int, last: int) -> Iterator[str]:
    latest: dict[Key, State] = {}
    for one in states:
        if one.key.kind != "Pod" or one.object is None or not _owners(one.object) & uids or one.revision > last:
            continue
        if one.revision > first:
            yield from _of_pod(one.object)
        else:
            latest[one.key] = one
    for one in latest.values():
        yield from _of_pod(one.object or {})


def _of_pod(pod: Object) -> Iterator[str]:
    status = pod.get("status") or {}
    if status.get("phase") == "Failed":
        yield "a pod failed"
    for container in _containers(status):
        reason = ((container.get("state") or {}).get("waiting") or {}).get("reason")
        if reason in _FATAL:
            yield str(reason)
        ended = [(container.get(name) or {}).get("terminated") or {} for name in ("state", "lastState")]
        if any(int(one.get("exitCode") or 0) for one in ended):
            yield "a container ended badly"


def _containers(status: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    return [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
