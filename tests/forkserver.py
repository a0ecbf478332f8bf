"""Starts the step in a fork of a Python that has imported all of it: two thirds of a short run are imports.

The fork has the arguments, environment, folder and streams of a process of its own, and becomes a child of the tests'
process, as one that was started would be. What a start takes part in (imports, the wheel, the image, early signals) is
tested on processes that are started. ``K8S_STEP_TEST_FORK=0`` starts all of them. Linux only.

``python forkserver.py FD``: serves the socket with this number until its other end is closed.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import pkgutil
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

_PR_SET_CHILD_SUBREAPER = 36
_REQUEST = 1 << 20  # bytes at most: the kernel allows no more for arguments and environment of our size either
# The interpreter has read these when it began, and a fork can't read them again.
_READ_AT_START = ("PYTHON", "LC_", "LANG", "LD_", "MALLOC_", "OPENSSL_")


class Forked:
    """A child of this process that it did not start itself; what the tests need of ``subprocess.Popen``."""

    def __init__(self, pid: int, args: Sequence[str]) -> None:
        self.pid = pid
        self.args = list(args)
        self.returncode: int | None = None
        self._lock = threading.Lock()

    def poll(self) -> int | None:
        with self._lock:
            if self.returncode is None:
                found, status = os.waitpid(self.pid, os.WNOHANG)
                if found:
                    self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        end = None if timeout is None else time.monotonic() + timeout
        pause = 0.001
        while (code := self.poll()) is None:
            if end is not None and time.monotonic() > end:
                raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
            time.sleep(pause)
            pause = min(pause * 2, 0.02)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class ForkServer:
    """The Python that is forked. ``environ`` is that of the runs it can stand in for: see :meth:`can_start`."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = dict(environ)
        self._lock = threading.Lock()
        if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl")
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            line = [sys.executable, __file__, str(theirs.fileno())]
            self._server = subprocess.Popen(line, env=self._environ, cwd="/", pass_fds=[theirs.fileno()])
        assert self._socket.recv(_REQUEST) == b"ready", "the fork server ended"

    def can_start(self, environ: Mapping[str, str]) -> bool:
        """Whether a run with this environment would be no different had it been started."""
        return _at_start(environ) == _at_start(self._environ)

    def start(self, args: Sequence[str], environ: Mapping[str, str], folder: Path, streams: Sequence[int]) -> Forked:
        """Run ``python -m k8s_step ARGS`` in ``folder`` with these three streams."""
        asked = json.dumps([list(args), dict(environ), str(folder)]).encode("utf-8", "surrogateescape")
        with self._lock:
            socket.send_fds(self._socket, [asked], list(streams))
            pid = int(self._socket.recv(_REQUEST))
        return Forked(pid, [sys.executable, "-m", "k8s_step", *args])

    def stop(self) -> None:
        self._socket.close()
        self._server.wait(30)


def _at_start(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if name.startswith(_READ_AT_START)}


# -- in the server


def _serve(server: socket.socket) -> None:
    _import_all()
    gc.collect()
    gc.freeze()
    server.send(b"ready")
    while True:
        asked, streams, _, _ = socket.recv_fds(server, _REQUEST, 3)
        if not asked:
            return
        reader, writer = os.pipe()
        between = os.fork()
        if between == 0:
            os.close(reader)
            _fork_again(server, writer, asked, streams)
        os.waitpid(between, 0)  # only then is the step a child of the tests' process
        server.send(os.read(reader, 64))
        for each in (reader, writer, *streams):
            os.close(each)


def _import_all() -> None:
    import k8s_step

    for module in pkgutil.walk_packages(k8s_step.__path__, "k8s_step."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    importlib.import_module("k8s_step.__main__")


def _fork_again(server: socket.socket, writer: int, asked: bytes, streams: Sequence[int]) -> NoReturn:
    step = os.fork()
    if step:
        os.write(writer, str(step).encode())
        os._exit(0)
    try:
        server.close()
        os.close(writer)
        for number, each in enumerate(streams):
            os.dup2(each, number)
            os.close(each)
        _run(*json.loads(asked.decode("utf-8", "surrogateescape")))
    except SystemExit as end:
        os._exit(end.code if isinstance(end.code, int) else int(end.code is not None))
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def _run(args: list[str], environ: dict[str, str], folder: str) -> None:
    from k8s_step import __main__ as step

    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environ)
    time.tzset()
    sys.path[0] = folder
    sys.argv = [str(step.__file__), *args]
    step.main()


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
