"""``python -m tests.bench``: k8s-step and kubectl do the same work in turn against one control plane.

Medians and ratios are printed, and how soon a run ends once the server has the status that decides.
Starts the test control plane, or uses ``KUBECONFIG`` where that is set. Each run has a namespace of its own, deleted
without waiting. Whole processes are timed, output thrown away.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import yaml

from tests import detection
from tests.controlplane import build, cluster
from tests.image.build import at_hand
from tests.integration.objects import deployment, obj

_RUNS, _WORKLOADS = 5, 20
_BIN = Path(sys.executable).parent
_STEP, _KUBECTL = str(_BIN / "k8s-step"), str(_BIN / "kubectl")


def _release(folder: Path) -> Path:
    """Deployments and a Service each."""
    objects = []
    for number in range(_WORKLOADS):
        name = f"web-{number}"
        service = {"selector": {"app": name}, "ports": [{"port": 80}]}
        objects += [deployment(name, "shop/web:1", replicas=2), obj("v1", "Service", name, spec=service)]
    path = folder / "release.yaml"
    path.write_text(yaml.safe_dump_all(objects))
    return path


def _step(manifest: Path, namespace: str) -> list[list[str]]:
    return [[_STEP, "apply", "-f", str(manifest), "-n", namespace]]


def _kubectl(manifest: Path, namespace: str) -> list[list[str]]:
    """What a pipeline writes to get as far: apply, then wait for each Deployment."""
    names = [f"deployment/web-{number}" for number in range(_WORKLOADS)]
    return [
        [_KUBECTL, "apply", "--server-side", "-f", str(manifest), "-n", namespace],
        *([_KUBECTL, "rollout", "status", name, "-n", namespace] for name in names),
    ]


def _timed(commands: list[list[str]]) -> float:
    begun = time.perf_counter()
    for command in commands:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120)
    return time.perf_counter() - begun


@contextlib.contextmanager
def _namespace() -> Iterator[str]:
    name = f"bench-{uuid.uuid4().hex[:8]}"
    subprocess.run([_KUBECTL, "create", "namespace", name], check=True, stdout=subprocess.DEVNULL, timeout=60)
    try:
        yield name
    finally:
        subprocess.run(
            [_KUBECTL, "delete", "namespace", name, "--wait=false"], check=False, stdout=subprocess.DEVNULL, timeout=60
        )


def _run(make: Callable[[Path, str], list[list[str]]], manifest: Path) -> tuple[float, float]:
    """Seconds for the first release, and for the same once more."""
    with _namespace() as namespace:
        commands = make(manifest, namespace)
        return _timed(commands), _timed(commands)


def main() -> int:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        if not os.environ.get("KUBECONFIG"):
            os.environ["KUBECONFIG"] = str(cluster.start(base / "cluster", build.find()).kubeconfig)
        manifest = _release(base)
        pairs = [(_run(_step, manifest), _run(_kubectl, manifest)) for _ in range(_RUNS + 1)][1:]
        _print(pairs)
        with _namespace() as namespace:
            detection.report(cluster.existing(Path(os.environ["KUBECONFIG"]), base), namespace)
        cluster.release(base / "cluster")
    image = at_hand()
    print(image.size if image else "image: not built on this machine yet (make image-test)")
    return 0


def _print(pairs: list[tuple[tuple[float, float], tuple[float, float]]]) -> None:
    for index, title in enumerate(("first release", "the same again")):
        ours, theirs = [pair[0][index] for pair in pairs], [pair[1][index] for pair in pairs]
        ratio = statistics.median(their / our for our, their in zip(ours, theirs, strict=True))
        print(
            f"{title}, {2 * _WORKLOADS} objects, median of {_RUNS}: k8s-step {statistics.median(ours):.2f} s, "
            f"kubectl {statistics.median(theirs):.2f} s; kubectl takes {ratio:.1f} times as long"
        )


if __name__ == "__main__":
    sys.exit(main())
