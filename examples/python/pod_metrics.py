"""Serve phase and restarts of all pods in a namespace to Prometheus, from one watch and without a request a scrape.

    K8S_NAMESPACE=shop PORT=9090 python pod_metrics.py

The cluster is found as k8s-step finds it. The token needs list and watch on pods.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from k8s_step import Cluster

PHASE = ("pod_phase", "gauge", "1 for the pod's present phase.")
RESTARTS = ("pod_restarts_total", "counter", "Restarts of a container.")


class Pods:
    """The pods as last seen, for the thread that watches and those that serve."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, dict[str, Any]] = {}

    def take(self, kind: str, pod: dict[str, Any]) -> None:
        """Take in a change of one pod."""
        with self._lock:
            if kind == "DELETED":
                self._known.pop(pod["metadata"]["name"], None)
            else:
                self._known[pod["metadata"]["name"]] = pod

    def text(self) -> str:
        """All of them in Prometheus' text format."""
        with self._lock:
            known = list(self._known.values())
        lines = [
            *family(*PHASE, map(phase, known)),
            *family(*RESTARTS, (one for pod in known for one in restarts(pod))),
        ]
        return "\n".join([*lines, ""])


def family(name: str, kind: str, help: str, samples: Iterator[tuple[dict[str, str], int]]) -> Iterator[str]:
    """The lines of one metric. No name of Kubernetes' holds what would have to be escaped."""
    yield f"# HELP {name} {help}"
    yield f"# TYPE {name} {kind}"
    for labels, value in samples:
        told = ",".join(f'{key}="{text}"' for key, text in labels.items())
        yield f"{name}{{{told}}} {value}"


def phase(pod: dict[str, Any]) -> tuple[dict[str, str], int]:
    return {**labels(pod), "phase": pod["status"].get("phase", "Unknown")}, 1


def restarts(pod: dict[str, Any]) -> Iterator[tuple[dict[str, str], int]]:
    for one in pod["status"].get("containerStatuses", []):
        yield {**labels(pod), "container": one["name"]}, one["restartCount"]


def labels(pod: dict[str, Any]) -> dict[str, str]:
    return {"namespace": pod["metadata"]["namespace"], "pod": pod["metadata"]["name"]}


def server(pods: Pods, port: int) -> ThreadingHTTPServer:
    """The HTTP server of ``/metrics``, started."""

    class Metrics(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = self.path == "/metrics"
            body = pods.text().encode() if found else b""
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Scrapes are not logged."""

    serving = ThreadingHTTPServer(("", port), Metrics)
    threading.Thread(target=serving.serve_forever, daemon=True).start()
    return serving


def main() -> None:
    """Run until it is interrupted, or the pods can't be watched any more."""
    pods = Pods()
    with Cluster.from_environment() as cluster:
        changes = cluster.watch("pods")
        print(f"serving /metrics on port {server(pods, int(os.environ.get('PORT', '9090'))).server_port}", flush=True)
        for change in changes:
            pods.take(change.type, change.object)


if __name__ == "__main__":
    main()
