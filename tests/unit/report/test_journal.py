from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from k8s_step.errors import ApiError, ApiErrors, ExitCode, InputError, InputErrors, StepError
from k8s_step.redaction import Redactor
from k8s_step.report.difference import Difference
from k8s_step.report.formats.jsonlines import JsonLines
from k8s_step.report.formats.plain import Plain
from k8s_step.report.journal import Journal
from k8s_step.report.output import Output
from k8s_step.report.results.result import to_json
from k8s_step.report.summary import to_markdown
from k8s_step.verdict.evidence.finding import Finding
from k8s_step.verdict.judgement import Judgement
from k8s_step.verdict.states import State
from tests.unit.releases import API, PULL, SETTINGS, WEB


class Recorder(Output):
    """Everything an output is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Any]] = []

    def progress(self, reference: Any, judgement: Any, seconds: float) -> None:
        self.told.append((reference.name, str(judgement.state)))

    def warning(self, message: str, where: str) -> None:
        self.told.append(("warning", message))

    def error(self, error: StepError) -> None:
        self.told.append(("error", str(error)))

    def tick(self, remaining: float, waiting: Any) -> None:
        self.told.append(("tick", waiting))

    def finished(self, result: Any) -> None:
        self.told.append(("finished", result.word))

    def close(self) -> None:
        self.told.append(("close", None))


def journal() -> tuple[Journal, Recorder]:
    recorder = Recorder()
    made = Journal("apply", [recorder])
    made.loaded([SETTINGS, WEB, API])
    return made, recorder


def test_objects_stay_in_the_order_of_the_manifests() -> None:
    made, _ = journal()
    made.acted(API, "created")
    made.progress(WEB, Judgement(State.FAILED, "no", "ErrImagePull"), 3.0)
    entries = made.result(ExitCode.FAILED).objects
    assert [entry.reference for entry in entries] == [SETTINGS, WEB, API]
    assert (entries[2].action, entries[1].status, entries[1].reason) == ("created", "failed", "ErrImagePull")


def test_what_was_current_from_the_first_is_not_told() -> None:
    made, recorder = journal()
    made.progress(SETTINGS, Judgement(State.CURRENT, ""), 0.0)
    made.progress(SETTINGS, Judgement(State.CURRENT, "again"), 0.0)
    made.progress(WEB, Judgement(State.IN_PROGRESS, "1 of 3"), 0.0)
    made.progress(WEB, Judgement(State.CURRENT, "3 of 3"), 2.0)
    assert recorder.told == [("web", "in progress"), ("web", "current")]


def test_what_is_to_be_said_of_a_current_object_is_told_once_and_kept() -> None:
    made, recorder = journal()
    for _ in range(2):
        made.progress(SETTINGS, Judgement(State.CURRENT, "nothing could be judged", unjudged=True), 0.0)
        made.progress(WEB, Judgement(State.CURRENT, "paused, as its manifest says", "Paused"), 0.0)
        made.progress(API, Judgement(State.CURRENT, "3 of 3 pods ready"), 0.0)
    assert recorder.told == [("settings", "current"), ("web", "current")]
    entries = made.result(ExitCode.SUCCEEDED).objects
    assert [entry.note for entry in entries] == ["nothing could be judged", "paused, as its manifest says", ""]
    assert [entry.judged for entry in entries] == [False, True, True]
    assert made.result(ExitCode.SUCCEEDED).unjudged == (SETTINGS,)
    told = [entry["judged"] for entry in to_json(made.result(ExitCode.SUCCEEDED))["objects"]]
    assert told == [False, True, True]


def test_what_nobody_looked_at_was_not_judged() -> None:
    made, _ = journal()
    made.acted(WEB, "created")
    found = made.result(ExitCode.SUCCEEDED)
    assert [entry["judged"] for entry in to_json(found)["objects"]] == [False] * 3
    assert found.unjudged == ()


def test_warnings_are_told_once() -> None:
    made, recorder = journal()
    for _ in range(3):
        made.warning("policy/v1beta1 is deprecated", "k8s/shop.yaml:1")
    made.warning("another")
    assert [name for name, _ in recorder.told] == ["warning", "warning"]
    assert made.result(ExitCode.SUCCEEDED).warnings == ("k8s/shop.yaml:1: policy/v1beta1 is deprecated", "another")


def test_a_tick_names_what_is_waited_for() -> None:
    made, recorder = journal()
    made.progress(SETTINGS, Judgement(State.CURRENT, ""), 0.0)
    made.progress(WEB, Judgement(State.IN_PROGRESS, "1 of 3"), 0.0)
    made.progress(API, Judgement(State.TERMINATING, "being deleted"), 0.0)
    made.tick(10.0)
    assert recorder.told[-1] == ("tick", [(WEB, "1 of 3"), (API, "being deleted")])


def test_an_error_is_kept_with_its_object() -> None:
    made, _ = journal()
    made.error(StepError("conflict", where="k8s/shop.yaml:12"), WEB)
    found = made.result(ExitCode.REFUSED)
    assert found.objects[1].message == "conflict"
    assert found.message == "k8s/shop.yaml:12: conflict"


def test_all_errors_of_an_object_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "values.yaml").touch()
    monkeypatch.chdir(tmp_path)
    """Whichever way they come: one by one, or raised as one."""
    made, recorder = journal()
    made.error(StepError("ports[0].port: required", where="k8s/shop.yaml:20: deployment/shop/web"), WEB)
    several = [
        ApiError("ports[0].targetPort: required", code=422, where="k8s/shop.yaml:21: deployment/shop/web", hint="try"),
        ApiError("replicas: negative", code=422),
    ]
    made.error(ApiErrors(several), WEB)
    made.error(InputErrors([InputError("one", where="--var"), InputError("two", where="values.yaml:3")]))
    found = made.result(ExitCode.REFUSED)
    web = found.objects[1]
    assert [(each.message, each.hint, each.file, each.line) for each in web.errors] == [
        ("ports[0].port: required", "", "k8s/shop.yaml", 20),
        ("ports[0].targetPort: required", "try", "k8s/shop.yaml", 21),
        ("replicas: negative", "", "k8s/shop.yaml", 12),
    ]
    assert web.message == "ports[0].port: required; ports[0].targetPort: required; replicas: negative"
    assert [(each.message, each.file, each.line) for each in found.problems] == [
        ("one", "", 0),
        ("two", "values.yaml", 3),
    ]
    assert [told for name, told in recorder.told if name == "error"] == list(found.errors)


def test_what_befell_many_alike_is_told_once_and_kept_for_each() -> None:
    made, recorder = journal()
    where = "k8s/shop.yaml:40: deployment/shop/api"
    made.error(
        StepError("no namespace", where="k8s/shop.yaml:12", hint="-n"),
        WEB,
        [(API, StepError("no namespace", where=where))],
    )
    assert recorder.told == [("error", "k8s/shop.yaml:12: no namespace, and so for 1 more (-n)")]
    found = made.result(ExitCode.REFUSED)
    assert [entry.message for entry in found.objects] == ["", "no namespace", "no namespace"]
    assert found.objects[2].errors[0].line == 40
    assert found.failed == (WEB, API)


def test_a_dry_run_tries_and_changes_nothing() -> None:
    lines: list[str] = []
    made = Journal("apply", [Plain(lines.append, lines.append)], is_dry_run=True)
    made.loaded([SETTINGS, WEB])
    made.acted(SETTINGS, "unchanged")
    made.acted(WEB, "configured")
    result = made.finish(ExitCode.SUCCEEDED)
    assert result.changed == ()
    assert lines[1] == "would be configured deployment.apps/web"
    assert any(line.startswith("deployment.apps/web  would be configured") for line in lines[2].splitlines())
    assert lines[-1].startswith(
        "succeeded: dry run: nothing was changed; 2 objects (1 unchanged, 1 would be configured) in "
    )
    made.acted(WEB, "unknown")
    assert made.result(ExitCode.CANCELLED).objects[1].action == "configured", "whatever was answered, nothing was done"
    assert "created" not in "\n".join(lines)


def test_at_any_moment_it_is_a_result() -> None:
    made, recorder = journal()
    made.acted(WEB, "configured")
    assert made.result(ExitCode.CANCELLED).word == "cancelled"
    made.finish(ExitCode.CANCELLED)
    assert recorder.told == [("finished", "cancelled"), ("close", None)]


SECRET = 'c0rrect "horse" battery'
LONG = "x" * 230 + f" {SECRET}"  # a cut at 240 would leave half of it


def tell_all(made: Journal) -> None:
    made.connected(f"https://k8s.example/{SECRET}", SECRET, "shop", None)
    made.loaded([WEB])
    made.differs(Difference(WEB, "configured", (f"-  a: {SECRET}",), LONG))
    made.notice(LONG)
    made.warning(LONG, LONG)
    made.error(StepError(LONG, where=LONG, hint=LONG), WEB)
    for state in (State.IN_PROGRESS, State.FAILED):
        made.progress(WEB, Judgement(state, LONG, SECRET), 1.0)
    made.tick(1.0)
    made.found(
        [Finding(WEB, SECRET, LONG, SECRET, SECRET, SECRET, SECRET, 1, (LONG, "y" * 390 + SECRET), SECRET, (LONG,))]
    )
    made.finish(ExitCode.FAILED)


class Page(Plain):
    """The summary as an output."""

    def finished(self, result: Any) -> None:
        self.log(to_markdown(result))


@pytest.mark.parametrize("made_of", [Plain, JsonLines, Page])
def test_not_even_half_a_secret_is_told(made_of: type[Plain] | type[JsonLines]) -> None:
    """Outputs cut and escape; here nothing masks behind them."""
    lines: list[str] = []
    redactor = Redactor()
    redactor.add(SECRET)
    tell_all(Journal("apply", [made_of(lines.append, lines.append)], redactor))
    assert lines
    for part in ("c0rr", "horse", "battery"):
        assert part not in "\n".join(lines)


def test_evidence_is_cut_to_lines_one_can_read() -> None:
    made, _ = journal()
    made.found([Finding(WEB, "x", "y" * 32768, logs=("z" * 9999,), events=("e" * 9999,))])
    found = made.result(ExitCode.FAILED).findings[0]
    assert len(found.message) == 10_000
    assert (len(found.logs[0]), len(found.events[0])) == (400, 400)


def test_json_lines() -> None:
    lines: list[str] = []
    made = Journal("apply", [JsonLines(lines.append, lines.append)])
    made.connected("https://k8s.example", "K8S_API", "shop", None)
    made.loaded([WEB])
    made.acted(WEB, "configured")
    made.following(1, 600.0)
    made.progress(WEB, Judgement(State.FAILED, "line\nbreak  ", "ErrImagePull"), 1.23456)
    made.tick(3.0)
    made.notice("n")
    made.warning("w", "f:1")
    made.error(StepError("e", hint="h"))
    made.found([PULL])
    made.finish(ExitCode.FAILED)
    told = [json.loads(line) for line in lines]
    assert not any("\n" in line for line in lines)
    assert [each["event"] for each in told] == [
        *("connected", "loaded", "acted", "following", "progress", "waiting", "notice", "warning", "error"),
        "finished",
    ]
    assert all(each["time"].endswith("Z") for each in told)
    assert told[4]["object"] == "apps/v1/Deployment/shop/web"
    assert (told[4]["status"], told[4]["reason"], told[4]["seconds"]) == ("failed", "ErrImagePull", 1.235)
    assert told[-1]["result"] == "failed"
    assert told[-1]["failures"][0]["pod"] == PULL.pod


def test_remarks_are_told_once_the_manifests_are_counted_or_at_the_end() -> None:
    recorder = Recorder()
    made = Journal("apply", [recorder])
    made.remark("first", warn=True)
    made.remark("hooks", warn=True)
    assert recorder.told == []
    made.loaded([SETTINGS])
    made.loaded([WEB])
    assert recorder.told == [("warning", "first"), ("warning", "hooks")]
    made.remark("late", warn=True)
    made.finish(ExitCode.SUCCEEDED)
    assert recorder.told[2:] == [("warning", "late"), ("finished", "succeeded"), ("close", None)]
