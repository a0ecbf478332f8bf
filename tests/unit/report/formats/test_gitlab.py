from __future__ import annotations

import re
from dataclasses import replace

import pytest

from k8s_step.errors import ExitCode, StepError
from k8s_step.report.formats.gitlab import GitLab, to_dotenv
from k8s_step.report.results.result import ObjectResult
from k8s_step.report.wording import no_style
from k8s_step.verdict.judgement import Judgement
from k8s_step.verdict.states import State
from tests.unit import releases
from tests.unit.releases import CRASH, SETTINGS, WEB

# lib/gitlab/regex.rb: prefix, options and suffix of a section's marker
MARKER = re.compile(r"section_(start|end):(\d+):([a-zA-Z0-9_.-]+)((?:\[\w+=\w+(?:, ?\w+=\w+)*\])?)\r\x1b\[0K")


class Told:
    """A log in GitLab, and what it wrote."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.data: list[str] = []
        self.output = GitLab(self.log.append, self.data.append, no_style, lambda: 0.0, lambda: 1700000000.9)

    @property
    def sections(self) -> list[tuple[str, ...]]:
        return [found.groups() for found in MARKER.finditer("\n".join(self.log))]


def test_a_good_release_is_in_sections() -> None:
    told = Told()
    told.output.loaded(3, 1, 1)
    told.output.acted(SETTINGS, "unchanged")
    told.output.acted(WEB, "configured")
    told.output.following(1, 60)
    told.output.progress(WEB, Judgement(State.CURRENT, ""), 9.8)
    told.output.finished(releases.good())
    told.output.close()
    assert told.log[:-2] == [
        "3 objects from 1 file",
        "\x1b[0Ksection_start:1700000000:k8s_step_sending_1[collapsed=true]\r\x1b[0KSending",
        "configured deployment.apps/web",
        "\x1b[0Ksection_end:1700000000:k8s_step_sending_1\r\x1b[0K",
        "\x1b[0Ksection_start:1700000000:k8s_step_following_2\r\x1b[0KFollowing",
        "waiting for 1 object, 1m at the most",
        "deployment.apps/web: current after 9.8 s",
        "\x1b[0Ksection_end:1700000000:k8s_step_following_2\r\x1b[0K",
    ]
    assert told.log[-1].startswith("succeeded: ") and told.data == []


def test_every_section_ends_before_the_next_and_has_its_own_name() -> None:
    told = Told()
    told.output.acted(WEB, "created")
    told.output.error(StepError("refused"))
    told.output.acted(WEB, "created")
    told.output.finished(releases.failed())
    ends = [(which, name) for which, _, name, _ in told.sections]
    assert [which for which, _ in ends] == ["start", "end"] * 4
    names = [name for _, name in ends]
    assert names[::2] == names[1::2] and len(set(names)) == 4


def test_warnings_are_seen_though_what_was_sent_is_collapsed() -> None:
    told = Told()
    told.output.warning("first", "")
    told.output.acted(WEB, "created")
    told.output.warning("while sending", "k8s/shop.yaml:1")
    told.output.acted(SETTINGS, "created")
    told.output.following(1, 60)
    told.output.warning("while following", "")
    told.output.finished(releases.good())
    lines = [MARKER.sub(r"\1", line) for line in told.log]
    assert lines[0] == "warning: first"
    assert lines[4:6] == ["\x1b[0Kend", "warning: k8s/shop.yaml:1: while sending"]
    assert "warning: while following" in lines[lines.index("\x1b[0KstartFollowing") :]
    assert sum("warning" in line for line in lines) == 3


def test_what_failed_is_said_outside_of_sections() -> None:
    told = Told()
    told.output.following(1, 60)
    told.output.finished(releases.failed())
    at = told.log.index("deployment.apps/web failed: ErrImagePull (k8s/shop.yaml:12)")
    opened = [found[1] for line in told.log[:at] for found in MARKER.finditer(line)]
    assert opened == ["start", "end"]


@pytest.mark.parametrize("evil", ["x\rsection_end:1:k8s_step_evidence_1\r\x1b[0K", "section_start:1:a\r\x1b[0Kb"])
def test_what_a_pod_says_is_no_marker(evil: str) -> None:
    told = Told()
    told.output.connected(evil, evil, evil)
    told.output.show_finding(replace(CRASH, message=evil, logs=(evil,), events=(evil,)), "failed")
    assert [which for which, *_ in told.sections] == ["start", "end"]


def test_content_is_data_and_outside_of_sections() -> None:
    told = Told()
    told.output.following(1, 60)
    told.output.content("a line of a Job")
    assert told.data == ["a line of a Job"]
    assert [which for which, *_ in told.sections] == ["start", "end"]


def test_dotenv_of_a_failed_release() -> None:
    assert to_dotenv(releases.failed(), "k8s-step.json").splitlines() == [
        "K8S_STEP_RESULT=failed",
        "K8S_STEP_EXIT_CODE=1",
        "K8S_STEP_CHANGED=deployment/shop/web,deployment/shop/api",
        "K8S_STEP_FAILED=deployment/shop/web,deployment/shop/api",
        "K8S_STEP_URL=",
        "K8S_STEP_REPORT=k8s-step.json",
    ]


def test_dotenv_of_a_good_release() -> None:
    text = to_dotenv(releases.good(), None)
    assert "K8S_STEP_RESULT=succeeded\n" in text
    assert "K8S_STEP_FAILED=\n" in text and "K8S_STEP_REPORT=\n" in text


def test_dotenv_is_as_gitlab_takes_it() -> None:
    """Smaller than 5 KiB, NAME=value lines, whole names."""
    objects = tuple(ObjectResult(replace(WEB, name=f"web-{n}" * 5), "created", "failed") for n in range(2000))
    text = to_dotenv(releases.result(ExitCode.FAILED, *objects), "a\nb")
    assert len(text.encode()) < 5 * 1024
    assert all(re.fullmatch(r"[A-Z0-9_]+=.*", line) for line in text.splitlines())
    changed = text.splitlines()[2].partition("=")[2].split(",")
    assert changed[-1] == "…" and changed[:-1] == [str(entry.reference) for entry in objects[: len(changed) - 1]]
    assert "K8S_STEP_REPORT=a b\n" in text
