"""Pods whose creation the server refuses: StatefulSets, DaemonSets and Jobs report this only by FailedCreate events.

Deployments, ReplicaSets and ReplicationControllers have a condition for refused pods, which ``readiness`` reads.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from k8s_step.api.client import Client
from k8s_step.errors import ForbiddenError, StepError
from k8s_step.objects.metadata import Object
from k8s_step.objects.values.times import last_written, moment
from k8s_step.rollout import events
from k8s_step.verdict.judgement import Judgement
from k8s_step.verdict.readiness import FAILED_CREATE_GRACE, observed
from k8s_step.verdict.states import State
from k8s_step.verdict.target import Target

REASON = "FailedCreate"
_EVERY = 15.0  # seconds between two looks
_ANSWER = 3.0  # seconds a look may take: meanwhile nothing else is judged


@dataclass
class _Lack:
    """A target's lack of pods: since when it has had at most ``have``, and when to read its events next."""

    have: int
    look: float


class FailedCreates:
    """Remembers which targets have fewer pods than they should; reads their events once the lack has lasted."""

    def __init__(self, client: Client, notice: Callable[[str], None]) -> None:
        self._client = client
        self._notice = notice
        self._lacks: dict[str, _Lack] = {}
        self._forbidden: set[str] = set()

    def judge(self, target: Target, pods: Iterable[Object], found: Judgement, now: float) -> Judgement:
        """``found``, or failed where no pod has come within the grace and an event reports that creation is refused."""
        counts = _counts(target.object) if found.state is State.IN_PROGRESS else None
        grace = target.patience.grace(REASON, FAILED_CREATE_GRACE)
        if counts is None or counts[0] >= counts[1] or math.isinf(grace):
            self._lacks.pop(target.uid, None)
            return found
        have = counts[0]
        lack = self._lacks.get(target.uid)
        if lack is None or have > lack.have:
            lack = self._lacks[target.uid] = _Lack(have, now + grace)
        elif now >= lack.look:
            refused = self.refused(target, pods)
            if refused:
                return Judgement(State.FAILED, refused, REASON)
            lack.have, lack.look = have, now + max(grace, _EVERY)
        return replace(found, due=min(lack.look, found.due or math.inf))

    def lacks(self, target: Target) -> bool:
        """Whether the target has fewer pods than it should have by now."""
        return target.uid in self._lacks

    def refused(self, target: Target, pods: Iterable[Object]) -> str:
        """The message of the newest FailedCreate event of this generation, later than the youngest pod; or empty."""
        namespace = target.reference.namespace
        if namespace in self._forbidden:
            return ""
        try:
            request = events.request(target.object, REASON)
            found = self._client.until(time.monotonic() + _ANSWER).send(request).body.get("items") or []
        except ForbiddenError:
            self._forbidden.add(namespace)
            self._notice(
                f"may not list events in namespace {namespace}, so a {target.reference.kind} whose pods may not be"
                " created is not seen early: grant list on events"
            )
            return ""
        except StepError:
            return ""
        written = last_written(target.object)
        born = [moment(pod["metadata"].get("creationTimestamp")) for pod in pods]
        for event in events.newest_first(filter(events.is_warning, found))[:1]:
            seen = events.last_seen(event)
            if seen >= written and all(seen > time for time in born):
                return events.message(event)
        return ""


def _counts(obj: Object) -> tuple[int, int] | None:
    """The pods an object has and the pods due by now; ``None`` where these are unknown or no pod is due."""
    rule = _RULES.get(str(obj.get("kind")))
    return rule(obj.get("spec") or {}, obj.get("status") or {}) if rule and observed(obj) else None


def _statefulset(spec: Object, status: Object) -> tuple[int, int] | None:
    have, wanted = int(status.get("replicas") or 0), _number(spec, "replicas", 1)
    if spec.get("podManagementPolicy") != "Parallel" and int(status.get("readyReplicas") or 0) < have:
        return None  # OrderedReady: the next pod is created once the last is ready
    return have, wanted


def _daemonset(spec: Object, status: Object) -> tuple[int, int] | None:
    rolling = (spec.get("updateStrategy") or {}).get("type", "RollingUpdate") != "OnDelete"
    field = "updatedNumberScheduled" if rolling else "currentNumberScheduled"
    return int(status.get(field) or 0), int(status.get("desiredNumberScheduled") or 0)


def _job(spec: Object, status: Object) -> tuple[int, int] | None:
    """A Job's pods so far (active, succeeded, failed) and the pods due by now: each failed pod needs a replacement."""
    succeeded, failed = int(status.get("succeeded") or 0), int(status.get("failed") or 0)
    left, parallel = _number(spec, "completions", math.inf) - succeeded, _number(spec, "parallelism", 1)
    if spec.get("suspend") or (spec.get("completions") is None and succeeded):
        return None
    ended = succeeded + failed
    return int(status.get("active") or 0) + ended, int(min(left, parallel)) + ended


def _number(spec: Object, field: str, default: Any) -> Any:
    found = spec.get(field)
    return default if found is None else int(found)


_RULES: dict[str, Callable[[Object, Object], tuple[int, int] | None]] = {
    "StatefulSet": _statefulset,
    "DaemonSet": _daemonset,
    "Job": _job,
}
