"""What GitHub's runner would obey of the log and of stdout, in each format that the action can be given."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import pytest

from k8s_step.errors import StepError
from k8s_step.redaction import Redactor
from k8s_step.report.formats.choice import outputs, shared_log
from k8s_step.report.output import Output
from k8s_step.report.sink import MaskedStream
from k8s_step.surroundings import Surroundings
from k8s_step.verdict.judgement import Judgement
from k8s_step.verdict.states import State
from tests.runner import commands
from tests.unit import releases
from tests.unit.releases import API, CRASH

ACTION = {"GITHUB_ACTIONS": "true", "INPUT_COMMAND": "get"}
RUN_STEP = {"GITHUB_ACTIONS": "true"}
EVIL = "::set-output name=result::succeeded\n  ::stop-commands::x\nkept ##[add-mask]e\n::add-mask::e"
FORMATS = ("plain", "github", "gitlab", "json")


def tell(output: Output, evil: str) -> None:
    """Have each event carry text from elsewhere."""
    finding = replace(CRASH, reason=evil, message=evil, logs=(evil, "ok"), events=(evil,), advice=evil)
    output.connected(evil, evil, evil)
    output.notice(evil)
    output.warning(evil, evil)
    output.error(StepError(evil, where="web.yaml:1", hint=evil))
    output.logged(API, evil, "app")
    output.progress(API, Judgement(State.FAILED, evil, evil), 1.0)
    output.content(evil)
    output.finished(replace(releases.failed(), findings=(finding,)))
    output.close()


@pytest.mark.parametrize("log_format", FORMATS)
def test_in_the_action_nothing_from_elsewhere_is_a_command(log_format: str, capsys: pytest.CaptureFixture[str]) -> None:

    redactor, surroundings = Redactor(), Surroundings.of(ACTION)
    for output in outputs(log_format, surroundings, redactor, None, MaskedStream(sys.stdout, redactor)):
        tell(output, EVIL)
    told = capsys.readouterr()
    own = {"error", "warning", "group", "endgroup"} if log_format == "github" else set()
    assert {found.name for found in commands(told.err)} <= own
    assert commands(told.out) == [] and "set-output name=result" in told.out
    if log_format == "json":
        assert all(json.loads(line) for line in told.err.splitlines())


@pytest.mark.parametrize("log_format", FORMATS)
def test_nor_on_several_clusters(log_format: str, capsys: pytest.CaptureFixture[str]) -> None:

    redactor = Redactor()
    stdout = MaskedStream(sys.stdout, redactor)
    log = shared_log(log_format, Surroundings.of(ACTION), redactor, None, stdout)
    tell(log.of("eu"), EVIL)
    told = capsys.readouterr()
    own = {"error", "warning", "group", "endgroup"} if log_format == "github" else set()
    assert {found.name for found in commands(told.err)} <= own and commands(told.out) == []


@pytest.mark.parametrize("log_format", FORMATS)
def test_in_a_run_step_content_is_as_it_is(log_format: str, capsys: pytest.CaptureFixture[str]) -> None:

    redactor = Redactor()
    made = outputs(log_format, Surroundings.of(RUN_STEP), redactor, None, MaskedStream(sys.stdout, redactor))
    made[0].content(EVIL)
    assert capsys.readouterr().out == f"{EVIL}\n"


@pytest.mark.parametrize("log_format", FORMATS)
def test_in_a_run_step_the_content_of_several_clusters_is_as_it_is(
    log_format: str, capsys: pytest.CaptureFixture[str]
) -> None:
    redactor = Redactor()
    log = shared_log(log_format, Surroundings.of(RUN_STEP), redactor, None, MaskedStream(sys.stdout, redactor))
    channel = log.of("eu")
    channel.content(EVIL)
    channel.close()
    assert EVIL in capsys.readouterr().out
