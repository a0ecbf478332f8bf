"""``-k DIR``: runs ``kustomize build``, or ``kubectl kustomize`` if kustomize is missing, for its output."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from k8s_step.childprocess import ChildProcess
from k8s_step.errors import InputError
from k8s_step.manifests.documents import SourceText, decode
from k8s_step.manifests.templating.templates import CREDENTIALS

_PROGRAMS = (("kustomize", "build"), ("kubectl", "kustomize"))
_NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
_REFERRED = ("resources", "bases", "components")
_OWN = ("K8S_", "INPUT_")  # prefixes of the step's own inputs, which the program must not get
PATIENCE = 300.0
"""Seconds that a build may take, including the cloning of remote bases."""


@dataclass(frozen=True)
class Built:
    """The output for one folder; ``warnings`` is the stderr of ``program``."""

    source: SourceText
    program: str
    warnings: str = field(repr=False)


def build(folder: str, environ: Mapping[str, str]) -> Built:
    """Run the program on the folder, without the step's own credentials in its environment.

    :raises InputError: neither program is on ``PATH``, or it failed, with its stderr.
    """
    where = f"-k {folder}"
    program, command = _command(folder, environ)
    theirs = {key: value for key, value in environ.items() if key not in CREDENTIALS and not key.startswith(_OWN)}
    try:
        code, stdout, stderr = ChildProcess().output([*command, "--", folder], theirs, PATIENCE)
    except OSError as error:
        raise InputError(f"{program} cannot be run: {error.strerror}", where=where) from None
    except subprocess.TimeoutExpired:
        raise InputError(f"{program} was not done after {PATIENCE:g} s and was stopped", where=where) from None
    said = stderr.decode(errors="replace").strip()
    if code != 0:
        raise InputError(f"{program} failed with exit code {code}:\n{said or 'it said nothing'}", where=where)
    return Built(SourceText(where, decode(stdout, where)), program, said)


def _command(folder: str, environ: Mapping[str, str]) -> tuple[str, Sequence[str]]:
    for name, verb in _PROGRAMS:
        if path := shutil.which(name, path=environ.get("PATH", os.defpath)):
            return f"{name} {verb}", (path, verb)
    raise InputError(
        "neither kustomize nor kubectl is on PATH here, and the step's image holds neither",
        where=f"-k {folder}",
        hint=f"where one is: kubectl kustomize {folder} | k8s-step apply -f -, or write its output to a file for -f",
    )


# --- secrets that its errors may show --------------------------------------------------------------------------------


def literals(folder: str) -> list[str]:
    """``secretGenerator`` literals of this kustomization and its local bases; kustomize's errors quote them."""
    found: list[str] = []
    for kustomization in _kustomizations(Path(folder)):
        for generator in _list(kustomization, "secretGenerator"):
            texts = [str(text) for text in _list(generator, "literals")]
            found += [part for text in texts for part in (text, text.partition("=")[2]) if part]
    return found


def _kustomizations(folder: Path) -> Iterator[Mapping[str, Any]]:
    pending, seen = [folder], set()
    while pending:
        here = pending.pop().resolve()
        if here in seen or not here.is_dir():
            continue
        seen.add(here)
        said = _read(here)
        yield said
        pending += [here / str(path) for key in _REFERRED for path in _list(said, key)]


def _read(folder: Path) -> Mapping[str, Any]:
    for name in _NAMES:
        with suppress(OSError, UnicodeDecodeError, ValueError, yaml.YAMLError):
            said = yaml.safe_load((folder / name).read_text(encoding="utf-8"))
            return said if isinstance(said, dict) else {}
    return {}


def _list(said: Any, key: str) -> list[Any]:
    value = said.get(key) if isinstance(said, dict) else None
    return value if isinstance(value, list) else []
