"""The result as JUnit XML, as Jenkins and GitLab read it: a test case an object."""

from __future__ import annotations

import re
from xml.etree import ElementTree as Xml

from k8s_step.errors import ExitCode
from k8s_step.finding import Finding
from k8s_step.readiness import State
from k8s_step.report.result import ObjectResult, Result

# XML 1.0 has no way to write these, escaped or not; a pod's log may hold them.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def to_junit(result: Result) -> str:
    """The document. An object that failed, or that a finding blames, is a failure with its evidence as the text."""
    findings = {finding.reference.key: finding for finding in result.findings}
    cases = [_case(entry, findings.get(entry.reference.key)) for entry in result.objects]
    if result.exit_code is not ExitCode.SUCCEEDED and not any(_is_bad(case) for case in cases):
        cases.append(_whole_run(result))
    suite = Xml.Element("testsuite", name=f"k8s-step {result.command}", time=f"{result.seconds:.3f}")
    suite.set("timestamp", result.started)
    suite.set("tests", str(len(cases)))
    suite.set("failures", str(sum(case.find("failure") is not None for case in cases)))
    suite.set("errors", str(sum(case.find("error") is not None for case in cases)))
    suite.extend(cases)
    return Xml.tostring(suite, encoding="unicode", xml_declaration=True)


def _case(entry: ObjectResult, finding: Finding | None) -> Xml.Element:
    reference = entry.reference
    case = Xml.Element("testcase", name=reference.title, classname=reference.namespace or "cluster")
    case.set("time", f"{entry.seconds:.3f}")
    if reference.file:
        case.set("file", reference.file)
        case.set("line", str(reference.line))
    if finding is not None:
        _add(case, "failure", finding.reason, f"{finding.reason}: {finding.message}", _evidence(finding))
    elif entry.status in (State.FAILED, State.NOT_FOUND):
        _add(case, "failure", entry.status, entry.message, entry.message)
    return case


def _whole_run(result: Result) -> Xml.Element:
    case = Xml.Element(
        "testcase", name=f"k8s-step {result.command}", classname="k8s-step", time=f"{result.seconds:.3f}"
    )
    _add(case, "error", result.word, result.message or result.word, result.message)
    return case


def _is_bad(case: Xml.Element) -> bool:
    return case.find("failure") is not None or case.find("error") is not None


def _add(case: Xml.Element, tag: str, kind: str, message: str, text: str) -> None:
    child = Xml.SubElement(case, tag, type=_clean(kind), message=_clean(message))
    child.text = _clean(text)


def _evidence(finding: Finding) -> str:
    facts = [("pod", finding.pod), ("container", finding.container), ("image", finding.image), ("node", finding.node)]
    lines = [f"{label}: {value}" for label, value in facts if value]
    lines += [finding.advice] if finding.advice else []
    lines += [f"last lines of {finding.logs_of}:", *finding.logs] if finding.logs else []
    lines += ["events, newest first:", *finding.events] if finding.events else []
    return "\n".join(lines)


def _clean(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)
