"""A program that is being started while a signal comes is known once it runs, and ended with the run."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from k8s_step import childprocess
from k8s_step.cancellation import Cancellation
from k8s_step.connection.identity import credentials
from k8s_step.connection.settings import Connection, ExecPlugin
from k8s_step.errors import CancelledError
from k8s_step.manifests import kustomize
from k8s_step.redaction import Redactor
from k8s_step.watching import programs

LASTING = "sleep 600"


def run_for_an_event(_: Path) -> None:
    started = programs.Programs(LASTING, {"PATH": os.defpath}, 1, lambda _: None)
    try:
        started.pass_on(programs.Event("web", "pod/web", "{}"))
    finally:
        assert (started.running, started.end()) == (1, 1)


def build(folder: Path) -> None:
    (folder / "kustomize").write_text(f"#!/bin/sh\nexec {LASTING}\n")
    (folder / "kustomize").chmod(0o700)
    kustomize.build("prod", {"PATH": f"{folder}{os.pathsep}{os.defpath}"})


def ask_a_plugin(_: Path) -> None:
    plugin = ExecPlugin("client.authentication.k8s.io/v1", "sleep", ("600",))
    credentials.Plugin(plugin, Connection("https://127.0.0.1:1", "a test"), Redactor()).obtain()


@pytest.mark.parametrize(
    ("module", "start"), [(programs, run_for_an_event), (childprocess, build), (childprocess, ask_a_plugin)]
)
def test_none_lives_on(
    module: Any, start: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cancellation, met = Cancellation(), list[subprocess.Popen[bytes]]()

    class Met(subprocess.Popen[bytes]):
        """The signal's handler runs in the start itself: the program is there, whoever starts it does not know yet."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            met.append(self)
            cancellation.ask(CancelledError("cancelled by SIGTERM"))

    monkeypatch.setattr(module, "CANCELLATION", cancellation)
    monkeypatch.setattr(subprocess, "Popen", Met)
    try:
        with pytest.raises(CancelledError):
            start(tmp_path)
        assert [program.returncode for program in met] in ([-signal.SIGTERM], [-signal.SIGKILL])
    finally:
        for program in met:
            program.kill()
            program.wait()
