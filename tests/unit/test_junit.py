from __future__ import annotations

import re
from dataclasses import replace
from xml.etree import ElementTree as Xml

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k8s_step.errors import ExitCode
from k8s_step.finding import Finding
from k8s_step.report.junit import to_junit
from k8s_step.report.result import ObjectResult, Result, never_begun
from tests.unit import releases
from tests.unit.releases import API, PULL, WEB

_VERDICTS = ("failure", "error", "skipped")
# Of Jenkins' junit-10.xsd (xunit-plugin), with file and line, which GitLab and others read.
_ATTRIBUTES = {
    "testsuite": {"name", "tests", "failures", "errors", "skipped", "time", "timestamp"},
    "testcase": {"name", "classname", "time", "file", "line"},
    **{verdict: {"type", "message"} for verdict in _VERDICTS},
    "system-out": set[str](),
}
_CHILDREN = {"testsuite": {"testcase"}, "testcase": {"failure", "error", "skipped", "system-out"}}
_REQUIRED = {"testsuite": {"name", "tests", "failures", "errors"}, "testcase": {"name", "classname"}}


def check_schema(element: Xml.Element) -> None:
    """What is where, and that a case has one verdict: of several, each system shows another one."""
    assert element.attrib.keys() <= _ATTRIBUTES[element.tag]
    assert element.attrib.keys() >= _REQUIRED.get(element.tag, set())
    assert {child.tag for child in element} <= _CHILDREN.get(element.tag, set())
    assert sum(child.tag in _VERDICTS for child in element) <= 1
    assert re.fullmatch(r"\d+\.\d{3}", element.get("time", "0.000"))
    for child in element:
        check_schema(child)


def suite(result: Result) -> Xml.Element:
    """Parsed, and its counts checked: Jenkins and GitLab trust them."""
    text = to_junit(result)
    assert text.startswith("<?xml")
    root = Xml.fromstring(text)
    assert root.tag == "testsuite"
    check_schema(root)
    assert int(root.attrib["tests"]) == len(root.findall("testcase"))
    for tag, count in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        assert int(root.attrib[count]) == len(root.findall(f"testcase/{tag}"))
    return root


def told(root: Xml.Element) -> list[tuple[str, str | None]]:
    """Each case's name, and how it ended."""
    return [(case.attrib["name"], next((child.tag for child in case), None)) for case in root.findall("testcase")]


def test_a_good_release() -> None:
    root = suite(releases.good())
    assert told(root) == [("configmap/settings", None), ("deployment.apps/web", None), ("deployment.apps/api", None)]
    assert (root.attrib["name"], root.attrib["time"]) == ("k8s-step apply", "12.340")
    case = root.findall("testcase")[1]
    assert case.attrib == {
        "name": "deployment.apps/web",
        "classname": "k8s-step.shop",
        "time": "9.800",
        "file": "k8s/shop.yaml",
        "line": "12",
    }


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
    root = suite(never_begun("", ExitCode.INVALID, "--timeout: 'x' is not a duration"))
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
