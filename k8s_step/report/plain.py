"""The log a person reads: one line when something changes, then a table, the reasons and the verdict."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Protocol

from k8s_step import __version__
from k8s_step.difference import Difference
from k8s_step.errors import ExitCode, StepError
from k8s_step.finding import Finding
from k8s_step.judgement import Judgement
from k8s_step.readiness import State
from k8s_step.reference import Reference
from k8s_step.report.output import Output
from k8s_step.report.result import NOT_BACK, ObjectResult, Result
from k8s_step.report.text import one_line, printable

_DIFF_TONES = {"+": "good", "-": "bad", "@": "dim"}
_QUIET = ("unchanged", "none")
_MESSAGE = 240  # characters of a message in a progress line
_EVENT = 480  # characters of an event
_CELL = 100  # characters of a message in the table
_NAMED = 5  # objects named in one go
_HOLD = 2.0  # seconds an object must stay where it is before a line is written about it
_SILENCE = 30.0  # seconds after which a line says what is still waited for


class Style(Protocol):
    """How words are set off: in colour on a terminal, not at all in a file."""

    def __call__(self, text: str, tone: str) -> str:
        """``text`` in ``tone``: good, bad, warn or dim."""


def no_style(text: str, tone: str) -> str:
    """Text as it is."""
    return text


def duration(seconds: float) -> str:
    """``8.2 s``, ``3m05s``, ``10m`` or ``1h02m``."""
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60}h{minutes % 60:02d}m"
    return f"{minutes}m{rest:02d}s" if rest else f"{minutes}m"


class Plain(Output):
    """Progress and reasons through ``log`` (stderr), the table of objects through ``data`` (stdout).

    A rollout passes through many states within a second: a line about one is held back for a moment, and written only
    if the object still stands there. Verdicts are written at once.
    """

    tick_every = 1.0

    def __init__(
        self,
        log: Callable[[str], None],
        data: Callable[[str], None],
        style: Style = no_style,
        clock: Callable[[], float] = time.monotonic,
        data_style: Style = no_style,
    ) -> None:
        self.log = log
        self.data = data
        self.style = style
        self.data_style = data_style
        self._clock = clock
        self._many_namespaces = False
        self._has_content = False
        self._held: dict[Reference, tuple[float, str]] = {}
        self._told: set[str] = set()
        self._fallen: set[Reference] = set()  # whose last line said that it is not current
        self._spoke = clock()
        self._findings_told = 0

    def connected(self, server: str, origin: str, namespace: str) -> None:
        self.log(f"k8s-step {__version__}: {server} (from {origin}), namespace {namespace}")

    def loaded(self, objects: int, files: int, namespaces: int) -> None:
        self._many_namespaces = namespaces > 1
        self.log(f"{_many(objects, 'object')} from {_many(files, 'file')}" if files else _many(objects, "object"))

    def acted(self, reference: Reference, action: str) -> None:
        if action not in _QUIET:
            self.log(f"{self.style(f'{action:<11}', 'good')}{self.name(reference)}")

    def tried(self, reference: Reference, action: str) -> None:
        if action not in _QUIET:
            self.log(f"{self.style(f'would be {action:<11}', 'good')}{self.name(reference)}")

    def differs(self, found: Difference) -> None:
        if found.lines:
            self.data("\n".join([f"# {found.title}", *(self._diff_line(line) for line in found.lines)]))
        else:
            self.log(f"{found.title}, but only in who owns which field")

    def _diff_line(self, line: str) -> str:
        tone = _DIFF_TONES.get(line[:1])
        return self.data_style(printable(line), tone) if tone else printable(line)

    def content_follows(self) -> None:
        self._has_content = True

    def content(self, text: str) -> None:
        self.data(text)

    def following(self, objects: int, timeout: float) -> None:
        self.log(f"waiting for {_many(objects, 'object')}, {duration(timeout)} at the most")
        self._spoke = self._clock()

    def progress(self, reference: Reference, judgement: Judgement, seconds: float) -> None:
        line = self.progress_line(reference, judgement, seconds)
        if judgement.is_final or judgement.settling:
            self._held.pop(reference, None)
        if judgement.unjudged or judgement.settling:
            pass  # all in one line at the end; it passes by itself
        elif judgement.is_final:
            if not self._is_known(reference, judgement):
                self._say(line)
        else:
            since, _ = self._held.get(reference, (self._clock(), ""))
            self._held[reference] = (since, line)
        self._say_held()

    def _is_known(self, reference: Reference, judgement: Judgement) -> bool:
        """Whether it is current again, after a fall so short that nobody was told of it."""
        is_again = judgement.state is State.CURRENT and judgement.was_current
        was_told = reference in self._fallen
        self._fallen.discard(reference)
        return is_again and not was_told

    def _say(self, line: str) -> None:
        self.log(line)
        self._spoke = self._clock()

    def _say_held(self) -> None:
        ripe = self._clock() - _HOLD
        for reference, (since, line) in list(self._held.items()):
            if since > ripe:
                continue
            del self._held[reference]
            if line not in self._told:  # a crash loop goes round in circles; what is so now, the next silence tells
                self._told.add(line)
                self._fallen.add(reference)
                self._say(line)

    def rolling_back(self, result: Result, objects: int, timeout: float) -> None:
        self._held.clear()
        self.show_findings(result)
        self.log(f"rolling back what this run did to {_many(objects, 'object')}, {duration(timeout)} at the most")

    def rolled_back(self, reference: Reference, outcome: str, message: str) -> None:
        if outcome in NOT_BACK:
            return  # told as an error
        aside = f": {one_line(message, _MESSAGE)}" if message else ""
        self.log(f"{self.style(f'{outcome:<11}', 'good')}{self.name(reference)}{aside}")

    def gone(self, reference: Reference, seconds: float) -> None:
        self.log(f"{self.name(reference)}: {self.style('gone', 'good')} after {duration(seconds)}")

    def progress_line(self, reference: Reference, judgement: Judgement, seconds: float) -> str:
        """``deployment.apps/web: 1 of 3 pods updated; ContainerCreating``."""
        name = self.name(reference)
        message = one_line(standing(judgement), _MESSAGE)
        if judgement.state is State.CURRENT:
            aside = f" ({message})" if message else ""
            again = " again" if judgement.was_current else ""
            return f"{name}: {self.style('current', 'good')}{again} after {duration(seconds)}{aside}"
        if judgement.state in (State.FAILED, State.NOT_FOUND):
            reason = f"{judgement.reason}: " if judgement.reason else ""
            return f"{name}: {self.style('failed', 'bad')} after {duration(seconds)}: {reason}{message}"
        return f"{name}: {message}"

    def tick(self, remaining: float, waiting: list[tuple[Reference, str]]) -> None:
        self._say_held()
        if self._clock() - self._spoke >= _SILENCE:
            self._say(self._still_waiting(remaining, waiting))

    def _still_waiting(self, remaining: float, waiting: list[tuple[Reference, str]]) -> str:
        lines = [f"still waiting for {_many(len(waiting), 'object')}, {duration(max(remaining, 0))} left"]
        lines += [f"  {self.name(reference)}: {one_line(told, _MESSAGE)}" for reference, told in waiting[:_NAMED]]
        lines += [f"  and {len(waiting) - _NAMED} more"] if len(waiting) > _NAMED else []
        return "\n".join(lines)

    def notice(self, message: str) -> None:
        self.log(f"note: {_barred(message)}")

    def warning(self, message: str, where: str) -> None:
        self.log(f"{self.style('warning', 'warn')}: {where + ': ' if where else ''}{_barred(message)}")

    def error(self, error: StepError) -> None:
        self.log(f"{self.style('error', 'bad')}: {_barred(str(error))}")

    def finished(self, result: Result) -> None:
        if any(entry.status or entry.action != "none" for entry in result.objects):
            self.show_table(table(result.objects, self._many_namespaces))
        self.show_findings(result)
        if result.unjudged:
            self.log(f"note: {unjudged(result, self.name)}")
        self.show_verdict(result)

    def show_findings(self, result: Result) -> None:
        """The evidence, each piece once: before a rollback, or at the end."""
        findings = _varied(result.findings[self._findings_told :])
        self._findings_told = len(result.findings)
        for finding in findings:
            self.log("")
            self.show_finding(finding, lead_of(result, finding))
        if findings:
            self.log("")

    def show_table(self, text: str) -> None:
        """The objects, at the end: on stdout, unless that holds what was asked for."""
        (self.log if self._has_content else self.data)(text)

    def show_finding(self, finding: Finding, lead: str) -> None:
        """One cause with its evidence."""
        self.log(self.finding_text(finding, lead))

    def show_verdict(self, result: Result) -> None:
        """The last line."""
        tone = "good" if result.exit_code is ExitCode.SUCCEEDED else "bad"
        self.log(f"{self.style(result.verdict, tone)}: {summary(result)}")

    def finding_text(self, finding: Finding, lead: str = "failed") -> str:
        """One cause with its evidence, in this log's style."""
        return evidence(finding, lead, self.style)

    def name(self, reference: Reference) -> str:
        """``deployment.apps/web``, with the namespace where there is more than one."""
        if self._many_namespaces and reference.namespace:
            return f"{reference.namespace}/{reference.title}"
        return reference.title


def standing(judgement: Judgement) -> str:
    """Where an object stands, and that it has been better."""
    has_fallen = judgement.was_current and judgement.state is not State.CURRENT
    return f"was current and is not any more: {judgement.message}" if has_fallen else judgement.message


def _varied(findings: Iterable[Finding]) -> list[Finding]:
    """One of each reason, then a second one of each: a reader looks at the first few, GitHub annotates ten."""
    seen: Counter[str] = Counter()
    rounds = []
    for finding in findings:
        seen[finding.reason] += 1
        rounds.append((seen[finding.reason], finding))
    return [finding for _, finding in sorted(rounds, key=lambda entry: entry[0])]


def lead_of(result: Result, finding: Finding) -> str:
    """What is said of an object that a finding is about."""
    if ExitCode.TIMED_OUT in (result.exit_code, result.released):
        return "is not current"
    open_ones = {entry.reference.key for entry in result.objects if entry.is_unfinished}
    is_cut_short = result.exit_code in (ExitCode.CANCELLED, ExitCode.INTERRUPTED)
    return "is not current" if is_cut_short and finding.reference.key in open_ones else "failed"


def evidence(finding: Finding, lead: str, style: Style = no_style) -> str:
    """The reason, who is blamed, what it usually means, the last lines and the events."""
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
    alike = f", and {_many(finding.alike, 'more pod')} likewise" if finding.alike else ""
    node = f" on node {finding.node}" if finding.node else ""
    return [
        ("message", _barred(finding.message.strip(), indent=13)),
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


def _barred(text: str, indent: int = 2) -> str:
    """Further lines begin with a bar: at a line's start, GitHub would look for its commands."""
    return f"\n{' ' * indent}| ".join(_lines(text))


def table(objects: tuple[ObjectResult, ...], with_namespace: bool = False) -> str:
    """OBJECT, ACTION, STATUS, SECONDS, and the message of what is not current, padded; ROLLBACK where there was one."""
    with_rollback = any(entry.rolled_back for entry in objects)
    head = (*_HEAD[:5], "ROLLBACK", *_HEAD[5:]) if with_rollback else _HEAD
    rows: list[tuple[str, ...]] = [head if with_namespace else head[1:]]
    for entry in objects:
        row = [entry.reference.namespace, entry.reference.title, entry.done, entry.status or "-", _seconds(entry)]
        row += [entry.rolled_back or "-"] if with_rollback else []
        told = ": ".join(part for part in (entry.reason, entry.message) if part)
        message = one_line(entry.note if entry.status == State.CURRENT else told, _CELL)
        rows.append((*(row if with_namespace else row[1:]), message))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


_HEAD = ("NAMESPACE", "OBJECT", "ACTION", "STATUS", "SECONDS", "MESSAGE")


def _seconds(entry: ObjectResult) -> str:
    return f"{entry.seconds:.1f}" if entry.status and entry.seconds >= 0.05 else "-"


def summary(result: Result) -> str:
    """``24 objects, 12 created and 12 unchanged, in 8.2 s``."""
    parts = _counted(entry.done for entry in result.objects if entry.action != "none")
    backs = _counted(entry.rolled_back for entry in result.objects if entry.rolled_back)
    parts = f"{parts}; rollback: {backs}" if backs else parts
    parts = parts or (f"{len(result.differences)} would change" if result.differences else "")
    causes = list(dict.fromkeys(map(_cause, result.findings)))
    more = f" and {len(causes) - _NAMED} more" if len(causes) > _NAMED else ""
    lead = "dry run: nothing was changed; " if result.is_dry_run else ""
    lead += f"{', '.join(causes[:_NAMED])}{more}; " if causes else ""
    if result.released is not None and result.exit_code is not ExitCode.ROLLED_BACK:
        lead = f"the rollback failed too; {lead}"
    if not result.objects and result.exit_code is ExitCode.INVALID:
        return "nothing was sent"
    aside = f" ({parts})" if parts else ""
    return f"{lead}{_many(len(result.objects), 'object')}{aside} in {duration(result.seconds)}"


def unjudged(result: Result, name: Callable[[Reference], str]) -> str:
    """Names the objects that nothing could be judged of, and says so."""
    found = result.unjudged
    named = ", ".join(name(reference) for reference in found[:_NAMED])
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    lacking = "does not tell whether it is ready" if len(found) == 1 else "do not tell whether they are ready"
    return f"{named}{more} {lacking}: nothing could be judged"


def _cause(finding: Finding) -> str:
    return f"{finding.reference.title} ({finding.reason})" if finding.reason else finding.reference.title


def _counted(words: Iterable[str]) -> str:
    return ", ".join(f"{count} {word}" for word, count in Counter(words).items())


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
