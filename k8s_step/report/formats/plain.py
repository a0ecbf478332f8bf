"""The log for people: one line for each change, then the table of objects, the findings and the verdict."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from k8s_step import __version__
from k8s_step.errors import ExitCode, StepError
from k8s_step.objects.reference import Reference
from k8s_step.report.layout.text import one_line, printable
from k8s_step.report.output import Output
from k8s_step.report.results.result import NOT_BACK, PAUSED, QUIET, Result
from k8s_step.report.wording import (
    MESSAGE,
    NAMED,
    Style,
    barred,
    duration,
    evidence,
    lead_of,
    many,
    no_style,
    standing,
    summary,
    table,
    unjudged,
    varied,
)
from k8s_step.verdict.states import State

if TYPE_CHECKING:
    from k8s_step.report.difference import Difference
    from k8s_step.verdict.evidence.finding import Finding
    from k8s_step.verdict.judgement import Judgement


def led(write: Callable[[str], None], lead: str) -> Callable[[str], None]:
    """``write``, with ``lead`` before each line of a text."""
    return lambda text: write("\n".join(f"{lead}{line}".rstrip() for line in text.split("\n")))


_DIFF_TONES = {"+": "good", "-": "bad", "@": "dim"}
_HOLD = 2.0  # seconds an object must keep its state before a line is written about it
_SILENCE = 30.0  # seconds without output after which a line lists the unfinished objects


class Plain(Output):
    """Progress and findings go to ``log`` (stderr), the table of objects to ``data`` (stdout).

    A rollout passes through many states within a second, so a line about an unfinished object is held back for
    ``_HOLD`` seconds, and dropped when the object reaches a final state before. Final states are written at once.
    ``cluster``: the name that each line of the log begins with, where several clusters share the log.
    """

    tick_every = 1.0

    def __init__(
        self,
        log: Callable[[str], None],
        data: Callable[[str], None],
        style: Style = no_style,
        clock: Callable[[], float] = time.monotonic,
        data_style: Style = no_style,
        cluster: str = "",
    ) -> None:
        self.cluster = cluster
        self.log = led(log, f"[{cluster}] ") if cluster else log
        self.data = data
        self.style = style
        self.data_style = data_style
        self._clock = clock
        self._many_namespaces = False
        self._has_content = False
        self._held: dict[Reference, tuple[float, str]] = {}
        self._told: set[str] = set()
        self._fallen: set[Reference] = set()  # objects whose last line said that they are not current
        self._spoke = clock()
        self._findings_told = 0

    def connected(self, server: str, origin: str, namespace: str) -> None:
        lead = "" if self.cluster else f"k8s-step {__version__}: "
        self.log(f"{lead}{server} (from {origin}), namespace {namespace}")

    def loaded(self, objects: int, files: int, namespaces: int) -> None:
        self._many_namespaces = namespaces > 1
        self.log(f"{many(objects, 'object')} from {many(files, 'file')}" if files else many(objects, "object"))

    def acted(self, reference: Reference, action: str) -> None:
        if action not in QUIET:
            self.log(f"{self.style(f'{action:<11}', 'good')}{self.name(reference)}")

    def tried(self, reference: Reference, action: str) -> None:
        if action not in QUIET:
            self.log(f"{self.style(f'would be {action:<11}', 'good')}{self.name(reference)}")

    def differs(self, found: Difference) -> None:
        if found.lines:
            lead = f"[{self.cluster}] " if self.cluster else ""
            self.data("\n".join([f"# {lead}{found.title}", *(self._diff_line(line) for line in found.lines)]))
        else:
            self.log(f"{found.title}, but only in who owns which field")

    def _diff_line(self, line: str) -> str:
        tone = _DIFF_TONES.get(line[:1])
        return self.data_style(printable(line), tone) if tone else printable(line)

    def content_follows(self) -> None:
        self._has_content = True

    def content(self, text: str) -> None:
        self.data(text)

    def wave(self, number: int, count: int, objects: int) -> None:
        self.log(f"wave {number} of {count}: {many(objects, 'object')}")

    def logged(self, reference: Reference, line: str, container: str) -> None:
        self.log(f"{self.name(reference)}{f'/{container}' if container else ''} | {printable(line)}")

    def following(self, objects: int, timeout: float) -> None:
        self.log(f"waiting for {many(objects, 'object')}, {duration(timeout)} at the most")
        self._spoke = self._clock()

    def progress(self, reference: Reference, judgement: Judgement, seconds: float) -> None:
        line = self.progress_line(reference, judgement, seconds)
        if judgement.is_final or judgement.settling:
            self._held.pop(reference, None)
        if judgement.unjudged or judgement.settling:
            pass  # unjudged objects share one line at the end; a settling state passes by itself
        elif judgement.is_final:
            if not self._is_known(reference, judgement):
                self._say(line)
        else:
            since, _ = self._held.get(reference, (self._clock(), ""))
            self._held[reference] = (since, line)
        self._say_held()

    def _is_known(self, reference: Reference, judgement: Judgement) -> bool:
        """Whether the object is current again after a lapse too short to have been logged."""
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
            if line not in self._told:  # a crash loop repeats its states; :meth:`tick` reports the present one
                self._told.add(line)
                self._fallen.add(reference)
                self._say(line)

    def rolling_back(self, result: Result, objects: int, timeout: float) -> None:
        self._held.clear()
        self.show_findings(result)
        self.log(f"rolling back what this run did to {many(objects, 'object')}, {duration(timeout)} at the most")

    def rolled_back(self, reference: Reference, outcome: str, message: str) -> None:
        if outcome in NOT_BACK:
            return  # the journal reports these outcomes as errors
        aside = f": {one_line(message, MESSAGE)}" if message else ""
        self.log(f"{self.style(f'{outcome:<11}', 'good')}{self.name(reference)}{aside}")

    def gone(self, reference: Reference, seconds: float) -> None:
        self.log(f"{self.name(reference)}: {self.style('gone', 'good')} after {duration(seconds)}")

    def met(self, reference: Reference, told: str, seconds: float) -> None:
        self._held.pop(reference, None)
        self._say(f"{self.name(reference)}: {self.style(told, 'good')} after {duration(seconds)}")

    def progress_line(self, reference: Reference, judgement: Judgement, seconds: float) -> str:
        """One line about an object's state: ``deployment.apps/web: 1 of 3 pods updated; ContainerCreating``."""
        name = self.name(reference)
        message = one_line(standing(judgement), MESSAGE)
        if judgement.state is State.CURRENT:
            aside = f" ({message})" if message else ""
            again = " again" if judgement.was_current else ""
            word = PAUSED if judgement.paused else "current"
            return f"{name}: {self.style(word, 'good')}{again} after {duration(seconds)}{aside}"
        if judgement.state in (State.FAILED, State.NOT_FOUND):
            reason = f"{judgement.reason}: " if judgement.reason else ""
            return f"{name}: {self.style('failed', 'bad')} after {duration(seconds)}: {reason}{message}"
        return f"{name}: {message}"

    def tick(self, remaining: float, waiting: list[tuple[Reference, str]]) -> None:
        self._say_held()
        if self._clock() - self._spoke >= _SILENCE:
            self._say(self._still_waiting(remaining, waiting))

    def _still_waiting(self, remaining: float, waiting: list[tuple[Reference, str]]) -> str:
        lines = [f"still waiting for {many(len(waiting), 'object')}, {duration(max(remaining, 0))} left"]
        lines += [f"  {self.name(reference)}: {one_line(told, MESSAGE)}" for reference, told in waiting[:NAMED]]
        lines += [f"  and {len(waiting) - NAMED} more"] if len(waiting) > NAMED else []
        return "\n".join(lines)

    def notice(self, message: str) -> None:
        self.log(f"note: {barred(message)}")

    def warning(self, message: str, where: str) -> None:
        self.log(f"{self.style('warning', 'warn')}: {where + ': ' if where else ''}{barred(message)}")

    def error(self, error: StepError) -> None:
        self.log(f"{self.style('error', 'bad')}: {barred(str(error))}")

    def finished(self, result: Result) -> None:
        if any(entry.status or entry.action != "none" for entry in result.objects):
            self.show_table(table(result.objects, self._many_namespaces))
        self.show_findings(result)
        if result.unjudged:
            self.log(f"note: {unjudged(result, self.name)}")
        self.show_verdict(result)

    def show_findings(self, result: Result) -> None:
        """Write findings that were not written before: some are written before a rollback, the rest at the end."""
        findings = varied(result.findings[self._findings_told :])
        self._findings_told = len(result.findings)
        for finding in findings:
            self.log("")
            self.show_finding(finding, lead_of(result, finding))
        if findings:
            self.log("")

    def show_table(self, text: str) -> None:
        """Write the table of objects to stdout, or to the log when stdout holds content that the user requested."""
        (self.log if self._has_content else self.data)(text)

    def show_finding(self, finding: Finding, lead: str) -> None:
        """Write one finding with its evidence."""
        self.log(self.finding_text(finding, lead))

    def show_verdict(self, result: Result) -> None:
        """Write the last line: the verdict and the summary."""
        tone = "good" if result.exit_code is ExitCode.SUCCEEDED else "bad"
        self.log(f"{self.style(result.verdict, tone)}: {summary(result)}")

    def finding_text(self, finding: Finding, lead: str = "failed") -> str:
        """One finding with its evidence, in this log's style."""
        return evidence(finding, lead, self.style)

    def name(self, reference: Reference) -> str:
        """``deployment.apps/web``, after ``namespace/`` where the release has several namespaces."""
        if self._many_namespaces and reference.namespace:
            return f"{reference.namespace}/{reference.title}"
        return reference.title
