"""The verdict on one object from all that is known of it: its own status, its pods, and how long it has been so.

Pure but for the marks it keeps of when a problem was first seen; the caller gives the time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from k8s_step import podfailures, readiness, revision
from k8s_step.podfailures import Symptom
from k8s_step.readiness import Readiness, State

Object = Mapping[str, Any]

_SETTLE = 5.0  # seconds a custom resource is given to write its first condition
_RUNS_OF_A_JOB = "crash"  # a Job counts its crashes itself: backoffLimit


@dataclass(frozen=True)
class Blame:
    """A pod, and what is wrong with it."""

    pod: Object
    symptom: Symptom


@dataclass(frozen=True)
class Judgement:
    """``due`` is the time (of the caller's clock) at which to judge again if nothing happens before."""

    state: State
    message: str
    reason: str = ""
    blamed: tuple[Blame, ...] = ()
    due: float | None = None
    unjudged: bool = False

    @property
    def is_final(self) -> bool:
        """Whether following can end: current, failed or gone."""
        return self.state in (State.CURRENT, State.FAILED, State.NOT_FOUND)


@dataclass
class Marks:
    """Since when each problem has lasted, by what it is a problem of."""

    started: float
    _since: dict[tuple[str, str, str], float] = field(default_factory=dict)
    _crashed: dict[str, Symptom] = field(default_factory=dict)

    def since(self, uid: str, container: str, family: str, now: float) -> float:
        """The time this problem was first seen: ``now`` if it is new."""
        return self._since.setdefault((uid, container, family), now)

    def keep(self, uid: str, families: set[tuple[str, str]]) -> None:
        """Forget the problems of ``uid`` that have passed."""
        for key in [key for key in self._since if key[0] == uid and key[1:] not in families]:
            del self._since[key]

    def crash(self, uid: str, ready: bool, found: Symptom | None) -> Symptom | None:
        """A pod that crash-loops stays so while it runs once more, until it is ready."""
        if found is not None:
            self._crashed[uid] = found
        elif ready:
            self._crashed.pop(uid, None)
        return self._crashed.get(uid)


def judge(
    obj: Object,
    pods: Iterable[Object],
    replica_sets: Mapping[str, Object],
    marks: Marks,
    now: float,
    *,
    fail_fast: bool = True,
    changed: bool = True,
) -> Judgement:
    """Judge ``obj`` at ``now``. ``pods`` may hold more than its own; ``changed``: this run wrote to it."""
    found = readiness.compute(obj)
    if found.unjudged and changed and now < marks.started + _SETTLE:
        return Judgement(State.IN_PROGRESS, "waiting for its first condition", due=marks.started + _SETTLE)
    if found.state in (State.CURRENT, State.TERMINATING):
        return Judgement(found.state, found.message, found.reason, unjudged=found.unjudged)
    own = [pod for pod in pods if revision.is_current(obj, pod, replica_sets)] if readiness.observed(obj) else []
    ills = [_ills(pod, obj, marks, now) for pod in own if podfailures.is_alive(pod)]
    if found.state is State.FAILED:
        return Judgement(State.FAILED, found.message, found.reason, _complaints(own))
    return _in_progress(obj, found, own, ills, marks, now, fail_fast)


@dataclass(frozen=True)
class _Ill:
    """A pod's symptoms, each with the time from which on it is fatal."""

    pod: Object
    due: tuple[tuple[float, Symptom], ...]

    def fatal(self, now: float) -> Symptom | None:
        return next((symptom for due, symptom in self.due if due <= now), None)


def _ills(pod: Object, obj: Object, marks: Marks, now: float) -> _Ill:
    uid = str(pod["metadata"].get("uid", ""))
    found = podfailures.symptoms(pod)
    if obj.get("kind") == "Job":
        found = [symptom for symptom in found if symptom.family != _RUNS_OF_A_JOB]
    else:
        found = _with_crash(found, marks, uid, podfailures.is_ready(pod))
    marks.keep(uid, {(symptom.container, symptom.family) for symptom in found})
    due = [(marks.since(uid, symptom.container, symptom.family, now) + symptom.grace, symptom) for symptom in found]
    return _Ill(pod, tuple(sorted(due, key=lambda pair: pair[0])))


def _with_crash(found: list[Symptom], marks: Marks, uid: str, ready: bool) -> list[Symptom]:
    crashing = next((symptom for symptom in found if symptom.family == "crash"), None)
    kept = marks.crash(uid, ready, crashing)
    return [*found, kept] if kept is not None and crashing is None else found


def _in_progress(
    obj: Object, found: Readiness, own: list[Object], ills: list[_Ill], marks: Marks, now: float, fail_fast: bool
) -> Judgement:
    dues = [due for ill in ills for due, _ in ill.due if due > now]
    if found.grace is not None:
        lasting = marks.since(str(obj["metadata"].get("uid")), "", found.reason, now) + found.grace
        if fail_fast and lasting <= now:
            return Judgement(State.FAILED, found.message, found.reason, _complaints(own))
        dues.append(lasting)
    fatal = [ill for ill in ills if ill.fatal(now)]
    if fail_fast and fatal and (_each_counts(obj) or not _hopeful(own, fatal)):
        return _failed_by_pods(fatal, now)
    message = "; ".join(part for part in (found.message, _pods_phrase(own)) if part)
    soonest = min((due for due in dues if due > now), default=None) if fail_fast else None
    return Judgement(State.IN_PROGRESS, message, found.reason, _complaints(own), soonest)


def _each_counts(obj: Object) -> bool:
    """A StatefulSet's pods stand in for none of the others: one that can't start stops the rollout."""
    return obj.get("kind") == "StatefulSet"


def _hopeful(own: list[Object], fatal: list[_Ill]) -> bool:
    """Whether a pod of this revision can still make it."""
    lost = {str(ill.pod["metadata"].get("uid")) for ill in fatal}
    return any(podfailures.is_alive(pod) and str(pod["metadata"].get("uid")) not in lost for pod in own)


def _failed_by_pods(fatal: list[_Ill], now: float) -> Judgement:
    blamed = tuple(Blame(ill.pod, symptom) for ill in fatal if (symptom := ill.fatal(now)) is not None)
    first = blamed[0].symptom
    return Judgement(State.FAILED, first.message, first.reason, blamed)


def _complaints(own: Iterable[Object]) -> tuple[Blame, ...]:
    return tuple(Blame(pod, symptom) for pod in own if (symptom := podfailures.complaint(pod)) is not None)


def _pods_phrase(own: list[Object]) -> str:
    counts = Counter(phrase for pod in own if podfailures.is_alive(pod) and (phrase := podfailures.waiting_for(pod)))
    return ", ".join(f"{count} {phrase}" if count > 1 else phrase for phrase, count in sorted(counts.items()))
