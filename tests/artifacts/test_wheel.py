"""The wheel holds the whole package, and runs where nothing else of this checkout is."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy: a build leaves its folders in the source."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    names = subprocess.run(
        [
            "git",
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
            "k8s_step",
            "pyproject.toml",
            "README.md",
            "LICENSE",
        ],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split("\0")
    for name in filter(None, names):
        if (ROOT / name).exists():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    line = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(out),
        str(source),
    ]
    built = subprocess.run(line, capture_output=True, text=True, timeout=240)
    assert built.returncode == 0, built.stderr
    (found,) = out.glob("*.whl")
    return found


def test_every_module_is_in_the_wheel(wheel: Path) -> None:
    there = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("k8s_step/")}
    wanted = {
        str(path.relative_to(ROOT))
        for pattern in ("*.py", "*.yaml", "py.typed")
        for path in (ROOT / "k8s_step").rglob(pattern)
    }
    assert there == wanted


def test_it_runs_where_the_checkout_is_not(wheel: Path, tmp_path: Path) -> None:
    """Every command can be loaded, and a manifest rendered, from the wheel alone."""
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    (tmp_path / "map.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\n")
    environment = {"PYTHONPATH": str(tmp_path / "site"), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
    load = (
        "import importlib, k8s_step\n"
        "from k8s_step.commands import COMMANDS\n"
        "for command in COMMANDS: importlib.import_module(command.function.partition(':')[0])\n"
        "print(k8s_step.__file__)\n"
    )
    for words, said in (
        (["-c", load], str(tmp_path / "site")),
        (["-m", "k8s_step", "render", "-f", "map.yaml"], "name: web"),
    ):
        ran = subprocess.run(
            [sys.executable, *words], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
        )
        assert ran.returncode == 0, ran.stderr
        assert said in ran.stdout
