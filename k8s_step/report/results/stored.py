"""The result of a run, read back from the JSON of its file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from k8s_step.errors import ExitCode
from k8s_step.objects.reference import Reference
from k8s_step.report.results.problem import Problem
from k8s_step.report.results.result import RESULTS, ObjectResult, Result
from k8s_step.verdict.evidence.finding import Finding

_Document = Mapping[str, Any]
_LONGEST = 1e9  # seconds


def from_json(document: _Document) -> Result:
    """What :func:`~k8s_step.report.results.result.to_json` was made of, but for differences and the text of the log.

    Raises LookupError, TypeError or ValueError where it is no such document.
    """
    is_dry_run = bool(document["dry_run"])
    objects = tuple(_object(one, is_dry_run) for one in _list(document, "objects"))
    problems = problems_of(document)
    told = (*problems, *(problem for one in objects for problem in one.errors))
    message = str(document["message"])
    rollback = document.get("rollback")
    return Result(
        str(document["command"]),
        ExitCode(document["exit_code"]),
        _optional(document, "server"),
        _optional(document, "context"),
        str(document["started"]),
        seconds_of(document),
        objects,
        tuple(_finding(one, objects) for one in _list(document, "failures")),
        message,
        tuple(map(str, _list(document, "warnings"))),
        _code(str(rollback["released"])) if rollback else None,
        errors=tuple(map(str, told)) or ((message,) if message else ()),
        problems=problems,
        is_dry_run=is_dry_run,
        url=_text(document, "url"),
    )


def seconds_of(document: _Document) -> float:
    """How long a run, or an object, took. Raises ValueError for what is no time."""
    seconds = float(document["seconds"])
    if not 0 <= seconds <= _LONGEST:
        raise ValueError(seconds)
    return seconds


def problems_of(document: _Document) -> tuple[Problem, ...]:
    """The ``errors`` of a run, a cluster or an object."""
    return tuple(
        Problem(
            str(one["message"]),
            _text(one, "where"),
            _text(one, "hint"),
            _text(one, "file"),
            _line(one),
        )
        for one in _list(document, "errors")
    )


def _object(document: _Document, is_dry_run: bool) -> ObjectResult:
    reference = Reference(
        str(document["apiVersion"]),
        str(document["kind"]),
        _text(document, "namespace"),
        str(document["name"]),
        _text(document, "file"),
        _line(document),
    )
    return ObjectResult(
        reference,
        str(document["action"]),
        str(document["status"]),
        str(document["message"]),
        seconds_of(document),
        _text(document, "reason"),
        bool(document["judged"]),
        _text(document, "note"),
        _text(document, "rolled_back"),
        _text(document, "rollback_message"),
        problems_of(document),
        is_dry_run,
        _text(document, "not_followed"),
        _text(document, "not_begun"),
        _text(document, "paused"),
    )


def _finding(document: _Document, objects: Sequence[ObjectResult]) -> Finding:
    path = str(document["object"])
    known = (one.reference for one in objects if one.reference.path == path)
    code = document["exit_code"]
    texts: dict[str, Any] = {name: _text(document, name) for name in _TEXTS}
    lists: dict[str, Any] = {name: tuple(map(str, _list(document, name))) for name in _LISTS}
    return Finding(
        next(known, None) or _reference(path),
        str(document["reason"]),
        str(document["message"]),
        alike=int(document["alike"]),
        exit_code=None if code is None else int(code),
        unfinished=bool(document["unfinished"]),
        **texts,
        **lists,
    )


_TEXTS = ("pod", "container", "image", "node", "logs_of", "advice", "check", "signal", "probe", "probe_answer")
_LISTS = ("claims", "logs", "events", "missing")


def _reference(path: str) -> Reference:
    """The object of ``apps/v1/Deployment/shop/web``; a kind alone begins with a capital letter."""
    parts = path.split("/")
    at = [part[:1].isupper() for part in parts].index(True)
    *space, name = parts[at + 1 :]
    return Reference("/".join(parts[:at]), parts[at], "/".join(space), name)


def _code(word: str) -> ExitCode:
    return {each: code for code, each in reversed(RESULTS.items())}[word]


def _list(document: _Document, name: str) -> list[Any]:
    found = document[name]
    if not isinstance(found, list):
        raise TypeError(f"{name} is no list")
    return found


def _text(document: _Document, name: str) -> str:
    return str(document.get(name) or "")


def _optional(document: _Document, name: str) -> str | None:
    return _text(document, name) or None


def _line(document: _Document) -> int:
    return int(document.get("line") or 0)
