"""Argo: Rollouts of Argo Rollouts, Applications of Argo CD."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from k8s_step.objects.conditions import mapping, mappings, number, spec, status
from k8s_step.objects.metadata import Object, annotations_of
from k8s_step.verdict.customresources import by_what_it_tells
from k8s_step.verdict.operators.facts import at, failing, in_progress, is_unversioned, text
from k8s_step.verdict.states import Readiness, State

_WORKLOAD = "rollout.argoproj.io/workload-generation"


def rollout(obj: Object) -> Readiness | None:
    """A Rollout that is not healthy yet. Source: ``utils/rollout/rolloututil.go`` of argo-rollouts."""
    found = status(obj)
    if not found:
        return in_progress("waiting for its controller to begin")
    workload = number(annotations_of(obj).get(_WORKLOAD)) if mapping(spec(obj).get("workloadRef")) else None
    if workload is not None and number(found.get("workloadObservedGeneration")) not in (workload, None):
        return in_progress("its controller has not yet seen the change of its workload")
    if found.get("controllerPause") and not found.get("pauseConditions"):
        return in_progress("promoted: its controller is about to go on")
    phase, message = text(found.get("phase")), text(found.get("message"))
    if phase == "Paused":
        return in_progress(f"paused{_step(obj)}: {message}" if message else f"paused{_step(obj)}", "RolloutPaused")
    if phase != "Degraded":
        return None
    usual = by_what_it_tells(obj, is_custom=True)
    is_told = usual.state is State.FAILED or usual.grace is not None
    return usual if is_told else failing(message or "it is Degraded", phase)


def _step(obj: Object) -> str:
    """Where a canary is held, such as `` at step 2 of 4``."""
    index = number(status(obj).get("currentStepIndex"))
    steps = mappings(mapping(mapping(spec(obj).get("strategy")).get("canary")).get("steps"))
    if index is None or index >= len(steps):
        return ""
    duration = mapping(steps[index].get("pause")).get("duration")
    return f" at step {index + 1} of {len(steps)}" + (f" for {duration}" if duration else "")


def application(obj: Object) -> Readiness | None:
    """An Application is current when what its source holds is applied, and healthy."""
    found = status(obj)
    running = mapping(found.get("operationState"))
    if running.get("phase") in ("Running", "Terminating"):
        return in_progress(f"a sync is {str(running['phase']).lower()}: {text(running.get('message'))}".rstrip(": "))
    broken = next((one for one in mappings(found.get("conditions")) if text(one.get("type")).endswith("Error")), None)
    if broken is not None:
        return failing(text(broken.get("message")) or str(broken["type"]), str(broken["type"]))
    if not _is_compared(obj):
        return in_progress("waiting for its controller to compare its source with the cluster")
    return _out_of_sync(obj, running) or _of_health(obj)


def _is_compared(obj: Object) -> bool:
    """Whether the last comparison was with the source that the spec names now; it has no observedGeneration."""
    compared = mapping(at(status(obj), "sync.comparedTo"))
    if not mapping(status(obj).get("sync")):
        return False
    wanted = mappings(spec(obj).get("sources")) or [mapping(spec(obj).get("source"))]
    known = mappings(compared.get("sources")) or [mapping(compared.get("source"))]
    return not compared or not any(wanted) or [*map(_of_source, wanted)] == [*map(_of_source, known)]


def _of_source(source: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(text(source.get(name)) for name in ("repoURL", "path", "chart", "targetRevision"))


def _out_of_sync(obj: Object, last: Mapping[str, Any]) -> Readiness | None:
    word = text(at(status(obj), "sync.status")) or "Unknown"
    if word == "Synced":
        return None
    if last.get("phase") in ("Failed", "Error"):
        return failing(f"{word}: {text(last.get('message')) or 'the last sync failed'}", "SyncFailed")
    is_automated = mapping(mapping(spec(obj).get("syncPolicy")).get("automated")) or "automated" in mapping(
        spec(obj).get("syncPolicy")
    )
    by_hand = "" if is_automated else ": it is synced by hand, for it has no spec.syncPolicy.automated"
    return in_progress(f"{word}{by_hand}", word)


def _of_health(obj: Object) -> Readiness:
    word = text(at(status(obj), "health.status")) or "Unknown"
    message = text(at(status(obj), "health.message"))
    if word == "Healthy":
        return Readiness(State.CURRENT, "synced and healthy", unversioned=is_unversioned(obj))
    told = f"{word}: {message}" if message else f"synced, and its health is {word}"
    return failing(told, word) if word == "Degraded" else in_progress(told, word)
