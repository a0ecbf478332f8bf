from __future__ import annotations

import re
from dataclasses import replace

import pytest

from k8s_step.errors import ExitCode, StepError
from k8s_step.objects.reference import Reference
from k8s_step.report.formats.plain import Plain
from k8s_step.report.results.result import ObjectResult, Result
from k8s_step.report.wording import duration, summary, table
from k8s_step.verdict.customresources import UNJUDGED
from k8s_step.verdict.judgement import Judgement
from k8s_step.verdict.states import State
from tests.unit import releases
from tests.unit.releases import API, PULL, WEB


class Told:
    """A plain report, and what it wrote."""

    def __init__(self) -> None:
        self.now = 0.0
        self.log: list[str] = []
        self.data: list[str] = []
        self.plain = Plain(self.log.append, self.data.append, clock=lambda: self.now)

    @property
    def text(self) -> str:
        return "\n".join(self.log)


def finished(result: Result) -> Told:
    told = Told()
    told.plain.finished(result)
    return told


GOOD = """\
OBJECT               ACTION      STATUS   SECONDS  MESSAGE
configmap/settings   unchanged   current  -
deployment.apps/web  configured  current  9.8
deployment.apps/api  created     current  4.2"""


def test_a_good_release() -> None:
    told = finished(releases.good())
    assert told.data == [GOOD]
    assert told.text == "succeeded: 3 objects (1 unchanged, 1 configured, 1 created) in 12.3 s"


FAILED_TABLE = """\
OBJECT               ACTION      STATUS       SECONDS  MESSAGE
configmap/settings   unchanged   current      -
deployment.apps/web  configured  failed       3.1      ErrImagePull: failed to resolve reference: registry.example\
/shop/web:2.0: not found
deployment.apps/api  created     in progress  3.1      1 of 3 pods updated, 3 available; new pods: \
1 ContainerCreating"""
FAILED = """\

deployment.apps/web failed: ErrImagePull (k8s/shop.yaml:12)
  message    failed to resolve reference: registry.example/shop/web:2.0: not found
  namespace  shop
  pod        web-7c6b9d598d-wpgts on node node-1, and 2 more pods likewise
  container  app
  image      registry.example/shop/web:2.0
  likely     no such image or tag in the registry
  events, newest first:
    10:00:03Z pod Failed: Error: ErrImagePull (3 times)

deployment.apps/api failed: CrashLoopBackOff (k8s/shop.yaml:40)
  message    exited with code 1, restarted 2 times
  namespace  shop
  pod        api-5f-x
  container  app
  last lines of the run that crashed:
  | starting
  | FATAL: no database

failed: deployment.apps/web (ErrImagePull), deployment.apps/api (CrashLoopBackOff); \
3 objects (1 unchanged, 1 configured, 1 created) in 12.3 s"""


def test_what_is_not_followed_is_told() -> None:
    why = "--no-wait-for deploy"
    found = releases.result(
        ExitCode.SUCCEEDED, ObjectResult(WEB, "configured", unfollowed=why), ObjectResult(API, "created", "current")
    )
    row = table(found.objects).splitlines()[1]
    assert row.split(maxsplit=4)[1:] == ["configured", "-", "-", f"not followed: {why}"]
    assert "2 objects (1 configured, 1 created; 1 not followed)" in summary(found)


def _unchanged(count: int, action: str = "unchanged", status: str = "current") -> list[ObjectResult]:
    return [ObjectResult(replace(WEB, name=f"w{at}"), action, status, "3 of 3 pods ready") for at in range(count)]


@pytest.mark.parametrize(
    ("objects", "last"),
    [
        ([*_unchanged(24), ObjectResult(API, "created", "current")], "deployment.apps/api  created    current  -"),
        ([*_unchanged(25), ObjectResult(API, "created", "current")], "25 more current and unchanged"),
        (_unchanged(131), "131 objects current and unchanged"),
        (_unchanged(131, "none"), "131 objects current"),
        ([*_unchanged(2, "none"), *_unchanged(131)], "133 objects current"),
    ],
)
def test_of_many_objects_those_that_nothing_happened_to_are_counted(objects: list[ObjectResult], last: str) -> None:
    told = table(objects).splitlines()
    assert told[-1] == last
    assert len(told) in (1, 3, 26)


def test_what_there_is_something_to_tell_of_has_its_row_among_many() -> None:
    odd = [
        replace(_unchanged(1)[0], note="paused, as its manifest says"),
        replace(_unchanged(1)[0], status="in progress"),
        replace(_unchanged(1)[0], rolled_back="kept"),
        replace(_unchanged(1, status="")[0], unfollowed="--no-wait-for deploy"),
    ]
    told = table([*_unchanged(30), *odd]).splitlines()
    assert len(told) == 1 + len(odd) + 1 and told[-1] == "30 more current and unchanged"


def test_a_failed_release() -> None:
    told = finished(releases.failed())
    assert told.data == [FAILED_TABLE]
    assert told.text == FAILED


def test_a_refused_release() -> None:
    told = finished(releases.refused())
    assert "deployment.apps/web  none     -       -        spec.replicas belongs to kubectl" in told.data[0]
    assert told.text == "refused: 3 objects (1 created) in 12.3 s"


def test_what_was_late_is_not_said_to_have_failed() -> None:
    told = finished(replace(releases.failed(), exit_code=ExitCode.TIMED_OUT))
    assert "deployment.apps/web is not current: ErrImagePull" in told.text
    assert told.log[-1].startswith("timed out: ")


def test_an_invalid_release_has_no_table() -> None:
    told = finished(releases.result(ExitCode.INVALID))
    assert (told.data, told.log) == ([], ["invalid: nothing was sent"])


HOSTILE = "\x1b[31m::error::mine\n::add-mask::e\r\n\x1b]0;title\x07  ::set-output name=x::y"


def test_no_text_from_elsewhere_colours_or_speaks_to_github() -> None:
    told = Told()
    lines = {"logs": (HOSTILE,), "events": (f"10:00Z pod Failed: {HOSTILE}",), "missing": (f"no logs: {HOSTILE}",)}
    words = dict.fromkeys(("message", "image", "probe", "probe_answer"), HOSTILE)
    finding = replace(PULL, logs_of="the current run", **lines, **words)
    told.plain.notice(HOSTILE)
    told.plain.warning(HOSTILE, "k8s/shop.yaml:1")
    told.plain.error(StepError(HOSTILE, where="x"))
    for state in State:
        told.plain.progress(WEB, Judgement(state, HOSTILE), 1.0)
    told.now = 60.0
    told.plain.tick(10.0, [(WEB, HOSTILE)])
    entry = ObjectResult(WEB, "configured", "failed", HOSTILE)
    told.plain.finished(releases.result(ExitCode.FAILED, entry, findings=(finding,)))
    lines = [line for text in told.log + told.data for line in text.split("\n")]
    assert any("::add-mask::" in line for line in lines)
    assert not [line for line in lines if line.lstrip().startswith("::")]
    assert "\x1b" not in "".join(lines)
    assert "\r" not in "".join(lines)


@pytest.mark.parametrize("code", [ExitCode.CANCELLED, ExitCode.INTERRUPTED])
def test_a_cancelled_run_calls_failed_only_what_has_failed(code: ExitCode) -> None:
    entries = (ObjectResult(WEB, "created", "failed", "m", 1.0, "r"), ObjectResult(API, "created", "in progress"))
    findings = (PULL, replace(PULL, reference=API, reason="ContainersNotReady"))
    told = finished(releases.result(code, *entries, findings=findings))
    assert "deployment.apps/web failed: ErrImagePull" in told.text
    assert "deployment.apps/api is not current: ContainersNotReady" in told.text


def test_probe_claims_and_what_is_missing_are_told() -> None:
    lines = finished(
        releases.result(
            ExitCode.FAILED,
            findings=(
                replace(
                    PULL,
                    probe="liveness: tcpSocket :5432, every 10s",
                    probe_answer="connection refused",
                    claims=("data: Pending, storage class fast",),
                    check="was it pushed?",
                    missing=("no logs: this token may not",),
                ),
            ),
        )
    ).text.splitlines()
    for line in (
        "  probe      liveness: tcpSocket :5432, every 10s",
        "  answered   connection refused",
        "  claim      data: Pending, storage class fast",
        "  check      was it pushed?",
        "  no logs: this token may not",
    ):
        assert line in lines


def test_where_kubernetes_has_no_word_for_it_what_it_waits_for_is_the_reason() -> None:
    front = replace(PULL, reference=Reference("v1", "Service", "shop", "front"), reason="", message="waiting")
    told = finished(releases.result(ExitCode.TIMED_OUT, findings=(front, replace(front, message=""))))
    assert "service/front is not current: waiting\n" in told.text
    assert "service/front is not current: no reason given\n" in told.text
    assert "timed out: service/front; 0 objects" in told.text


def test_long_messages_do_not_bury_the_rest() -> None:
    told = Told()
    told.plain.progress(WEB, Judgement(State.FAILED, "x" * 5000, "Reason"), 1.0)
    told.plain.finished(releases.result(ExitCode.FAILED, ObjectResult(WEB, "configured", "failed", "x" * 5000)))
    assert all(len(line) < 400 for text in told.log + told.data for line in text.splitlines())


def test_many_causes_fit_the_last_line() -> None:
    findings = tuple(replace(PULL, reference=replace(WEB, name=f"web-{each}")) for each in range(40))
    told = summary(releases.result(ExitCode.FAILED, findings=findings))
    assert told.startswith("deployment.apps/web-0 (ErrImagePull), ")
    assert " and 35 more; " in told


def test_of_many_causes_one_of_each_reason_comes_first() -> None:
    """GitHub shows the first ten annotations of a step."""
    alike = [replace(PULL, reference=replace(WEB, name=f"web-{each}")) for each in range(12)]
    findings = (*alike, replace(PULL, reason="OOMKilled"), replace(PULL, reason="Evicted"))
    told = finished(releases.result(ExitCode.FAILED, findings=findings))
    reasons = re.findall(r"(?m)^\S+ failed: (\w+)", told.text)
    assert reasons == ["ErrImagePull", "OOMKilled", "Evicted", *["ErrImagePull"] * 11]


@pytest.mark.parametrize(
    ("judgement", "line"),
    [
        (Judgement(State.CURRENT, "3 of 3 pods ready"), "current after 2.5 s (3 of 3 pods ready)"),
        (Judgement(State.CURRENT, ""), "current after 2.5 s"),
        (Judgement(State.FAILED, "no such tag", "ErrImagePull"), "failed after 2.5 s: ErrImagePull: no such tag"),
        (Judgement(State.FAILED, "it failed"), "failed after 2.5 s: it failed"),
        (Judgement(State.NOT_FOUND, "deleted", "Deleted"), "failed after 2.5 s: Deleted: deleted"),
        (Judgement(State.IN_PROGRESS, "1 of 3\npods  updated"), "1 of 3 pods updated"),
        (Judgement(State.TERMINATING, "being deleted"), "being deleted"),
    ],
)
def test_progress_lines(judgement: Judgement, line: str) -> None:
    assert Told().plain.progress_line(WEB, judgement, 2.5) == f"deployment.apps/web: {line}"


WIDGETS = [Reference("example.com/v1", "Widget", "shop", f"one-{number}", "", 0) for number in range(23)]


def test_what_tells_nothing_is_told_in_one_line_at_the_end() -> None:
    told = Told()
    for widget in WIDGETS:
        told.plain.progress(widget, Judgement(State.IN_PROGRESS, "waiting for its controller", settling=True), 0.0)
    told.now = 3.0
    told.plain.tick(10.0, [])
    for widget in WIDGETS:
        told.plain.progress(widget, Judgement(State.CURRENT, UNJUDGED, unjudged=True), 5.0)
    entries = [ObjectResult(widget, "created", "current", judged=False, note=UNJUDGED) for widget in WIDGETS]
    told.plain.finished(releases.result(ExitCode.SUCCEEDED, *entries))
    assert told.log == [
        "note: widget.example.com/one-0, widget.example.com/one-1, widget.example.com/one-2, widget.example.com/one-3,"
        " widget.example.com/one-4 and 18 more do not tell whether they are ready: nothing could be judged",
        "succeeded: 23 objects (23 created) in 12.3 s",
    ]
    assert told.data[0].count(UNJUDGED) == 23


def test_what_settles_and_then_is_ready_is_told_in_one_line() -> None:
    told = Told()
    told.plain.progress(WEB, Judgement(State.IN_PROGRESS, "waiting for its controller", settling=True), 0.0)
    told.now = 3.0
    told.plain.tick(10.0, [])
    told.plain.progress(WEB, Judgement(State.CURRENT, "ready"), 5.0)
    assert told.log == ["deployment.apps/web: current after 5.0 s (ready)"]


def test_states_that_pass_at_once_are_not_told() -> None:
    told = Told()
    for message in ("0 of 3", "1 of 3", "2 of 3"):
        told.plain.progress(WEB, Judgement(State.IN_PROGRESS, message), told.now)
        told.now += 0.5
    told.plain.progress(WEB, Judgement(State.CURRENT, "3 of 3 pods ready"), told.now)
    assert told.log == ["deployment.apps/web: current after 1.5 s (3 of 3 pods ready)"]


def test_a_state_that_lasts_is_told_once() -> None:
    told = Told()
    told.plain.progress(WEB, Judgement(State.IN_PROGRESS, "1 of 3"), 0.0)
    for _ in range(20):
        told.now += 1.0
        told.plain.tick(600.0, [(WEB, "1 of 3")])
    assert told.log == ["deployment.apps/web: 1 of 3"]


def test_silence_is_broken_after_half_a_minute() -> None:
    told = Told()
    told.plain.following(7, 600.0)
    waiting = [(replace(WEB, name=f"web-{each}"), "1 of 3") for each in range(7)]
    for _ in range(61):
        told.now += 1.0
        told.plain.tick(600.0 - told.now, waiting)
    lines = told.log[1].splitlines()
    assert lines[0] == "still waiting for 7 objects, 9m30s left"
    assert lines[1] == "  deployment.apps/web-0: 1 of 3"
    assert lines[-1] == "  and 2 more"
    assert [text.splitlines()[0] for text in told.log[2:]] == ["still waiting for 7 objects, 9m left"]


def test_the_first_lines() -> None:
    told = Told()
    told.plain.connected("https://k8s.example:6443", "K8S_API", "shop")
    told.plain.loaded(24, 3, 1)
    told.plain.acted(WEB, "configured")
    told.plain.acted(API, "unchanged")
    told.plain.following(1, 600.0)
    assert told.log[0].endswith(": https://k8s.example:6443 (from K8S_API), namespace shop")
    assert told.log[1:] == [
        "24 objects from 3 files",
        "configured deployment.apps/web",
        "waiting for 1 object, 10m at the most",
    ]


def test_namespaces_are_named_where_there_are_several() -> None:
    told = Told()
    told.plain.loaded(2, 1, 2)
    told.plain.acted(WEB, "created")
    told.plain.acted(Reference("v1", "Namespace", "", "shop"), "created")
    assert told.log[1:] == ["created    shop/deployment.apps/web", "created    namespace/shop"]
    assert table((ObjectResult(WEB),), with_namespace=True).splitlines()[1].startswith("shop       deployment.apps/web")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (8.24, "8.2 s"),
        (59.94, "59.9 s"),
        (59.96, "1m"),
        (60, "1m"),
        (185, "3m05s"),
        (600, "10m"),
        (3599.7, "1h00m"),
        (3725, "1h02m"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def fallen(told: Told, message: str) -> None:
    told.plain.progress(WEB, Judgement(State.IN_PROGRESS, message, was_current=True), told.now)


def test_what_was_current_and_is_not_is_told_and_so_is_its_recovery() -> None:
    told = Told()
    told.plain.progress(WEB, Judgement(State.CURRENT, "1 of 1 pods ready"), 1.0)
    fallen(told, "0 of 1 updated pods available")
    told.now = 3.0
    told.plain.tick(60.0, [])
    fallen(told, "waiting for minimum availability")
    told.plain.progress(WEB, Judgement(State.CURRENT, "1 of 1 pods ready", was_current=True), 4.0)
    assert told.log == [
        "deployment.apps/web: current after 1.0 s (1 of 1 pods ready)",
        "deployment.apps/web: was current and is not any more: 0 of 1 updated pods available",
        "deployment.apps/web: current again after 4.0 s (1 of 1 pods ready)",
    ]


def test_a_fall_of_a_moment_is_not_worth_a_line() -> None:
    told = Told()
    told.plain.progress(WEB, Judgement(State.CURRENT, ""), 1.0)
    fallen(told, "the controller has not yet seen generation 3")
    told.plain.progress(WEB, Judgement(State.CURRENT, "", was_current=True), 1.1)
    told.now = 9.0
    told.plain.tick(60.0, [])
    assert told.log == ["deployment.apps/web: current after 1.0 s"]


def test_what_fails_after_it_was_current_is_told_as_that_at_once() -> None:
    told = Told()
    told.plain.progress(WEB, Judgement(State.NOT_FOUND, "deleted", "Deleted", was_current=True), 7.0)
    assert told.log == [
        "deployment.apps/web: failed after 7.0 s: Deleted: was current and is not any more: deleted",
    ]
