"""The two programs of examples/python, run as they are."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

import k8s_step
from tests.conftest import poll
from tests.controlplane.cluster import ROOT, Cluster
from tests.integration.objects import pod

Start = Callable[[str], "subprocess.Popen[str]"]


@pytest.fixture
def api(cluster: Cluster, namespace: str) -> Iterator[k8s_step.Cluster]:
    with k8s_step.Cluster.from_kubeconfig(cluster.kubeconfig, namespace=namespace) as made:
        yield made


@pytest.fixture
def start(played: Cluster, namespace: str, tmp_path: Path) -> Iterator[Start]:
    """Starts a program, which ends with the test."""
    running: list[subprocess.Popen[str]] = []
    environ = {
        "PATH": os.environ["PATH"],
        "KUBECONFIG": str(played.kubeconfig),
        "K8S_NAMESPACE": namespace,
        "PORT": "0",
    }

    def started(name: str) -> subprocess.Popen[str]:
        line = [sys.executable, str(ROOT / "examples" / "python" / name)]
        running.append(subprocess.Popen(line, env=environ, cwd=tmp_path, stdout=subprocess.PIPE, text=True))
        return running[-1]

    yield started
    for each in running:
        each.kill()
        each.wait()
        assert each.stdout is not None
        each.stdout.close()


def names(api: k8s_step.Cluster) -> set[str]:
    return {one["metadata"]["name"] for one in api.list("pods")}


def test_pods_are_deleted_as_they_fail(api: k8s_step.Cluster, start: Start) -> None:
    api.apply(pod("before", "shop/crash:1", "Never"))
    poll(lambda: api.get("pod", "before")["status"].get("phase") == "Failed", "a failed pod")
    program = start("delete_failed_pods.py")
    assert program.stdout is not None
    assert program.stdout.readline() == f"{api.namespace}/before: exit code 1\n"
    api.apply(pod("healthy", "shop/web:1"))
    api.apply(pod("later", "shop/crash:1", "Never"))
    assert program.stdout.readline() == f"{api.namespace}/later: exit code 1\n"
    poll(lambda: names(api) == {"healthy"}, "the failed pods to be gone")
    assert program.poll() is None


def samples(port: str) -> dict[tuple[str, ...], float]:
    """What Prometheus reads: by metric, pod, and phase or container."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        families = list(text_string_to_metric_families(answer.read().decode()))
    return {
        (sample.name, sample.labels["pod"], sample.labels.get("phase") or sample.labels["container"]): sample.value
        for family in families
        for sample in family.samples
    }


def test_phase_and_restarts_are_served(api: k8s_step.Cluster, start: Start) -> None:
    api.apply(pod("healthy", "shop/web:1"))
    program = start("pod_metrics.py")
    assert program.stdout is not None
    port = program.stdout.readline().rpartition(" ")[2].strip()
    poll(lambda: ("pod_phase", "healthy", "Running") in samples(port), "a running pod")
    api.apply(pod("broken", "shop/crash:1"))
    poll(lambda: samples(port).get(("pod_restarts_total", "broken", "app"), 0) >= 1, "a restart")
    assert samples(port)["pod_restarts_total", "healthy", "app"] == 0
    api.delete("pod", "broken")
    poll(lambda: {key[1] for key in samples(port)} == {"healthy"}, "the deleted pod to be forgotten")
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30)
