"""The result as JUnit XML, as Jenkins and GitLab read it: a test case an object."""

from __future__ import annotations

import re
from xml.etree import ElementTree as Xml

from k8s_step.errors import ExitCode
from k8s_step.finding import Finding
from k8s_step.readiness import State
from k8s_step.report.plain import evidence, lead_of
from k8s_step.report.result import NOT_BACK, ObjectResult, Result
from k8s_step.report.text import printable

# XML 1.0 has no way to write these, escaped or not; a pod's log may hold them.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def to_junit(result: Result) -> str:
    """The document. An object that failed, or that a finding blames, is a failure with its evidence as the text."""
    findings: dict[tuple[str, str, str, str], list[Finding]] = {}
    for finding in result.findings:
        findings.setdefault(finding.reference.key, []).append(finding)
    is_good = result.exit_code is ExitCode.SUCCEEDED
    cases = [_case(entry, findings.get(entry.reference.key, []), result) for entry in result.objects]
    if not is_good and not any(_is_bad(case) for case in cases):
        cases.append(_whole_run(result))
    suite = Xml.Element("testsuite", name=_name(result), time=f"{result.seconds:.3f}")
    suite.set("timestamp", result.started)
    suite.set("tests", str(len(cases)))
    suite.set("failures", str(sum(case.find("failure") is not None for case in cases)))
    suite.set("errors", str(sum(case.find("error") is not None for case in cases)))
    suite.set("skipped", str(sum(case.find("skipped") is not None for case in cases)))
    suite.extend(cases)
    Xml.indent(suite)
    return Xml.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _case(entry: ObjectResult, findings: list[Finding], result: Result) -> Xml.Element:
    reference = entry.reference
    case = Xml.Element("testcase", name=reference.title, classname=f"k8s-step.{reference.namespace or 'cluster'}")
    case.set("time", f"{entry.seconds:.3f}")
    if reference.file:
        case.set("file", reference.file)
        case.set("line", str(reference.line))
    text = "\n\n".join(evidence(finding, lead_of(result, finding)) for finding in findings)
    if any(not finding.unfinished for finding in findings):
        _add(case, "failure", findings[0].reason, f"{findings[0].reason}: {findings[0].message}", text)
    elif result.exit_code is not ExitCode.SUCCEEDED and entry.status != State.CURRENT and not entry.is_gone:
        _add_unfinished(case, entry, text)
    if entry.rolled_back:
        _add_rollback(case, entry)
    return case


def _add_rollback(case: Xml.Element, entry: ObjectResult) -> None:
    """Where the object has failed already, as a line of that: a case is shown with one failure."""
    told = "rollback: " + ": ".join(part for part in (entry.rolled_back, entry.rollback_message) if part)
    failure = case.find("failure")
    if failure is None:
        failure = case.find("error")
    if failure is not None:
        failure.text = f"{failure.text}\n{_clean(told)}"
    elif entry.rolled_back in NOT_BACK:
        for skipped in case.findall("skipped"):
            case.remove(skipped)
        _add(case, "error", "rollback", told, told)
    else:
        Xml.SubElement(case, "system-out").text = _clean(told)


def _add_unfinished(case: Xml.Element, entry: ObjectResult, text: str) -> None:
    """In a run that went wrong: what failed, what was merely not done yet, was refused, or was never sent."""
    if entry.is_unfinished:
        _add(case, "skipped", "unfinished", f"{entry.status} when the run ended: {entry.message}", text)
    elif entry.status:
        _add(case, "failure", entry.status, entry.message or entry.status, entry.message)
    elif entry.message:
        _add(case, "error", "refused", entry.message, entry.message)
    elif entry.action == "none":
        _add(case, "skipped", "", "not sent", "")


def _name(result: Result) -> str:
    return f"k8s-step {result.command}".rstrip()


def _whole_run(result: Result) -> Xml.Element:
    case = Xml.Element("testcase", name=_name(result), classname="k8s-step.run", time=f"{result.seconds:.3f}")
    _add(case, "error", result.word, result.message or result.word, result.message)
    return case


def _is_bad(case: Xml.Element) -> bool:
    return case.find("failure") is not None or case.find("error") is not None


def _add(case: Xml.Element, tag: str, kind: str, message: str, text: str) -> None:
    child = Xml.SubElement(case, tag, {"type": _clean(kind)} if kind else {}, message=_clean(message))
    child.text = _clean(text or message)  # GitLab shows nothing else


def _clean(text: str) -> str:
    return _NOT_XML.sub("\ufffd", printable(text))
