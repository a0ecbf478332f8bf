"""Flagger's Canary."""

from __future__ import annotations

from k8s_step.errors import InputError
from k8s_step.objects.conditions import condition, mapping, spec, status
from k8s_step.objects.metadata import Object
from k8s_step.objects.values import times
from k8s_step.verdict.customresources import GRACE
from k8s_step.verdict.operators.facts import failing, in_progress, is_unversioned, text
from k8s_step.verdict.states import Readiness, State

_CURRENT = ("Initialized", "Succeeded")


def canary(obj: Object) -> Readiness:
    """A Canary keeps the phase of its last analysis until it notices a new revision of its target.

    It looks once an interval, so that ``Failed`` counts only after that. Source: ``CanaryPhase`` of fluxcd/flagger.
    """
    phase = text(status(obj).get("phase"))
    if phase in _CURRENT:
        return Readiness(State.CURRENT, phase.lower(), unversioned=is_unversioned(obj))
    if not phase:
        return in_progress("waiting for its controller to begin")
    told = condition(obj, "Promoted").message
    message = f"{phase}: {told}" if told else f"it is {phase}"
    return failing(message, phase, GRACE + _interval(obj)) if phase == "Failed" else in_progress(message, phase)


def _interval(obj: Object) -> float:
    """Seconds between two looks at the target; Flagger's default is a minute."""
    analysis = mapping(spec(obj).get("analysis") or spec(obj).get("canaryAnalysis"))
    try:
        return times.parse(str(analysis.get("interval") or "1m"), "spec.analysis.interval")
    except InputError:
        return 60.0
