"""The log a person reads: one line when something changes, then a table, the reasons and the verdict."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Callable
from typing import Protocol

from k8s_step import __version__
from k8s_step.errors import ExitCode, StepError
from k8s_step.finding import Finding
from k8s_step.judgement import Judgement
from k8s_step.readiness import State
from k8s_step.reference import Reference
from k8s_step.report.output import Output
from k8s_step.report.result import ObjectResult, Result

_QUIET = ("unchanged", "none")
_MESSAGE = 240  # characters of a message in a progress line


class Style(Protocol):
    """How words are set off: in colour on a terminal, not at all in a file."""

    def __call__(self, text: str, tone: str) -> str:
        """``text`` in ``tone``: good, bad, warn or dim."""


def no_style(text: str, tone: str) -> str:
    """Text as it is."""
    return text


def duration(seconds: float) -> str:
    """``8.2 s``, ``3m05s`` or ``1h02m``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m{rest:02d}s" if minutes < 60 else f"{minutes // 60}h{minutes % 60:02d}m"


class Plain(Output):
    """Progress and reasons through ``log`` (stderr), the table of objects through ``data`` (stdout)."""

    def __init__(self, log: Callable[[str], None], data: Callable[[str], None], style: Style = no_style) -> None:
        self.log = log
        self.data = data
        self.style = style
        self._many_namespaces = False

    def connected(self, server: str, origin: str, namespace: str) -> None:
        self.log(f"k8s-step {__version__}: {server} (from {origin}), namespace {namespace}")

    def loaded(self, objects: int, files: int, namespaces: int) -> None:
        self._many_namespaces = namespaces > 1
        self.log(f"{_many(objects, 'object')} from {_many(files, 'file')}")

    def acted(self, reference: Reference, action: str) -> None:
        if action not in _QUIET:
            self.log(f"{self.style(f'{action:<11}', 'good')}{self.name(reference)}")

    def following(self, objects: int, timeout: float) -> None:
        self.log(f"waiting for {_many(objects, 'object')}, {duration(timeout)} at the most")

    def progress(self, reference: Reference, judgement: Judgement, seconds: float) -> None:
        self.log(self.progress_line(reference, judgement, seconds))

    def progress_line(self, reference: Reference, judgement: Judgement, seconds: float) -> str:
        """``deployment.apps/web: 1 of 3 pods updated; ContainerCreating``."""
        name = self.name(reference)
        message = _short(judgement.message)
        if judgement.state is State.CURRENT:
            note = "; it tells nothing of its state, so nothing could be judged" if judgement.unjudged else ""
            aside = f" ({message})" if message else ""
            return f"{name}: {self.style('current', 'good')} after {duration(seconds)}{aside}{note}"
        if judgement.state in (State.FAILED, State.NOT_FOUND):
            reason = f"{judgement.reason}: " if judgement.reason else ""
            return f"{name}: {self.style('failed', 'bad')} after {duration(seconds)}: {reason}{message}"
        return f"{name}: {message}"

    def tick(self, remaining: float, waiting: list[tuple[Reference, str]]) -> None:
        told = "; ".join(f"{self.name(reference)}: {_short(message)}" for reference, message in waiting[:3])
        more = f"; and {len(waiting) - 3} more" if len(waiting) > 3 else ""
        self.log(f"still waiting, {duration(max(remaining, 0))} left: {told}{more}")

    def notice(self, message: str) -> None:
        self.log(f"note: {message}")

    def warning(self, message: str, where: str) -> None:
        self.log(f"{self.style('warning', 'warn')}: {where + ': ' if where else ''}{message}")

    def error(self, error: StepError) -> None:
        for line in str(error).splitlines():
            self.log(f"{self.style('error', 'bad')}: {line}")

    def finished(self, result: Result) -> None:
        if any(entry.status or entry.action != "none" for entry in result.objects):
            self.data(table(result.objects, self._many_namespaces))
        for finding in result.findings:
            self.log("")
            self.log(self.finding_text(finding))
        if result.findings:
            self.log("")
        tone = "good" if result.exit_code is ExitCode.SUCCEEDED else "bad"
        self.log(f"{self.style(result.word.replace('_', ' '), tone)}: {summary(result)}")

    def finding_text(self, finding: Finding) -> str:
        """The reason, who is blamed, what it usually means, the last lines and the events."""
        reference = finding.reference
        place = f" ({reference.where})" if reference.where else ""
        lines = [self.style(f"{reference.title} failed: {finding.reason or 'no reason given'}", "bad") + place]
        lines += [f"  {label:<10} {text}" for label, text in _facts(finding) if text]
        if finding.logs:
            lines.append(f"  last lines of {finding.logs_of}:")
            lines += [f"  | {line}" for line in finding.logs]
        elif finding.logs_of:
            lines.append(f"  {finding.logs_of}")
        if finding.events:
            lines.append("  events, newest first:")
            lines += [f"    {event}" for event in finding.events]
        return "\n".join(lines)

    def name(self, reference: Reference) -> str:
        """``deployment.apps/web``, with the namespace where there is more than one."""
        if self._many_namespaces and reference.namespace:
            return f"{reference.namespace}/{reference.title}"
        return reference.title


def _facts(finding: Finding) -> list[tuple[str, str]]:
    alike = f", and {_many(finding.alike, 'more pod')} likewise" if finding.alike else ""
    node = f" on node {finding.node}" if finding.node else ""
    message = textwrap.fill(finding.message, 100, subsequent_indent=" " * 13, break_long_words=False)
    return [
        ("says", message),
        ("namespace", finding.reference.namespace),
        ("pod", f"{finding.pod}{node}{alike}" if finding.pod else ""),
        ("container", finding.container),
        ("image", finding.image),
        ("usually", finding.advice),
    ]


def table(objects: tuple[ObjectResult, ...], with_namespace: bool = False) -> str:
    """The table of objects, columns padded: OBJECT, ACTION, STATUS, SECONDS, and the message of what is not current."""
    rows = [_HEAD if with_namespace else _HEAD[1:]]
    for entry in objects:
        row = (entry.reference.namespace, entry.reference.title, entry.action, entry.status or "-", _seconds(entry))
        message = "" if entry.status == State.CURRENT else _short(entry.message, 100)
        rows.append((*(row if with_namespace else row[1:]), message))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


_HEAD = ("NAMESPACE", "OBJECT", "ACTION", "STATUS", "SECONDS", "MESSAGE")


def _seconds(entry: ObjectResult) -> str:
    return f"{entry.seconds:.1f}" if entry.status else "-"


def summary(result: Result) -> str:
    """``24 objects, 12 created and 12 unchanged, in 8.2 s``."""
    actions = Counter(entry.action for entry in result.objects if entry.action != "none")
    parts = ", ".join(f"{count} {action}" for action, count in actions.items())
    causes = ", ".join(dict.fromkeys(f"{f.reference.title} ({f.reason})" for f in result.findings))
    lead = f"{causes}; " if causes else ""
    aside = f" ({parts})" if parts else ""
    return f"{lead}{_many(len(result.objects), 'object')}{aside} in {duration(result.seconds)}"


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _short(message: str, limit: int = _MESSAGE) -> str:
    line = " ".join(message.split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"
