"""The record of a run: passes each event on to every output, and becomes the run's result."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from k8s_step.errors import ExitCode, StepError, single
from k8s_step.objects.reference import Reference
from k8s_step.redaction import Redactor
from k8s_step.report.results.problem import Problem
from k8s_step.report.results.result import NOT_BACK, UNKNOWN, ObjectResult, Result, timestamp, unfinished
from k8s_step.surroundings import Surroundings
from k8s_step.verdict.states import State

if TYPE_CHECKING:
    from k8s_step.report.content import Content
    from k8s_step.report.difference import Difference
    from k8s_step.report.output import Output
    from k8s_step.verdict.evidence.finding import Finding
    from k8s_step.verdict.judgement import Judgement

_Key = tuple[str, str, str, str]


class Journal:
    """One run's record, filled by the verbs; :meth:`result` is complete at any moment, also after a cancellation.

    The journal masks text before outputs get it: outputs cut and wrap text, and part of a secret is not recognized.
    Outputs mask no values of Secrets themselves, as that could garble fields for programs (kind, name, action, …).
    """

    def __init__(
        self,
        command: str,
        outputs: Sequence[Output],
        redactor: Redactor | None = None,
        *,
        is_dry_run: bool = False,
        surroundings: Surroundings | None = None,
        is_read: Callable[[], bool] = lambda: True,
    ) -> None:
        self._surroundings = surroundings or Surroundings()
        self._redactor = redactor or Redactor()
        self._mask = self._redactor.mask_all
        self._command = command
        self._is_dry_run = is_dry_run
        self._outputs = outputs
        self._started = datetime.now(UTC)
        self._clock = time.monotonic()
        self._objects: dict[_Key, ObjectResult] = {}
        self._findings: list[Finding] = []
        self._differences: list[Difference] = []
        self._errors: list[StepError] = []
        self._problems: list[Problem] = []  # problems that concern no single object
        self._warnings: dict[tuple[str, str], None] = {}
        self._released: tuple[ExitCode, dict[_Key, ObjectResult]] | None = None
        self._server: str | None = None
        self._context: str | None = None
        self._namespace = ""
        self._url = ""
        self._remarks: list[tuple[Callable[[str], None], str]] = []
        self._is_read = is_read
        self._tally = ""

    def begin(self) -> None:
        """Give every output an unfinished result, which remains if the run is killed."""
        for output in self._outputs:
            output.begun(unfinished(self._command, is_dry_run=self._is_dry_run))

    @property
    def tick_every(self) -> float:
        """Seconds without events after which :meth:`tick` is due: the shortest that any output wants."""
        return min([output.tick_every for output in self._outputs], default=30.0)

    @property
    def is_read(self) -> bool:
        """Whether somebody may still read the requested content on stdout."""
        return self._is_read()

    def connected(self, server: str, origin: str, namespace: str, context: str | None) -> None:
        """Record the API server's URL, the namespace and the context; ``origin`` names the settings' source."""
        self._server, self._context, self._namespace = server, context, namespace
        self._redactor.spare(server, namespace)
        spared = self._redactor.settle()  # before the first line, so that GitHub's runner knows its masks
        for output in self._outputs:
            output.connected(self._mask(server), self._mask(origin), self._redactor.mask_name(namespace))
        self._say_what_is_spared(spared)

    def loaded(self, references: Sequence[Reference], count: int | None = None) -> None:
        """Record the release's objects; ``count`` of them, where ``references`` are the first ones alone."""
        for reference in references:
            self._objects[reference.key] = self._made(reference)
        files = len({reference.file for reference in references if reference.file})
        namespaces = len({reference.namespace for reference in references if reference.namespace})
        for output in self._outputs:
            output.loaded(len(references) if count is None else count, files, namespaces)
        self._tell_remarks()

    def remark(self, message: str, *, warn: bool = False) -> None:
        """Keep a notice or warning about the inputs until :meth:`loaded`: the log's first line names the server."""
        self._remarks.append((self.warning if warn else self.notice, message))

    def _tell_remarks(self) -> None:
        remarks, self._remarks = self._remarks, []
        for tell, message in remarks:
            tell(message)

    def renamed(self, before: Reference, after: Reference) -> None:
        """Record the name that an object has on the server, where its manifest has another."""
        if before.key != after.key:
            self._objects.pop(before.key, None)
            self._entry(after)

    def acted(self, reference: Reference, action: str) -> None:
        """Record the action on an object: done or, in a dry run, predicted; a dry run's lost answer is not recorded."""
        if self._is_dry_run and action == UNKNOWN:
            return
        self._entry(reference).action = action
        for output in self._outputs:
            tell = output.tried if self._is_dry_run else output.acted
            tell(self._mask(reference), action)

    def differs(self, found: Difference) -> None:
        """Record how applying would change an object, which is left unchanged."""
        lines = tuple(map(self._redactor.mask_line, found.lines))  # lines of an object that is masked already
        masked = replace(found, reference=self._mask(found.reference), note=self._mask(found.note), lines=lines)
        self._differences.append(masked)
        for output in self._outputs:
            output.differs(self._differences[-1])

    def content_follows(self) -> None:
        """Reserve stdout for the content that the user requested."""
        for output in self._outputs:
            output.content_follows()

    def content(self, text: str) -> None:
        """Write whole lines of requested content, such as a Job's log, masked."""
        self.document(self._mask(text))

    def document(self, text: str) -> None:
        """Write requested JSON or YAML whose values are masked already: masking its text could break the syntax."""
        for output in self._outputs:
            output.content(text)

    def tallied(self, text: str) -> None:
        """Record how much was done, such as ``7 events``, for a verb that does not list the objects concerned."""
        self._tally = text

    def delivered(self, content: Content) -> None:
        """Write what the verb was to read, masked already."""
        for output in self._outputs:
            output.delivered(content)

    def wave(self, number: int, count: int, objects: int) -> None:
        """Tell outputs that a wave of the release begins: its number of ``count``, and how many objects it has."""
        for output in self._outputs:
            output.wave(number, count, objects)

    def logged(self, reference: Reference, line: str, container: str = "") -> None:
        """Pass on a line of the log of a Job or a pod; ``container`` of a pod with several. Called from any thread."""
        for output in self._outputs:
            output.logged(self._mask(reference), self._mask(line)[:_LOGGED], self._redactor.mask_name(container))

    def following(self, objects: int, timeout: float) -> None:
        """Tell outputs that following begins, for up to ``timeout`` seconds."""
        for output in self._outputs:
            output.following(objects, timeout)

    def progress(self, reference: Reference, judgement: Judgement, seconds: float) -> None:
        """Record an object's new state, ``seconds`` after following began."""
        entry = self._entry(reference)
        before, noted = entry.status, entry.note
        entry.status, entry.message, entry.seconds = str(judgement.state), judgement.message, seconds
        is_current, entry.judged = judgement.state is State.CURRENT, not judgement.unjudged
        entry.note = judgement.message if is_current and (judgement.reason or judgement.unjudged) else ""
        entry.paused = judgement.paused
        entry.reason = judgement.reason if judgement.state in (State.FAILED, State.NOT_FOUND) else ""
        if before in ("", State.CURRENT) and is_current and entry.note == noted:
            return  # current all along: the table shows that, so the log does not
        for output in self._outputs:
            output.progress(self._mask(reference), self._mask(replace(judgement, blamed=())), seconds)

    def unfollowed(self, reference: Reference, reason: str) -> None:
        """Record the option or annotation that excludes an object from following; the caller logs it once for all."""
        self._entry(reference).unfollowed = reason

    def unbegun(self, reference: Reference, reason: str) -> None:
        """Record why the run ended before an object's wave began; the caller logs it once for all."""
        self._entry(reference).unbegun = reason

    def gone(self, reference: Reference, seconds: float) -> None:
        """Record that a deleted object is gone, ``seconds`` after following began."""
        entry = self._entry(reference)
        was_awaited = bool(entry.status)
        entry.status, entry.message, entry.seconds, entry.judged = str(State.NOT_FOUND), "", seconds, True
        if was_awaited:
            for output in self._outputs:
                output.gone(self._mask(reference), seconds)

    def met(self, reference: Reference, told: str, seconds: float) -> None:
        """Record that an object shows what was waited for, as ``told`` says; for reports it is current."""
        entry = self._entry(reference)
        entry.status, entry.message, entry.note, entry.reason = str(State.CURRENT), "", told, ""
        entry.seconds, entry.judged = seconds, True
        for output in self._outputs:
            output.met(self._mask(reference), self._mask(told), seconds)

    def tick(self, remaining: float) -> None:
        """Give outputs the unfinished objects after a silence; ``remaining`` seconds are left."""
        waiting = [
            (entry.reference, entry.message)
            for entry in self._objects.values()
            if entry.status in (State.IN_PROGRESS, State.TERMINATING)
        ]
        for output in self._outputs:
            output.tick(remaining, self._mask(waiting))

    def notice(self, message: str) -> None:
        """Pass on a remark that is no warning."""
        for output in self._outputs:
            output.notice(self._mask(message))

    def warning(self, message: str, where: str = "") -> None:
        """Pass a warning on once, however often the server repeats it; ``where`` is the place concerned, or empty."""
        if (message, where) in self._warnings:
            return
        self._warnings[message, where] = None
        for output in self._outputs:
            output.warning(self._mask(message), self._redactor.mask_place(where))

    def error(
        self,
        error: StepError,
        reference: Reference | None = None,
        alike: Sequence[tuple[Reference, StepError]] = (),
    ) -> None:
        """Record and pass on an error; ``reference`` is the object concerned, if a single one.

        Objects ``alike`` had an error of the same kind: the line counts them, and each object's entry keeps its own.
        """
        for each in map(self._surroundings.explained, single(error)):
            self._keep(each, reference)
            more = f", and so for {len(alike)} more" if alike else ""
            told = StepError(f"{each.message}{more}", where=each.where, hint=each.hint)
            self._errors.append(told)
            for output in self._outputs:
                output.error(self._masked_error(told))
        for other, its_error in alike:
            self._keep(its_error, other)

    def _keep(self, error: StepError, reference: Reference | None) -> None:
        problem = Problem.of(error, reference)
        if reference is None:
            self._problems.append(problem)
            return
        entry = self._entry(reference)
        entry.errors += (problem,)
        entry.message = "; ".join(each.message for each in entry.errors)

    def found(self, findings: Sequence[Finding]) -> None:
        """Record findings, with long messages, log lines and events cut."""
        self._findings += [_cut(finding) for finding in self._mask(list(findings))]

    def served_at(self, url: str) -> None:
        """Record the URL at which users reach the release; empty where none is known."""
        self._url = url

    def rolling_back(self, exit_code: ExitCode, objects: int, timeout: float) -> None:
        """Fix the release's outcome ``exit_code`` and its objects: states during the rollback no longer change them."""
        result = self.result(exit_code)
        self._released, self._objects = (exit_code, self._objects), {}
        for output in self._outputs:
            output.rolling_back(result, objects, timeout)

    def rolled_back(self, reference: Reference, outcome: str, message: str = "") -> None:
        """Record an object's outcome in the rollback: restored, deleted, kept, skipped or failed."""
        entry = self._release.setdefault(reference.key, self._made(reference))
        entry.rolled_back, entry.rollback_message = outcome, message
        for output in self._outputs:
            output.rolled_back(self._mask(reference), outcome, self._mask(message))
        if outcome in NOT_BACK:
            where = f"{reference.where}: {reference}" if reference.where else str(reference)
            self.error(StepError(f"{NOT_BACK[outcome]}: {message}", where=where))

    def finish(self, exit_code: ExitCode) -> Result:
        """Make the result, give it to every output, and close them."""
        self._say_what_is_spared(self._redactor.settle())
        self._tell_remarks()
        result = self.result(exit_code)
        for output in self._outputs:
            output.finished(result)
            output.close()
        return result

    def result(self, exit_code: ExitCode) -> Result:
        """The run up to now as data, masked with every secret known by now."""
        errors = tuple(str(self._masked_error(error)) for error in self._errors)
        return Result(
            command=self._command,
            exit_code=exit_code,
            server=self._mask(self._server),
            context=self._redactor.mask_name(self._context) if self._context else self._context,
            started=timestamp(self._started),
            seconds=time.monotonic() - self._clock,
            objects=tuple(map(self._mask, list(self._release.values()))),
            findings=tuple(map(self._mask, list(self._findings))),
            message="; ".join(errors),
            errors=errors,
            warnings=tuple(self._masked_warning(*warning) for warning in self._warnings),
            released=self._released[0] if self._released else None,
            differences=tuple(self._differences),
            problems=tuple(map(self._mask, self._problems)),
            namespace=self._redactor.mask_name(self._namespace),
            is_dry_run=self._is_dry_run,
            url=self._redactor.mask_line(self._url),
            tally=self._tally,
        )

    def _masked_error(self, error: StepError) -> StepError:
        where = self._redactor.mask_place(error.where) if error.where else error.where
        return StepError(self._mask(error.message), where=where, hint=self._mask(error.hint))

    def _masked_warning(self, message: str, where: str) -> str:
        place = f"{self._redactor.mask_place(where)}: " if where else ""
        return f"{place}{self._mask(message)}"

    def _say_what_is_spared(self, labels: Sequence[str]) -> None:
        if labels:
            equals = "it equals" if len(labels) == 1 else "each equals"
            told = f"not masked, because {equals} a name or a part of an image in the manifests: {', '.join(labels)}"
            for output in self._outputs:
                output.notice(self._redactor.mask_name(told))

    @property
    def _release(self) -> dict[_Key, ObjectResult]:
        return self._released[1] if self._released else self._objects

    def _entry(self, reference: Reference) -> ObjectResult:
        return self._objects.setdefault(reference.key, self._made(reference))

    def _made(self, reference: Reference) -> ObjectResult:
        return ObjectResult(reference, is_tried=self._is_dry_run)


_LINE = 400  # characters of a line of a log, or of an event
_LOGGED = 2000  # characters of a line of a log that is streamed
_MESSAGE = 10_000  # characters; a condition may hold 32768


def _cut(finding: Finding) -> Finding:
    logs, events = (tuple(line[:_LINE] for line in lines) for lines in (finding.logs, finding.events))
    return replace(finding, message=finding.message[:_MESSAGE], logs=logs, events=events)
