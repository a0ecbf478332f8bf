"""Everybody else in the cluster: other pipelines and people who write the same objects, kubelets, a small operator.

They go straight to the API server, never through the proxy, and each deed is noted with the revision that it made.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

import requests

from tests.chaos import manifests
from tests.chaos.history import History
from tests.chaos.plan import Act, Item
from tests.chaos.record import Deed, Key
from tests.controlplane.cluster import Answer, Cluster

_TRIES, _PAUSE = 40, 0.1
_MERGE, _STRATEGIC = "application/merge-patch+json", "application/strategic-merge-patch+json"
_APPLY = "application/apply-patch+yaml"
_AWAY, _LOST = Answer(0, {}), "lost"


class World:
    """Does the deeds in one namespace, and keeps the list of them."""

    def __init__(self, cluster: Cluster, history: History, namespace: str) -> None:
        self._cluster, self._history, self._namespace = cluster, history, namespace
        self.deeds: list[Deed] = []

    def do(self, act: Act) -> None:
        """One deed of a rival, or of a pod's fate."""
        kind, _, name = act.target.partition("/")
        _DEEDS[act.what](self, act, Key(kind, self._namespace, name))

    def note(self, what: str) -> None:
        """A fault of the servers or the wires."""
        self.deeds.append(Deed(time.monotonic(), what))

    def operate(self, items: Mapping[Key, Item]) -> None:
        """The operator of the custom resources: it writes what the plan says of each new generation, once."""
        for key, item in items.items():
            state = self._history.latest(key) if item.settles else None
            if state is None or state.object is None:
                continue
            generation = state.object["metadata"].get("generation")
            if (state.object.get("status") or {}).get("observedGeneration") != generation:
                self._write_conditions(key, item.settles, generation)

    def _write_conditions(self, key: Key, settles: str, generation: Any) -> None:
        conditions = {
            "ready": [{"type": "Ready", "status": "True", "reason": "Done"}],
            "stalled": [
                {"type": "Ready", "status": "False", "reason": "Broken"},
                {"type": "Stalled", "status": "True", "reason": "Broken", "message": "the widget is broken"},
            ],
        }[settles]
        status = {"observedGeneration": generation, "conditions": conditions}
        self._ask("PATCH", manifests.path(key, self._namespace) + "/status", {"status": status}, _MERGE, tries=1)

    # -- others who write

    def rival_apply(self, _: Act, key: Key) -> None:
        body = {"apiVersion": "v1", "kind": key.kind, "metadata": {"name": key.name}, "data": {"tone": "rival"}}
        self._deed("rival-apply", key, "PATCH", body, _APPLY, force="true", fieldManager="rival")

    def rival_update(self, _: Act, key: Key) -> None:
        """A plain update, as of ``kubectl edit``: of a ConfigMap a value is changed, to a Secret one is added."""
        found = self._ask("GET", manifests.path(key, self._namespace)).body
        if "metadata" in found:
            name, value = ("tone", "edited") if key.kind == "ConfigMap" else ("extra", "YQ==")
            found["data"] = {**found.get("data", {}), name: value}
            self._deed("rival-update", key, "PUT", found, fieldManager="kubectl-edit")

    def rival_delete(self, _: Act, key: Key) -> None:
        options = {"propagationPolicy": "Background"}
        self._deed("rival-delete", key, "DELETE", {"kind": "DeleteOptions", "apiVersion": "v1", **options})

    def rival_scale(self, _: Act, key: Key) -> None:
        self._deed("rival-scale", key, "PATCH", {"spec": {"replicas": 5}}, _MERGE, fieldManager="kubectl-scale")

    def rival_annotate(self, _: Act, key: Key) -> None:
        body = {"metadata": {"annotations": {"example.com/seen": "yes"}}}
        self._deed("rival-annotate", key, "PATCH", body, _MERGE, fieldManager="annotator")

    def rival_image(self, _: Act, key: Key) -> None:
        container = {"name": "app", "image": "shop/rival:9"}
        body = {"spec": {"template": {"spec": {"containers": [container]}}}}
        self._deed("rival-image", key, "PATCH", body, _STRATEGIC, fieldManager="kubectl-set")

    def _deed(self, what: str, key: Key, method: str, body: Any, kind: str = "application/json", **query: str) -> None:
        """What may have been written is noted as unsure before it is sent, and made sure by the answer."""
        pending = Deed(time.monotonic(), what, key, unsure=True)
        self.deeds.append(pending)
        answer = self._ask(method, manifests.path(key, self._namespace), body, kind, **query)
        if answer is _AWAY or answer.text == _LOST:
            return
        self.deeds.remove(pending)
        version = (answer.body.get("metadata") or {}).get("resourceVersion")
        if answer.code < 300:
            self.deeds.append(Deed(time.monotonic(), what, key, (int(version),) if version else ()))

    # -- pods

    def delete_pod(self, act: Act, key: Key) -> None:
        for pod in self._pods(key)[:1]:
            name = pod["metadata"]["name"]
            self._ask("DELETE", f"{self._pods_path}/{name}", {"gracePeriodSeconds": 0})
            self.note(f"delete-pod of {key}")

    def unready(self, act: Act, key: Key) -> None:
        """One pod stops being ready for a while."""
        for pod in self._pods(key)[:1]:
            self._set_ready(pod, False)
            self.note(f"unready pod of {key}")

    def recover(self, act: Act, key: Key) -> None:
        """All pods whose containers run are ready again."""
        for pod in self._pods(key):
            containers = (pod.get("status") or {}).get("containerStatuses") or ()
            if containers and all("running" in one.get("state", {}) for one in containers):
                self._set_ready(pod, True)

    def crash(self, act: Act, key: Key) -> None:
        """All pods are in a crash loop, third restart, from which they recover as kwok plays it."""
        waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 20s restarting failed container"}}
        ended = {"terminated": {"exitCode": 1, "reason": "Error"}}
        for pod in self._pods(key):
            trouble = {"started": False, "restartCount": 3, "state": waiting, "lastState": ended}
            self._set_ready(pod, False, **trouble)
        self.note(f"crash of {key}")

    def fail_pod(self, act: Act, key: Key) -> None:
        """One pod fails for good; its controller replaces it."""
        for pod in self._pods(key)[:1]:
            name = pod["metadata"]["name"]
            self._ask("PATCH", f"{self._pods_path}/{name}/status", {"status": {"phase": "Failed"}}, _MERGE)
            self.note(f"failed pod of {key}")

    @property
    def _pods_path(self) -> str:
        return manifests.RESOURCES["Pod"].format(ns=self._namespace)

    def _pods(self, key: Key) -> list[dict[str, Any]]:
        found = self._ask("GET", self._pods_path, labelSelector=f"app={key.name}").body.get("items") or []
        return [pod for pod in found if not pod["metadata"].get("deletionTimestamp")]

    def _set_ready(self, pod: Mapping[str, Any], ready: bool, **container: Any) -> None:
        """As the kubelet writes it: conditions and containers together."""
        status = pod.get("status") or {}
        word = "True" if ready else "False"
        conditions = [
            {**one, "status": word} if one["type"] in ("Ready", "ContainersReady") else one
            for one in status.get("conditions") or ()
        ]
        containers = [{**one, "ready": ready, **container} for one in status.get("containerStatuses") or ()]
        body = {"status": {"conditions": conditions, "containerStatuses": containers}}
        name = pod["metadata"]["name"]
        self._ask("PATCH", f"{self._pods_path}/{name}/status", body, _MERGE)

    def _ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        kind: str = "application/json",
        tries: int = _TRIES,
        **query: str,
    ) -> Answer:
        """One request, repeated while the server is away; an answer that was lost on the way is said to be."""
        lost = ""
        for _ in range(tries):
            with contextlib.suppress(requests.RequestException):
                answer = self._cluster.request(method, path, body and json.dumps(body), content_type=kind, **query)
                if answer.code < 500:
                    return Answer(answer.code, answer.body, lost or answer.text)
            lost = _LOST
            time.sleep(_PAUSE)
        return _AWAY


_DEEDS: Mapping[str, Callable[[World, Act, Key], None]] = {
    "rival-apply": World.rival_apply,
    "rival-update": World.rival_update,
    "rival-delete": World.rival_delete,
    "rival-scale": World.rival_scale,
    "rival-annotate": World.rival_annotate,
    "rival-image": World.rival_image,
    "delete-pod": World.delete_pod,
    "unready": World.unready,
    "recover": World.recover,
    "crash": World.crash,
    "fail-pod": World.fail_pod,
}
