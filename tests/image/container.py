"""Runs the unpacked image as an engine would: its entry point and environment, as process 1, with a root of its own."""

from __future__ import annotations

import shlex
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.image.build import Image

SECONDS = 120.0


@dataclass(frozen=True)
class Container:
    """What ``docker run`` takes (``--user``, ``--workdir``, ``--volume``, ``--read-only``); the host's network."""

    image: Image
    user: int = 0
    workdir: str = "/"
    volumes: Mapping[Path, str] = field(default_factory=dict)
    read_only: bool = True

    def run(
        self, *words: str, env: Mapping[str, str] | None = None, input: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """To the end. ``env`` is added to the image's own."""
        command = self._command(words, env or {})
        return subprocess.run(command, input=input, capture_output=True, text=True, timeout=SECONDS, check=False)

    def start(self, *words: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """In the background, both streams in stdout; killing it kills all that runs in the container."""
        return subprocess.Popen(
            self._command(words, env or {}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def _command(self, words: tuple[str, ...], env: Mapping[str, str]) -> list[str]:
        root = shlex.quote(str(self.image.root))
        lines = [
            "set -e",
            f"mount --bind {root} {root}",
            f"mount -t proc proc {root}/proc",
            f"mount --rbind /dev {root}/dev",
        ]
        for outside, inside in self.volumes.items():
            lines += [f"mkdir -p {root}{inside}", f"mount --bind {shlex.quote(str(outside))} {root}{inside}"]
        if self.read_only:
            lines.append(f"mount -o remount,bind,ro {root}")
        variables = [*self.image.config["Env"], *(f"{name}={value}" for name, value in env.items())]
        inside = ["env", "-i", f"--chdir={self.workdir}", *variables, *self.image.config["Entrypoint"], *words]
        lines.append(f"exec chroot --userspec={self.user}:{self.user} {root} {shlex.join(inside)}")
        return ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", "\n".join(lines)]


def first_process(container: subprocess.Popen[str], name: str) -> int:
    """The container's process 1 as the host numbers it, once it is ``name``."""
    children = Path(f"/proc/{container.pid}/task/{container.pid}/children")
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        for pid in children.read_text().split():
            if Path(f"/proc/{pid}/comm").read_text().strip() == name:
                return int(pid)
        assert container.poll() is None, f"ended instead of becoming {name}"
        time.sleep(0.02)
    raise AssertionError(f"process 1 did not become {name} in {SECONDS}s")
