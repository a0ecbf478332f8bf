"""The programs that no Python package brings: actionlint, kustomize and Helm from their Go modules, Groovy and CodeNarc
from Maven Central.

Each is pinned with its checksums, fetched once, and kept in the cache of the control plane, outside the checkout.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.controlplane import build

HERE = Path(__file__).resolve().parent
LOUD = "SKIPPED CHECKS OF THE PIPELINES"
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
OTHERS = "SKIPPED OTHER TOOLS"
SECONDS = 240.0
BUILD_SECONDS = 15 * 60.0  # Helm's, with a cold Go cache


def python_tool(name: str) -> str:
    """A linter that came as a Python package, beside the interpreter."""
    if found := shutil.which(name, path=str(Path(sys.executable).parent)):
        return found
    pytest.skip(f"{LOUD}: no {name} beside the interpreter: install the dev dependencies")


def actionlint() -> Path:
    """The linter of GitHub's workflows, built with Go."""
    return _go_tool("actionlint", LOUD)


def kustomize() -> Path:
    """The program itself, not the older one inside kubectl."""
    return _go_tool("kustomize", OTHERS)


def helm() -> Path:
    """Helm 3."""
    return _go_tool("helm", OTHERS)


def kubectl() -> Path:
    """The one of the dev dependencies."""
    if found := shutil.which("kubectl", path=str(Path(sys.executable).parent)):
        return Path(found)
    pytest.skip(f"{OTHERS}: no kubectl beside the interpreter: install the dev dependencies")


def java(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a class of the jars."""
    if not (command := shutil.which("java")):
        pytest.skip(f"{LOUD}: no java on PATH, which reads the Jenkinsfiles")
    jars = _kept("groovy", [HERE / "groovy" / "pom.xml", HERE / "groovy" / "jars.sha256"], _fetch)
    line = [command, "-XX:TieredStopAtLevel=1", "-cp", f"{jars}/*", *arguments]
    return subprocess.run(line, capture_output=True, text=True, timeout=SECONDS)


def _kept(name: str, pins: Sequence[Path], make: Callable[[Path], None]) -> Path:
    """The folder of ``name`` at these pins in the cache; ``make`` fills it first where it isn't there."""
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in pins) + os.uname().machine.encode()).hexdigest()[:16]
    cache = build.cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / f"{name}-{digest}"
    with build.locked(cache / f"{folder.name}.lock"):
        if not folder.is_dir():
            temporary = Path(tempfile.mkdtemp(prefix=f"{folder.name}.building-", dir=cache))
            try:
                make(temporary)
                temporary.rename(folder)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _go_tool(name: str, loud: str) -> Path:
    """The program that the module of this name has as its tool, built with Go."""
    module = HERE / name
    return _kept(name, [module / "go.mod", module / "go.sum"], lambda folder: _build(name, folder, loud)) / name


def _build(name: str, folder: Path, loud: str) -> None:
    try:
        go = build.go(os.environ, build.cache_folder(), build.say)
    except build.UnavailableError as reason:
        pytest.skip(f"{loud}: {name} is built with Go: {reason}")
    own = {"GOTOOLCHAIN": "local", "GOWORK": "off", "GOFLAGS": ""}
    line = [str(go), "build", "-mod=readonly", "-trimpath", "-o", f"{folder}/", "tool"]
    _run(line, HERE / name, own, loud, BUILD_SECONDS)


def _fetch(folder: Path) -> None:
    if not (maven := shutil.which("mvn")):
        pytest.skip(f"{LOUD}: no mvn on PATH, which fetches what reads the Jenkinsfiles")
    _run([maven, "-B", "-q", "-f", str(HERE / "groovy" / "pom.xml"), _COPY, f"-DoutputDirectory={folder}"], folder, {})
    lines = (HERE / "groovy" / "jars.sha256").read_text(encoding="utf-8").splitlines()
    fetched = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("*.jar")}
    assert fetched == {name: digest for digest, name in (line.split() for line in lines)}, "not the pinned jars"


def _run(
    line: Sequence[str], folder: Path, environment: dict[str, str], loud: str = LOUD, seconds: float = SECONDS
) -> None:
    answer = subprocess.run(
        line, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, timeout=seconds
    )
    if answer.returncode:
        last = " ".join((answer.stdout + answer.stderr).split())[-300:]
        pytest.skip(f"{loud}: {Path(line[0]).name} could not fetch or build a program: {last}")
