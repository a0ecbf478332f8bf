"""The commands an image is built with, and what is said where they are missing."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

NEEDED = ("buildah", "unshare", "chroot")
SECONDS = 900.0


class UnavailableError(Exception):
    """The image can't be built on this machine; the message is the reason, fit for one line."""


class FailedError(Exception):
    """A command ran and failed; the message is the end of what it said."""


def missing(*more: str) -> str:
    """Why no image can be built here; empty where one can."""
    if os.getuid() != 0:
        return "it takes root"
    if absent := [name for name in (*NEEDED, *more) if not shutil.which(name)]:
        return f"no {' and no '.join(absent)} here"
    allowed = subprocess.run(["unshare", "--mount", "--pid", "--fork", "true"], capture_output=True, timeout=60)
    return "root may not make namespaces here" if allowed.returncode else ""


def run(*words: str) -> str:
    """Run to the end and return stdout."""
    answer = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS)
    if answer.returncode:
        said = "\n".join((answer.stdout + answer.stderr).strip().splitlines()[-20:])
        raise FailedError(f"{' '.join(words[:6])} …: exit code {answer.returncode}\n{said}")
    return answer.stdout


class Buildah:
    """buildah with a storage of its own, so that nothing else on the machine sees the images of the tests."""

    def __init__(self, storage: Path) -> None:
        self._own = ("buildah", "--root", str(storage / "root"), "--runroot", str(storage / "run"))
        self._own += ("--storage-opt", "overlay.skip_mount_home=true")  # else the cache could not be removed

    def __call__(self, *words: str) -> str:
        return run(*self._own, *words).strip()

    def has(self, image: str) -> bool:
        answer = subprocess.run([*self._own, "inspect", "--type", "image", image], capture_output=True, timeout=60)
        return answer.returncode == 0

    @contextlib.contextmanager
    def container(self, image: str) -> Iterator[tuple[str, Path]]:
        """A working container: its name and its mounted root."""
        name = self("from", "--pull-never", image)
        try:
            yield name, Path(self("mount", name))
        finally:
            self("rm", name)
