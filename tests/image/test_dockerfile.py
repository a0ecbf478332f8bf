"""What the image is built from, as far as it shows without building it."""

from __future__ import annotations

import json
import re
import shlex
import tomllib

import pytest

from tests.image.build import ROOT

_DOCKERFILE = (ROOT / "Dockerfile").read_text()
_LOCKS = sorted(path.name for path in ROOT.glob("requirements*.lock"))
# What Renovate lets pip-compile's header say (its lib/modules/manager/pip-compile/common.ts).
_KNOWN_TO_THE_BOT = {
    "--allow-unsafe",
    "--extra",
    "--generate-hashes",
    "--no-emit-index-url",
    "--output-file",
    "--strip-extras",
}


def test_the_base_is_one_exact_version():
    """The digest is the update bot's to add; a line of another form it would not find."""
    assert re.search(r"^ARG BASE=python:\d+\.\d+\.\d+-slim-[a-z]+(@sha256:[0-9a-f]{64})?$", _DOCKERFILE, re.M)
    assert set(re.findall(r"^FROM (\S+)", _DOCKERFILE, re.M)) == {"${BASE}", "base", "scratch"}


def test_all_that_is_copied_is_let_through():
    copied = {
        word.removeprefix("./")
        for line in re.findall(r"^COPY (?!--)(.*) \S+$", _DOCKERFILE, re.M)
        for word in line.split()
    }
    let_through = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}

    assert copied == let_through
    assert not [name for name in copied if not (ROOT / name).exists()]


def test_the_build_needs_what_pyproject_says():
    asked = [line for line in (ROOT / "requirements-build.in").read_text().splitlines() if not line.startswith("#")]

    assert asked == tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]


@pytest.mark.parametrize("name", _LOCKS)
def test_locks_are_hashed_and_renewed_by_the_bot(name):
    text = (ROOT / name).read_text()
    _, *words = shlex.split(re.search(r"^#    (pip-compile .*)$", text, re.M)[1])
    *options, source = words

    assert {option.partition("=")[0] for option in options} <= _KNOWN_TO_THE_BOT
    assert f"--output-file={name}" in options
    assert (ROOT / source).is_file()
    pinned = [block for block in re.split(r"\n(?=\S)", text) if "==" in block.partition("\n")[0]]
    assert pinned
    assert all("--hash=sha256:" in block for block in pinned)
    (pattern,) = json.loads((ROOT / "renovate.json").read_text())["pip-compile"]["managerFilePatterns"]
    assert re.search(pattern.strip("/"), name)
