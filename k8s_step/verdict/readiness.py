"""Whether an object is current, computed from the object alone, in kstatus's words.

Reference: ``pkg/kstatus/status`` of sigs.k8s.io/cli-utils. This module is stricter: a Job must complete, a LoadBalancer
needs an address, minReadySeconds counts (available, not just ready), and a generation that the controller has not yet
observed is never judged.
"""

from __future__ import annotations

from collections.abc import Callable

from k8s_step.objects.conditions import Condition, condition, generation, mapping, number, spec, status
from k8s_step.objects.metadata import Object, metadata_of
from k8s_step.verdict.customresources import by_what_it_tells
from k8s_step.verdict.states import Readiness, State

_NO_DEADLINE = 2**31 - 1  # progressDeadlineSeconds of MaxInt32 turns the Progressing condition off
FAILED_CREATE_GRACE = 15.0
_SYNC_FAILED = "SyncFailed"  # of a PodDisruptionBudget


def compute(obj: Object) -> Readiness:
    """Judge ``obj`` as the server returned it. Pure: no clock, no requests."""
    if metadata_of(obj).get("deletionTimestamp"):
        finalizers = metadata_of(obj).get("finalizers")
        held = ", ".join(map(str, finalizers)) if isinstance(finalizers, list) else ""
        told = f"being deleted, held by {held}" if held else "being deleted"
        return outcome(obj) or Readiness(State.TERMINATING, told)
    rule = _RULES.get(_group_kind(obj), _by_what_it_tells)
    # A sync that fails never advances observedGeneration. Source: ``failSafe`` of kubernetes' disruption controller.
    if rule is _disruption_budget and condition(obj, "DisruptionAllowed").reason == _SYNC_FAILED:
        return rule(obj)
    return _unobserved(obj, must_observe=rule in _OBSERVING) or _by_common_conditions(obj) or rule(obj)


def is_custom(obj: Object) -> bool:
    """Whether ``obj`` belongs to a group that only a CRD or an aggregated server can serve."""
    return _group_kind(obj).partition("/")[0] not in _BUILT_IN_GROUPS


def outcome(obj: Object) -> Readiness | None:
    """The verdict on a Job that has completed or failed, which its deletion does not undo; else ``None``."""
    if _group_kind(obj) != "batch/Job":
        return None
    return _job_failed(obj) or (Readiness(State.CURRENT, "complete") if is_complete(obj) else None)


def is_complete(job: Object) -> bool:
    """Whether a Job has completed."""
    return _is(job, "Complete")


def is_decided(job: Object) -> bool:
    """Whether the outcome of a Job is certain; its last pods may still have to end.

    Source: JobSuccessCriteriaMet and JobFailureTarget in k8s.io/api/batch/v1, which precede Complete and Failed.
    """
    return any(_is(job, kind) for kind in ("Complete", "SuccessCriteriaMet", "Failed", "FailureTarget"))


def observed(obj: Object) -> bool:
    """Whether the controller has seen the generation this object is at."""
    return _unobserved(obj, must_observe=False) is None


def _group_kind(obj: Object) -> str:
    group = str(obj.get("apiVersion", "")).rpartition("/")[0]
    return f"{group}/{obj.get('kind', '')}"


def _is(obj: Object, kind: str) -> bool:
    return condition(obj, kind).is_true


def _progress(message: str, reason: str = "", grace: float | None = None) -> Readiness:
    return Readiness(State.IN_PROGRESS, message, reason, grace)


def _unobserved(obj: Object, *, must_observe: bool) -> Readiness | None:
    """In progress while ``status.observedGeneration`` is behind ``metadata.generation``."""
    at, seen = generation(obj), number(status(obj).get("observedGeneration"))
    if at is None or seen == at or (seen is None and not must_observe):
        return None
    return _progress(f"the controller has not yet seen generation {at}", "LatestGenerationNotObserved")


def _replicas(obj: Object) -> int:
    replicas = number(spec(obj).get("replicas"))
    return 1 if replicas is None else replicas


def _count(obj: Object, field: str) -> int:
    return number(status(obj).get(field)) or 0


def replica_failure(obj: Object) -> Readiness | None:
    """In progress while pods cannot be created (quota, admission), with a grace after which this is fatal."""
    failure = condition(obj, "ReplicaFailure")
    if not failure.is_true:
        return None
    reason = failure.reason or "ReplicaFailure"
    return _progress(failure.message, reason, None if reason == "FailedDelete" else FAILED_CREATE_GRACE)


def _deployment(obj: Object) -> Readiness:
    progressing = condition(obj, "Progressing")
    if progressing.reason == "ProgressDeadlineExceeded" and progressing.status == "False":
        return Readiness(State.FAILED, progressing.message, "ProgressDeadlineExceeded")
    counts = _deployment_counts(obj)
    if counts is not None:
        return replica_failure(obj) or counts
    if not _is(obj, "Available"):
        return _progress("waiting for minimum availability")
    deadline = spec(obj).get("progressDeadlineSeconds")
    has_deadline = deadline is not None and deadline != _NO_DEADLINE and not spec(obj).get("paused")
    if has_deadline and progressing.reason != "NewReplicaSetAvailable":
        return _progress("waiting for the controller to call the new ReplicaSet available")
    return Readiness(State.CURRENT, _ready_phrase(_replicas(obj), _count(obj, "availableReplicas")))


def _deployment_counts(obj: Object) -> Readiness | None:
    """In progress by the first count that falls short, in ``kubectl rollout status``'s order; ``None`` if none does."""
    wanted = _replicas(obj)
    updated, available = _count(obj, "updatedReplicas"), _count(obj, "availableReplicas")
    if updated < wanted:
        paused = "paused: resume it to roll out; " if spec(obj).get("paused") else ""
        return _progress(f"{paused}{updated} of {wanted} pods updated, {available} available")
    if _count(obj, "replicas") > updated:
        return _progress(f"{updated} of {wanted} pods updated, {_count(obj, 'replicas') - updated} old still there")
    ready = min(available, _count(obj, "readyReplicas"))
    if available < updated or ready < wanted:
        return _progress(f"{ready} of {wanted} updated pods available")
    if updated > wanted:  # scaled down, but the status still counts the surplus pods
        return _progress(f"{updated - wanted} surplus pods still there")
    return None


def _ready_phrase(wanted: int, ready: int) -> str:
    return f"{ready} of {wanted} pods ready" if wanted else "scaled to zero"


def _statefulset(obj: Object) -> Readiness:
    wanted = _replicas(obj)
    updated, ready = _count(obj, "updatedReplicas"), _count(obj, "readyReplicas")
    strategy = mapping(spec(obj).get("updateStrategy"))
    rolling = strategy.get("type", "RollingUpdate") != "OnDelete"
    partition = number(mapping(strategy.get("rollingUpdate")).get("partition")) or 0
    if rolling and updated < wanted - partition:
        return _progress(f"{updated} of {max(wanted - partition, 0)} pods updated, {ready} ready")
    available = min(ready, _count(obj, "availableReplicas"))
    if available < wanted:
        return _progress(f"{available} of {wanted} pods {'available' if available < ready else 'ready'}")
    if _count(obj, "replicas") > wanted:
        return _progress(f"{_count(obj, 'replicas') - wanted} surplus pods still there")
    if rolling and not partition and status(obj).get("currentRevision") != status(obj).get("updateRevision"):
        return _progress("waiting for the controller to call the new revision current")
    later = "" if rolling else "; the new revision as pods are deleted (OnDelete)"
    return Readiness(State.CURRENT, f"{_ready_phrase(wanted, ready)}{later}")


def _daemonset(obj: Object) -> Readiness:
    wanted, updated = _count(obj, "desiredNumberScheduled"), _count(obj, "updatedNumberScheduled")
    available = _count(obj, "numberAvailable")
    rolling = mapping(spec(obj).get("updateStrategy")).get("type", "RollingUpdate") != "OnDelete"
    if "desiredNumberScheduled" not in status(obj):
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
    # FailureTarget is set first, Failed once the pods are gone; either makes the outcome certain.
    # Source: JobFailureTarget in k8s.io/api/batch/v1.
    for kind in ("Failed", "FailureTarget"):
        failed = condition(obj, kind)
        if failed.is_true:
            return Readiness(State.FAILED, failed.message, failed.reason or "Failed")
    return None


def _job(obj: Object) -> Readiness:
    ended = outcome(obj)
    if ended is not None:
        return ended
    if spec(obj).get("suspend"):
        is_suspended = _is(obj, "Suspended")
        return Readiness(State.CURRENT, "suspended, as its manifest says") if is_suspended else _progress("suspending")
    done, wanted = _count(obj, "succeeded"), spec(obj).get("completions") or 1
    failures = f", {_count(obj, 'failed')} failed" if _count(obj, "failed") else ""
    return _progress(f"{done} of {wanted} completions, {_count(obj, 'active')} active{failures}")


def _pod(obj: Object) -> Readiness:
    phase, told, reason = (status(obj).get(name) for name in ("phase", "message", "reason"))
    if phase == "Failed":
        return Readiness(State.FAILED, str(told or "the pod failed"), str(reason or ""))
    if phase == "Succeeded":
        return Readiness(State.CURRENT, "completed")
    if phase == "Running" and _is(obj, "Ready"):
        return Readiness(State.CURRENT, "ready")
    return _progress("running but not ready" if phase == "Running" else "pending")


def _claim(obj: Object) -> Readiness:
    phase = status(obj).get("phase")
    if phase == "Bound":
        return Readiness(State.CURRENT, "bound")
    if phase == "Lost":
        return Readiness(State.FAILED, "its volume is gone", "Lost")
    return _progress("waiting for a volume")


def _service(obj: Object) -> Readiness:
    if spec(obj).get("type") != "LoadBalancer":
        return Readiness(State.CURRENT)
    points = mapping(status(obj).get("loadBalancer")).get("ingress")
    known = map(mapping, points) if isinstance(points, list) else ()
    addresses = [str(address) for point in known if (address := point.get("ip") or point.get("hostname"))]
    if addresses:
        return Readiness(State.CURRENT, f"reached at {', '.join(addresses)}")
    return _progress("waiting for a load balancer address")


def _crd(obj: Object) -> Readiness:
    accepted = condition(obj, "NamesAccepted")
    if accepted.status == "False":
        return _refused(obj, accepted)
    if _is(obj, "Established"):
        return Readiness(State.CURRENT, "established")
    established = condition(obj, "Established")
    if established.status == "False" and established.reason != "Installing":
        return _refused(obj, established)
    return _progress("waiting to be established")


def _refused(obj: Object, found: Condition) -> Readiness:
    """Failed by a condition of a CRD, whose status names no generation: it may be about the names of before."""
    return Readiness(State.FAILED, found.message, found.reason, unversioned=found.is_unversioned(obj))


def _api_service(obj: Object) -> Readiness:
    available = condition(obj, "Available")
    if available.is_true:
        # An APIService has no generation or observedGeneration: Available may be about its previous spec.service.
        return Readiness(State.CURRENT, "available", unversioned=bool(spec(obj).get("service")))
    return _progress(available.message or "not yet available", available.reason)


def _namespace(obj: Object) -> Readiness:
    return Readiness(State.CURRENT) if status(obj).get("phase") == "Active" else _progress("not yet active")


def _autoscaler(obj: Object) -> Readiness:
    """Always current, as in kstatus, since metrics may never come; the message says why it does not scale."""
    for kind in ("AbleToScale", "ScalingActive"):
        found = condition(obj, kind)
        if found.status == "False" and found.reason != "ScalingDisabled":
            return Readiness(State.CURRENT, f"does not scale: {found.message}", found.reason)
    return Readiness(State.CURRENT)


def _disruption_budget(obj: Object) -> Readiness:
    """Always current; the message says why it allows nothing, where its pods' controllers declare no number of pods."""
    found = condition(obj, "DisruptionAllowed")
    if found.reason != _SYNC_FAILED:
        return Readiness(State.CURRENT)
    told = f"allows no disruption: {found.message}"
    return Readiness(State.CURRENT, told, _SYNC_FAILED, unversioned=_unobserved(obj, must_observe=False) is not None)


def _nothing_to_wait_for(_: Object) -> Readiness:
    return Readiness(State.CURRENT)


def _by_common_conditions(obj: Object) -> Readiness | None:
    """The verdict by kstatus's own conditions, which any controller may write; ``None`` where neither is True.

    A Stalled condition of an older generation does not fail the object; it keeps it in progress.
    """
    stalled = condition(obj, "Stalled")
    if stalled.is_true and not stalled.is_stale(obj):
        reason, unversioned = stalled.reason or "Stalled", stalled.is_unversioned(obj)
        return Readiness(State.FAILED, stalled.message, reason, unversioned=unversioned)
    for found in (stalled, condition(obj, "Reconciling")):
        if found.is_true:
            return _progress(found.message or found.type.lower(), found.reason)
    return None


def _by_what_it_tells(obj: Object) -> Readiness:
    if not is_custom(obj):
        return by_what_it_tells(obj, is_custom=False)
    from k8s_step.verdict.operators import facts, table  # imported late: most releases have no such object

    known = table.facts_of(obj)
    return by_what_it_tells(obj, is_custom=True) if known is None else facts.by_facts(obj, known)


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
    # The kinds below are current once their generation is observed: their conditions do not say when a release is done.
    "autoscaling/HorizontalPodAutoscaler": _autoscaler,
    "policy/PodDisruptionBudget": _disruption_budget,
    "networking.k8s.io/Ingress": _nothing_to_wait_for,
    "batch/CronJob": _nothing_to_wait_for,
}
# Rules of kinds whose controllers write observedGeneration; without it their status is about no known generation.
_OBSERVING = {_deployment, _statefulset, _daemonset, _replicaset}
# API groups that a conformant cluster serves without CRDs; all others, also those ending in .k8s.io, come with CRDs.
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
