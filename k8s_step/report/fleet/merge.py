"""The result files of many runs, on one cluster or several each, read back as one result."""

from __future__ import annotations

import glob
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from k8s_step.errors import ExitCode, InputError, InputErrors
from k8s_step.report.fleet.badness import worst
from k8s_step.report.fleet.result import NOT_BEGUN, ClusterResult, ClustersResult
from k8s_step.report.results.problem import Problem
from k8s_step.report.results.result import SCHEMA, UNFINISHED, timestamp
from k8s_step.report.results.stored import from_json, problems_of, seconds_of

_CUT_SHORT = (ExitCode.INTERRUPTED, ExitCode.CANCELLED)
_MOST_SHARDS = 100_000
_WHAT = "a result file is what --report writes"


@dataclass(frozen=True)
class Report:
    """A result file. ``name``: what the cluster of a run on one is to be called, empty for its own name."""

    path: str
    name: str = ""

    @property
    def real_path(self) -> str:
        """The file's one absolute path, by which it is told from others."""
        return os.path.realpath(self.path)


def found(words: Sequence[str]) -> list[Report]:
    """The files that ``PATH``, ``NAME=PATH`` and globs mean, each once; a glob that matches none is a missing file."""
    reports: dict[str, Report] = {}
    for word in words:
        name, is_named, path = word.partition("=")
        if not is_named or Path(word).exists():
            name, path = "", word
        paths = sorted(glob.glob(path, recursive=True)) or [path]  # noqa: PTH207 (Path.glob takes no absolute pattern)
        for each in [path] if Path(path).exists() else paths:
            report = Report(each, name)
            reports.setdefault(report.real_path, report)
    return list(reports.values())


def merged(reports: Iterable[Report]) -> ClustersResult:
    """One result of the files. Those that can't be taken in are its problems; the others are merged all the same.

    Raises :class:`InputErrors` where not one can be taken in.
    """
    parts: list[tuple[Report, ClustersResult]] = []
    errors: list[InputError] = []
    for report in reports:
        try:
            part = read(report)
            _check_kind(part, parts, report)
            parts.append((report, part))
        except InputError as error:
            errors.append(error)
    if not parts:
        raise InputErrors(errors)
    clusters, doubles = _clusters(parts)
    results = [part for _, part in parts]
    return _joined(results, clusters, [*errors, *doubles, *_missing(part.shard for part in results if part.shard)])


def read(report: Report) -> ClustersResult:
    """The result that a file holds. Raises :class:`InputError`, which names the file."""
    try:
        document = json.loads(Path(report.path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"the report can't be read: {error.strerror}", where=report.path) from None
    except (ValueError, RecursionError):
        raise InputError("the report is no JSON, or a part of it alone", where=report.path, hint=_WHAT) from None
    _check_schema(document, report.path)
    try:
        part = _of_several(document) if "clusters" in document else _of_one(document, report)
        _span(part)
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError):
        raise InputError("the report is not as k8s-step writes it", where=report.path, hint=_WHAT) from None
    if report.name and "clusters" in document:
        raise InputError(f"the report names its clusters itself, {report.name} can't be one's name", where=report.path)
    return part


def _check_schema(document: Any, path: str) -> None:
    if not isinstance(document, dict) or not {"schema", "command", "result"} <= document.keys():
        raise InputError("this is no result file of k8s-step", where=path, hint=_WHAT)
    if document["schema"] != SCHEMA:
        hint = "merge with the version of k8s-step that wrote it"
        raise InputError(
            f"its schema is {document['schema']!r}, and this version reads {SCHEMA}", where=path, hint=hint
        )
    if document["result"] == UNFINISHED:
        names = ", ".join(str(one.get("name")) for one in document.get("clusters") or () if isinstance(one, dict))
        about = f" (on {names})" if names else ""
        raise InputError(f"its run{about} has not come to its end: it was killed, or is under way", where=path)


def _of_one(document: Mapping[str, Any], report: Report) -> ClustersResult:
    result = from_json(document)
    one = ClusterResult(report.name or result.context or result.server or report.path, result=result)
    return ClustersResult(result.command, (one,), result.started, result.seconds, is_dry_run=result.is_dry_run)


def _of_several(document: Mapping[str, Any]) -> ClustersResult:
    code = ExitCode(document["exit_code"])
    return ClustersResult(
        str(document["command"]),
        tuple(map(_cluster, document["clusters"])),
        str(document["started"]),
        seconds_of(document),
        problems=problems_of(document),
        cancelled=code if code in _CUT_SHORT else None,
        is_dry_run=bool(document["dry_run"]),
        problem_code=code,
        shard=_shard(document["shard"]),
    )


def _shard(text: Any) -> str:
    if text is None:
        return ""
    number, count = map(int, str(text).split("/"))
    if not 1 <= number <= count <= _MOST_SHARDS:
        raise ValueError(text)
    return f"{number}/{count}"


def _cluster(document: Mapping[str, Any]) -> ClusterResult:
    result = None if document["result"] == NOT_BEGUN else from_json(document)
    return ClusterResult(str(document["name"]), int(document["wave"]), result)


def _check_kind(part: ClustersResult, parts: Sequence[tuple[Report, ClustersResult]], report: Report) -> None:
    """Raise :class:`InputError` for a run of another command than the first, or a dry run among others."""
    if parts and part.name != parts[0][1].name:
        first = f"{parts[0][0].path} is of {parts[0][1].name}"
        raise InputError(f"the report is of {part.name}, and {first}", where=report.path, hint="merge like with like")


def _clusters(parts: Iterable[tuple[Report, ClustersResult]]) -> tuple[list[ClusterResult], list[InputError]]:
    """The clusters, wave after wave, and an error for each that two files tell of; the first file counts."""
    known: dict[str, tuple[str, ClusterResult]] = {}
    errors = []
    for report, part in parts:
        for one in part.clusters:
            path = known.setdefault(one.name, (report.path, one))[0]
            if known[one.name][1] is not one:
                hint = "where they are two clusters, NAME=FILE names one of them anew"
                message = f"{path} tells of the cluster {one.name}, too"
                errors.append(InputError(message, where=report.path, hint=hint))
    return sorted((one for _, one in known.values()), key=lambda one: one.wave), errors


def _missing(shards: Iterable[str]) -> Iterator[InputError]:
    """An error where a job's share is in no file that could be taken in."""
    counts: dict[int, set[int]] = {}
    for number, count in (map(int, shard.split("/")) for shard in shards):
        counts.setdefault(count, set()).add(number)
    for count, numbers in counts.items():
        left = [f"{number}/{count}" for number in range(1, count + 1) if number not in numbers]
        if left:
            yield InputError(f"no report that can be read is of shard {', '.join(left)}", hint="did all jobs end?")


def _joined(
    parts: Sequence[ClustersResult], clusters: Iterable[ClusterResult], errors: Sequence[InputError]
) -> ClustersResult:
    command = parts[0].command
    codes = [ExitCode.INVALID] * bool(errors) + [part.problem_code for part in parts if part.problems]
    cancelled = [part.cancelled for part in parts if part.cancelled]
    own = [Problem(error.message, error.where or "", error.hint or "", error.where or "") for error in errors]
    joined = replace(
        parts[0],
        clusters=tuple(clusters),
        problems=(*own, *(problem for part in parts for problem in part.problems)),
        problem_code=worst(codes, command),
        cancelled=worst(cancelled, command) if cancelled else None,
        shard="",
    )
    return _timed(joined, parts)


def _timed(joined: ClustersResult, parts: Sequence[ClustersResult]) -> ClustersResult:
    """With the time from the first begin to the last end."""
    spans = list(map(_span, parts))
    first, last = min(begun for begun, _ in spans), max(ended for _, ended in spans)
    return replace(joined, started=timestamp(first), seconds=(last - first).total_seconds())


def _span(part: ClustersResult) -> tuple[datetime, datetime]:
    """When a run began and ended. Raises ValueError or OverflowError for what is no time."""
    begun = datetime.fromisoformat(part.started).astimezone(UTC)
    return begun, begun + timedelta(seconds=part.seconds)
