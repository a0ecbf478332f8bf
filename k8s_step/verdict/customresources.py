"""The verdict on any kind without a rule of its own: by its conditions, its counts and its phase.

Controllers are free to write none of these; an object without any is current and unjudged. Problems that commonly heal
by themselves, such as a reference to an object created a moment later, leave the object in progress. It has failed
only when its controller has given up, or has reported a failure for longer than ``GRACE``.
"""

from __future__ import annotations

from collections.abc import Sequence

from k8s_step.objects.conditions import Condition, conditions, mapping, number, spec, status
from k8s_step.objects.metadata import Object
from k8s_step.verdict.states import Readiness, State

FAILED = "Failed"  # the name in --fail-after for a failure that the object's own status reports
UNJUDGED = "its status does not tell whether it is ready: nothing could be judged"
GRACE = 60.0  # seconds: an object that it refers to may still be on its way in the same release
# Reasons of the Deployment controller, which Argo's Rollout and OpenShift's DeploymentConfig also use.
_GIVEN_UP = ("ProgressDeadlineExceeded", "RolloutAborted")
_FAILURES = ("Failed", "Failure", "Invalid", "InvalidSpec", "SpecError")
_TROUBLES = ("Degraded", "NotReady", "Error", "ErrorOccurred")
# The first of these is about the whole object; Available may stay True while a new revision rolls out.
_WHOLE = ("Ready", "Available")
_PARTS = ("Synced", "Healthy", "Accepted", "Programmed", "ResolvedRefs", "Installed", "Valid", "Succeeded")
_PART_ENDS = ("Healthy", "Synced", "Synchronized", "Deployed")  # of such, where nothing tells of the whole
_PHASES = ("phase", "state", "status")  # the fields that hold a phase
_FAILED_PHASES = ("failed", "failure", "invalid")
_WORKING_PHASES = (  # not "pending", which may be for ever: of what waits for its first use, say
    *("creating", "provisioning", "initializing", "installing", "deploying", "reconciling", "progressing"),
    *("inprogress", "updating", "upgrading", "restarting"),
)
_TROUBLED_PHASES = ("error", "errored", "degraded", "unhealthy", "configerror")


def by_what_it_tells(obj: Object, *, is_custom: bool) -> Readiness:
    """The verdict on ``obj``; ``unjudged`` only if ``is_custom``: built-in kinds without conditions are current."""
    found = conditions(obj)
    return (
        _of_bad_conditions(obj, found)
        or _of_progress(found)
        or _of_counts(obj)
        or _of_good_conditions(obj, found)
        or _of_phase(obj)
        or Readiness(State.CURRENT, UNJUDGED if is_custom else "", unjudged=is_custom)
    )


def _of_bad_conditions(obj: Object, found: Sequence[Condition]) -> Readiness | None:
    """The verdict by conditions that report a problem when True, or by a rollout that its controller has given up."""
    for one in found:
        given_up = one.type == "Progressing" and one.status == "False" and one.reason in _GIVEN_UP
        if not given_up and not (one.is_true and _is_bad(one.type)):
            continue
        if one.is_stale(obj):
            return _older(one)
        if given_up:
            return Readiness(State.FAILED, one.told, one.reason, unversioned=one.is_unversioned(obj))
        if one.type in _FAILURES:
            return Readiness(State.IN_PROGRESS, one.told, one.reason or one.type, GRACE, problem=FAILED)
        return Readiness(State.IN_PROGRESS, one.told, one.reason or one.type)
    return None


def _is_bad(kind: str) -> bool:
    return kind in (*_FAILURES, *_TROUBLES) or kind.endswith("Failed")


def _of_progress(found: Sequence[Condition]) -> Readiness | None:
    """In progress by ``Progressing``, for objects without ``Ready``.

    Reasons such as NewReplicaSetAvailable mean done, whatever the condition's status. ``False`` means nothing: most
    operators write it once they are done. Source: ``progress.go`` of kubernetes' deployment controller; the operator
    conditions of openshift/api.
    """
    progressing = next((one for one in found if one.type == "Progressing"), None)
    if progressing is None or any(one.type == "Ready" for one in found):
        return None
    is_done = progressing.reason.startswith("New") and progressing.reason.endswith("Available")
    if is_done or progressing.status not in ("True", "Unknown"):
        return None
    return Readiness(State.IN_PROGRESS, progressing.told, progressing.reason)


def _of_counts(obj: Object) -> Readiness | None:
    """In progress while fewer than ``spec.replicas`` are updated or available; a partition keeps old replicas."""
    wanted, strategy = number(spec(obj).get("replicas")), mapping(spec(obj).get("updateStrategy"))
    if wanted is None:
        return None
    is_partitioned = strategy.get("partition") or mapping(strategy.get("rollingUpdate")).get("partition")
    for word in ("available",) if is_partitioned else ("updated", "available"):
        count = number(status(obj).get(f"{word}Replicas"))
        if count is not None and count < wanted:
            return Readiness(State.IN_PROGRESS, f"{count} of {wanted} replicas {word}")
    return None


def _of_good_conditions(obj: Object, found: Sequence[Condition]) -> Readiness | None:
    """The verdict by conditions that report success when True: each must be True and of the current generation."""
    whole = next((one for kind in _WHOLE for one in found if one.type == kind and not one.of), None)
    ends = () if whole else _PART_ENDS
    told = [*([whole] if whole else []), *(one for one in found if one.type in _PARTS or one.type.endswith(ends))]
    for one in told:
        if one.is_stale(obj):
            return _older(one)
        if not one.is_true:
            return Readiness(State.IN_PROGRESS, one.told, one.reason)
    if not told:
        return None
    unversioned = any(one.is_unversioned(obj) for one in told)
    word = whole.type.lower() if whole else ", ".join(dict.fromkeys(one.type for one in told))
    return Readiness(State.CURRENT, word, unversioned=unversioned)


def _of_phase(obj: Object) -> Readiness | None:
    """The verdict by a phase that names work or a failure; ignored on a paused object, whose phase may be outdated."""
    if spec(obj).get("paused") or spec(obj).get("suspend"):
        return None
    for phase in (found for name in _PHASES if isinstance(found := status(obj).get(name), str)):
        word = phase.lower()
        if word not in (*_FAILED_PHASES, *_TROUBLED_PHASES, *_WORKING_PHASES):
            continue
        message = status(obj).get("message")
        told = message if isinstance(message, str) and message else f"it is {phase}"
        if word in _FAILED_PHASES:
            return Readiness(State.IN_PROGRESS, told, phase, GRACE, problem=FAILED)
        return Readiness(State.IN_PROGRESS, told, phase)
    return None


def _older(one: Condition) -> Readiness:
    of = f"{one.of}: " if one.of else ""
    return Readiness(State.IN_PROGRESS, f"{of}{one.type} is of an older generation")
