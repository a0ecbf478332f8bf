"""The result as JUnit XML, one test case an object, for GitLab, Jenkins and JUnit readers on GitHub.

Jenkins' xunit plug-in leaves out elements that its schema (junit-10.xsd) does not know. GitLab shows the name, the
``file`` and the verdict's text of a case that failed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from xml.etree import ElementTree as Xml

from k8s_step.errors import ExitCode
from k8s_step.objects.reference import Reference, is_file
from k8s_step.report.fleet.result import ClustersResult
from k8s_step.report.layout.text import printable
from k8s_step.report.results.result import NOT_BACK, RESULTS, UNKNOWN, ObjectResult, Result
from k8s_step.report.wording import evidence, lead_of
from k8s_step.surroundings import System
from k8s_step.verdict.evidence.finding import Finding
from k8s_step.verdict.states import State

# Characters that XML 1.0 cannot hold, even escaped; a pod's log may contain them.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_BAD = ("failure", "error")


# The attributes for a case's place in a file, by CI system; Jenkins' schema (junit-10.xsd) has none.
PLACES: Mapping[System, tuple[str, ...]] = {System.GITHUB: ("file", "line"), System.GITLAB: ("file",), System.OTHER: ()}


def to_junit(result: Result, places: Iterable[str] = ()) -> str:
    """The XML document. An object that failed or that a finding blames is a failure with the evidence as its text.

    ``places``: the attributes, of ``file`` and ``line``, that a case gets; its text names both regardless.
    """
    return _document(_suite(result, suite_name(result), places))


def to_clusters_junit(result: ClustersResult, places: Iterable[str] = ()) -> str:
    """The XML document of a run on several clusters: a suite a cluster, one for the problems of none."""
    suites = Xml.Element("testsuites", name=_clean(result.name))
    if result.problems:
        suites.append(_closed(Xml.Element("testsuite", name=_clean(result.name)), [_unbegun(result)]))
    for one in result.clusters:
        name = f"{result.name} on {one.name}"
        if one.result is not None:
            suites.append(_suite(one.result, _with_namespace(name, one.result), places))
        else:
            case = Xml.Element("testcase", name=result.name, classname="k8s-step.run", time="0.000")
            _add(case, "skipped", "", "not begun", "")
            suites.append(_closed(Xml.Element("testsuite", name=_clean(name)), [case]))
    return _document(suites)


def _unbegun(result: ClustersResult) -> Xml.Element:
    case = Xml.Element("testcase", name=result.name, classname="k8s-step.run", time=f"{result.seconds:.3f}")
    _add(case, "error", result.word, result.message, "\n".join(map(str, result.problems)))
    return case


def _document(root: Xml.Element) -> str:
    Xml.indent(root)
    return Xml.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _suite(result: Result, name: str, places: Iterable[str]) -> Xml.Element:
    findings: dict[tuple[str, str, str, str], list[Finding]] = {}
    for finding in result.findings:
        findings.setdefault(finding.reference.key, []).append(finding)
    cases = [_case(entry, findings.get(entry.reference.key, []), result, places) for entry in result.objects]
    if result.exit_code is not ExitCode.SUCCEEDED and not any(_verdict(case, *_BAD) is not None for case in cases):
        cases.append(_whole_run(result))
    suite = Xml.Element("testsuite", name=_clean(name), time=f"{result.seconds:.3f}")
    suite.set("timestamp", result.started)
    return _closed(suite, cases)


def _closed(suite: Xml.Element, cases: Sequence[Xml.Element]) -> Xml.Element:
    """The suite with its cases and their counts."""
    suite.set("tests", str(len(cases)))
    for count, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(count, str(sum(_verdict(case, tag) is not None for case in cases)))
    suite.extend(cases)
    return suite


def suite_name(result: Result) -> str:
    """``k8s-step apply on production, namespace shop``: the same in every run, different for each target.

    GitLab identifies a case by the names of suite, class and case. Source: lib/gitlab/ci/reports/test_case.rb.
    """
    place = result.context or result.server
    return _with_namespace(f"{result.name} on {place}" if place else result.name, result)


def _with_namespace(name: str, result: Result) -> str:
    spaces = {entry.reference.namespace for entry in result.objects} - {""}
    namespace = spaces.pop() if len(spaces) == 1 else result.namespace
    return f"{name}, namespace {namespace}" if namespace else name


# -- a case


def _case(entry: ObjectResult, findings: list[Finding], result: Result, places: Iterable[str]) -> Xml.Element:
    case = _named(entry, places)
    text = "\n\n".join(evidence(finding, lead_of(result, finding)) for finding in findings)
    if any(not finding.unfinished for finding in findings):
        reason, message = findings[0].reason, findings[0].message
        text = "\n".join(part for part in (text, _errors(entry)) if part)
        _add(case, "failure", reason, ": ".join(part for part in (reason, message) if part), text)
    elif entry.unbegun:
        _add(case, "skipped", "unbegun", entry.told, _placed(entry.told, entry.reference))
    elif entry.unfollowed:
        done = f"{entry.done}, " if entry.action != "none" else ""
        _add(case, "skipped", "unfollowed", f"{done}{entry.told}", _placed(f"{done}{entry.told}", entry.reference))
    elif result.exit_code is not ExitCode.SUCCEEDED and entry.status != State.CURRENT and not entry.is_gone:
        _add_verdict(case, entry, result, text)
    if entry.rolled_back:
        _add_rollback(case, entry)
    if _verdict(case, *_BAD, "skipped") is None:
        _add_words(case, entry)
    return case


def _named(entry: ObjectResult, places: Iterable[str]) -> Xml.Element:
    reference = entry.reference
    classname = f"k8s-step.{reference.namespace or 'cluster'}"
    case = Xml.Element("testcase", name=_clean(reference.title), classname=_clean(classname))
    case.set("time", f"{entry.seconds:.3f}")
    if is_file(reference.file):
        told = {"file": _clean(reference.file), "line": str(reference.line)}
        case.attrib.update({place: told[place] for place in places})
    return case


def _add_verdict(case: Xml.Element, entry: ObjectResult, result: Result, evidence: str) -> None:
    """Add an object's verdict in an unsuccessful run: unfinished, failed, refused, answer lost, or not sent."""
    if entry.is_unfinished:
        message = f"{entry.word} when the run ended: {entry.message}"
        _add(case, "skipped", "unfinished", message, evidence or _placed(message, entry.reference))
    elif entry.status:
        kind = entry.reason or entry.status
        message = ": ".join(part for part in (entry.reason, entry.message) if part) or entry.status
        _add(case, "failure", kind, message, _errors(entry) or _placed(message, entry.reference))
    elif entry.errors:
        messages = "\n".join(problem.message for problem in entry.errors)
        word = RESULTS[result.released or result.exit_code]
        kind = UNKNOWN if entry.action == UNKNOWN else word if word in _REFUSALS else "refused"
        _add(case, "error", kind, messages, _errors(entry))
    elif entry.action == UNKNOWN:
        _add(case, "error", UNKNOWN, _NOBODY_KNOWS, _placed(_NOBODY_KNOWS, entry.reference))
    elif entry.action == "none":
        _add(case, "skipped", "", "not sent", "")


_REFUSALS = ("refused", "unreachable", "timed_out", "invalid")
_NOBODY_KNOWS = "its answer was lost: look whether it was written"


def _add_rollback(case: Xml.Element, entry: ObjectResult) -> None:
    """Add the rollback's outcome, as a line of the case's verdict if there is one: readers show one verdict a case."""
    told = "rollback: " + ": ".join(part for part in (entry.rolled_back, entry.rollback_message) if part)
    verdict, skipped = _verdict(case, *_BAD), _verdict(case, "skipped")
    if verdict is not None:
        verdict.text = f"{verdict.text}\n{_clean(told)}"
    elif entry.rolled_back in NOT_BACK:
        if skipped is not None:
            case.remove(skipped)
        _add(case, "error", "rollback", told, _placed(told, entry.reference))
    elif skipped is not None:
        skipped.text = f"{skipped.text}\n{_clean(told)}"
    else:
        Xml.SubElement(case, "system-out").text = _clean(told)


def _add_words(case: Xml.Element, entry: ObjectResult) -> None:
    """Add an object's action, status and note (that nothing could be judged, say), as ``system-out``."""
    done = " and ".join(part for part in (entry.done, entry.word) if part)
    done = ": ".join(part for part in (done, entry.note if entry.status == State.CURRENT else "") if part)
    told = case.find("system-out")
    if told is None:
        told = Xml.SubElement(case, "system-out")
    told.text = "\n".join(part for part in (_clean(_placed(done, entry.reference)), told.text) if part)


def _whole_run(result: Result) -> Xml.Element:
    case = Xml.Element("testcase", name=result.name, classname="k8s-step.run", time=f"{result.seconds:.3f}")
    _add(case, "error", result.word, result.message or result.word, "\n".join(result.errors))
    return case


# -- text


def _errors(entry: ObjectResult) -> str:
    """The object's errors, one a line, each with its place and the next move."""
    return "\n".join(str(problem) for problem in entry.errors)


def _placed(text: str, reference: Reference) -> str:
    return f"{text} ({reference.where})" if reference.where else text


def _verdict(case: Xml.Element, *tags: str) -> Xml.Element | None:
    return next((child for child in case if child.tag in tags), None)


def _add(case: Xml.Element, tag: str, kind: str, message: str, text: str) -> None:
    child = Xml.SubElement(case, tag, {"type": _clean(kind)} if kind else {}, message=_clean(message))
    child.text = _clean(text or message)  # GitLab shows the text only, not ``message``


def _clean(text: str) -> str:
    return _NOT_XML.sub("\ufffd", printable(text))
