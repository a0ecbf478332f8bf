"""What holds an object until somebody resumes it, and the verdict on an object that is so held; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum

from k8s_step.errors import InputError
from k8s_step.objects.conditions import condition, mapping, mappings, number, spec, status
from k8s_step.objects.metadata import PAUSED, Object, annotations_of
from k8s_step.verdict.judgement import Judgement
from k8s_step.verdict.states import State

REASON = "Paused"
# Annotations that stop their operators; a value of None is any value at all.
_ANNOTATIONS: Mapping[str, str | None] = {
    "strimzi.io/pause-reconciliation": "true",
    "crossplane.io/paused": "true",
    "cnpg.io/reconciliationLoop": "disabled",
    "autoscaling.keda.sh/paused": "true",
    "autoscaling.keda.sh/paused-replicas": None,
    "cluster.x-k8s.io/paused": None,
}
_CONDITIONS = ("Paused", "ReconciliationPaused")
_TOLD = ("paused", "suspended")  # a message that begins so tells of the pause itself
_AWAITS_USER = "Waiting for user action"  # a phase of CloudNativePG, whose primary is switched over by hand


class OnPause(StrEnum):
    """What becomes of an object that is paused before it is current."""

    OK = "ok"
    WAIT = "wait"
    FAIL = "fail"


def own_choice(obj: Object) -> OnPause | None:
    """The choice in the object's ``k8s-step/paused`` annotation. Raises :class:`InputError`."""
    value = annotations_of(obj).get(PAUSED)
    if value is None:
        return None
    try:
        return OnPause(str(value))
    except ValueError:
        hint = f"known are {', '.join(OnPause)}"
        raise InputError(f"{str(value)!r} says nothing of a pause", where=PAUSED, hint=hint) from None


def asked_pause(obj: Object) -> str:
    """The field or annotation by which ``obj``, possibly a manifest, asks to be paused; empty where it does not.

    A Job's ``spec.suspend`` is not among them: its readiness tells of it.
    """
    kind = f"{str(obj.get('apiVersion', '')).rpartition('/')[0]}/{obj.get('kind', '')}"
    fields = () if kind == "batch/Job" else ("paused", "suspend")
    field = next((f"spec.{name}" for name in fields if spec(obj).get(name) is True), "")
    return field or next(filter(None, (_noted(obj, *row) for row in _ANNOTATIONS.items())), "")


def _noted(obj: Object, name: str, value: str | None) -> str:
    found = annotations_of(obj).get(name)
    return f"annotation {name}" if found is not None and value in (None, found) else ""


def pause_of(obj: Object) -> str:
    """What pauses ``obj`` until somebody resumes it, also by what its controller says; empty where nothing does."""
    asked = asked_pause(obj)
    if asked:
        return asked
    if obj.get("kind") == "Job":
        return "spec.suspend" if spec(obj).get("suspend") and condition(obj, "Suspended").is_true else ""
    if obj.get("kind") == "Rollout":
        return _of_rollout(obj)
    told = next((one for kind in _CONDITIONS if (one := condition(obj, kind)).is_true and not one.is_stale(obj)), None)
    if told is not None:
        return f"condition {told.type}"
    return _AWAITS_USER if status(obj).get("phase") == _AWAITS_USER else ""


def _of_rollout(obj: Object) -> str:
    """The pause of an Argo Rollout that waits to be promoted. One with a duration ends by itself.

    Source: ``PauseCondition`` and ``RolloutPause`` of argo-rollouts.
    """
    pauses = mappings(status(obj).get("pauseConditions"))
    strategy = mapping(spec(obj).get("strategy"))
    if not pauses or mapping(strategy.get("blueGreen")).get("autoPromotionSeconds"):
        return ""
    steps = mappings(mapping(strategy.get("canary")).get("steps"))
    index = number(status(obj).get("currentStepIndex"))
    is_timed = index is not None and index < len(steps) and mapping(steps[index].get("pause")).get("duration")
    reason = str(pauses[0].get("reason") or "RolloutPaused")
    return "" if is_timed and reason == "CanaryPauseStep" else reason


def judged(obj: Object, found: Judgement, choice: OnPause | None, *, by_manifest: bool) -> Judgement:
    """``found``, or what ``choice`` makes of an object that is paused before it is current.

    Without a choice, a pause that the manifest asks for is as it should be, and any other is waited for.
    """
    is_held = found.state is State.IN_PROGRESS and not found.settling
    by = pause_of(obj) if is_held else ""
    if not by:
        return found
    answer = choice or (OnPause.OK if by_manifest else OnPause.WAIT)
    if answer is OnPause.OK:
        told = "paused, as its manifest says" if by_manifest else f"paused ({by}), which is accepted"
        return Judgement(State.CURRENT, told, REASON, paused=by)
    message = found.message if found.message.startswith(_TOLD) else f"paused ({by}): {found.message}"
    if answer is OnPause.FAIL:
        return Judgement(State.FAILED, message, REASON, found.blamed, paused=by)
    return replace(found, message=message, reason=found.reason or REASON, paused=by)
