"""The package as PyPI gets it: whole, and its command runs where nothing else of this checkout is."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from k8s_step import __version__
from tests.docs.tables import ROOT

SOURCES = ("k8s_step", "pyproject.toml", "README.md", "LICENSE", "Makefile")


def passes(*line: str | Path, cwd: Path, env: dict[str, str] | None = None) -> str:
    answer = subprocess.run([str(word) for word in line], cwd=cwd, env=env, capture_output=True, text=True, timeout=240)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``make dist`` makes of a copy, by this interpreter: a build leaves its folders in the source."""
    source = tmp_path_factory.mktemp("source")
    listed = passes("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *SOURCES, cwd=ROOT)
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).exists():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    environment = Path(sys.prefix)
    passes("make", "dist", f"VENV={environment}", f"--old-file={environment}/.dev", cwd=source)
    return source / "dist"


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    (found,) = dist.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def sdist(dist: Path) -> Path:
    (found,) = dist.glob("*.tar.gz")
    return found


def test_every_module_is_in_both(wheel: Path, sdist: Path) -> None:
    """The wheel is made of the source distribution, so that what either lacks the other lacks too."""
    wanted = {
        str(path.relative_to(ROOT))
        for pattern in ("*.py", "*.yaml", "py.typed")
        for path in (ROOT / "k8s_step").rglob(pattern)
    }
    assert {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("k8s_step/")} == wanted
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert wanted | {"pyproject.toml", "README.md", "LICENSE"} <= names
    assert not [name for name in names if name.startswith(("tests/", ".github/"))]


@pytest.fixture(scope="module", params=["wheel", "sdist"])
def installed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command, installed as pipx does it: into an environment of its own, which here borrows the dependencies."""
    package: Path = request.getfixturevalue(request.param)
    environment = tmp_path_factory.mktemp("environment")
    passes(sys.executable, "-m", "venv", "--without-pip", environment, cwd=environment)
    pip = [sys.executable, "-m", "pip", f"--python={environment}/bin/python", "install", "--quiet", "--no-index"]
    passes(*pip, "--no-deps", "--no-build-isolation", package, cwd=environment, env=_borrowing(os.environ))
    return environment / "bin" / "k8s-step"


def _borrowing(environ: Mapping[str, str]) -> dict[str, str]:
    return {**environ, "PYTHONPATH": sysconfig.get_path("purelib"), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def test_its_command_runs_where_the_checkout_is_not(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "map.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\n")
    environment = {"PYTHONPATH": sysconfig.get_path("purelib"), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}

    def run(*words: str | Path) -> str:
        return passes(*words, cwd=tmp_path, env=environment)

    assert run(installed, "--version") == f"k8s-step {__version__}\n"
    assert yaml.safe_load(run(installed, "render", "-f", "map.yaml"))["metadata"] == {"name": "web"}
    python = installed.parent / "python"
    assert Path(run(python, "-c", "import k8s_step; print(k8s_step.__file__)").strip()).is_relative_to(
        python.parents[1]
    )
    run(python, "-c", _LOAD)


_LOAD = """
import importlib
from k8s_step.commands import COMMANDS
for command in COMMANDS: importlib.import_module(command.function.partition(":")[0])
"""
