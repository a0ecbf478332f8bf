"""How soon a run ends once the server has the status that decides: measured for ``make bench``, asserted nowhere.

The status is written here, as the kubelet or a controller would; the clock runs from before that write to the exit of
the process, evidence and result included.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.conftest import poll
from tests.controlplane.cluster import Cluster
from tests.integration.objects import custom, definition, deployment, write
from tests.unit.samples import waiting

_RUNS = 20
_SETTLED = 1.0  # seconds after which whoever follows has its watches
_FOLLOWING = b"waiting for 1 object"
_BIN = Path(sys.executable).parent
_STEP, _KUBECTL = str(_BIN / "k8s-step"), str(_BIN / "kubectl")
_NOT_FOUND = waiting("ErrImagePull", 'failed to resolve reference "shop/web:1": shop/web:1: not found')

Once = Callable[[int], float]


class Detection:
    """One namespace in which releases are decided again and again."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._cluster, self._namespace = cluster, namespace
        self._group = f"{namespace}.example"
        self._widgets = f"/apis/{self._group}/v1/namespaces/{namespace}/widgets"
        self._pods = f"/api/v1/namespaces/{namespace}/pods"

    def failing_pod(self, number: int) -> float:
        """A Deployment whose only pod can't get its image; the events of the pod are gathered before the exit."""
        name = f"web-{number}"
        with tempfile.TemporaryDirectory() as folder:
            path = write(Path(folder) / "release.yaml", deployment(name, "shop/web:1", create_delay="600s"))
            process = _start(_STEP, "apply", "-f", path, "-n", self._namespace)
            pod = poll(lambda: self._pod_of(name), "its pod")
            return self._decided(process, 1, f"{self._pods}/{pod}", {"containerStatuses": [_NOT_FOUND]})

    def ready(self, *words: str) -> Once:
        """A custom resource that becomes ready, followed by this command."""

        def once(number: int) -> float:
            name = f"one-{number}-{words[0]}"
            answer = self._cluster.request("POST", self._widgets, custom(self._group, name))
            assert answer.code == 201, answer.text
            self._say(f"{self._widgets}/{name}", _ready("False"))
            tool = _STEP if words[0] == "status" else _KUBECTL
            process = _start(tool, *words, f"widgets.{self._group}/{name}", "-n", self._namespace)
            return self._decided(process, 0, f"{self._widgets}/{name}", _ready("True"))

        return once

    def prepare(self) -> None:
        """A kind that nobody else looks after."""
        path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        assert self._cluster.request("POST", path, definition(self._group)).code == 201
        poll(lambda: self._cluster.request("GET", self._widgets).code == 200, "the kind to be served")

    def clear(self) -> None:
        """Take the kind away again."""
        path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.{self._group}"
        self._cluster.request("DELETE", path)

    def _decided(self, process: subprocess.Popen[bytes], code: int, path: str, status: dict[str, object]) -> float:
        while process.stderr and _FOLLOWING not in process.stderr.readline():
            assert process.poll() is None, "ended before it was decided"
        time.sleep(_SETTLED)
        assert process.poll() is None, "ended before it was decided"
        begun = time.perf_counter()
        self._say(path, status)
        ended = process.wait(60)
        seconds = time.perf_counter() - begun
        assert ended == code, f"exit code {ended}"
        return seconds

    def _say(self, path: str, status: dict[str, object]) -> None:
        body = json.dumps({"status": status})
        answer = self._cluster.request("PATCH", f"{path}/status", body, content_type="application/merge-patch+json")
        assert answer.code == 200, answer.text

    def _pod_of(self, name: str) -> str:
        pods = self._cluster.get(self._pods, labelSelector=f"app={name}")["items"]
        started = [pod for pod in pods if pod["status"].get("startTime")]
        return str(started[0]["metadata"]["name"]) if started else ""


def report(cluster: Cluster, namespace: str) -> None:
    """Measure and print medians in milliseconds."""
    detection = Detection(cluster, namespace)
    detection.prepare()
    kinds: dict[str, Once] = {
        "a failing pod (kubectl: at its progress deadline)": detection.failing_pod,
        "a custom resource ready": detection.ready("status", "--timeout=1m"),
        "the same with kubectl wait": detection.ready("wait", "--for=condition=Ready", "--timeout=1m"),
    }
    for title, once in kinds.items():
        found = [1000 * once(number) for number in range(_RUNS)]
        slowest = statistics.quantiles(found, n=10)[-1]
        print(
            f"from the status that decides to the exit, {title}: median {statistics.median(found):.0f} ms of {_RUNS}, "
            f"nine of ten within {slowest:.0f} ms"
        )
    detection.clear()


def _ready(status: str) -> dict[str, object]:
    return {"conditions": [{"type": "Ready", "status": status}]}


def _start(*words: str) -> subprocess.Popen[bytes]:
    told = subprocess.PIPE if words[0] == _STEP else subprocess.DEVNULL
    return subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=told)
