"""Starts processes and measures each: seconds, CPU seconds and peak memory, as the kernel tells at its end."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench import starter

_SECONDS = 300  # that one process may take
Command = Sequence[str]


class LaunchError(Exception):
    """A measured process failed; the message holds the end of what it said."""


@dataclass(frozen=True)
class Sample:
    """One measurement: seconds from start to end, CPU seconds of user and system, peak memory in bytes.

    ``begun`` is the start on the clock ``time.monotonic``. ``noted`` is what else was counted, by name.
    """

    seconds: float
    cpu: float = 0.0
    memory: int = 0
    begun: float = 0.0
    noted: Mapping[str, float] = field(default_factory=dict)


class Launcher:
    """A small process that starts the others (``starter``)."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", starter.__file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, commands: Sequence[Command], environ: Mapping[str, str], *, may_fail: bool = False) -> Sample:
        """The commands one after the other, with one fresh home for all of them, as in a pipeline's job.

        The memory is that of the largest. Raises LaunchError for an exit code that isn't 0, unless it ``may_fail``.
        """
        with tempfile.TemporaryDirectory(dir=self._folder) as home:
            ended = [self._one(command, {**environ, "HOME": home}, home, may_fail) for command in commands]
        return Sample(
            sum(one.seconds for one in ended),
            sum(one.cpu for one in ended),
            max(one.memory for one in ended),
            ended[0].begun,
        )

    def close(self) -> None:
        """End the small process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)

    def _one(self, command: Command, environ: Mapping[str, str], folder: str, may_fail: bool) -> Sample:
        job = {"command": list(command), "environ": dict(environ), "folder": folder, "seconds": _SECONDS}
        assert self._process.stdin is not None and self._process.stdout is not None
        print(json.dumps(job), file=self._process.stdin, flush=True)
        ended = json.loads(self._process.stdout.readline())
        code = ended.pop("code")
        if code and not may_fail:
            said = Path(folder, "stderr").read_text(errors="replace").strip().splitlines()[-3:]
            raise LaunchError(f"{Path(command[0]).name} ended with {code}: {' / '.join(said)}")
        return Sample(**ended)


@contextlib.contextmanager
def launching(folder: Path) -> Iterator[Launcher]:
    """A launcher until the block ends."""
    launcher = Launcher(folder)
    try:
        yield launcher
    finally:
        launcher.close()
