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
from collections.abc import Sequence
from pathlib import Path

from tests.controlplane.cluster import Cluster
from tests.controlplane.supervisor import Supervisor

MORTAL = ("kube-apiserver", "etcd")
READY_SECONDS = 60.0


class Plane(Supervisor):
    """Starts what was killed again, with the same flags on the same ports."""

    def __init__(self, folder: Path, binaries: dict[str, str]) -> None:
        super().__init__(folder, binaries)
        self._flags: dict[str, Sequence[str]] = {}

    def _launch(self, name: str, flags: Sequence[str]) -> None:
        self._flags[name] = flags
        super()._launch(name, flags)

    def _watch(self) -> None:
        """From the main thread: the kernel kills a server when the thread that started it ends."""
        is_new = False
        while not self.stopping.wait(0.02):
            ended = [name for name, process in self.processes.items() if process.poll() is not None]
            back = [name for name in ended if not away_file(self.folder, name).exists()]
            self._start_again(back)
            is_new = is_new or any(name in MORTAL for name in back)
            if is_new and self._ready():
                is_new = False
                self._renew()

    def _start_again(self, names: Sequence[str]) -> None:
        for name in names:
            self._launch(name, self._flags[name])
        if names:
            self._announce()

    def _renew(self) -> None:
        """The controllers, too: their pauses between two tries have grown, and would hold up the runs that follow."""
        names = [name for name in self.processes if name not in MORTAL]
        for name in names:
            self.processes[name].kill()
            self.processes[name].wait()
        self._start_again(names)


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
