"""What the image's first word starts."""

import shutil
import signal
import subprocess
import sys

import pytest

from k8s_step.commands import COMMANDS
from k8s_step.entrypoint import program


@pytest.mark.parametrize(
    "words",
    [
        [],  # a container action with inputs alone
        ["apply", "-f", "k8s/"],
        ["--version"],
        ["-h"],
        ["demo"],
        [""],
        ["aply"],  # the step says what was meant
        ["/bin/no-such-program"],
    ],
)
def test_the_steps_own_words(words):
    assert program(words) is None


@pytest.mark.parametrize("words", [["sh", "-c", "true"], ["cat"], ["/bin/sh"], ["env"]])
def test_programs_of_the_image(words):
    assert program(words) == shutil.which(words[0])


@pytest.mark.parametrize("name", [command.name for command in COMMANDS])
def test_a_command_is_never_a_program(name, tmp_path, monkeypatch):
    """diff and patch are programs too."""
    (tmp_path / name).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert shutil.which(name)
    assert program([name]) is None


def test_a_shell_gets_the_environment_and_its_signals_as_they_were():
    script = 'grep SigIgn /proc/self/status; "$0" -c "import os; print(os.environ)"'
    words = ["env", "INPUT_DRY-RUN=true", sys.executable, "-m", "k8s_step.entrypoint", "bash", "-c", script]
    answer = subprocess.run([*words, sys.executable], capture_output=True, text=True, timeout=60, check=True)

    ignored = int(answer.stdout.split("SigIgn:")[1].split()[0], 16)
    assert not ignored & 1 << (signal.SIGPIPE - 1)
    assert not ignored & 1 << (signal.SIGXFSZ - 1)
    assert "'INPUT_DRY-RUN': 'true'" in answer.stdout
