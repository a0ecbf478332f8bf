from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree as Xml

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k8s_step.errors import ExitCode
from k8s_step.report.results.junit import PLACES, to_junit
from k8s_step.report.results.problem import Problem
from k8s_step.report.results.result import ObjectResult, Result, never_begun
from k8s_step.surroundings import Surroundings
from k8s_step.verdict.evidence.finding import Finding
from tests.junitschema import mistakes
from tests.unit import releases
from tests.unit.releases import API, PULL, WEB

_VERDICTS = ("failure", "error", "skipped")


def suite(result: Result) -> Xml.Element:
    """Parsed, and its counts checked: Jenkins and GitLab trust them."""
    text = to_junit(result)
    assert text.startswith("<?xml")
    root = Xml.fromstring(text)
    assert root.tag == "testsuite"
    assert mistakes(text) == []
    for case in root.findall("testcase"):
        assert sum(child.tag in _VERDICTS for child in case) <= 1, "of several, each system shows another one"
    assert int(root.attrib["tests"]) == len(root.findall("testcase"))
    for tag, count in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        assert int(root.attrib[count]) == len(root.findall(f"testcase/{tag}"))
    return root


def told(root: Xml.Element) -> list[tuple[str, str | None]]:
    """Each case's name, and how it ended; nothing where it went well."""
    return [
        (case.attrib["name"], next((child.tag for child in case if child.tag in _VERDICTS), None))
        for case in root.findall("testcase")
    ]


def test_what_is_in_no_file_names_none() -> None:
    result = releases.good()
    objects = tuple(replace(one, reference=replace(one.reference, file="-k k8s/prod")) for one in result.objects)
    root = Xml.fromstring(to_junit(replace(result, objects=objects), ("file", "line")))
    assert [case.attrib.keys() & {"file", "line"} for case in root.findall("testcase")] == [set()] * 3


def test_a_good_release() -> None:
    root = suite(releases.good())
    assert told(root) == [("configmap/settings", None), ("deployment.apps/web", None), ("deployment.apps/api", None)]
    assert root.attrib["time"] == "12.340"
    case = root.findall("testcase")[1]
    assert case.attrib == {"name": "deployment.apps/web", "classname": "k8s-step.shop", "time": "9.800"}
    assert case.findtext("system-out") == "configured and current (k8s/shop.yaml:12)"


@pytest.mark.parametrize(
    ("environ", "places"),
    [
        ({"GITLAB_CI": "true"}, {"file": "k8s/shop.yaml"}),
        ({"GITHUB_ACTIONS": "true"}, {"file": "k8s/shop.yaml", "line": "12"}),
        ({"JENKINS_URL": "https://ci.example/"}, {}),
        ({}, {}),
    ],
    ids=["gitlab", "github", "jenkins", "elsewhere"],
)
@pytest.mark.parametrize("kind", releases.EVERY_KIND)
def test_every_kind_of_result_is_valid_where_it_is_read(
    kind: str, environ: dict[str, str], places: dict[str, str]
) -> None:
    """By the schema of Jenkins' xunit plug-in, but for what GitLab and GitHub's actions read besides."""
    result = releases.EVERY_KIND[kind]()
    text = to_junit(result, PLACES[Surroundings.of(environ).system])
    assert mistakes(text, *places) == []
    web = Xml.fromstring(text).find("testcase[@name='deployment.apps/web']")
    assert (web is not None) is bool(result.objects)
    if web is not None:
        assert {name: web.get(name) for name in ("file", "line") if name in web.attrib} == places
        assert any("k8s/shop.yaml:1" in (child.text or "") for child in web)


def test_the_schema_is_one_that_refuses() -> None:
    text = to_junit(releases.good())
    assert mistakes(text.replace("classname=", 'file="k8s/shop.yaml" classname=')) != []
    assert mistakes(text.replace(" tests=", " test=")) != []


@pytest.mark.parametrize("kind", [kind for kind in releases.EVERY_KIND if kind not in ("succeeded", "dry run")])
def test_no_result_but_a_good_one_is_green(kind: str) -> None:
    root = suite(releases.EVERY_KIND[kind]())
    assert int(root.attrib["failures"]) + int(root.attrib["errors"]) > 0


def test_the_suite_is_named_after_the_place() -> None:
    """The same for each run there; another one elsewhere, or GitLab takes staging and production for one."""

    def name(result: Result) -> str:
        return suite(result).attrib["name"]

    production = replace(releases.good(), context="production")
    names = [
        name(production),
        name(replace(releases.failed(), context="production", seconds=1.0)),
        name(replace(production, context=None)),
        name(replace(production, is_dry_run=True)),
        name(releases.result(ExitCode.FAILED)),
        name(replace(releases.result(ExitCode.FAILED), namespace="shop")),
    ]
    assert names == [
        "k8s-step apply on production, namespace shop",
        "k8s-step apply on production, namespace shop",
        "k8s-step apply on https://k8s.example:6443, namespace shop",
        "k8s-step apply --dry-run on production, namespace shop",
        "k8s-step apply on kind",
        "k8s-step apply on kind, namespace shop",
    ]


def test_a_failed_release() -> None:
    root = suite(releases.failed())
    assert told(root)[1:] == [("deployment.apps/web", "failure"), ("deployment.apps/api", "failure")]
    web, api = root.findall("testcase/failure")
    assert (web.attrib["type"], web.attrib["message"]) == ("ErrImagePull", f"ErrImagePull: {PULL.message}")
    assert (web.text or "").startswith("deployment.apps/web failed: ErrImagePull (k8s/shop.yaml:12)\n  message ")
    assert "  pod        web-7c6b9d598d-wpgts on node node-1, and 2 more pods likewise\n" in (web.text or "")
    assert (api.text or "").endswith("  last lines of the run that crashed:\n  | starting\n  | FATAL: no database")


def test_several_findings_on_one_object_are_all_told() -> None:
    other = replace(PULL, reason="OOMKilled", message="killed", container="side")
    root = suite(replace(releases.failed(), findings=(PULL, other)))
    failure = root.find("testcase/failure")
    assert failure is not None
    assert "ErrImagePull" in (failure.text or "")
    assert "OOMKilled (k8s/shop.yaml:12)\n  message    killed" in (failure.text or "")


def test_a_finding_hides_no_error_of_its_object() -> None:
    error = Problem("its CRD is not established", "k8s/shop.yaml:12: deployment/shop/web")
    entry = ObjectResult(WEB, "created", "in progress", errors=(error,))
    front = replace(PULL, reason="", message="waiting")
    failure = suite(releases.result(ExitCode.FAILED, entry, findings=(front,))).find("testcase/failure")
    assert failure is not None
    assert failure.attrib["message"] == "waiting"
    assert (failure.text or "").endswith(f"\n{error}")


def test_a_refused_release_tells_refused_from_not_sent() -> None:
    root = suite(releases.refused())
    assert told(root) == [
        ("configmap/settings", None),
        ("deployment.apps/web", "error"),
        ("deployment.apps/api", "skipped"),
    ]
    skipped = root.find("testcase/skipped")
    assert skipped is not None
    assert (skipped.attrib, skipped.text) == ({"message": "not sent"}, "not sent"), (
        "Jenkins reads one, GitLab the other"
    )
    error = root.find("testcase/error")
    assert error is not None
    assert error.attrib["message"] == "spec.replicas belongs to kubectl\nspec.paused: unknown field"
    assert error.text == (
        "k8s/shop.yaml:14: deployment/shop/web: spec.replicas belongs to kubectl (--force)\n"
        "k8s/shop.yaml:15: deployment/shop/web: spec.paused: unknown field"
    )


def test_a_write_whose_answer_was_lost_is_neither_good_nor_refused() -> None:
    error = suite(releases.lost()).find("testcase[@name='deployment.apps/web']/error")
    assert error is not None
    assert error.attrib["type"] == "unknown"
    assert error.text == "its answer was lost: look whether it was written (k8s/shop.yaml:12)"


def test_what_could_not_be_judged_says_so() -> None:
    """It passed, for nothing says otherwise; whoever reads the report is to know."""
    words = "its status does not tell whether it is ready: nothing could be judged"
    entries = (
        ObjectResult(WEB, "configured", "current", judged=False, note=words),
        ObjectResult(API, "unchanged", "current", note="paused, as its manifest says"),
    )
    root = suite(releases.result(ExitCode.SUCCEEDED, *entries))
    assert told(root) == [("deployment.apps/web", None), ("deployment.apps/api", None)]
    assert [case.findtext("system-out") for case in root.findall("testcase")] == [
        f"configured and current: {words} (k8s/shop.yaml:12)",
        "unchanged and current: paused, as its manifest says (k8s/shop.yaml:40)",
    ]


def test_a_dry_run_is_told_as_one() -> None:
    root = suite(releases.dry_run())
    assert [case.findtext("system-out") for case in root.findall("testcase")] == [
        "unchanged (k8s/shop.yaml:1)",
        "would be created (k8s/shop.yaml:12)",
    ]


def test_what_was_not_current_in_time_did_not_pass() -> None:
    entries = (ObjectResult(WEB, "configured", "in progress", "1 of 3"), ObjectResult(API, "created", "current"))
    root = suite(releases.result(ExitCode.TIMED_OUT, *entries, findings=(PULL,)))
    assert told(root) == [("deployment.apps/web", "failure"), ("deployment.apps/api", None)]


@pytest.mark.parametrize("code", [ExitCode.FAILED, ExitCode.TIMED_OUT, ExitCode.CANCELLED])
def test_what_was_merely_unfinished_neither_failed_nor_passed(code: ExitCode) -> None:
    """Where the run was cancelled, it has its evidence all the same."""
    entries = (
        ObjectResult(WEB, "configured", "failed", PULL.message, reason=PULL.reason),
        ObjectResult(API, "created", "in progress", "0 of 1 updated pods available"),
    )
    late = Finding(API, "ContainersNotReady", "", pod="api-5f-x", logs=("starting",), unfinished=True)
    root = suite(releases.result(code, *entries, findings=(PULL, late) if code is ExitCode.CANCELLED else (PULL,)))
    assert told(root) == [("deployment.apps/web", "failure"), ("deployment.apps/api", "skipped")]
    skipped = root.find("testcase/skipped")
    assert skipped is not None
    assert skipped.attrib["message"] == "in progress when the run ended: 0 of 1 updated pods available"
    assert ("| starting" in (skipped.text or "")) is (code is ExitCode.CANCELLED)


@pytest.mark.parametrize("code", [ExitCode.INVALID, ExitCode.UNREACHABLE, ExitCode.BUG, ExitCode.CANCELLED])
def test_a_run_that_ended_before_any_object_is_no_pass(code: ExitCode) -> None:
    root = suite(releases.result(code, message="nobody answered"))
    assert told(root) == [("k8s-step apply", "error")]
    error = root.find("testcase/error")
    assert error is not None
    assert error.attrib["message"] == "nobody answered"


def test_a_run_without_a_command_has_a_name_too() -> None:
    root = suite(never_begun("", ExitCode.INVALID, (Problem("'x' is not a duration", "--timeout"),)))
    assert root.attrib["name"] == "k8s-step"
    assert told(root) == [("k8s-step", "error")]


@given(st.text(st.characters()))
def test_any_text_makes_a_document(text: str) -> None:
    finding = replace(PULL, message=text, reason=text, logs=(text,), logs_of="x", events=(text,), pod=text)
    entry = ObjectResult(replace(WEB, name="web"), "configured", "failed", text)
    suite(releases.result(ExitCode.FAILED, entry, ObjectResult(API, message=text), findings=(finding,), message=text))


def test_markup_is_text() -> None:
    root = suite(releases.result(ExitCode.INVALID, message='</testcase> & "]]>" <x>'))
    error = root.find("testcase/error")
    assert error is not None
    assert error.attrib["message"] == '</testcase> & "]]>" <x>'


@pytest.mark.parametrize("code", [ExitCode.SUCCEEDED, ExitCode.FAILED])
@pytest.mark.parametrize(("action", "done"), [("configured", "configured, "), ("none", "")])
def test_what_is_not_followed_is_skipped(action: str, done: str, code: ExitCode) -> None:
    entry = ObjectResult(WEB, action, unfollowed="--no-wait-for deploy")
    root = suite(replace(releases.result(code, entry, ObjectResult(API, "created", "failed")), exit_code=code))
    assert told(root)[0] == ("deployment.apps/web", "skipped")
    skipped = root.find("testcase/skipped")
    assert skipped is not None
    assert skipped.attrib["message"] == f"{done}not followed: --no-wait-for deploy"
    assert skipped.text == f"{done}not followed: --no-wait-for deploy (k8s/shop.yaml:12)"


def test_what_is_not_begun_is_skipped() -> None:
    entry = ObjectResult(WEB, unbegun="the release ended in wave 1 of 2")
    root = suite(releases.result(ExitCode.FAILED, entry, ObjectResult(API, "created", "failed")))
    assert told(root) == [("deployment.apps/web", "skipped"), ("deployment.apps/api", "failure")]
    skipped = root.find("testcase/skipped")
    assert skipped is not None
    assert skipped.attrib == {"type": "unbegun", "message": "not begun: the release ended in wave 1 of 2"}
    assert skipped.text == "not begun: the release ended in wave 1 of 2 (k8s/shop.yaml:12)"
