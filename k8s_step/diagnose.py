"""Gathers the evidence for a failure: logs and events, once, in bounded time and size."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from k8s_step.client import Client, Request
from k8s_step.concurrency import gather
from k8s_step.errors import ForbiddenError, StepError
from k8s_step.feeds import Target
from k8s_step.finding import Finding, advice
from k8s_step.judgement import Blame, Judgement
from k8s_step.podfailures import Symptom
from k8s_step.readiness import State
from k8s_step.reference import Reference
from k8s_step.resource import required

LIMIT = 10.0  # seconds for all evidence together
_LINES = 20
_EVENTS = 8
_LINE = 10_000  # characters; the journal cuts to what a person reads, once secrets are masked
_PODS, _EVENTS_RESOURCE = required("v1", "Pod"), required("v1", "Event")


def diagnose(client: Client, targets: Sequence[Target], limit: float = LIMIT) -> list[Finding]:
    """The findings on targets that failed or ran out of time, in their order."""
    deadline = time.monotonic() + limit
    causes = [(target, group) for target in targets for group in _causes(target)]
    found: dict[int, Finding] = {}
    numbered = list(enumerate(causes))
    for (index, _), result in gather(lambda item: _finding(client, *item[1], deadline), numbered, 8):
        if isinstance(result, Exception):
            raise result
        found[index] = result
    return [found[index] for index in sorted(found)]


def _causes(target: Target) -> list[tuple[Blame, ...]]:
    """The blamed pods by cause; one empty group where no pod is to blame."""
    groups: dict[tuple[str, str], list[Blame]] = {}
    for blame in target.judgement.blamed if target.judgement else ():
        groups.setdefault((blame.symptom.family or blame.symptom.reason, blame.symptom.container), []).append(blame)
    return [tuple(group) for group in groups.values()] or [()]


def _finding(client: Client, target: Target, group: tuple[Blame, ...], deadline: float) -> Finding:
    judgement = target.judgement
    assert judgement is not None
    if not group:
        events = _events(client, [target.object], deadline)
        text = advice(judgement.reason, judgement.message)
        return Finding(target.reference, judgement.reason, judgement.message, events=events, advice=text)
    blame = group[0]
    symptom, metadata = blame.symptom, blame.pod["metadata"]
    logs, logs_of = _logs(client, blame, deadline)
    reason, message = _told_of(judgement, symptom)
    return Finding(
        reference=target.reference,
        reason=reason,
        message=message,
        pod=str(metadata.get("name", "")),
        container=symptom.container,
        image=_image(blame),
        node=str((blame.pod.get("spec") or {}).get("nodeName") or ""),
        alike=len(group) - 1,
        logs=logs,
        logs_of=logs_of,
        events=_events(client, [blame.pod, target.object], deadline),
        advice=advice(symptom.reason, symptom.message) or advice(reason, message),
    )


def _told_of(judgement: Judgement, symptom: Symptom) -> tuple[str, str]:
    """Reason and message: where the object itself gave up (a Job, a progress deadline), its own reason comes first."""
    own = judgement.reason if judgement.state is State.FAILED else ""
    if not own or own in {blame.symptom.reason for blame in judgement.blamed}:
        return symptom.reason, symptom.message or judgement.message
    because = f"{symptom.reason}: {symptom.message}" if symptom.message else symptom.reason
    return own, f"{judgement.message.rstrip('.')}; {because}" if judgement.message else because


def _image(blame: Blame) -> str:
    """As the pod's spec writes it: the status may name it otherwise, or not at all."""
    spec = blame.pod.get("spec") or {}
    for container in [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]:
        if container.get("name") == blame.symptom.container:
            return str(container.get("image", ""))
    return blame.symptom.image


def _logs(client: Client, blame: Blame, deadline: float) -> tuple[tuple[str, ...], str]:
    """The last lines of the run that crashed, else of the one that runs; nothing where none ever ran."""
    symptom, metadata = blame.symptom, blame.pod["metadata"]
    running = symptom.reason == "ContainersNotReady"
    if not (symptom.crashed or running):
        return (), ""
    restarted = symptom.crashed and symptom.restarts > 0 and not _is_terminated(blame)
    for previous in (True, False) if restarted else (False,):
        query = [("container", symptom.container), ("tailLines", str(_LINES))]
        query += [("previous", "true")] if previous else []
        path = _PODS.path(metadata.get("namespace"), metadata["name"], "log")
        request = Request("GET", path, tuple(query), accept="*/*", where=f"pod/{metadata['name']}")
        try:
            raw = client.send(request, deadline=deadline).raw
        except ForbiddenError:
            return (), "no logs: this token may not get pods/log"
        except StepError as error:
            missing = f"no logs: {error.message}"
            continue
        return _lines(raw), "the run that crashed" if symptom.crashed else "the current run"
    return (), missing


def _is_terminated(blame: Blame) -> bool:
    """Whether the crashed run is the current one: kubelet has not yet put it behind ``previous``."""
    statuses = (blame.pod.get("status") or {}).get("containerStatuses") or []
    return any(
        entry.get("name") == blame.symptom.container and (entry.get("state") or {}).get("terminated")
        for entry in statuses
    )


def _lines(raw: bytes) -> tuple[str, ...]:
    return tuple(line[:_LINE] for line in raw.decode("utf-8", "replace").splitlines()[-_LINES:])


def _events(client: Client, objects: Iterable[Mapping[str, Any]], deadline: float) -> tuple[str, ...]:
    """The events of these objects, newest first, each text once."""
    found: list[Mapping[str, Any]] = []
    for obj in objects:
        reference = Reference.to(obj)
        selector = f"involvedObject.uid={obj['metadata'].get('uid', '')}"
        path = _EVENTS_RESOURCE.path(reference.namespace or "default")
        request = Request("GET", path, (("fieldSelector", selector), ("limit", "100")), where=str(reference))
        try:
            found += client.send(request, deadline=deadline).body.get("items") or []
        except ForbiddenError:
            return ("no events: this token may not list events",)
        except StepError as error:
            return (f"no events: {error.message}",)
    return _told(found)


def _told(events: list[Mapping[str, Any]]) -> tuple[str, ...]:
    """A workload's own Normal events only tell that it was scaled: they are left out."""
    events = [event for event in events if event.get("type") == "Warning" or _about(event) == "Pod"]
    # Their times are whole seconds; of one second, the server lists the newest last, by the time in their names.
    events.reverse()
    events.sort(key=_last_seen, reverse=True)
    texts = dict.fromkeys(_text(event) for event in events)
    return tuple(texts)[:_EVENTS]


def _last_seen(event: Mapping[str, Any]) -> str:
    metadata = event.get("metadata") or {}
    series = event.get("series") or {}
    seen = series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime")
    return str(seen or metadata.get("creationTimestamp") or "")


def _text(event: Mapping[str, Any]) -> str:
    about = event.get("involvedObject") or {}
    count = int((event.get("series") or {}).get("count") or event.get("count") or 1)
    times = f" ({count} times)" if count > 1 else ""
    message = " ".join(str(event.get("message", "")).split())[:_LINE]
    return (
        f"{_clock(_last_seen(event))} {str(about.get('kind', '')).lower()} {event.get('reason', '')}: {message}{times}"
    )


def _about(event: Mapping[str, Any]) -> str:
    return str((event.get("involvedObject") or {}).get("kind", ""))


def _clock(seen: str) -> str:
    try:
        return datetime.fromisoformat(seen).astimezone(UTC).strftime("%H:%M:%SZ")
    except ValueError:
        return "--:--:--"
