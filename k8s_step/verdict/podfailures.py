"""The problems that a pod's own status shows, and how long each may last before it is fatal.

The table is docs/verdict.md's. Reasons keep Kubernetes' spelling: kubelet's ``pkg/kubelet/images/types.go``,
``pkg/kubelet/container/sync_result.go`` and ``pkg/kubelet/kuberuntime/kuberuntime_manager.go``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from k8s_step.objects.kinds.pods import condition_of, controller_of, is_ready, statuses
from k8s_step.objects.metadata import Object
from k8s_step.verdict.evidence import signals
from k8s_step.verdict.terms.patience import USUAL, Patience

Status = Mapping[str, Any]
Restarts = Mapping[str, int]
_NONE: Restarts = MappingProxyType({})
AT_ONCE = 0.0
IMAGE_GRACE = 60.0
CONTAINER_GRACE = 15.0
CRASHES = 2  # restarts
_CRASH = "crash"
_NOT_FATAL = ("Unschedulable", "ContainersNotReady")
RUNNING = "Running"
_GATES = "ReadinessGatesNotReady"  # kubelet's pkg/kubelet/status/generate.go
# A rate-limited or unavailable registry may answer later: these words win over the ones below.
_PASSING = (
    r"toomanyrequests|too many requests|rate limit|\b(?:429|5\d\d)\b|time(?:d )?out|no such host|refused"
    r"|invalid character"  # a proxy's HTML in place of the registry's JSON
)
_FINAL = r"not found|denied|unauthorized|invalid|manifest unknown|does not exist|authorization failed"
_URL = r"https?://\S+"
_NEVER_STARTED = ("StartError", "ContainerCannotRun")  # containerd's and dockerd's words
_CACHES_SYNC = r"failed to sync (secret|configmap) cache"


@dataclass(frozen=True)
class Symptom:
    """One problem of one container, fatal once it has lasted ``grace`` seconds.

    ``family`` groups reasons that share one grace, such as ErrImagePull and ImagePullBackOff, which alternate.
    ``exit_code`` is that of the run that crashed; ``None`` where none has crashed.
    """

    reason: str
    message: str
    grace: float
    container: str = ""
    image: str = ""
    family: str = ""
    restarts: int = 0
    exit_code: int | None = None

    @property
    def crashed(self) -> bool:
        """Whether a run of the container ended by itself, so that its last lines are in the previous log."""
        return self.exit_code is not None


def symptoms(pod: Object, patience: Patience = USUAL, before: Restarts = _NONE) -> list[Symptom]:
    """All problems of ``pod``, init containers first, with the graces of the table or the user's. Pure.

    ``before``: the restarts, by container, that do not count, as they are older than the run.
    """
    found = []
    for entry in statuses(pod):
        waiting = (entry.get("state") or {}).get("waiting") or {}
        rule = _WAITING.get(_waits(entry), _crashed_between)
        symptom = rule(entry, str(waiting.get("message") or ""))
        if symptom is not None and _counts(symptom, patience, before):
            found.append(replace(symptom, grace=patience.grace(symptom.reason, symptom.grace)))
    return found or _fatal_by_grace(pod, patience, before)


def restarts_before(pod: Object, known: Restarts = _NONE) -> dict[str, int]:
    """The restarts, by container, that are older than the run; ``known``: those found when ``pod`` was seen earlier.

    What has restarted and is ready when first seen has overcome it. What waits or has ended may be in the midst of a
    crash loop, so all its restarts count. A container that runs but is not ready is decided by what comes next.
    """
    found = dict(known)
    for entry in statuses(pod):
        name, restarts = str(entry.get("name", "")), int(entry.get("restartCount") or 0)
        if name not in found and (entry.get("ready") or is_ready(pod)):
            found[name] = restarts
        elif name not in found and not (entry.get("state") or {}).get("running"):
            found[name] = 0
    return found


def _counts(symptom: Symptom, patience: Patience, before: Restarts) -> bool:
    restarts = symptom.restarts - before.get(symptom.container, 0)
    return symptom.family != _CRASH or restarts >= patience.crashes(symptom.reason, CRASHES)


def _fatal_by_grace(pod: Object, patience: Patience, before: Restarts) -> list[Symptom]:
    """The problems that are fatal only where the user gives a grace for them."""
    if not any(patience.asks_for(reason) for reason in _NOT_FATAL):
        return []
    found = complaint(pod, before)
    if found is None or found.reason not in _NOT_FATAL or not patience.asks_for(found.reason):
        return []
    return [replace(found, grace=patience.grace(found.reason, found.grace))]


def complaint(pod: Object, before: Restarts = _NONE) -> Symptom | None:
    """The best explanation of why ``pod`` is not yet ready or done, fatal or not; ``None`` when it is.

    For a release that has failed or timed out: an ended container, else unschedulable, else unready. A Job's pod counts
    only once it is done, so a running one is explained as ``Running``.
    """
    status = pod.get("status") or {}
    if status.get("phase") == "Succeeded":
        return None
    if is_ready(pod):
        return _at_work(status) if controller_of(pod).get("kind") == "Job" else None
    known = symptoms(pod, before=before)
    if known:
        return known[0]
    for entry in statuses(pod):
        run = _last_run(entry)
        if run and run.get("exitCode") != 0 and _waits(entry) == "CrashLoopBackOff":
            return _crash_loop(entry, "")
        if run and run.get("exitCode") != 0:
            return _symptom(entry, str(run.get("reason") or "Error"), _crash_words(entry, run), AT_ONCE)
    return _not_there(pod, status)


def _at_work(status: Status) -> Symptom | None:
    running = (entry for entry in status.get("containerStatuses") or [] if (entry.get("state") or {}).get("running"))
    return next((Symptom(RUNNING, "", AT_ONCE, str(entry.get("name", ""))) for entry in running), None)


def _not_there(pod: Object, status: Status) -> Symptom:
    scheduled = condition_of(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        return Symptom(str(scheduled.get("reason") or "Unschedulable"), str(scheduled.get("message", "")), AT_ONCE)
    if status.get("phase") == "Failed":
        return Symptom(str(status.get("reason") or "PodFailed"), str(status.get("message", "")), AT_ONCE)
    unready = [entry for entry in status.get("containerStatuses") or [] if not entry.get("ready")]
    reason = "ContainersNotReady" if status.get("phase") == "Running" else waiting_for(pod)
    reason = "Pending" if reason == "pending" else reason  # the phase, as Kubernetes spells it
    if not unready:
        ready = condition_of(pod, "Ready")
        is_gate = ready.get("reason") == _GATES
        return Symptom(_GATES if is_gate else reason, str(ready.get("message") or ""), AT_ONCE)
    message = str(condition_of(pod, "ContainersReady").get("message") or "")
    return _symptom(unready[0], reason, message, AT_ONCE)


def waiting_for(pod: Object) -> str:
    """One phrase for a progress line: what this pod is waiting for, empty when it is ready."""
    if is_ready(pod):
        return ""
    scheduled = condition_of(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        return f"unschedulable: {scheduled.get('message', '')}".rstrip(": ")
    status = pod.get("status") or {}
    named = next(filter(None, map(_waits, statuses(pod))), "")
    if named:
        return named
    return "running but not ready" if status.get("phase") == "Running" else "pending"


def _waits(entry: Status) -> str:
    """The reason a container is waiting; empty where it is not waiting."""
    return str(((entry.get("state") or {}).get("waiting") or {}).get("reason") or "")


def _symptom(entry: Status, reason: str, message: str, grace: float, family: str = "") -> Symptom:
    terminated = _last_run(entry)
    return Symptom(
        reason=reason,
        message=message,
        grace=grace,
        container=str(entry.get("name", "")),
        image=str(entry.get("image", "")),
        family=family or reason,
        restarts=int(entry.get("restartCount") or 0),
        exit_code=terminated.get("exitCode") if terminated else None,
    )


def _last_run(entry: Status) -> Mapping[str, Any]:
    for state in (entry.get("state") or {}, entry.get("lastState") or {}):
        terminated = state.get("terminated")
        if terminated:
            return dict(terminated)
    return {}


def _at_once(reason: str) -> Callable[[Status, str], Symptom]:
    return lambda entry, message: _symptom(entry, reason, message, AT_ONCE, "image")


def _image(reason: str) -> Callable[[Status, str], Symptom]:
    """The grace for an image problem: a missing tag stays missing, a busy registry may answer later."""

    def rule(entry: Status, message: str) -> Symptom:
        words = _without(message, str(entry.get("image") or ""))
        final = re.search(_FINAL, words, re.I) and not re.search(_PASSING, words, re.I)
        return _symptom(entry, reason, message, AT_ONCE if final else IMAGE_GRACE, "image")

    return rule


def _without(message: str, image: str) -> str:
    """``message`` without names and URLs, which may hold misleading words (``:503``, ``timeout-proxy``)."""
    repository, _, _ = image.partition("@")
    for name in (image, repository, repository.rpartition(":")[0]):
        message = message.replace(name, "") if name else message
    return re.sub(_URL, "", message)


def _container_error(reason: str) -> Callable[[Status, str], Symptom | None]:
    def rule(entry: Status, message: str) -> Symptom | None:
        # kubelet reports this for a moment while its informer catches up: pkg/kubelet/util/manager.
        if re.search(_CACHES_SYNC, message, re.I):
            return None
        return _symptom(entry, reason, message, CONTAINER_GRACE)

    return rule


def _crash_loop(entry: Status, message: str) -> Symptom | None:
    run = _last_run(entry)
    if run.get("reason") in _NEVER_STARTED:  # one problem: RunContainerError and CrashLoopBackOff alternate
        return _symptom(entry, "RunContainerError", str(run.get("message") or message), CONTAINER_GRACE)
    reason = "OOMKilled" if run.get("reason") == "OOMKilled" else "CrashLoopBackOff"
    return _symptom(entry, reason, _crash_words(entry, run) or message, AT_ONCE, _CRASH)


def _crashed_between(entry: Status, _: str) -> Symptom | None:
    """A container that has crashed again but is not yet in back-off."""
    terminated = (entry.get("state") or {}).get("terminated")
    if not terminated or (terminated.get("exitCode") == 0 and terminated.get("reason") == "Completed"):
        return None
    return _crash_loop(entry, "")


def _crash_words(entry: Status, run: Mapping[str, Any]) -> str:
    if not run:
        return ""
    code = signals.exit_text(int(run.get("exitCode") or 0))
    ended = f"exited with code {code}"
    if run.get("signal"):
        ended = f"killed by signal {run['signal']}"
    if run.get("reason") == "OOMKilled":
        ended = f"killed for using more memory than its limit, exit code {code}"
    said = f": {str(run['message']).strip()}" if run.get("message") else ""
    return f"{ended}{_restarted(int(entry.get('restartCount') or 0))}{said}"


def _restarted(count: int) -> str:
    if not count:
        return ""
    return ", restarted once" if count == 1 else f", restarted {count} times"


_WAITING: dict[str, Callable[[Status, str], Symptom | None]] = {
    "ErrImagePull": _image("ErrImagePull"),
    "ImagePullBackOff": _image("ImagePullBackOff"),
    "RegistryUnavailable": _image("RegistryUnavailable"),
    "ImageInspectError": _image("ImageInspectError"),
    "SignatureValidationFailed": _image("SignatureValidationFailed"),
    "ErrImageNeverPull": _at_once("ErrImageNeverPull"),
    "InvalidImageName": _at_once("InvalidImageName"),
    "CreateContainerConfigError": _container_error("CreateContainerConfigError"),
    "CreateContainerError": _container_error("CreateContainerError"),
    "RunContainerError": _container_error("RunContainerError"),
    "CrashLoopBackOff": _crash_loop,
}
