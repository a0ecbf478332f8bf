"""Which ends of a release call for a rollback, and how one is told; the real thing is in tests/integration."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree as Xml

import pytest

from k8s_step.api.discovery import Discovery
from k8s_step.errors import (
    CancelledError,
    ExitCode,
    ForbiddenError,
    ReportedError,
    StepError,
    ThrottledError,
    UnreachableError,
)
from k8s_step.inputs import Inputs
from k8s_step.objects.address import Address
from k8s_step.objects.resource import required
from k8s_step.operations.plan import Planned, Seen, Written
from k8s_step.redaction import Redactor
from k8s_step.release.planning.session import Run, Session
from k8s_step.release.rollback import release_or_roll_back
from k8s_step.release.send import Writes
from k8s_step.report.formats.gitlab import GitLab, to_dotenv
from k8s_step.report.formats.plain import Plain
from k8s_step.report.journal import Journal
from k8s_step.report.results.junit import to_junit
from k8s_step.report.results.result import Result, to_json
from k8s_step.report.summary import to_markdown
from k8s_step.verdict.judgement import Judgement
from k8s_step.verdict.states import State
from tests.unit.releases import API, PULL, SETTINGS, WEB


class _NoServer:
    def __getattr__(self, name: str) -> object:
        raise AssertionError(f"asked the server: {name}")


class _AwayServer:
    def until(self, _: float) -> Any:
        return self

    def send(self, *_: object, **__: object) -> None:
        raise UnreachableError("no answer")


def came_to(release: Any, action: str = "unchanged", server: object = None) -> tuple[ExitCode, str]:
    """What the run ends in and what it says; the release has written one object."""
    lines: list[str] = []
    journal = Journal("apply", [Plain(lines.append, lines.append)])
    run = Run(Inputs(), {}, journal, Redactor())
    client: Any = server or _NoServer()
    planned = Planned(Address(required("v1", "ConfigMap"), SETTINGS), {}, lambda _: 1)
    writes = Writes(run, Session(client, Discovery(client), "shop"), [Written(planned, action, {"metadata": {}})])
    code = release_or_roll_back(writes, [Seen(planned, {})], release)
    return code, "\n".join(lines)


def raising(error: Exception) -> Any:
    def release() -> ExitCode:
        raise error

    return release


def test_a_good_release_stays() -> None:
    assert came_to(lambda: ExitCode.SUCCEEDED, "configured") == (ExitCode.SUCCEEDED, "")


@pytest.mark.parametrize(
    ("release", "code", "told"),
    [
        (lambda: ExitCode.FAILED, ExitCode.FAILED, 0),
        (lambda: ExitCode.TIMED_OUT, ExitCode.TIMED_OUT, 0),
        (raising(ReportedError(ExitCode.REFUSED)), ExitCode.REFUSED, 0),
        (raising(ForbiddenError("may not watch", code=403)), ExitCode.REFUSED, 1),
    ],
)
def test_where_nothing_was_changed_there_is_nothing_to_roll_back(release: Any, code: ExitCode, told: int) -> None:
    found, text = came_to(release)
    assert found is code and "nothing to roll back: this run changed nothing" in text
    assert text.count("may not watch") == told


@pytest.mark.parametrize(
    "release",
    [
        raising(UnreachableError("no answer")),
        raising(ReportedError(ExitCode.UNREACHABLE)),
        raising(ThrottledError("too many", code=429)),
    ],
)
def test_without_a_server_it_is_said_what_stays(release: Any) -> None:
    code, text = came_to(release, "configured", _AwayServer())
    assert code is ExitCode.UNREACHABLE
    assert "not rolled back; what this run changed stays: configmap/shop/settings (configured)" in text


def test_a_cancelled_release_is_left_and_so_said() -> None:
    lines: list[str] = []
    journal = Journal("apply", [Plain(lines.append, lines.append)])
    planned = Planned(Address(required("v1", "ConfigMap"), SETTINGS), {}, lambda _: 1)
    client: Any = _NoServer()
    run = Run(Inputs(), {}, journal, Redactor())
    writes = Writes(run, Session(client, Discovery(client), "shop"), [Written(planned, "created", {})])
    with pytest.raises(CancelledError):
        release_or_roll_back(writes, [], raising(CancelledError("SIGTERM")))
    assert "what this run changed stays: configmap/shop/settings (created)" in "\n".join(lines)


def test_a_bug_is_not_taken_for_a_failed_release() -> None:
    with pytest.raises(ZeroDivisionError):
        came_to(lambda: ExitCode(1 // 0), "configured")


# -- how it is told


def rolled_back(lines: list[str], code: ExitCode = ExitCode.ROLLED_BACK, output: Any = None) -> Result:
    """A release whose web failed; what was done about it; all that was said is in ``lines``."""
    journal = Journal("apply", [output or Plain(lines.append, lines.append)])
    journal.loaded([SETTINGS, WEB, API])
    for reference, action in ((SETTINGS, "configured"), (WEB, "configured"), (API, "created")):
        journal.acted(reference, action)
    journal.following(2, 60.0)
    journal.progress(API, Judgement(State.IN_PROGRESS, "0 of 1 pods"), 1.0)
    journal.progress(WEB, Judgement(State.FAILED, PULL.message, PULL.reason), 3.0)
    journal.found([PULL])
    journal.rolling_back(ExitCode.FAILED, 3, 60.0)
    journal.rolled_back(SETTINGS, "restored")
    journal.rolled_back(WEB, "restored")
    journal.following(1, 60.0)
    journal.progress(WEB, Judgement(State.IN_PROGRESS, "1 of 3 pods"), 0.1)
    journal.progress(WEB, Judgement(State.CURRENT, "3 of 3 pods ready"), 0.2)
    if code is ExitCode.FAILED:
        journal.rolled_back(API, "failed", "services is forbidden")
    else:
        journal.rolled_back(API, "deleted")
    return journal.finish(code)


def test_the_release_keeps_its_verdict_in_the_report() -> None:
    found = json.loads(json.dumps(to_json(rolled_back([]))))
    assert (found["result"], found["exit_code"]) == ("rolled_back", 6)
    assert found["rollback"] == {"released": "failed", "complete": True}
    told = {entry["name"]: (entry["action"], entry["status"], entry["rolled_back"]) for entry in found["objects"]}
    assert told == {
        "settings": ("configured", "", "restored"),
        "web": ("configured", "failed", "restored"),
        "api": ("created", "in progress", "deleted"),
    }
    assert found["failures"][0]["reason"] == "ErrImagePull"


def test_a_run_without_one_says_nothing_of_it() -> None:
    journal = Journal("apply", [])
    journal.loaded([WEB])
    found = to_json(journal.finish(ExitCode.FAILED))
    assert "rollback" not in found and "rolled_back" not in found["objects"][0]


def test_the_evidence_is_told_once_and_before_it() -> None:
    lines: list[str] = []
    rolled_back(lines)
    text = "\n".join(lines)
    assert text.count("deployment.apps/web failed: ErrImagePull") == 1
    assert text.index("failed: ErrImagePull (k8s/shop.yaml:12)") < text.index("rolling back what this run did to 3")
    assert "ROLLBACK" in text and lines[-1].startswith("rolled back: deployment.apps/web (ErrImagePull)")
    assert "rollback: 2 restored, 1 deleted" in lines[-1]


def test_only_what_is_followed_now_is_waited_for() -> None:
    told: list[Any] = []

    class Ticking(Plain):
        def tick(self, remaining: float, waiting: Any) -> None:
            told.append([reference.name for reference, _ in waiting])

    journal = Journal("apply", [Ticking(lambda _: None, lambda _: None)])
    journal.progress(API, Judgement(State.IN_PROGRESS, "0 of 1 pods"), 1.0)
    journal.tick(10.0)
    journal.rolling_back(ExitCode.TIMED_OUT, 1, 60.0)
    journal.tick(10.0)
    assert told == [["api"], []]


def test_one_that_failed_is_an_error_everywhere() -> None:
    lines: list[str] = []
    result = rolled_back(lines, ExitCode.FAILED)
    line = "error: k8s/shop.yaml:40: deployment/shop/api: rollback failed: services is forbidden"
    assert line in lines and lines[-1].startswith("failed: the rollback failed too; ")
    assert "rollback failed: services is forbidden" in to_json(result)["message"]
    assert "rollback failed: services is forbidden" in to_markdown(result)
    assert to_json(result)["rollback"] == {"released": "failed", "complete": False}


def test_junit_has_one_verdict_a_case() -> None:
    root = Xml.fromstring(to_junit(rolled_back([], ExitCode.FAILED)))
    cases = {str(case.get("name")): case for case in root.findall("testcase")}
    web, api = cases["deployment.apps/web"], cases["deployment.apps/api"]
    assert [child.tag for child in web] == ["failure"] and "rollback: restored" in str(web[0].text)
    assert [child.tag for child in api] == ["error"] and "rollback: failed: services" in str(api[0].text)


def test_what_is_back_is_not_listed_as_changed() -> None:
    assert rolled_back([]).changed == ()
    assert rolled_back([], ExitCode.FAILED).changed == (API,)
    assert "K8S_STEP_RESULT=rolled_back\n" in to_dotenv(rolled_back([]), None)


def test_a_section_of_its_own() -> None:
    lines: list[str] = []
    rolled_back(lines, ExitCode.FAILED, GitLab(lines.append, lines.append))
    names = [line.split(":")[2].split("[")[0].split("\r")[0] for line in lines if "section_start" in line]
    assert [name.removeprefix("k8s_step_").rpartition("_")[0] for name in names][:4] == [
        "sending",
        "following",
        "evidence",
        "rollback",
    ]
    starts, ends = (sum(f"section_{word}" in line for line in lines) for word in ("start", "end"))
    assert starts == ends
    at = next(index for index, line in enumerate(lines) if "rollback failed: services" in line)
    assert "section_end" in lines[at - 1], "what is wrong is said outside of sections"


def test_a_release_that_timed_out_is_told_as_such() -> None:
    lines: list[str] = []
    journal = Journal("apply", [Plain(lines.append, lines.append)])
    journal.found([PULL])
    journal.rolling_back(ExitCode.TIMED_OUT, 1, 60.0)
    journal.finish(ExitCode.ROLLED_BACK)
    assert "deployment.apps/web is not current" in "\n".join(lines)


def test_secrets_are_masked() -> None:
    lines: list[str] = []
    redactor = Redactor()
    redactor.add("correct-horse")
    journal = Journal("apply", [Plain(lines.append, lines.append)], redactor)
    journal.rolling_back(ExitCode.FAILED, 1, 60.0)
    journal.rolled_back(SETTINGS, "restored", "correct-horse")
    journal.rolled_back(WEB, "failed", "correct-horse is wrong")
    journal.error(StepError("done"))
    assert "correct-horse" not in "\n".join(lines) and "***" in "\n".join(lines)
