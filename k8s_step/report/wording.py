"""The words of the plain log that other reports use too: evidence, the table, the summary line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Protocol

from k8s_step.errors import ExitCode
from k8s_step.objects.reference import Reference
from k8s_step.report.layout.text import one_line, printable
from k8s_step.report.results.result import ObjectResult, Result
from k8s_step.verdict.states import State

if TYPE_CHECKING:
    from k8s_step.verdict.evidence.finding import Finding
    from k8s_step.verdict.judgement import Judgement

MESSAGE = 240  # characters of a message in a progress line
_EVENT = 480  # characters of an event
_CELL = 100  # characters of a message in the table
_TONES = {"good": "32", "bad": "31;1", "warn": "33", "dim": "2"}
NAMED = 5  # objects that one line names
_FEW = 25  # a table of at most so many objects has a row for each, changed or not


class Style(Protocol):
    """Highlights words: in colour on a terminal, not at all in a file."""

    def __call__(self, text: str, tone: str) -> str:
        """``text`` in ``tone``: good, bad, warn or dim."""


def no_style(text: str, tone: str) -> str:
    """``text`` unchanged, for files and pipes."""
    return text


def colour(text: str, tone: str) -> str:
    """``text`` in an ANSI colour."""
    return f"\x1b[{_TONES[tone]}m{text}\x1b[0m"


def duration(seconds: float) -> str:
    """Seconds for people: ``8.2 s``, ``3m05s``, ``10m`` or ``1h02m``."""
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60}h{minutes % 60:02d}m"
    return f"{minutes}m{rest:02d}s" if rest else f"{minutes}m"


def standing(judgement: Judgement) -> str:
    """The judgement's message; says so where the object was current before and is no longer."""
    has_fallen = judgement.was_current and judgement.state is not State.CURRENT
    return f"was current and is not any more: {judgement.message}" if has_fallen else judgement.message


def varied(findings: Iterable[Finding]) -> list[Finding]:
    """The findings, one of each reason first, then a second of each: GitHub shows only ten annotations a step."""
    seen: Counter[str] = Counter()
    rounds = []
    for finding in findings:
        seen[finding.reason] += 1
        rounds.append((seen[finding.reason], finding))
    return [finding for _, finding in sorted(rounds, key=lambda entry: entry[0])]


def lead_of(result: Result, finding: Finding) -> str:
    """``failed``; or ``is not current``, if the run timed out or was cancelled before the object failed."""
    if ExitCode.TIMED_OUT in (result.exit_code, result.released):
        return "is not current"
    open_ones = {entry.reference.key for entry in result.objects if entry.is_unfinished}
    is_cut_short = result.exit_code in (ExitCode.CANCELLED, ExitCode.INTERRUPTED)
    return "is not current" if is_cut_short and finding.reference.key in open_ones else "failed"


def evidence(finding: Finding, lead: str, style: Style = no_style) -> str:
    """A finding as text: object and reason, message, pod, likely cause, the log's last lines and events."""
    reference = finding.reference
    place = f" ({reference.where})" if reference.where else ""
    lines = [style(f"{reference.title} {lead}: {one_line(finding.why, _CELL)}", "bad") + place]
    lines += [f"  {label:<10} {text}" for label, text in _facts(finding) if text]
    if finding.logs:
        lines.append(f"  last lines of {finding.logs_of}:")
        lines += [f"  | {line}" for text in finding.logs for line in _lines(text)]
    if finding.events:
        lines.append("  events, newest first:")
        lines += [f"    {one_line(event, _EVENT)}" for event in finding.events]
    lines += [f"  {one_line(problem, _EVENT)}" for problem in finding.missing]
    return "\n".join(lines)


def _facts(finding: Finding) -> list[tuple[str, str]]:
    alike = f", and {many(finding.alike, 'more pod')} likewise" if finding.alike else ""
    node = f" on node {finding.node}" if finding.node else ""
    return [
        ("message", barred(finding.message.strip(), indent=13)),
        ("namespace", finding.reference.namespace),
        ("pod", f"{finding.pod}{node}{alike}" if finding.pod else ""),
        ("container", finding.container),
        ("image", one_line(finding.image, _EVENT)),
        ("probe", one_line(finding.probe, _EVENT)),
        ("answered", "" if finding.probe_answer in finding.message else one_line(finding.probe_answer, _EVENT)),
        *(("claim", claim) for claim in finding.claims),
        ("likely", finding.advice),
        ("check", finding.check),
    ]


def _lines(text: str) -> list[str]:
    return printable(text).splitlines() or [""]


def barred(text: str, indent: int = 2) -> str:
    """``text`` with a bar before its second and later lines: GitHub's runner obeys commands at a line's start."""
    return f"\n{' ' * indent}| ".join(_lines(text))


def parted(objects: Sequence[ObjectResult]) -> tuple[list[ObjectResult], list[ObjectResult]]:
    """The objects that get a row, and the quiet ones that are only counted; of few objects, each gets a row."""
    if len(objects) <= _FEW:
        return list(objects), []
    return [one for one in objects if not one.is_quiet], [one for one in objects if one.is_quiet]


def standing_of(quiet: Iterable[ObjectResult]) -> str:
    """The status and action that all quiet objects share, such as ``current and unchanged``."""
    words = {State.CURRENT if entry.status else "" for entry in quiet}, {entry.action for entry in quiet}
    return " and ".join(str(word) for each in words if len(each) == 1 for word in each - {"", "none"}) or "as before"


def table(objects: Sequence[ObjectResult], with_namespace: bool = False) -> str:
    """A padded table: OBJECT, ACTION, STATUS, SECONDS, MESSAGE; also NAMESPACE on request, ROLLBACK after a rollback.

    Of many objects, the quiet ones (see :attr:`ObjectResult.is_quiet`) are only counted, on the last line.
    """
    told, quiet = parted(objects)
    rows = [_rows(told, with_namespace)] if told else []
    rows += [f"{len(quiet)} {'more' if told else 'objects'} {standing_of(quiet)}"] if quiet else []
    return "\n".join(rows)


def _rows(objects: Sequence[ObjectResult], with_namespace: bool) -> str:
    with_rollback = any(entry.rolled_back for entry in objects)
    head = (*_HEAD[:5], "ROLLBACK", *_HEAD[5:]) if with_rollback else _HEAD
    rows: list[tuple[str, ...]] = [head if with_namespace else head[1:]]
    for entry in objects:
        row = [entry.reference.namespace, entry.reference.title, entry.done, entry.word or "-", _seconds(entry)]
        row += [entry.rolled_back or "-"] if with_rollback else []
        rows.append((*(row if with_namespace else row[1:]), one_line(entry.told, _CELL)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


_HEAD = ("NAMESPACE", "OBJECT", "ACTION", "STATUS", "SECONDS", "MESSAGE")


def _seconds(entry: ObjectResult) -> str:
    return f"{entry.seconds:.1f}" if entry.status and entry.seconds >= 0.05 else "-"


def summary(result: Result) -> str:
    """The result on one line: ``24 objects (12 created, 12 unchanged) in 8.2 s``, after causes of failure."""
    parts = _counted(entry.done for entry in result.objects if entry.action != "none")
    unfollowed = sum(bool(entry.unfollowed) for entry in result.objects)
    unbegun = sum(bool(entry.unbegun) for entry in result.objects)
    asides = (f"{unfollowed} not followed" if unfollowed else "", f"{unbegun} not begun" if unbegun else "")
    parts = "; ".join(filter(None, (parts, *asides)))
    backs = _counted(entry.rolled_back for entry in result.objects if entry.rolled_back)
    parts = f"{parts}; rollback: {backs}" if backs else parts
    parts = parts or (f"{len(result.differences)} would change" if result.differences else "")
    causes = list(dict.fromkeys(map(_cause, result.findings)))
    lead = "dry run: nothing was changed; " if result.is_dry_run else ""
    lead += f"{first_of(causes)}; " if causes else ""
    if result.released is not None and result.exit_code is not ExitCode.ROLLED_BACK:
        lead = f"the rollback failed too; {lead}"
    if not result.objects and result.exit_code is ExitCode.INVALID:
        return "nothing was sent"
    aside = f" ({parts})" if parts else ""
    return f"{lead}{result.tally or many(len(result.objects), 'object')}{aside} in {duration(result.seconds)}"


def unjudged(result: Result, name: Callable[[Reference], str]) -> str:
    """A sentence that names the objects whose readiness could not be judged."""
    found = result.unjudged
    named = first_of([name(reference) for reference in found])
    lacking = "does not tell whether it is ready" if len(found) == 1 else "do not tell whether they are ready"
    return f"{named} {lacking}: nothing could be judged"


def first_of(names: Sequence[str], most: int = NAMED) -> str:
    """The first names, with commas between, and how many more there are: ``web, api and 3 more``."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}"


def _cause(finding: Finding) -> str:
    return f"{finding.reference.title} ({finding.reason})" if finding.reason else finding.reference.title


def _counted(words: Iterable[str]) -> str:
    return ", ".join(f"{count} {word}" for word, count in Counter(words).items())


def many(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
