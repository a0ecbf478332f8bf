"""Programs that are run for their output, each in a process group of its own, so that its children end with it."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress

from k8s_step.cancellation import CANCELLATION


class ChildProcess:
    """Runs one program at a time."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def output(self, command: Sequence[str], environ: Mapping[str, str], patience: float) -> tuple[int, bytes, bytes]:
        """Run ``command`` with nothing on its stdin; returns its exit code, stdout and stderr.

        An exception, a cancellation too, kills the program with its children.

        :raises OSError: it cannot be started; :class:`ValueError` for a text that no environment or argument can hold.
        :raises subprocess.TimeoutExpired: it was not done after ``patience`` seconds.
        """
        try:
            with CANCELLATION.undivided():
                process = self._process = subprocess.Popen(
                    command,
                    env=environ,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    start_new_session=True,
                )
            stdout, stderr = process.communicate(timeout=patience)
        finally:
            started, self._process = self._process, None
            if started is not None:
                with started:  # waits for it and closes its pipes
                    _kill(started)
        return process.returncode, stdout, stderr

    def kill(self) -> None:
        """Kill the program that runs, if any, with its children. Any thread may call this."""
        process = self._process
        if process is not None:
            _kill(process)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill the program's group, unless the program has been waited for.

    ``poll`` would reap an ended program while its children may still run, and its group's number could be reused.
    """
    if process.returncode is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
