"""The machine and the programs of a measurement: what tells figures apart, and nothing that tells whose they are."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from k8s_step import __version__
from tests.controlplane.build import KUBERNETES


def machine(proc: Path = Path("/proc")) -> dict[str, str]:
    """The model of the CPU, the cores that we may use, the memory."""
    kilobytes = int(_found(proc / "meminfo", r"MemTotal:\s+(\d+) kB") or 0)
    return {
        "cpu": _found(proc / "cpuinfo", r"model name\s*: (.*)") or platform.machine(),
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
        "memory": f"{kilobytes / 1e6:.0f} GB",
        "system": platform.system(),
    }


def _found(path: Path, pattern: str) -> str:
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    found = re.search(pattern, text)
    return found[1].strip() if found else ""


_ASK = {"kubectl": ("version", "--client"), "kapp": ("version",)}


def versions(tools: Mapping[str, str]) -> dict[str, str]:
    """Of the control plane, of Python and of each tool."""
    found = {"Kubernetes": KUBERNETES, "Python": platform.python_version(), "k8s-step": __version__}
    return {**found, **{tool: _version(tools[tool], *words) for tool, words in _ASK.items() if tool in tools}}


def _version(*command: str) -> str:
    said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    found = re.search(r"v?\d+\.\d+\.\d+\S*|version (\S+)", said)
    return (found[1] or found[0]) if found else "of unknown version"
