"""``python -m tests.controlplane``: the test cluster for a person to play with, until Ctrl-C."""

from __future__ import annotations

import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.controlplane import build, cluster, plays


class _StopError(Exception):
    """SIGTERM, SIGINT or SIGHUP arrived."""


def _stop(*_: object) -> None:
    raise _StopError


def main() -> int:
    """Build where needed, start, say how to use it, wait, stop."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _stop)
    folder = Path(tempfile.mkdtemp(prefix="k8s-step-cluster-")) / "cluster"
    try:
        return _run(folder)
    except _StopError:
        return 0
    except build.UnavailableError as reason:
        build.say(f"the test control plane can't be started: {reason}")
        return 1
    finally:
        _down(folder)


def _run(folder: Path) -> int:
    binaries = build.find()
    build.say("starting …")
    started = cluster.start(folder, binaries)
    print(f"export KUBECONFIG={started.kubeconfig}", flush=True)
    build.say(f"Kubernetes {build.KUBERNETES} at {started.server}; Ctrl-C stops it.\n{plays.described()}")
    while cluster.running(folder):
        time.sleep(0.5)
    build.say("the cluster ended by itself; its logs say why")
    return 1


def _down(folder: Path) -> None:
    """Let go of the cluster, which stops it, and wait until its folder is gone."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    cluster.release(folder)
    end = time.monotonic() + 10
    while folder.exists() and time.monotonic() < end:
        time.sleep(0.05)
    shutil.rmtree(folder.parent, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
