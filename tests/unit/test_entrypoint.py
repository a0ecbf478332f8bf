"""What the image's first word starts."""

import shlex
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


SIGNALLED = """
import os, signal, sys
from k8s_step import entrypoint
found = entrypoint.program
def program(words):
    os.kill(os.getpid(), signal.SIGTERM)
    return found(words)
entrypoint.program = program
entrypoint.main()
"""


@pytest.mark.parametrize("words", [["sh", "-c", "echo it ran"], ["apply", "-f", "nothing.yaml"]])
def test_a_signal_before_the_program_is_there_is_not_lost(words):
    line = [sys.executable, "-c", SIGNALLED, *words]
    ended = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)

    assert ended.returncode == 143
    assert "it ran" not in ended.stdout and "Traceback" not in ended.stderr


def test_a_signal_that_was_ignored_from_the_first_stays_so():
    script = "grep SigIgn /proc/self/status"
    line = [sys.executable, "-m", "k8s_step.entrypoint", "bash", "-c", script]
    shell = ["sh", "-c", f"trap '' INT; {shlex.join(line)}"]
    answer = subprocess.run(shell, capture_output=True, text=True, timeout=60, check=True)

    ignored = int(answer.stdout.split()[1], 16)
    assert ignored & 1 << (signal.SIGINT - 1)
    assert not ignored & 1 << (signal.SIGTERM - 1)


def test_a_shell_gets_the_environment_and_its_signals_as_they_were():
    script = 'grep SigIgn /proc/self/status; "$0" -c "import os; print(os.environ)"'
    words = ["env", "INPUT_DRY-RUN=true", sys.executable, "-m", "k8s_step.entrypoint", "bash", "-c", script]
    answer = subprocess.run([*words, sys.executable], capture_output=True, text=True, timeout=60, check=True)

    ignored = int(answer.stdout.split("SigIgn:")[1].split()[0], 16)
    assert not ignored & 1 << (signal.SIGPIPE - 1)
    assert not ignored & 1 << (signal.SIGXFSZ - 1)
    assert "'INPUT_DRY-RUN': 'true'" in answer.stdout
