"""Simulates pods, by the name of their image, about ten times faster than a real node.

An image whose tag contains ``does-not-exist`` or ``typo`` is not in the registry; one with ``crash`` in its name exits
soon after each start; any other becomes ready in about a second. Probes, init containers, volumes and limits are
ignored.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

from k8s_step.objects.metadata import MutableObject
from k8s_step.objects.resource import required
from k8s_step.practice import events
from k8s_step.practice.refusal import Refusal
from k8s_step.practice.store import Store, now
from k8s_step.practice.timers import Timers

POD = required("v1", "Pod")


@dataclass(frozen=True)
class Scene:
    """A container's status for ``lasts`` seconds, and the events (reason, message) at its begin."""

    lasts: float
    state: MutableObject
    ready: bool = False
    restarts: int = 0
    last: MutableObject = field(default_factory=dict)
    events: tuple[tuple[str, str], ...] = ()


Script = Iterator[Scene]


def _waiting(reason: str, message: str = "") -> MutableObject:
    return {"waiting": {"reason": reason, "message": message} if message else {"reason": reason}}


def _pulling(image: str, lasts: float) -> Scene:
    return Scene(lasts, _waiting("ContainerCreating"), events=(("Pulling", f'Pulling image "{image}"'),))


def _start_events(image: str) -> tuple[tuple[str, str], ...]:
    pulled = f'Successfully pulled image "{image}" in 412ms (412ms including waiting). Image size: 18204331 bytes.'
    return (("Pulled", pulled), ("Created", "Container created"), ("Started", "Container started"))


def _starts(pod: MutableObject, name: str, image: str) -> Script:
    yield _pulling(image, 0.5)
    running = {"running": {"startedAt": now()}}
    yield Scene(0.5, running, events=_start_events(image))
    yield Scene(0, running, ready=True)


def _not_in_registry(pod: MutableObject, name: str, image: str) -> Script:
    error = (
        f'rpc error: code = NotFound desc = failed to pull and unpack image "{image}": '
        f'failed to resolve reference "{image}": {image}: not found'
    )
    failed = (("Failed", f'Failed to pull image "{image}": {error}'), ("Failed", "Error: ErrImagePull"))
    back_off = f'Back-off pulling image "{image}"'
    yield _pulling(image, 0.5)
    yield Scene(1.0, _waiting("ErrImagePull", error), events=failed)
    state = _waiting("ImagePullBackOff", f"{back_off}: ErrImagePull: {error}")
    yield Scene(0, state, events=(("BackOff", back_off), ("Failed", "Error: ImagePullBackOff")))


def _crashes(pod: MutableObject, name: str, image: str) -> Script:
    meta = pod["metadata"]
    place = f"{meta['name']}_{meta['namespace']}({meta['uid']})"
    last: MutableObject = {}
    yield _pulling(image, 0.5)
    for restarts in itertools.count():
        started = now()
        yield Scene(0.5, {"running": {"startedAt": started}}, restarts=restarts, last=last, events=_start_events(image))
        ended = {"exitCode": 1, "reason": "Error", "startedAt": started, "finishedAt": now()}
        if restarts == 0:  # the first restart is immediate, the back-off starts with the second
            yield Scene(0.3, {"terminated": ended})
        last = {"terminated": ended}
        if restarts > 0:
            seconds = min(10 * 2 ** (restarts - 1), 300)
            message = f"back-off {seconds}s restarting failed container={name} pod={place}"
            event = ("BackOff", f"Back-off restarting failed container {name} in pod {place}")
            yield Scene(seconds / 10, _waiting("CrashLoopBackOff", message), False, restarts, last, (event,))


def _script(pod: MutableObject, name: str, image: str) -> Script:
    tag = image.rpartition("/")[2].partition(":")[2]
    if "does-not-exist" in tag or "typo" in tag:
        return _not_in_registry(pod, name, image)
    return _crashes(pod, name, image) if "crash" in image else _starts(pod, name, image)


def log(pod: MutableObject, container: str, previous: bool) -> list[str]:
    """The container's log lines, or a :class:`Refusal` (400) in the kubelet's words."""
    name = pod["metadata"]["name"]
    image = next((item["image"] for item in pod["spec"]["containers"] if item["name"] == container), None)
    if image is None:
        raise Refusal(400, "BadRequest", f"container {container} is not valid for pod {name}")
    statuses = pod.get("status", {}).get("containerStatuses", [])
    status: MutableObject = next((item for item in statuses if item["name"] == container), {})
    if previous and not status.get("lastState"):
        raise Refusal(400, "BadRequest", f'previous terminated container "{container}" in pod "{name}" not found')
    waiting = status.get("state", _waiting("ContainerCreating")).get("waiting")
    if waiting and not status.get("lastState"):
        message = f'container "{container}" in pod "{name}" is waiting to start: {waiting["reason"]}'
        raise Refusal(400, "BadRequest", message)
    crash = ["connecting to db:5432 ...", "FATAL: cannot connect to db:5432: connection refused"]
    return [f"starting {image}", *(crash if "crash" in image else ["listening on :8080"])]


class Kubelet:
    """The only node, which runs every pod."""

    def __init__(self, store: Store, timers: Timers, pace: float) -> None:
        self._store = store
        self._timers = timers
        self._pace = pace

    def take(self, pod: MutableObject) -> None:
        """Start the simulation of a pod that was just created."""
        self._timers.after(0, self._schedule, pod["metadata"]["namespace"], pod["metadata"]["name"])

    def _schedule(self, namespace: str, name: str) -> None:
        pod = self._store.get(POD, namespace, name)

        def bind(pod: MutableObject) -> None:
            pod["spec"]["nodeName"] = "practice-node"
            pod["status"]["conditions"] = [_condition([], "PodScheduled", True)]

        self._store.update(POD, pod, bind)
        self._event("default-scheduler", pod, "Scheduled", f"Successfully assigned {namespace}/{name} to practice-node")
        for container in pod["spec"]["containers"]:
            self._play(_Role(pod, container["name"], _script(pod, container["name"], container["image"])))

    def _play(self, role: _Role) -> None:
        scene = next(role.script, None)
        if scene is None or self._store.update(POD, role.pod, lambda pod: _show(pod, role.container, scene)) is None:
            return
        for reason, message in scene.events:
            self._event("kubelet", role.pod, reason, message, role.container)
        self._timers.after(scene.lasts * self._pace, self._play, role)

    def _event(self, source: str, pod: MutableObject, reason: str, message: str, container: str | None = None) -> None:
        events.record(self._store, source, pod, reason, message, container)


@dataclass(frozen=True, eq=False)
class _Role:
    """A container of a pod, and the remaining scenes of its script."""

    pod: MutableObject
    container: str
    script: Script


def _show(pod: MutableObject, name: str, scene: Scene) -> None:
    """Write a scene into the pod's status in place."""
    status = pod["status"]
    shown = {item["name"]: item for item in status.get("containerStatuses", [])}
    images = {item["name"]: item["image"] for item in pod["spec"]["containers"]}
    for other in images:
        shown.setdefault(other, _container_status(other, images[other], Scene(0, _waiting("ContainerCreating"))))
    shown[name] = _container_status(name, images[name], scene)
    status["containerStatuses"] = list(shown.values())
    never_started = any("waiting" in item["state"] and not item["lastState"] for item in shown.values())
    status["phase"] = "Pending" if never_started else "Running"
    unready = [item["name"] for item in shown.values() if not item["ready"]]
    why = ("ContainersNotReady", f"containers with unready status: [{' '.join(unready)}]") if unready else None
    known = status.get("conditions", [])
    status["conditions"] = [
        _condition(known, "PodScheduled", True),
        _condition(known, "Initialized", True),
        _condition(known, "ContainersReady", not unready, why),
        _condition(known, "Ready", not unready, why),
    ]


def _container_status(name: str, image: str, scene: Scene) -> MutableObject:
    return {
        "name": name,
        "image": image,
        "imageID": "",
        "ready": scene.ready,
        "started": "running" in scene.state,
        "restartCount": scene.restarts,
        "state": scene.state,
        "lastState": scene.last,
    }


def _condition(known: list[MutableObject], kind: str, holds: bool, why: tuple[str, str] | None = None) -> MutableObject:
    status = str(holds)
    same = next((item for item in known if (item["type"], item["status"]) == (kind, status)), None)
    condition = {"type": kind, "status": status}
    condition["lastTransitionTime"] = same["lastTransitionTime"] if same else now()
    if why:
        condition |= {"reason": why[0], "message": why[1]}
    return condition
