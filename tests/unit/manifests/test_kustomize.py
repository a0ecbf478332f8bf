"""How the program for ``-k`` is run; what it makes of folders is in tests/integration/test_other_tools.py."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from k8s_step.errors import InputError
from k8s_step.manifests import kustomize


def program(folder: Path, text: str, name: str = "kustomize") -> dict[str, str]:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return {"PATH": f"{folder}{os.pathsep}/usr/bin{os.pathsep}/bin"}


def test_kustomize_comes_before_kubectl(tmp_path: Path) -> None:
    environ = program(tmp_path, "echo by: $0 $@") | program(tmp_path, "exit 1", "kubectl")
    built = kustomize.build("k8s/prod", environ)
    assert built.source.text == f"by: {tmp_path}/kustomize build -- k8s/prod\n"
    assert built.source.file == "-k k8s/prod"


def test_the_steps_credentials_are_not_handed_on(tmp_path: Path) -> None:
    given = {
        "K8S_TOKEN": "t",
        "INPUT_TOKEN": "t",
        "KUBECONFIG": "k",
        "K8S_VAR": "v",
        "HOME": "/h",
        "SSH_AUTH_SOCK": "s",
    }
    told = kustomize.build("d", {**given, **program(tmp_path, "env")}).source.text
    names = {line.partition("=")[0] for line in told.splitlines()}
    assert {"HOME", "SSH_AUTH_SOCK"} <= names
    assert not names & {"K8S_TOKEN", "INPUT_TOKEN", "KUBECONFIG", "K8S_VAR"}


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo no such base >&2; exit 3", "-k d: kustomize build failed with exit code 3:\nno such base"),
        ("exit 1", "-k d: kustomize build failed with exit code 1:\nit said nothing"),
        ("printf '\\303\\050'", "-k d:1: the file is not UTF-8 text (save it as UTF-8)"),
    ],
)
def test_what_went_wrong(tmp_path: Path, script: str, said: str) -> None:
    with pytest.raises(InputError) as raised:
        kustomize.build("d", program(tmp_path, script))
    assert str(raised.value) == said


def test_a_program_that_cannot_be_run(tmp_path: Path) -> None:
    environ = program(tmp_path, "")
    (tmp_path / "kustomize").write_text("no program")
    with pytest.raises(InputError, match="-k d: kustomize build cannot be run: Exec format error"):
        kustomize.build("d", environ)


def test_whatever_ends_the_wait_ends_the_program_and_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of them hold a pipe open, which ends when the last one has."""
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    environ = program(tmp_path, f"exec 3> {tmp_path}/pipe; sleep 600 & echo begun > {tmp_path}/begun; wait")

    def cancelled(*_: object, **__: object) -> tuple[bytes, bytes]:
        while not (tmp_path / "begun").exists():
            time.sleep(0.01)
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess.Popen, "communicate", cancelled)
    with pytest.raises(KeyboardInterrupt):
        kustomize.build("d", environ)
    os.set_blocking(reader, True)
    assert os.read(reader, 1) == b""
    os.close(reader)


def test_literals_of_the_bases_too(tmp_path: Path) -> None:
    for name, said in {
        "prod": "resources: [../base, missing, web.yaml]\nsecretGenerator: [{name: a, literals: [A=first, second]}]",
        "base": "components: [../prod]\nsecretGenerator: [{name: a, literals: ['B=x=y']}, 7]",
        "web.yaml": "{",
    }.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "kustomization.yaml").write_text(said)
    assert set(kustomize.literals(str(tmp_path / "prod"))) == {"A=first", "first", "second", "B=x=y", "x=y"}
