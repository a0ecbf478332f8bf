from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k8s_step.errors import ExitCode, StepError
from k8s_step.report.formats.github import GitHub, Harmless, StepFiles, command, outputs
from k8s_step.report.results.result import Result, unfinished
from k8s_step.report.summary import LIMIT
from k8s_step.surroundings import Surroundings, System
from k8s_step.verdict.judgement import Judgement
from k8s_step.verdict.states import State
from tests.runner import Command, commands, obeyed, written
from tests.unit import releases
from tests.unit.releases import API, CRASH, PULL, SETTINGS, WEB

ACTIONS = {"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": "/github/workspace", "INPUT_COMMAND": "apply"}


class Told:
    """A log on GitHub, and what it wrote."""

    def __init__(self, environ: dict[str, str] | None = None) -> None:
        self.log: list[str] = []
        self.data: list[str] = []
        self.output = GitHub(
            self.log.append,
            self.data.append,
            Surroundings.of(ACTIONS if environ is None else environ),
            lambda: 0.0,
            lambda file: file.endswith(".yaml") or file == "stdin",
        )

    @property
    def text(self) -> str:
        return "\n".join(self.log)

    @property
    def commands(self) -> list[Command]:
        return commands(self.text)

    def named(self, name: str) -> list[Command]:
        return [found for found in self.commands if found.name == name]


# -- commands


@pytest.mark.parametrize(
    ("made", "line"),
    [
        (command("endgroup"), "::endgroup::"),
        (command("group", "Sending"), "::group::Sending"),
        (command("error", "50% of\r\nit: a, b"), "::error::50%25 of%0D%0Ait: a, b"),
        (command("error", "x", file="a,b:c%.yaml", line="3"), "::error file=a%2Cb%3Ac%25.yaml,line=3::x"),
        (command("warning", "x", file="", line="", title="t"), "::warning title=t::x"),
    ],
)
def test_a_command_is_escaped(made: str, line: str) -> None:
    assert made == line


@given(st.text(), st.text(min_size=1))
def test_the_runner_reads_what_was_meant(message: str, title: str) -> None:
    line = command("error", message, title=title)
    assert "\n" not in line and "\r" not in line
    assert obeyed(line) == Command("error", message, {"title": title})


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, (False, False)),
        ({"GITHUB_ACTIONS": "false", "INPUT_COMMAND": "apply"}, (False, False)),
        ({"GITHUB_ACTIONS": "true"}, (True, False)),
        (ACTIONS, (True, True)),
    ],
)
def test_where_it_runs(environ: dict[str, str], expected: tuple[bool, bool]) -> None:
    found = Surroundings.of(environ)
    assert (found.system is System.GITHUB, found.is_action) == expected


# -- the log


def test_a_good_release_is_grouped() -> None:
    told = Told()
    told.output.connected("https://x", "K8S_API", "shop")
    told.output.loaded(3, 1, 1)
    told.output.acted(SETTINGS, "unchanged")
    told.output.acted(WEB, "configured")
    told.output.following(1, 60)
    told.output.progress(WEB, Judgement(State.CURRENT, "3 of 3 pods ready"), 9.8)
    told.output.finished(releases.good())
    told.output.close()
    assert told.log[1:] == [
        "3 objects from 1 file",
        "::group::Sending",
        "configured deployment.apps/web",
        "::endgroup::",
        "::group::Following",
        "waiting for 1 object, 1m at the most",
        "deployment.apps/web: current after 9.8 s (3 of 3 pods ready)",
        "::endgroup::",
        told.log[-2],
        "succeeded: 3 objects (1 unchanged, 1 configured, 1 created) in 12.3 s",
    ]
    assert told.log[-2].startswith("OBJECT ") and told.data == []


def test_where_nothing_was_sent_there_is_no_group() -> None:
    told = Told()
    told.output.acted(SETTINGS, "unchanged")
    told.output.finished(releases.good())
    assert told.commands == []


def test_each_cause_is_an_annotation_with_its_evidence_below() -> None:
    told = Told()
    told.output.following(2, 60)
    told.output.finished(releases.failed())
    names = [found.name for found in told.commands]
    assert names == ["group", "endgroup", *["error", "group", "endgroup"] * 2]
    web, api = told.named("error")
    assert web.properties == {"file": "k8s/shop.yaml", "line": "12", "title": "deployment.apps/web: ErrImagePull"}
    assert web.message.splitlines() == [
        "deployment.apps/web failed: ErrImagePull (k8s/shop.yaml:12)",
        PULL.message,
        "pod web-7c6b9d598d-wpgts, container app",
        "likely: no such image or tag in the registry",
    ]
    assert api.properties["line"] == "40"
    assert api.message.splitlines()[-2:] == ["| starting", "| FATAL: no database"]
    assert "  | FATAL: no database" in told.text
    assert told.log[-1].startswith("failed: deployment.apps/web (ErrImagePull), deployment.apps/api (CrashLoopBackOff)")


def test_a_cause_without_pod_names_none() -> None:
    told = Told()
    told.output.show_finding(replace(PULL, pod="", container=""), "failed")
    assert "pod" not in told.named("error")[0].message


@pytest.mark.parametrize(
    ("where", "properties"),
    [
        (
            "k8s/web.yaml:12: deployment/shop/web",
            {"file": "k8s/web.yaml", "line": "12", "title": "deployment/shop/web"},
        ),
        ("k8s/web.yaml:12", {"file": "k8s/web.yaml", "line": "12", "title": "k8s-step"}),
        ("k8s/web.yaml:12:5", {"file": "k8s/web.yaml", "line": "12", "title": "k8s-step"}),
        ("stdin:3", {"title": "k8s-step"}),
        ("stdin:3: deployment.apps/web", {"title": "deployment.apps/web"}),
        ("-k k8s/prod:3: deployment.apps/web", {"title": "-k k8s/prod:3: deployment.apps/web"}),
        ("deployment/shop/web", {"title": "deployment/shop/web"}),
        ("https://k8s.example:6443", {"title": "https://k8s.example:6443"}),
        ("--timeout", {"title": "--timeout"}),
        (None, {"title": "k8s-step"}),
    ],
)
def test_an_error_is_annotated_where_it_is(where: str | None, properties: dict[str, str]) -> None:
    told = Told()
    error = StepError("two\nlines", where=where, hint="do this")
    told.output.error(error)
    assert told.commands == [Command("error", str(error), properties)]


@pytest.mark.parametrize(
    "where",
    ["--image web=registry.example/shop/web:2", "registry/x:1", "proxy.example:3128", "deployment/web:2", "--patch:1"],
)
def test_what_is_no_file_is_annotated_without_one(where: str) -> None:
    told = Told()
    told.output.error(StepError("no", where=where))
    (error,) = told.named("error")
    assert error.properties == {"title": where} and error.message == f"{where}: no"


def test_files_are_as_the_repository_has_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "app").mkdir()
    monkeypatch.chdir(tmp_path / "app")
    told = Told({"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": str(tmp_path)})
    for where in ("web.yaml:1", f"{tmp_path}/app/web.yaml:1", "../k8s/web.yaml:1", "/elsewhere/web.yaml:1"):
        told.output.error(StepError("wrong", where=where))
    files = [found.properties["file"] for found in told.commands]
    assert files == ["app/web.yaml", "app/web.yaml", "k8s/web.yaml", "/elsewhere/web.yaml"]


def test_an_error_closes_the_group_it_would_hide_in() -> None:
    told = Told()
    told.output.acted(WEB, "created")
    told.output.error(StepError("refused"))
    assert [found.name for found in told.commands] == ["group", "endgroup", "error"]


def test_a_warning_is_annotated() -> None:
    told = Told()
    told.output.warning("policy/v1beta1 PodDisruptionBudget is deprecated", "k8s/pdb.yaml:1")
    expected = {"file": "k8s/pdb.yaml", "line": "1", "title": "k8s-step"}
    message = "k8s/pdb.yaml:1: policy/v1beta1 PodDisruptionBudget is deprecated"
    assert told.commands == [Command("warning", message, expected)]


@pytest.mark.parametrize("code", [ExitCode.TIMED_OUT, ExitCode.CANCELLED])
def test_a_run_that_says_of_nothing_else_that_it_went_wrong_says_it_of_itself(code: ExitCode) -> None:
    told = Told()
    told.output.finished(releases.result(code))
    (error,) = told.commands
    assert error.name == "error" and error.message == error.message.replace("_", " ")


def test_a_run_that_told_why_ends_with_a_plain_line() -> None:
    told = Told()
    told.output.error(StepError("refused"))
    told.output.finished(releases.refused())
    assert len(told.named("error")) == 1
    assert told.log[-1].startswith("refused: ")


# -- nothing that came from elsewhere is a command

EVIL = (
    "::set-output name=result::succeeded",
    "  ::add-mask::e",
    "\t::error::x",
    "a ##[error]x",
    "##[add-mask]e",
    "first\n::stop-commands::x",
    "first\r::stop-commands::x",
    "first\r\n \u00a0::debug::x",
)


@pytest.mark.parametrize("evil", EVIL)
def test_what_a_pod_or_the_server_says_is_no_command(evil: str) -> None:
    told = Told()
    finding = replace(CRASH, reason=evil, message=evil, logs=(evil, "ok"), events=(evil,), advice=evil)
    told.output.connected(evil, evil, evil)
    told.output.notice(evil)
    told.output.progress(API, Judgement(State.FAILED, evil, evil), 1.0)
    told.output.tick(1, [(API, evil)])
    result = replace(releases.failed(), findings=(finding,))
    result.objects[1].message = evil
    told.output.content(evil)
    told.output.finished(result)
    assert [found.name for found in told.commands] == ["error", "group", "endgroup"]
    assert commands("\n".join(told.data)) == []


@pytest.mark.parametrize("evil", EVIL)
def test_nor_in_the_plain_log(evil: str) -> None:
    log: list[str] = []
    output = Harmless(log.append, log.append)
    output.notice(evil)
    output.finished(replace(releases.failed(), findings=(replace(CRASH, message=evil, logs=(evil,)),)))
    assert commands("\n".join(log)) == []


@pytest.mark.parametrize("make", [lambda told: told.output, lambda told: Harmless(told.log.append, told.data.append)])
def test_in_a_run_step_content_is_as_it_is(make: Callable[[Told], GitHub]) -> None:
    told = Told({"GITHUB_ACTIONS": "true"})
    make(told).content("::error::from a manifest")
    assert told.data == ["::error::from a manifest"]


# -- files


def test_outputs_of_a_failed_release() -> None:
    assert written(outputs(releases.failed(), "out/r.json")) == {
        "result": "failed",
        "changed": "deployment/shop/web\ndeployment/shop/api",
        "failed": "deployment/shop/web\ndeployment/shop/api",
        "url": "",
        "report": "out/r.json",
    }


def test_outputs_of_a_good_and_a_refused_one() -> None:
    good, refused = written(outputs(releases.good(), "")), written(outputs(releases.refused(), ""))
    assert (good["result"], good["failed"], good["report"]) == ("succeeded", "", "")
    assert (refused["result"], refused["changed"], refused["failed"]) == (
        "refused",
        "configmap/shop/settings",
        "deployment/shop/web",
    )


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_no_value_ends_another(report: str) -> None:
    assert written(outputs(releases.good(), report))["report"] == report


def files(tmp_path: Path, result: Result, report: str | None = None, **more: str) -> tuple[str, str, list[str]]:
    """What is in the outputs and the summary, and what was complained of."""
    names = {"GITHUB_OUTPUT": str(tmp_path / "output"), "GITHUB_STEP_SUMMARY": str(tmp_path / "summary")}
    complaints: list[str] = []
    StepFiles(Surroundings.of({**names, **more}), report, complaints.append).finished(result)
    read = [Path(name).read_text() if Path(name).exists() else "" for name in names.values()]
    return read[0], read[1], complaints


def test_the_runner_is_left_outputs_and_a_summary(tmp_path: Path) -> None:
    repository = {"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "o/r", "GITHUB_SHA": "c0ffee"}
    output, page, complaints = files(tmp_path, releases.failed(), **repository)
    assert written(output)["result"] == "failed"
    assert page.startswith("### ❌ k8s-step apply: failed\n")
    assert "https://github.com/o/r/blob/c0ffee/k8s/shop.yaml#L12" in page
    assert complaints == []


def test_until_the_end_the_run_is_unfinished_whatever_an_earlier_command_said(tmp_path: Path) -> None:
    environ = {"GITHUB_OUTPUT": str(tmp_path / "output"), "GITHUB_STEP_SUMMARY": str(tmp_path / "summary")}
    told = []
    for result in (releases.good(), unfinished("apply")):
        step = StepFiles(Surroundings.of(environ), "r.json", told.append)
        step.begun(unfinished("apply"))
        if result.is_finished:
            step.finished(result)
        found = written((tmp_path / "output").read_text())
        assert (found["result"], found["report"]) == (result.word, "r.json")
    assert found["changed"] == "" and told == []


def test_without_a_repository_there_are_no_links(tmp_path: Path) -> None:
    assert "](" not in files(tmp_path, releases.failed())[1]


def test_manifests_outside_of_the_repository_have_no_link(tmp_path: Path) -> None:
    repository = {"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "o/r", "GITHUB_SHA": "c0ffee"}
    result = replace(releases.good(), objects=(replace(releases.good().objects[0]),))
    for file in ("/tmp/x.yaml", "../x.yaml", "", "stdin", "-k k8s/prod"):
        result.objects[0].reference = replace(SETTINGS, file=file)
        (tmp_path / "summary").unlink(missing_ok=True)
        assert "blob" not in files(tmp_path, result, **repository)[1]


def test_the_report_is_where_later_steps_find_it(tmp_path: Path) -> None:
    output = files(tmp_path, releases.good(), f"{tmp_path}/out/r.json", GITHUB_WORKSPACE=str(tmp_path))[0]
    assert written(output)["report"] == "out/r.json"


def test_files_are_added_to_and_kept_below_the_limit(tmp_path: Path) -> None:
    (tmp_path / "output").write_text("own=1\n")
    (tmp_path / "summary").write_text("x" * (LIMIT - 700))
    output, page, _ = files(tmp_path, releases.failed())
    assert output.startswith("own=1\n")
    assert page.startswith("xxx") and len(page.encode()) <= LIMIT
    assert "did not fit" in page


def test_a_full_summary_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "summary").write_text("x" * (LIMIT + 10))
    assert files(tmp_path, releases.failed())[1] == "x" * (LIMIT + 10)


def test_files_that_cannot_be_written_are_complained_of(tmp_path: Path) -> None:
    complaints = files(tmp_path, releases.good(), GITHUB_OUTPUT=str(tmp_path / "no" / "folder"))[2]
    assert complaints == ["GITHUB_OUTPUT can't be written: No such file or directory"]


def test_no_runner_no_files() -> None:
    StepFiles(Surroundings(), None, pytest.fail).finished(releases.good())
