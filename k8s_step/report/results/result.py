"""The result of a run as data, and as the JSON that docs/result-file.md documents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from k8s_step.errors import ExitCode
from k8s_step.objects.reference import Reference, is_file
from k8s_step.report.results.problem import Problem
from k8s_step.verdict.states import State

if TYPE_CHECKING:
    from k8s_step.report.difference import Difference
    from k8s_step.verdict.evidence.finding import Finding

RESULTS = {
    ExitCode.SUCCEEDED: "succeeded",
    ExitCode.FAILED: "failed",
    ExitCode.INVALID: "invalid",
    ExitCode.TIMED_OUT: "timed_out",
    ExitCode.REFUSED: "refused",
    ExitCode.UNREACHABLE: "unreachable",
    ExitCode.ROLLED_BACK: "rolled_back",
    ExitCode.BUG: "failed",
    ExitCode.INTERRUPTED: "cancelled",
    ExitCode.CANCELLED: "cancelled",
}
TAKEN_BACK = ("restored", "deleted")
NOT_BACK = {"skipped": "not rolled back", "failed": "rollback failed"}  # outcomes of a rollback, and how errors begin
QUIET = ("unchanged", "none")  # actions that changed nothing
UNKNOWN = "unknown"  # the action of a write whose answer was lost
SCHEMA = 1  # of the result file: a higher number where what was there before has gone or means something else
PAUSED = "paused"  # the word for an object that somebody has to resume
UNFINISHED = "unfinished"  # the result of a run that is under way, or was killed


@dataclass
class ObjectResult:
    """One object's part of the result.

    ``action``: created, configured, unchanged, …, none, or unknown when the server's answer was lost. ``status``: a
    :class:`State`, empty when not followed. ``reason``: the reason of a failure. ``judged``: whether the object's
    status shows its readiness. ``note``: a remark on a current object. ``rolled_back``: restored, deleted, kept,
    skipped or failed; empty without a rollback. ``errors``: every refusal and mistake. ``is_tried``: in a dry run
    ``action`` is only predicted. ``unfollowed``: the option or annotation by which the object is not followed.
    ``unbegun``: where the run ended before the object's wave began. ``paused``: what holds the object.
    ``seconds``: from the start of following to the last change of status.
    """

    reference: Reference
    action: str = "none"
    status: str = ""
    message: str = ""
    seconds: float = 0.0
    reason: str = ""
    judged: bool = True
    note: str = ""
    rolled_back: str = ""
    rollback_message: str = ""
    errors: tuple[Problem, ...] = ()
    is_tried: bool = False
    unfollowed: str = ""
    unbegun: str = ""
    paused: str = ""

    @property
    def word(self) -> str:
        """The status for readers: an object that is held, and has not failed, is ``paused``."""
        return PAUSED if self.paused and self.status in (State.CURRENT, State.IN_PROGRESS) else self.status

    @property
    def done(self) -> str:
        """The action in words: ``created``, or ``would be created``."""
        return f"would be {self.action}" if self.is_tried and self.action not in QUIET else self.action

    @property
    def told(self) -> str:
        """The message for reports: why it is not begun or not followed, a current object's note, reason and message."""
        if self.unbegun:
            return f"not begun: {self.unbegun}"
        if self.unfollowed:
            return f"not followed: {self.unfollowed}"
        return self.note if self.status == State.CURRENT else ": ".join(filter(None, (self.reason, self.message)))

    @property
    def is_gone(self) -> bool:
        """Whether the object is gone because this run deleted it."""
        return self.status == State.NOT_FOUND and self.action in ("deleted", "pruned")

    @property
    def is_quiet(self) -> bool:
        """Whether reports may leave the object out: unchanged, current or not followed, and without a message."""
        return self.action in QUIET and self.status in ("", State.CURRENT) and not (self.told or self.rolled_back)

    @property
    def is_unfinished(self) -> bool:
        """Whether the object was still in progress or terminating at the end; a finding tells if something is wrong."""
        return self.status in (State.IN_PROGRESS, State.TERMINATING)

    @property
    def is_bad(self) -> bool:
        """Whether the object failed, was not current in time or was refused; meaningful for an unsuccessful run."""
        if self.status:
            return self.status != State.CURRENT and not self.is_gone
        return bool(self.errors) or (self.action in ("none", "unknown") and bool(self.message))


@dataclass(frozen=True)
class Result:
    """The whole run. ``started`` is UTC in RFC 3339, ``seconds`` the run's duration.

    ``released``: the release's own exit code when a rollback was begun. ``errors``: the text of every error;
    ``problems``: the errors that concern no single object. ``is_finished``: ``False`` while the exit code is open.
    ``url``: where users reach the release; empty where none of its objects tells.
    ``tally``: how much was done, such as ``7 events``, in place of the number of objects.
    """

    command: str
    exit_code: ExitCode
    server: str | None
    context: str | None
    started: str
    seconds: float
    objects: tuple[ObjectResult, ...] = ()
    findings: tuple[Finding, ...] = ()
    message: str = ""
    warnings: tuple[str, ...] = field(default=())
    released: ExitCode | None = None
    differences: tuple[Difference, ...] = ()
    errors: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    namespace: str = ""
    is_dry_run: bool = False
    is_finished: bool = True
    url: str = ""
    tally: str = ""

    @property
    def word(self) -> str:
        """The result in one word: ``succeeded``, ``failed``, …"""
        return RESULTS[self.exit_code] if self.is_finished else UNFINISHED

    @property
    def name(self) -> str:
        """``k8s-step apply``, or ``k8s-step apply --dry-run``; only ``k8s-step`` for a misspelt command."""
        return " ".join(part for part in ("k8s-step", self.command, "--dry-run" if self.is_dry_run else "") if part)

    @property
    def verdict(self) -> str:
        """``word`` for people; a ``diff`` that found a difference is ``different``, not failed."""
        is_different = self.command == "diff" and self.exit_code is ExitCode.FAILED
        return "different" if is_different else self.word.replace("_", " ")

    @property
    def changed(self) -> tuple[Reference, ...]:
        """The objects that were created, configured, deleted, … and not rolled back; none in a dry run."""
        changed = [entry for entry in self.objects if entry.action not in QUIET and not entry.is_tried]
        return tuple(entry.reference for entry in changed if entry.rolled_back not in TAKEN_BACK)

    @property
    def unjudged(self) -> tuple[Reference, ...]:
        """The objects that count as current only since nothing in them shows readiness."""
        taken = [entry for entry in self.objects if entry.status == State.CURRENT and not entry.judged]
        return tuple(entry.reference for entry in taken)

    @property
    def failed(self) -> tuple[Reference, ...]:
        """The objects that a finding blames, that failed, or that were refused; none in a successful run.

        Objects that were only unfinished when the run ended are not among them, unless a finding blames them.
        """
        if self.exit_code is ExitCode.SUCCEEDED:
            return ()
        blamed = {finding.reference.key for finding in self.findings if not finding.unfinished}
        bad = {entry.reference.key for entry in self.objects if entry.is_bad and not entry.is_unfinished}
        return tuple(entry.reference for entry in self.objects if entry.reference.key in blamed | bad)


class Outcome(Protocol):
    """The part of a result, of one cluster or several, that later steps of a pipeline get."""

    @property
    def word(self) -> str:
        """The result in one word."""

    @property
    def exit_code(self) -> ExitCode:
        """The step's exit code."""

    @property
    def is_finished(self) -> bool:
        """Whether the exit code is final."""

    @property
    def url(self) -> str:
        """Where users reach the release; empty where nothing tells."""

    @property
    def changed(self) -> Sequence[object]:
        """The objects that were changed."""

    @property
    def failed(self) -> Sequence[object]:
        """The objects that failed."""


def timestamp(moment: datetime) -> str:
    """A UTC moment as text: ``2026-11-22T10:00:00Z``."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def never_begun(command: str, exit_code: ExitCode, problems: tuple[Problem, ...]) -> Result:
    """The result of a run that ended at its inputs, such as a wrong option."""
    told = tuple(map(str, problems))
    return replace(_empty(command, exit_code), message="\n".join(told), errors=told, problems=problems)


def unfinished(command: str, *, is_dry_run: bool = False) -> Result:
    """The result of a run that has not ended; it remains if the run is killed."""
    problem = Problem("this run has not come to its end: whoever finds this after it has stopped knows it was killed")
    result = never_begun(command, ExitCode.BUG, (problem,))
    return replace(result, is_dry_run=is_dry_run, is_finished=False)


def _empty(command: str, exit_code: ExitCode) -> Result:
    return Result(command, exit_code, None, None, timestamp(datetime.now(UTC)), 0.0)


def to_json(result: Result) -> dict[str, Any]:
    """The result file's content; docs/result-file.md describes each field."""
    return {
        "command": result.command,
        "result": result.word,
        "exit_code": int(result.exit_code) if result.is_finished else None,
        "dry_run": result.is_dry_run,
        "message": result.message,
        "server": result.server,
        "context": result.context,
        "url": result.url or None,
        "started": result.started,
        "seconds": round(result.seconds, 3),
        "objects": [_object(entry) for entry in result.objects],
        "failures": [_failure(finding) for finding in result.findings],
        "errors": [problem_json(problem) for problem in result.problems],
        "warnings": list(result.warnings),
        **_rollback(result),
    }


def _rollback(result: Result) -> dict[str, Any]:
    if result.released is None:
        return {}
    is_complete = result.exit_code is ExitCode.ROLLED_BACK
    return {"rollback": {"released": RESULTS[result.released], "complete": is_complete}}


def _object(entry: ObjectResult) -> dict[str, Any]:
    reference = entry.reference
    return {
        "apiVersion": reference.api_version,
        "kind": reference.kind,
        "namespace": reference.namespace or None,
        "name": reference.name,
        "file": reference.file or None,
        "line": reference.line or None,
        "action": entry.action,
        "status": entry.status,
        "judged": entry.judged and bool(entry.status),
        "reason": entry.reason or None,
        "note": entry.note or None,
        "paused": entry.paused or None,
        "not_followed": entry.unfollowed or None,
        "not_begun": entry.unbegun or None,
        "message": entry.message,
        "errors": [problem_json(problem) for problem in entry.errors],
        "seconds": round(entry.seconds, 3),
        **({"rolled_back": entry.rolled_back, "rollback_message": entry.rollback_message} if entry.rolled_back else {}),
    }


def problem_json(problem: Problem) -> dict[str, Any]:
    """An error as the result file has it."""
    return {
        "message": problem.message,
        "where": problem.where or None,
        "hint": problem.hint or None,
        "file": problem.file or None,
        "line": problem.line or None,
    }


def _failure(finding: Finding) -> dict[str, Any]:
    return {
        "object": finding.reference.path,
        "reason": finding.reason,
        "message": finding.message,
        "advice": finding.advice,
        "check": finding.check,
        "pod": finding.pod or None,
        "container": finding.container or None,
        "image": finding.image or None,
        "node": finding.node or None,
        "alike": finding.alike,
        "exit_code": finding.exit_code,
        "signal": finding.signal or None,
        "probe": finding.probe or None,
        "probe_answer": finding.probe_answer or None,
        "claims": list(finding.claims),
        "logs": list(finding.logs),
        "logs_of": finding.logs_of or None,
        "events": list(finding.events),
        "missing": list(finding.missing),
        "unfinished": finding.unfinished,
    }


def relative(file: str, root: str) -> str:
    """``file`` relative to ``root``; unchanged if it lies elsewhere or is no file, such as stdin."""
    if not root or not is_file(file):
        return file
    try:
        return Path(file).resolve().relative_to(Path(root).resolve()).as_posix()
    except (OSError, ValueError):
        return file


def rooted(result: Result, root: str) -> Result:
    """``result`` with every file relative to ``root``."""

    def moved(reference: Reference) -> Reference:
        return replace(reference, file=relative(reference.file, root))

    def mended(problems: tuple[Problem, ...]) -> tuple[Problem, ...]:
        return tuple(problem.at(relative(problem.file, root)) for problem in problems)

    objects = tuple(
        replace(entry, reference=moved(entry.reference), errors=mended(entry.errors)) for entry in result.objects
    )
    findings = tuple(replace(finding, reference=moved(finding.reference)) for finding in result.findings)
    return replace(result, objects=objects, findings=findings, problems=mended(result.problems))
