"""What is said after the outputs are closed."""

from __future__ import annotations

import pytest

from k8s_step.cli import _complain, _Process
from k8s_step.redaction import Redactor
from k8s_step.surroundings import Surroundings
from tests.runner import commands


def test_another_servers_words_are_no_command_of_the_runner(capsys: pytest.CaptureFixture[str]) -> None:
    environ = {"GITHUB_ACTIONS": "true"}
    redactor = Redactor()
    redactor.add("s3cr3t-token")
    _complain("warning: 500: s3cr3t-token\n::stop-commands::x", _Process(environ, redactor, Surroundings.of(environ)))
    told = capsys.readouterr().err
    assert commands(told) == [] and "stop-commands" in told and "s3cr3t" not in told
