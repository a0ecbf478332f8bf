"""Is an object current? Computed from the object alone, in kstatus's words.

Reference: ``pkg/kstatus/status`` of sigs.k8s.io/cli-utils. Ours is stricter in that a Job must complete, a
LoadBalancer needs an address, minReadySeconds counts (available, not just ready), and a generation that the
controller has not yet observed is never judged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

Object = Mapping[str, Any]

_NO_DEADLINE = 2**31 - 1  # progressDeadlineSeconds of MaxInt32 turns the Progressing condition off
FAILED_CREATE_GRACE = 15.0


class State(StrEnum):
    """kstatus's words for where an object stands."""

    CURRENT = "current"
    IN_PROGRESS = "in progress"
    FAILED = "failed"
    TERMINATING = "terminating"
    NOT_FOUND = "not found"


@dataclass(frozen=True)
class Readiness:
    """The verdict on one object.

    ``reason`` is Kubernetes' own word where there is one. ``grace`` is set while the object shows a problem that
    is fatal only when it lasts for that many seconds. ``unjudged`` is set where the object tells nothing,
    ``unversioned`` where it calls itself ready but not of which generation.
    """

    state: State
    message: str = ""
    reason: str = ""
    grace: float | None = None
    unjudged: bool = False
    unversioned: bool = False


def compute(obj: Object) -> Readiness:
    """Judge ``obj`` as the server returned it. Pure: no clock, no requests."""
    metadata = obj.get("metadata") or {}
    if metadata.get("deletionTimestamp"):
        held = ", ".join(metadata.get("finalizers") or [])
        told = f"being deleted, held by {held}" if held else "being deleted"
        return outcome(obj) or Readiness(State.TERMINATING, told)
    rule = _RULES.get(_group_kind(obj), _by_conditions)
    return _unobserved(obj, must_observe=rule in _OBSERVING) or _by_common_conditions(obj) or rule(obj)


def is_custom(obj: Object) -> bool:
    """Whether ``obj`` belongs to a group that only a CRD or an aggregated server can serve."""
    return _group_kind(obj).partition("/")[0] not in _BUILT_IN_GROUPS


def condition(obj: Object, kind: str) -> Mapping[str, Any] | None:
    """The entry of ``status.conditions`` of this type, or ``None``."""
    conditions = _status(obj).get("conditions")
    if not isinstance(conditions, list):
        return None
    return next((entry for entry in conditions if isinstance(entry, Mapping) and entry.get("type") == kind), None)


def outcome(obj: Object) -> Readiness | None:
    """What a Job came to, which its deletion (``ttlSecondsAfterFinished``, say) does not undo; ``None`` elsewhere."""
    if _group_kind(obj) != "batch/Job":
        return None
    return _job_failed(obj) or (Readiness(State.CURRENT, "complete") if is_complete(obj) else None)


def is_complete(job: Object) -> bool:
    """Whether a Job has come to its good end."""
    return _is(job, "Complete")


def observed(obj: Object) -> bool:
    """Whether the controller has seen the generation this object is at."""
    return _unobserved(obj, must_observe=False) is None


def _group_kind(obj: Object) -> str:
    group = str(obj.get("apiVersion", "")).rpartition("/")[0]
    return f"{group}/{obj.get('kind', '')}"


def _spec(obj: Object) -> Mapping[str, Any]:
    return obj.get("spec") or {}


def _status(obj: Object) -> Mapping[str, Any]:
    status = obj.get("status")
    return status if isinstance(status, Mapping) else {}


def _is(obj: Object, kind: str, value: str = "True") -> bool:
    return (condition(obj, kind) or {}).get("status") == value


def _progress(message: str, reason: str = "", grace: float | None = None) -> Readiness:
    return Readiness(State.IN_PROGRESS, message, reason, grace)


def _unobserved(obj: Object, *, must_observe: bool) -> Readiness | None:
    """In progress while ``status.observedGeneration`` is behind ``metadata.generation``."""
    generation = _number((obj.get("metadata") or {}).get("generation"))
    seen = _number(_status(obj).get("observedGeneration"))
    if generation is None or seen == generation or (seen is None and not must_observe):
        return None
    return _progress(f"the controller has not yet seen generation {generation}", "LatestGenerationNotObserved")


def _number(value: Any) -> int | None:
    """A generation or count; some custom resources write theirs as text, or as something else altogether."""
    if isinstance(value, str) and value.isdecimal():
        return int(value)
    return value if isinstance(value, int) else None


def _replicas(obj: Object) -> int:
    replicas = _number(_spec(obj).get("replicas"))
    return 1 if replicas is None else replicas


def _count(obj: Object, field: str) -> int:
    return _number(_status(obj).get(field)) or 0


def replica_failure(obj: Object) -> Readiness | None:
    """Quota, admission: the ReplicaSet cannot create pods. It may pass, so it is fatal only when it lasts."""
    failure = condition(obj, "ReplicaFailure")
    if failure is None or failure.get("status") != "True":
        return None
    message, reason = str(failure.get("message", "")), str(failure.get("reason") or "ReplicaFailure")
    return _progress(message, reason, None if reason == "FailedDelete" else FAILED_CREATE_GRACE)


def _deployment(obj: Object) -> Readiness:
    progressing = condition(obj, "Progressing") or {}
    if progressing.get("reason") == "ProgressDeadlineExceeded" and progressing.get("status") == "False":
        return Readiness(State.FAILED, str(progressing.get("message", "")), "ProgressDeadlineExceeded")
    counts = _deployment_counts(obj)
    if counts is not None:
        return replica_failure(obj) or counts
    if not _is(obj, "Available"):
        return _progress("waiting for minimum availability")
    deadline = _spec(obj).get("progressDeadlineSeconds")
    has_deadline = deadline is not None and deadline != _NO_DEADLINE and not _spec(obj).get("paused")
    if has_deadline and progressing.get("reason") != "NewReplicaSetAvailable":
        return _progress("waiting for the controller to call the new ReplicaSet available")
    return Readiness(State.CURRENT, _ready_phrase(_replicas(obj), _count(obj, "availableReplicas")))


def _deployment_counts(obj: Object) -> Readiness | None:
    """What the counts still lack, in the order ``kubectl rollout status`` looks at them; ``None`` when all is there."""
    wanted = _replicas(obj)
    updated, available = _count(obj, "updatedReplicas"), _count(obj, "availableReplicas")
    if updated < wanted:
        paused = "paused: resume it to roll out; " if _spec(obj).get("paused") else ""
        return _progress(f"{paused}{updated} of {wanted} pods updated, {available} available")
    if _count(obj, "replicas") > updated:
        return _progress(f"{updated} of {wanted} pods updated, {_count(obj, 'replicas') - updated} old still there")
    ready = min(available, _count(obj, "readyReplicas"))
    if available < updated or ready < wanted:
        return _progress(f"{ready} of {wanted} updated pods available")
    if updated > wanted:  # scaled down, and the surplus still counted
        return _progress(f"{updated - wanted} surplus pods still there")
    return None


def _ready_phrase(wanted: int, ready: int) -> str:
    return f"{ready} of {wanted} pods ready" if wanted else "scaled to zero"


def _statefulset(obj: Object) -> Readiness:
    wanted, status = _replicas(obj), _status(obj)
    updated, ready = _count(obj, "updatedReplicas"), _count(obj, "readyReplicas")
    strategy = _spec(obj).get("updateStrategy") or {}
    rolling = strategy.get("type", "RollingUpdate") != "OnDelete"
    partition = int((strategy.get("rollingUpdate") or {}).get("partition") or 0)
    if rolling and updated < wanted - partition:
        return _progress(f"{updated} of {max(wanted - partition, 0)} pods updated, {ready} ready")
    available = min(ready, _count(obj, "availableReplicas"))
    if available < wanted:
        return _progress(f"{available} of {wanted} pods {'available' if available < ready else 'ready'}")
    if _count(obj, "replicas") > wanted:
        return _progress(f"{_count(obj, 'replicas') - wanted} surplus pods still there")
    if rolling and not partition and status.get("currentRevision") != status.get("updateRevision"):
        return _progress("waiting for the controller to call the new revision current")
    later = "" if rolling else "; the new revision as pods are deleted (OnDelete)"
    return Readiness(State.CURRENT, f"{_ready_phrase(wanted, ready)}{later}")


def _daemonset(obj: Object) -> Readiness:
    wanted, updated = _count(obj, "desiredNumberScheduled"), _count(obj, "updatedNumberScheduled")
    available = _count(obj, "numberAvailable")
    rolling = (_spec(obj).get("updateStrategy") or {}).get("type", "RollingUpdate") != "OnDelete"
    if "desiredNumberScheduled" not in _status(obj):
        return _progress("waiting for the controller to count the nodes")
    if _count(obj, "currentNumberScheduled") < wanted:
        return _progress(f"{_count(obj, 'currentNumberScheduled')} of {wanted} nodes have a pod")
    if rolling and updated < wanted:
        return _progress(f"{updated} of {wanted} pods updated, {available} available")
    available = min(available, _count(obj, "numberReady"))
    if available < wanted:
        return _progress(f"{available} of {wanted} pods available")
    later = "" if rolling or updated >= wanted else "; the new revision as pods are deleted (OnDelete)"
    return Readiness(
        State.CURRENT, f"{available} of {wanted} pods ready{later}" if wanted else "no node asks for a pod"
    )


def _replicaset(obj: Object) -> Readiness:
    wanted, available = _replicas(obj), _count(obj, "availableReplicas")
    failure = replica_failure(obj)
    if failure is not None:
        return failure
    available = min(available, _count(obj, "readyReplicas"), _count(obj, "fullyLabeledReplicas"))
    if available < wanted:
        return _progress(f"{available} of {wanted} pods available")
    if _count(obj, "replicas") > wanted:
        return _progress(f"{_count(obj, 'replicas') - wanted} surplus pods still there")
    return Readiness(State.CURRENT, _ready_phrase(wanted, available))


def _job_failed(obj: Object) -> Readiness | None:
    # FailureTarget is set first, Failed once the pods are gone: the outcome is certain from the first on.
    # Source: JobFailureTarget in k8s.io/api/batch/v1.
    for kind in ("Failed", "FailureTarget"):
        failed = condition(obj, kind)
        if failed is not None and failed.get("status") == "True":
            return Readiness(State.FAILED, str(failed.get("message", "")), str(failed.get("reason") or "Failed"))
    return None


def _job(obj: Object) -> Readiness:
    ended = outcome(obj)
    if ended is not None:
        return ended
    if _spec(obj).get("suspend"):
        is_suspended = _is(obj, "Suspended")
        return Readiness(State.CURRENT, "suspended, as its manifest says") if is_suspended else _progress("suspending")
    done, wanted = _count(obj, "succeeded"), _spec(obj).get("completions") or 1
    failures = f", {_count(obj, 'failed')} failed" if _count(obj, "failed") else ""
    return _progress(f"{done} of {wanted} completions, {_count(obj, 'active')} active{failures}")


def _pod(obj: Object) -> Readiness:
    status = _status(obj)
    phase = status.get("phase")
    if phase == "Failed":
        return Readiness(State.FAILED, str(status.get("message") or "the pod failed"), str(status.get("reason") or ""))
    if phase == "Succeeded":
        return Readiness(State.CURRENT, "completed")
    if phase == "Running" and _is(obj, "Ready"):
        return Readiness(State.CURRENT, "ready")
    return _progress("running but not ready" if phase == "Running" else "pending")


def _claim(obj: Object) -> Readiness:
    phase = _status(obj).get("phase")
    if phase == "Bound":
        return Readiness(State.CURRENT, "bound")
    if phase == "Lost":
        return Readiness(State.FAILED, "its volume is gone", "Lost")
    return _progress("waiting for a volume")


def _service(obj: Object) -> Readiness:
    if _spec(obj).get("type") != "LoadBalancer":
        return Readiness(State.CURRENT)
    points = (_status(obj).get("loadBalancer") or {}).get("ingress") or []
    addresses = [str(address) for point in points if (address := point.get("ip") or point.get("hostname"))]
    if addresses:
        return Readiness(State.CURRENT, f"reached at {', '.join(addresses)}")
    return _progress("waiting for a load balancer address")


def _crd(obj: Object) -> Readiness:
    accepted = condition(obj, "NamesAccepted") or {}
    if accepted.get("status") == "False":
        return Readiness(State.FAILED, str(accepted.get("message", "")), str(accepted.get("reason", "")))
    if _is(obj, "Established"):
        return Readiness(State.CURRENT, "established")
    established = condition(obj, "Established") or {}
    if established.get("status") == "False" and established.get("reason") != "Installing":
        return Readiness(State.FAILED, str(established.get("message", "")), str(established.get("reason", "")))
    return _progress("waiting to be established")


def _api_service(obj: Object) -> Readiness:
    available = condition(obj, "Available") or {}
    if available.get("status") == "True":
        # Neither a generation nor an observedGeneration: the condition may be that of the service named before.
        return Readiness(State.CURRENT, "available", unversioned=bool(_spec(obj).get("service")))
    return _progress(str(available.get("message") or "not yet available"), str(available.get("reason", "")))


def _namespace(obj: Object) -> Readiness:
    return Readiness(State.CURRENT) if _status(obj).get("phase") == "Active" else _progress("not yet active")


def _autoscaler(obj: Object) -> Readiness:
    """Current, as with kstatus: metrics come later, or not at all. What keeps it from scaling is said."""
    for kind in ("AbleToScale", "ScalingActive"):
        found = condition(obj, kind) or {}
        if found.get("status") == "False" and found.get("reason") != "ScalingDisabled":
            return Readiness(State.CURRENT, f"does not scale: {found.get('message', '')}", str(found.get("reason", "")))
    return Readiness(State.CURRENT)


def _disruption_budget(obj: Object) -> Readiness:
    found = condition(obj, "DisruptionAllowed") or {}
    if found.get("reason") == "SyncFailed":  # what it selects has no controller that tells how many there should be
        return Readiness(State.CURRENT, f"allows no disruption: {found.get('message', '')}", "SyncFailed")
    return Readiness(State.CURRENT)


def _nothing_to_wait_for(_: Object) -> Readiness:
    return Readiness(State.CURRENT)


def _by_common_conditions(obj: Object) -> Readiness | None:
    """kstatus's own conditions, which any controller may write; ``None`` where neither is True.

    One of an older generation is no verdict, and no reason to call the object current either.
    """
    stalled = condition(obj, "Stalled") or {}
    if stalled.get("status") == "True" and not _stale(obj, stalled):
        return Readiness(State.FAILED, str(stalled.get("message", "")), str(stalled.get("reason") or "Stalled"))
    for found in (stalled, condition(obj, "Reconciling") or {}):
        if found.get("status") == "True":
            text = str(found.get("message") or str(found["type"]).lower())
            return _progress(text, str(found.get("reason", "")))
    return None


def _by_conditions(obj: Object) -> Readiness:
    """Any other kind: the conditions that the API conventions name, each of this generation."""
    for kind in ("Ready", "Available"):
        found = condition(obj, kind)
        if found is not None:
            return _by_condition(obj, found)
    return Readiness(State.CURRENT, unjudged=is_custom(obj))


def _by_condition(obj: Object, found: Mapping[str, Any]) -> Readiness:
    if _stale(obj, found):
        return _progress(f"{found['type']} is of an older generation")
    if found.get("status") == "True":
        return Readiness(State.CURRENT, str(found["type"]).lower(), unversioned=_is_unversioned(obj, found))
    text = str(found.get("message") or f"{found['type']} is {found.get('status')}")
    return _progress(text, str(found.get("reason", "")))


def _stale(obj: Object, found: Mapping[str, Any]) -> bool:
    seen, generation = _number(found.get("observedGeneration")), _number((obj.get("metadata") or {}).get("generation"))
    return seen is not None and generation is not None and seen < generation


def _is_unversioned(obj: Object, found: Mapping[str, Any]) -> bool:
    """Whether a condition may still be that of an earlier generation: nothing says otherwise."""
    if (_number((obj.get("metadata") or {}).get("generation")) or 1) == 1:
        return False
    return _number(found.get("observedGeneration")) is None and _number(_status(obj).get("observedGeneration")) is None


_RULES: dict[str, Callable[[Object], Readiness]] = {
    "apps/Deployment": _deployment,
    "apps/StatefulSet": _statefulset,
    "apps/DaemonSet": _daemonset,
    "apps/ReplicaSet": _replicaset,
    "/ReplicationController": _replicaset,
    "batch/Job": _job,
    "/Pod": _pod,
    "/PersistentVolumeClaim": _claim,
    "/Service": _service,
    "/Namespace": _namespace,
    "apiextensions.k8s.io/CustomResourceDefinition": _crd,
    "apiregistration.k8s.io/APIService": _api_service,
    # These are current once their controller has seen them: their conditions say nothing of a release being done.
    "autoscaling/HorizontalPodAutoscaler": _autoscaler,
    "policy/PodDisruptionBudget": _disruption_budget,
    "networking.k8s.io/Ingress": _nothing_to_wait_for,
    "batch/CronJob": _nothing_to_wait_for,
}
# Their controllers write observedGeneration; until it is there, nothing they say is of this generation.
_OBSERVING = {_deployment, _statefulset, _daemonset, _replicaset}
# What a conformant cluster serves by itself; other groups, also those ending in .k8s.io, come with their CRDs.
_BUILT_IN_GROUPS = frozenset(
    (
        *("", "apps", "autoscaling", "batch", "extensions", "policy", "admissionregistration.k8s.io"),
        *("apiextensions.k8s.io", "apiregistration.k8s.io", "authentication.k8s.io", "authorization.k8s.io"),
        *("certificates.k8s.io", "coordination.k8s.io", "discovery.k8s.io", "events.k8s.io"),
        *("flowcontrol.apiserver.k8s.io", "internal.apiserver.k8s.io", "networking.k8s.io", "node.k8s.io"),
        *("rbac.authorization.k8s.io", "resource.k8s.io", "scheduling.k8s.io", "storage.k8s.io"),
        "storagemigration.k8s.io",
    )
)
