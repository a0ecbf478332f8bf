"""The verdict on one object, from its own status, its pods and how long each problem has lasted.

No requests and no clock: the caller passes the time. Its only state is :class:`Marks`: when each problem began, and the
restarts of before.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from k8s_step.objects.kinds.pods import controller_of, is_alive, is_done, is_ready, statuses
from k8s_step.objects.metadata import Object, metadata_of, uid_of
from k8s_step.verdict import podfailures, readiness, revision
from k8s_step.verdict.podfailures import Symptom
from k8s_step.verdict.states import Readiness, State
from k8s_step.verdict.terms.patience import USUAL, Patience

_SETTLE = 5.0  # seconds a controller gets to see a change where the object does not show whether it has
_RUNS_OF_A_JOB = "crash"  # a Job counts its crashes itself: backoffLimit
_TIMED_OUT = r'ReplicaSet "([^"]+)" has timed out'  # deployment controller, progress.go
_ITSELF = ""  # stands for the object itself among the pods' uids in Marks


@dataclass(frozen=True)
class Blame:
    """A pod and its problem."""

    pod: Object
    symptom: Symptom


@dataclass(frozen=True)
class Judgement:
    """The verdict on one object at one time.

    ``due``: seconds of the caller's clock at which to judge again if no event comes before. ``blamed``: pods and their
    problems. ``settling``: this state passes by itself within seconds. ``unjudged``: the status does not show whether
    the object is ready. ``lasting``: the object, still in progress, has a problem that becomes fatal if it persists.
    ``was_current``: the object was current earlier in this run. ``paused``: what holds the object until somebody
    resumes it.
    """

    state: State
    message: str
    reason: str = ""
    blamed: tuple[Blame, ...] = ()
    due: float | None = None
    unjudged: bool = False
    settling: bool = False
    lasting: bool = False
    was_current: bool = False
    paused: str = ""

    @cached_property  # asked of every target at each event
    def is_final(self) -> bool:
        """Whether following can end: current, failed or gone."""
        return self.state is State.CURRENT or self.is_lost

    @cached_property
    def is_lost(self) -> bool:
        """Whether it has failed or is gone."""
        return self.state in (State.FAILED, State.NOT_FOUND)


class Look:
    """What is wrong with a pod, found out once for all events that leave the pod as it is."""

    def __init__(self, pod: Object, before: podfailures.Restarts) -> None:
        self.pod, self._before = pod, before
        self._symptoms: tuple[Patience, list[Symptom]] | None = None

    def symptoms(self, patience: Patience) -> list[Symptom]:
        if self._symptoms is None or self._symptoms[0] is not patience:
            self._symptoms = patience, podfailures.symptoms(self.pod, patience, self._before)
        return self._symptoms[1]

    @cached_property
    def complaint(self) -> Symptom | None:
        return podfailures.complaint(self.pod, self._before)

    @cached_property
    def waiting_for(self) -> str:
        return podfailures.waiting_for(self.pod)


@dataclass
class Marks:
    """When each problem was first seen, by uid (empty for the object itself), container and family of reasons.

    Also the restarts of each pod's containers that are older than the run, which stay known as long as the pod.
    """

    started: float
    _looks: dict[str, Look] = field(default_factory=dict)
    _since: dict[tuple[str, str, str], tuple[float, str]] = field(default_factory=dict)
    _crashed: dict[str, Symptom] = field(default_factory=dict)
    _before: dict[str, dict[str, int]] = field(default_factory=dict)

    def note(self, pods: Iterable[Object]) -> None:
        """Note the restarts that are older than the run; forget those of pods that are gone."""
        before, self._before = self._before, {}
        for pod in pods:
            uid = uid_of(pod)
            known = before.get(uid, {})
            is_whole = known and len(known) == len(statuses(pod))
            self._before[uid] = known if is_whole else podfailures.restarts_before(pod, known)

    def since(self, uid: str, container: str, family: str, now: float, reason: str = "") -> float:
        """The time (seconds of the caller's clock) this problem was first seen; ``now`` for a new problem."""
        return self._since.setdefault((uid, container, family), (now, reason))[0]

    def first_reason(self, uid: str, symptom: Symptom) -> str:
        """The reason under which the problem was first seen, since ErrImagePull and ImagePullBackOff alternate."""
        return self._since.get((uid, symptom.container, symptom.family), (0.0, symptom.reason))[1]

    def look(self, pod: Object) -> Look:
        """The look at a pod as it is now."""
        uid = uid_of(pod)
        known = self._looks.get(uid)
        if known is None or known.pod is not pod:
            known = self._looks[uid] = Look(pod, self._before.get(uid, {}))
        return known

    def keep(self, uid: str, families: set[tuple[str, str]]) -> None:
        """Forget the problems of ``uid`` that are not among ``families``, pairs of container and family."""
        for key in [key for key in self._since if key[0] == uid and key[1:] not in families]:
            del self._since[key]

    def forget(self) -> None:
        """Forget every problem, so that any later one counts as new."""
        self._since.clear()
        self._crashed.clear()
        self._looks.clear()

    def forget_others(self, pods: Iterable[Object]) -> None:
        """Keep the problems of these pods and of the object itself; forget those of all other pods."""
        kept = {_ITSELF, *map(uid_of, pods)}
        self._since = {key: value for key, value in self._since.items() if key[0] in kept}
        self._crashed = {uid: symptom for uid, symptom in self._crashed.items() if uid in kept}
        self._looks = {uid: look for uid, look in self._looks.items() if uid in kept}

    def crash(self, pod: Object, found: Symptom | None) -> Symptom | None:
        """The crash loop of ``pod``, remembered while its container runs again, until ready or done; else ``None``."""
        uid = uid_of(pod)
        if found is not None:
            self._crashed[uid] = found
        known = self._crashed.get(uid)
        if known is not None and (is_ready(pod) or is_done(pod, known.container)):
            del self._crashed[uid]
        return self._crashed.get(uid)


@dataclass(frozen=True)
class Terms:
    """The terms of judging one object.

    ``fail_fast``: problems fail the object once their grace is over. ``changed``: this run wrote to the object.
    ``readiness_of``: judges the object by itself.
    """

    fail_fast: bool = True
    changed: bool = True
    patience: Patience = USUAL
    readiness_of: Callable[[Object], Readiness] = readiness.compute


_USUAL = Terms()


def judge(
    obj: Object,
    pods: Iterable[Object],
    replica_sets: Mapping[str, Object],
    marks: Marks,
    now: float,
    terms: Terms = _USUAL,
) -> Judgement:
    """Judge ``obj`` at ``now``, seconds of the caller's clock.

    ``pods`` may include pods of other owners. ``replica_sets`` are by uid.
    """
    found, patience = terms.readiness_of(obj), terms.patience
    settled = marks.started + _SETTLE
    marks.note(pods)
    if (found.unjudged or found.unversioned) and terms.changed and now < settled:
        return Judgement(State.IN_PROGRESS, "waiting for its controller to take note", due=settled, settling=True)
    if found.state is State.CURRENT:
        return _current(obj, found, pods, replica_sets, marks, now)
    if found.state is State.TERMINATING:
        return Judgement(found.state, found.message, found.reason)
    found = _of_this_revision(found, obj, replica_sets)
    if found.grace is not None:
        found = replace(found, grace=patience.grace(found.family, found.grace))
    own = revision.current_pods(obj, pods, replica_sets) if readiness.observed(obj) else []
    marks.forget_others(own)
    ills = [_ills(pod, obj, marks, now, patience) for pod in own if is_alive(pod)]
    if found.state is State.FAILED:
        awaited = _reason_awaited(obj, found, own, marks, now)
        if awaited is not None:
            return Judgement(State.IN_PROGRESS, found.message, found.reason, due=awaited, lasting=True)
        return Judgement(State.FAILED, found.message, found.reason, _complaints(obj, own, marks))
    judgement = _in_progress(obj, found, own, ills, marks, now, terms.fail_fast)
    return _held_up(judgement, _older(obj, pods, own)) if _keeps_older_pods(obj) else judgement


def troubles(obj: Object, judgement: Judgement) -> tuple[Blame, ...]:
    """The blamed pods that are broken, not merely slow; a Job's ended pods count too, since each was one try."""
    is_job = obj.get("kind") == "Job"
    there = (blame for blame in judgement.blamed if is_job or is_alive(blame.pod))
    return tuple(blame for blame in there if blame.symptom.crashed or podfailures.symptoms(blame.pod))


def _current(
    obj: Object,
    found: Readiness,
    pods: Iterable[Object],
    replica_sets: Mapping[str, Object],
    marks: Marks,
    now: float,
) -> Judgement:
    """Judge an object whose status says current.

    The status may lag behind the pods: an unready pod keeps the object in progress for up to ``_SETTLE`` seconds.
    """
    current = Judgement(found.state, found.message, found.reason, unjudged=found.unjudged)
    own = revision.current_pods(obj, pods, replica_sets) if obj.get("kind") in _COUNTING_ALL else []
    unready = [pod for pod in own if is_alive(pod) and not is_ready(pod)]
    if not unready:
        marks.forget()
        return current
    settled = marks.since(_ITSELF, "", _UNNOTICED, now) + _SETTLE
    if settled <= now:
        return current
    message = f"pod {unready[0]['metadata']['name']} is not ready, which its controller has yet to notice"
    return Judgement(State.IN_PROGRESS, message, blamed=_complaints(obj, unready, marks), due=settled)


# Kinds that are current only when each pod of their revision is ready. A DaemonSet is not among them: its status leaves
# out pods on nodes that it no longer selects.
_COUNTING_ALL = ("Deployment", "StatefulSet", "ReplicaSet", "ReplicationController")
_UNNOTICED = "unnoticed"


def _reason_awaited(obj: Object, found: Readiness, own: list[Object], marks: Marks, now: float) -> float | None:
    """The time until which to wait for a pod's status to explain an exceeded progress deadline.

    The Deployment's condition may arrive before any status of its pods. ``None`` where a pod of this revision already
    has a status, or where ``_SETTLE`` seconds have passed.
    """
    is_late = obj.get("kind") == "Deployment" and found.reason == "ProgressDeadlineExceeded"
    if not is_late or any(map(_has_spoken, own)):
        return None
    settled = marks.since(_ITSELF, "", _SILENT, now) + _SETTLE
    return settled if settled > now else None


_SILENT = "silent"


def _has_spoken(pod: Object) -> bool:
    status = pod.get("status") or {}
    return bool(status.get("conditions") or status.get("containerStatuses"))


def _keeps_older_pods(obj: Object) -> bool:
    """Whether the controller leaves broken pods of an older revision alone, so that the new revision never comes.
    Source: "Forced rollback" in Kubernetes' documentation of StatefulSets, "Pod template" in that of ReplicaSets.
    """
    is_ordered = (obj.get("spec") or {}).get("podManagementPolicy", "OrderedReady") == "OrderedReady"
    kind = obj.get("kind")
    return readiness.observed(obj) and (kind in _NEVER_REPLACING or (kind == "StatefulSet" and is_ordered))


_NEVER_REPLACING = ("ReplicaSet", "ReplicationController")


def _older(obj: Object, pods: Iterable[Object], own: list[Object]) -> list[Object]:
    uid, current = uid_of(obj), {uid_of(pod) for pod in own}
    return [pod for pod in pods if controller_of(pod).get("uid") == uid and uid_of(pod) not in current]


def _held_up(judgement: Judgement, older: list[Object]) -> Judgement:
    """Blame a broken pod of an older revision, where the object is in progress and none of its own pods is blamed."""
    broken = next((blame for pod in older if (blame := _broken(pod)) is not None), None)
    if broken is None or judgement.blamed or judgement.state is not State.IN_PROGRESS:
        return judgement
    symptom = broken.symptom
    message = f"pod {broken.pod['metadata']['name']} of an older revision holds it up and is not replaced: delete it"
    blame = replace(broken, symptom=replace(symptom, message=f"{message} ({symptom.message or symptom.reason})"))
    return replace(judgement, message=f"{judgement.message}; {message}", blamed=(blame,))


def _broken(pod: Object) -> Blame | None:
    """The pod and its problem where it is alive but unlikely to become ready by itself; else ``None``."""
    found = podfailures.complaint(pod) if is_alive(pod) else None
    return Blame(pod, found) if found is not None and (found.crashed or podfailures.symptoms(pod)) else None


def _of_this_revision(found: Readiness, obj: Object, replica_sets: Mapping[str, Object]) -> Readiness:
    """``found``, or in progress where a Deployment's conditions are, or may be, about an older ReplicaSet.

    They may be so even after its generation has been observed. Source, in kubernetes' deployment controller: ``sync``
    records a scaling before the new ReplicaSet is made, ``getReplicaFailures`` includes those of old ReplicaSets.
    """
    if obj.get("kind") != "Deployment":
        return found
    if found.reason == "ProgressDeadlineExceeded":
        named = re.search(_TIMED_OUT, found.message)
        is_old = revision.is_old_replica_set(obj, named[1], replica_sets) if named else False
        if is_old is None:
            return replace(found, state=State.IN_PROGRESS, grace=_SETTLE)
        return Readiness(State.IN_PROGRESS, "waiting for the controller to begin") if is_old else found
    newest = revision.replica_set_of(obj, replica_sets) if found.grace is not None else None
    if newest is not None and readiness.replica_failure(newest) is None:
        return Readiness(State.IN_PROGRESS, f"an older ReplicaSet cannot create pods ({found.reason})")
    return found


@dataclass(frozen=True)
class _Ill:
    """A pod's symptoms, each with the time from which it is fatal, soonest first."""

    pod: Object
    due: tuple[tuple[float, Symptom], ...]

    def fatal(self, now: float) -> Symptom | None:
        return next((symptom for due, symptom in self.due if due <= now), None)


def _ills(pod: Object, obj: Object, marks: Marks, now: float, patience: Patience) -> _Ill:
    uid = uid_of(pod)
    found = marks.look(pod).symptoms(patience)
    if obj.get("kind") == "Job":
        found = [symptom for symptom in found if symptom.family != _RUNS_OF_A_JOB]
    else:
        found = _with_crash(found, marks, pod)
    marks.keep(uid, {(symptom.container, symptom.family) for symptom in found})
    due = [
        (marks.since(uid, symptom.container, symptom.family, now, symptom.reason) + symptom.grace, symptom)
        for symptom in found
    ]
    return _Ill(pod, tuple(sorted(due, key=lambda pair: pair[0])))


def _with_crash(found: list[Symptom], marks: Marks, pod: Object) -> list[Symptom]:
    crashing = next((symptom for symptom in found if symptom.family == "crash"), None)
    kept = marks.crash(pod, crashing)
    return [*found, kept] if kept is not None and crashing is None else found


def _in_progress(
    obj: Object, found: Readiness, own: list[Object], ills: list[_Ill], marks: Marks, now: float, fail_fast: bool
) -> Judgement:
    dues = [due for ill in ills for due, _ in ill.due if due > now]
    marks.keep(_ITSELF, {("", found.family)} if found.grace is not None else set())
    if found.grace is not None:
        lasting = marks.since(_ITSELF, "", found.family, now) + found.grace
        if fail_fast and lasting <= now:
            return Judgement(State.FAILED, found.message, found.reason, _complaints(obj, own, marks))
        dues.append(lasting)
    fatal = [ill for ill in ills if ill.fatal(now)]
    if fail_fast and fatal and (_each_counts(obj) or not _hopeful(own, fatal)):
        return _failed_by_pods(fatal, now)
    message = _with_pods(found, obj, own, ills, marks)
    soonest = min((due for due in dues if due > now), default=None) if fail_fast else None
    blamed, is_lasting = _complaints(obj, own, marks), found.grace is not None
    return Judgement(State.IN_PROGRESS, message, found.reason, blamed, soonest, lasting=is_lasting)


def _each_counts(obj: Object) -> bool:
    """Whether one pod that cannot start stops the rollout: a StatefulSet's pods cannot replace each other."""
    return obj.get("kind") == "StatefulSet"


def _hopeful(own: list[Object], fatal: list[_Ill]) -> bool:
    """Whether a living pod of this revision has no fatal problem."""
    lost = {uid_of(ill.pod) for ill in fatal}
    return any(is_alive(pod) and uid_of(pod) not in lost for pod in own)


def _failed_by_pods(fatal: list[_Ill], now: float) -> Judgement:
    blamed = tuple(Blame(ill.pod, symptom) for ill in fatal if (symptom := ill.fatal(now)) is not None)
    first = blamed[0].symptom
    return Judgement(State.FAILED, first.message, first.reason, blamed)


# Their ended pods are what they are about: each of a Job's is one try.
_OF_TRIES = ("Job", "Pod")


def _complaints(obj: Object, own: Iterable[Object], marks: Marks) -> tuple[Blame, ...]:
    """The pods that are not ready, and why.

    An ended pod that is replaced counts where no living one complains, a pod that is being deleted never.
    """
    found = tuple(Blame(pod, symptom) for pod in own if (symptom := marks.look(pod).complaint) is not None)
    if obj.get("kind") in _OF_TRIES:
        return found
    staying = tuple(blame for blame in found if not metadata_of(blame.pod).get("deletionTimestamp"))
    return tuple(blame for blame in staying if is_alive(blame.pod)) or staying


def _with_pods(found: Readiness, obj: Object, own: list[Object], ills: list[_Ill], marks: Marks) -> str:
    known = {uid_of(ill.pod): marks.first_reason(uid_of(ill.pod), ill.due[0][1]) for ill in ills if ill.due}
    phrases = [known.get(uid_of(pod)) or marks.look(pod).waiting_for for pod in own if is_alive(pod)]
    counts = Counter(phrase for phrase in phrases if phrase and phrase != found.message)
    if obj.get("kind") == "Pod":
        return "; ".join([found.message, *counts])
    told = ", ".join(f"{count} {phrase}" for phrase, count in sorted(counts.items()))
    label = "new pods" if obj.get("kind") in _REPLACING else "pods"
    return f"{found.message}; {label}: {told}" if told else found.message


_REPLACING = ("Deployment", "StatefulSet", "DaemonSet")  # old pods keep running while new pods start
