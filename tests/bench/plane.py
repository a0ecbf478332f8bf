"""The control plane that is measured against, near and far away, and what is done there between two measurements."""

from __future__ import annotations

import contextlib
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from tests.bench.wire.delay import delayed
from tests.controlplane import build, cluster
from tests.controlplane.cluster import Cluster
from tests.integration.objects import Object


@dataclass(frozen=True)
class Plane:
    """The cluster, and a kubeconfig for each round trip (ms)."""

    cluster: Cluster
    folder: Path
    kubeconfigs: Mapping[int, Path]

    @property
    def port(self) -> int:
        """The API server's."""
        return urlsplit(self.cluster.server).port or 443

    def namespace(self, word: str) -> str:
        """A fresh one, ready for pods."""
        return self.cluster.namespace(f"{word}-{secrets.token_hex(3)}")

    def write(self, name: str, *objects: Object) -> str:
        """A file of manifests; its path."""
        path = self.folder / name
        path.write_text(yaml.dump_all(objects, Dumper=yaml.CSafeDumper, sort_keys=False))
        return str(path)

    def kubeconfig_to(self, server: str, name: str) -> Path:
        """The admin's kubeconfig with another address; over plain HTTP without the CA."""
        plain = {"certificate-authority-data": None} if server.startswith("http:") else {}
        user = {"token": "none"} if plain else None
        return self.cluster.write_kubeconfig(self.folder / name, user=user, cluster={"server": server, **plain})

    def clear(self, namespace: str) -> None:
        """Delete the namespace's ConfigMaps, and wait until they are gone."""
        path = f"/api/v1/namespaces/{namespace}/configmaps"
        answer = self.cluster.request("DELETE", path, fieldSelector="metadata.name!=kube-root-ca.crt")
        assert answer.code == 200, answer.text
        self.wait(lambda: self.count(path) <= 1, f"the ConfigMaps of {namespace} to go")

    def count(self, path: str) -> int:
        """The objects that a list of this path has."""
        found = self.cluster.get(path, limit="1")
        return len(found["items"]) + int(found["metadata"].get("remainingItemCount") or 0)

    def settled(self, namespace: str, pods: int) -> None:
        """Wait until the namespace has so many pods, all of them ready."""
        self.wait(lambda: self._ready_pods(namespace) == pods, f"{pods} ready pods in {namespace}")

    def _ready_pods(self, namespace: str) -> int:
        """How many are ready; none where any is not."""
        items = self.cluster.get(f"/api/v1/namespaces/{namespace}/pods")["items"]
        return len(items) if all(_is_ready(pod) for pod in items) else 0

    def wait(self, condition: Callable[[], bool], what: str, seconds: float = 240.0) -> None:
        """Until the condition holds."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"waited {seconds:.0f} s in vain for {what}"
            time.sleep(0.1)


def _is_ready(pod: Mapping[str, Any]) -> bool:
    conditions = pod["status"].get("conditions") or ()
    is_ready = any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
    return is_ready and "deletionTimestamp" not in pod["metadata"]


@contextlib.contextmanager
def plane(round_trips: tuple[int, ...]) -> Iterator[Plane]:
    """A control plane of our own, and a proxy for each round trip that isn't 0."""
    with tempfile.TemporaryDirectory(prefix="k8s-step-bench-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        started = cluster.start(folder / "cluster", build.find())
        stack.callback(_stopped, folder / "cluster")
        made = Plane(started, folder, {0: started.kubeconfig})
        port = {trip: stack.enter_context(delayed(made.port, trip / 1000)) for trip in round_trips if trip}
        far = {trip: made.kubeconfig_to(f"https://127.0.0.1:{port[trip]}", f"far-{trip}") for trip in port}
        yield Plane(started, folder, {0: started.kubeconfig, **far})


def _stopped(folder: Path) -> None:
    """Let go of the cluster, and wait until its folder is gone."""
    cluster.release(folder)
    end = time.monotonic() + 30
    while folder.exists() and time.monotonic() < end:
        time.sleep(0.05)
