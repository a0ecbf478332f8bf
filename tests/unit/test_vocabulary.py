"""kubectl's and Helm's words lead to ours, and a guess is a slip of the pen or none."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from k8s_step import vocabulary
from k8s_step.cli import run
from k8s_step.commands import COMMANDS

OURS = {command.name for command in COMMANDS} | {"demo"}
FLAGS = {f"--{option.name}" for command in COMMANDS for option in command.all_options} | {"--version"}


def said(capfd: pytest.CaptureFixture[str], *argv: str) -> str:
    """The one line of an error, without where help is."""
    assert run(list(argv), {}) == 2
    (line,) = [line for line in capfd.readouterr().err.splitlines() if line.startswith("error: ")]
    return re.sub(r"(; | \()see k8s-step[\w ]* --help\)$", "", line.removeprefix("error: "))


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["deploy"], "no such command 'deploy' (apply -f PATH ships manifests"),
        (
            ["set", "image", "deployment/web", "app=web:2"],
            "no such command 'set' (patch KIND/NAME --image CONTAINER=REF",
        ),
        (["rollout", "status", "deployment/web"], "no such command 'rollout' (status KIND/NAME, restart KIND/NAME"),
        (["Upgrade"], "no such command 'Upgrade' (apply -f PATH"),
        (["exec"], "no such command 'exec' (that is no step of a release: kubectl itself does it"),
        (["aply"], "no such command 'aply' (did you mean apply?"),
        (["stauts"], "no such command 'stauts' (did you mean status?"),
        (["apply", "--dryrun"], "no such option '--dryrun' (did you mean --dry-run?"),
        (["delete", "--prune"], "no such option '--prune' (apply --prune --applyset NAME deletes what the manifests"),
        (["apply", "--no-prune"], "no such option '--no-prune' (leave it out: nothing is pruned without --prune"),
        (["apply", "--prune-allowlist", "v1/Pod"], "no such option '--prune-allowlist' (leave it out: apply --prune"),
        (["apply", "--server-side"], "no such option '--server-side' (leave it out: the step always does it"),
        (["apply", "--dry-run=server"], "--dry-run takes no value (--dry-run alone is the server's dry run"),
        (["apply", "--dry-run=client"], "--dry-run takes no value (k8s-step render shows what would be sent"),
        (["apply", "--wait=false"], "--wait takes no value (say --no-wait"),
        (["apply", "--wait=true"], "--wait takes no value (say --wait, or --no-wait"),
        (["apply", "--recursive=true"], "--recursive takes no value (say --recursive"),
        (["apply", "--recursive=false"], "--recursive takes no value (leave it out"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_words_of_others(argv: list[str], words: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert said(capfd, *argv).removesuffix(")").startswith(words)


@pytest.mark.parametrize(
    "argv", [["frobnicate"], ["demon-slayer"], ["reset"], ["apply", "--prefix"], ["scale", "--foo"]]
)
def test_no_guess_misleads(argv: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert said(capfd, *argv) in (f"no such command '{argv[-1]}'", f"no such option '{argv[-1]}'")


def test_the_table_leads_to_what_there_is() -> None:
    assert not OURS & set(vocabulary.COMMANDS), "a command needs no translation"
    for words in (*vocabulary.COMMANDS.values(), *vocabulary.OPTIONS.values()):
        assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", words)) <= FLAGS, words
        assert set(re.findall(r"k8s-step ([a-z]+)", words)) <= OURS, words
    for words in vocabulary.COMMANDS.values():
        named = set(re.findall(r"\b([a-z]+) (?:-[fk] |KIND)", words))
        assert named <= OURS, words


def test_every_verb_of_kubectl_is_there_or_translated() -> None:
    kubectl = shutil.which("kubectl", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if not kubectl:
        pytest.skip("no kubectl: install the dev dependencies")
    told = subprocess.run([kubectl, "--help"], capture_output=True, text=True, check=True, timeout=60).stdout
    verbs = set(re.findall(r"^  ([a-z][a-z-]+) {2,}", told, re.M)) - {"alpha", "help"}
    assert {"rollout", "apply", "label", "top"} <= verbs
    assert verbs - OURS - set(vocabulary.COMMANDS) == set()
