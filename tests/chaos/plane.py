"""A control plane whose servers may be killed: one is kept away for as long as its file ``away.NAME`` is there.

Started by ``cluster.start(…, supervisor="tests.chaos.plane")``.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from pathlib import Path

from tests.controlplane.cluster import Cluster
from tests.controlplane.supervisor import Supervisor

MORTAL = ("kube-apiserver", "etcd")
READY_SECONDS = 60.0


class Plane(Supervisor):
    """Starts what was killed again, with the same flags on the same ports."""

    def _watch(self) -> None:
        """From the main thread: the kernel kills a server when the thread that started it ends."""
        flags = {"etcd": self._etcd_flags, "kube-apiserver": self._apiserver_flags}
        while not self.stopping.wait(0.02):
            for name in MORTAL:
                if self.processes[name].poll() is not None and not away_file(self.folder, name).exists():
                    self._launch(name, flags[name]())
                    self._announce()


def away_file(folder: Path, name: str) -> Path:
    """While it exists, the server stays away."""
    return folder / f"away.{name}"


def kill(cluster: Cluster, name: str) -> None:
    """End a server at once, as a node that loses its power does; it stays away until :func:`revive`."""
    away_file(cluster.folder, name).touch()
    told = json.loads((cluster.folder / "cluster.json").read_text())
    with contextlib.suppress(ProcessLookupError):
        os.kill(told["processes"][name], signal.SIGKILL)


def revive(cluster: Cluster, *names: str) -> None:
    """Let servers start again; they are not waited for."""
    for name in names or MORTAL:
        away_file(cluster.folder, name).unlink(missing_ok=True)


def await_ready(cluster: Cluster) -> None:
    """Wait until the API server is ready and takes a write, as after a restart."""
    end = time.monotonic() + READY_SECONDS
    while not _is_ready(cluster):
        assert time.monotonic() < end, f"the API server is not back after {READY_SECONDS:.0f}s"
        time.sleep(0.05)


def _is_ready(cluster: Cluster) -> bool:
    with contextlib.suppress(OSError):
        return cluster.request("GET", "/readyz").code == 200
    return False


if __name__ == "__main__":
    sys.exit(Plane(Path(sys.argv[1]), json.loads(sys.argv[2])).run())
