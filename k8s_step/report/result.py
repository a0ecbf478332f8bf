"""The result of a run as data, and as the JSON that docs/result-file.md documents."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from k8s_step.errors import ExitCode
from k8s_step.objects.reference import Reference, is_file
from k8s_step.report.difference import Difference
from k8s_step.report.problem import Problem
from k8s_step.verdict.finding import Finding
from k8s_step.verdict.states import State

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
TAKEN_BACK, NOT_BACK = ("restored", "deleted"), ("skipped", "failed")
QUIET = ("unchanged", "none")  # actions that changed nothing
UNKNOWN = "unknown"  # the action of a write whose answer was lost
UNFINISHED = "unfinished"  # the result of a run that is under way, or was killed


@dataclass
class ObjectResult:
    """What became of one object; ``action`` is created, configured, unchanged, … or none; ``reason`` why it failed.
    Where the answer was lost, so that nobody knows, it is unknown.

    ``judged``: whether the object told where it stands. ``note``: what is to be said of it although it is current.
    ``rolled_back``: restored, deleted, kept, skipped or failed; empty where nothing was rolled back. ``errors``: all
    that was refused or found wrong. ``is_tried``: of a dry run, so ``action`` is what would have been done.
    ``unfollowed``: the option or annotation by which it was written and not followed.
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

    @property
    def done(self) -> str:
        """The action in words: ``created``, or ``would be created``."""
        return f"would be {self.action}" if self.is_tried and self.action not in QUIET else self.action

    @property
    def told(self) -> str:
        """What there is to say of it: why it is not current, what is to be noted although it is, or not followed."""
        if self.unfollowed:
            return f"not followed: {self.unfollowed}"
        return self.note if self.status == State.CURRENT else ": ".join(filter(None, (self.reason, self.message)))

    @property
    def is_gone(self) -> bool:
        """Whether it went because it was to go."""
        return self.status == State.NOT_FOUND and self.action in ("deleted", "pruned")

    @property
    def is_quiet(self) -> bool:
        """Whether there is nothing to tell of it: it is as it was, and well."""
        return self.action in QUIET and self.status in ("", State.CURRENT) and not (self.told or self.rolled_back)

    @property
    def is_unfinished(self) -> bool:
        """Whether it was neither current nor lost: where that was too late, or it was broken, a finding says so."""
        return self.status in (State.IN_PROGRESS, State.TERMINATING)

    @property
    def is_bad(self) -> bool:
        """Of a run that went wrong: whether this failed, was not current in time, or was refused."""
        if self.status:
            return self.status != State.CURRENT and not self.is_gone
        return bool(self.errors) or (self.action in ("none", "unknown") and bool(self.message))


@dataclass(frozen=True)
class Result:
    """The whole run. ``started`` is UTC in RFC 3339, ``seconds`` the time it took.

    ``released``: of a run that was rolled back, or was to be, what the release itself had come to. ``errors``: all
    that was told, ``problems``: those of no object. ``is_finished``: ``False`` where the exit code is yet to come.
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

    @property
    def word(self) -> str:
        """``succeeded``, ``failed``, …"""
        return RESULTS[self.exit_code] if self.is_finished else UNFINISHED

    @property
    def name(self) -> str:
        """``k8s-step apply``, or ``k8s-step apply --dry-run``; the command is not known where it was misspelt."""
        return " ".join(part for part in ("k8s-step", self.command, "--dry-run" if self.is_dry_run else "") if part)

    @property
    def verdict(self) -> str:
        """The same for people; ``diff`` has not failed where it found a difference."""
        is_different = self.command == "diff" and self.exit_code is ExitCode.FAILED
        return "different" if is_different else self.word.replace("_", " ")

    @property
    def changed(self) -> tuple[Reference, ...]:
        """What was created, configured, deleted, … and not taken back; nothing in a dry run."""
        changed = [entry for entry in self.objects if entry.action not in QUIET and not entry.is_tried]
        return tuple(entry.reference for entry in changed if entry.rolled_back not in TAKEN_BACK)

    @property
    def unjudged(self) -> tuple[Reference, ...]:
        """What counts as current only because nothing tells whether it is ready."""
        taken = [entry for entry in self.objects if entry.status == State.CURRENT and not entry.judged]
        return tuple(entry.reference for entry in taken)

    @property
    def failed(self) -> tuple[Reference, ...]:
        """What a finding blames, what failed, what was not current in time and what was refused.

        Not what was merely unfinished when the run ended: nothing is known to be wrong with it.
        """
        if self.exit_code is ExitCode.SUCCEEDED:
            return ()
        blamed = {finding.reference.key for finding in self.findings if not finding.unfinished}
        bad = {entry.reference.key for entry in self.objects if entry.is_bad and not entry.is_unfinished}
        return tuple(entry.reference for entry in self.objects if entry.reference.key in blamed | bad)


def timestamp(moment: datetime) -> str:
    """``2026-11-22T10:00:00Z``."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def never_begun(command: str, exit_code: ExitCode, problems: tuple[Problem, ...]) -> Result:
    """Of a run that ended before there was one: an option was wrong."""
    told = tuple(map(str, problems))
    return replace(_empty(command, exit_code), message="\n".join(told), errors=told, problems=problems)


def unfinished(command: str, *, is_dry_run: bool = False) -> Result:
    """What is to be read of a run until it has come to its end: if it is killed, for good."""
    problem = Problem("this run has not come to its end: whoever finds this after it has stopped knows it was killed")
    result = never_begun(command, ExitCode.BUG, (problem,))
    return replace(result, is_dry_run=is_dry_run, is_finished=False)


def _empty(command: str, exit_code: ExitCode) -> Result:
    return Result(command, exit_code, None, None, timestamp(datetime.now(UTC)), 0.0)


def to_json(result: Result) -> dict[str, Any]:
    """The result file's content."""
    return {
        "command": result.command,
        "result": result.word,
        "exit_code": int(result.exit_code) if result.is_finished else None,
        "dry_run": result.is_dry_run,
        "message": result.message,
        "server": result.server,
        "context": result.context,
        "started": result.started,
        "seconds": round(result.seconds, 3),
        "objects": [_object(entry) for entry in result.objects],
        "failures": [_failure(finding) for finding in result.findings],
        "errors": [_problem(problem) for problem in result.problems],
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
        "not_followed": entry.unfollowed or None,
        "message": entry.message,
        "errors": [_problem(problem) for problem in entry.errors],
        "seconds": round(entry.seconds, 3),
        **({"rolled_back": entry.rolled_back, "rollback_message": entry.rollback_message} if entry.rolled_back else {}),
    }


def _problem(problem: Problem) -> dict[str, Any]:
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
    }


def relative(file: str, root: str) -> str:
    """``file`` as seen from ``root``; as it is where it lies elsewhere or is none."""
    if not root or not is_file(file):
        return file
    try:
        return Path(file).resolve().relative_to(Path(root).resolve()).as_posix()
    except (OSError, ValueError):
        return file


def rooted(result: Result, root: str) -> Result:
    """``result`` with every file as seen from ``root``."""

    def moved(reference: Reference) -> Reference:
        return replace(reference, file=relative(reference.file, root))

    def mended(problems: tuple[Problem, ...]) -> tuple[Problem, ...]:
        return tuple(problem.at(relative(problem.file, root)) for problem in problems)

    objects = tuple(
        replace(entry, reference=moved(entry.reference), errors=mended(entry.errors)) for entry in result.objects
    )
    findings = tuple(replace(finding, reference=moved(finding.reference)) for finding in result.findings)
    return replace(result, objects=objects, findings=findings, problems=mended(result.problems))
