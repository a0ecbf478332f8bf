"""The result of a run on several clusters as data, and as the JSON that docs/clusters.md documents."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from k8s_step.errors import ExitCode
from k8s_step.report.fleet.badness import worst
from k8s_step.report.results.problem import Problem
from k8s_step.report.results.result import RESULTS, UNFINISHED, Result, problem_json, rooted, timestamp, to_json
from k8s_step.report.wording import duration, first_of, many

NOT_BEGUN = "not_begun"


@dataclass(frozen=True)
class ClusterResult:
    """One cluster's part. ``wave`` counts from 1. ``result`` is ``None`` where the cluster was not begun."""

    name: str
    wave: int = 1
    result: Result | None = None

    @property
    def word(self) -> str:
        """``succeeded``, ``failed``, …, or ``not_begun``."""
        return self.result.word if self.result else NOT_BEGUN

    @property
    def verdict(self) -> str:
        """``word`` for people."""
        return self.result.verdict if self.result else NOT_BEGUN.replace("_", " ")

    @property
    def is_good(self) -> bool:
        """Whether nothing is wrong; a difference that ``diff`` has found is nothing wrong."""
        return self.result is not None and (self.result.exit_code is ExitCode.SUCCEEDED or self.verdict == "different")


@dataclass(frozen=True)
class ClustersResult:
    """The whole run. ``cancelled``: the exit code of a signal that ended it. ``problems``: those of no one cluster.

    ``shard``: ``3/10``, where the clusters are the share of one job.
    """

    command: str
    clusters: tuple[ClusterResult, ...]
    started: str
    seconds: float
    problems: tuple[Problem, ...] = ()
    cancelled: ExitCode | None = None
    is_dry_run: bool = False
    is_finished: bool = True
    problem_code: ExitCode = ExitCode.INVALID
    shard: str = ""

    @property
    def exit_code(self) -> ExitCode:
        """The worst of the clusters' and of ``problem_code`` where there are problems."""
        codes = [one.result.exit_code for one in self.clusters if one.result]
        codes += [self.problem_code] if self.problems else []
        codes += [self.cancelled] if self.cancelled else []
        return worst(codes, self.command)

    @property
    def word(self) -> str:
        """The result in one word: ``succeeded``, ``failed``, …"""
        return RESULTS[self.exit_code] if self.is_finished else UNFINISHED

    @property
    def verdict(self) -> str:
        """``word`` for people."""
        is_different = self.command == "diff" and self.exit_code is ExitCode.FAILED
        return "different" if is_different else self.word.replace("_", " ")

    @property
    def name(self) -> str:
        """``k8s-step apply``, or ``k8s-step apply --dry-run``."""
        return " ".join(part for part in ("k8s-step", self.command, "--dry-run" if self.is_dry_run else "") if part)

    @property
    def changed(self) -> tuple[str, ...]:
        """The objects that were changed, each after the name of its cluster."""
        return tuple(f"{one.name} {each}" for one in self.clusters if one.result for each in one.result.changed)

    @property
    def failed(self) -> tuple[str, ...]:
        """The objects that failed, each after the name of its cluster."""
        return tuple(f"{one.name} {each}" for one in self.clusters if one.result for each in one.result.failed)

    @property
    def server(self) -> str:
        """The clusters' names, which tell one run from another where a single run has its server."""
        return " ".join(one.name for one in self.clusters)

    @property
    def namespace(self) -> str:
        """Empty: each cluster may have its own."""
        return ""

    @property
    def url(self) -> str:
        """Where users reach the release: the first cluster's that tells."""
        return next((one.result.url for one in self.clusters if one.result and one.result.url), "")

    @property
    def message(self) -> str:
        """What kept the run from its clusters; empty where nothing did."""
        return "; ".join(map(str, self.problems))


def unfinished_clusters(
    command: str, clusters: tuple[ClusterResult, ...], *, is_dry_run: bool = False
) -> ClustersResult:
    """The result of a run that has not ended; it remains if the run is killed."""
    started = timestamp(datetime.now(UTC))
    return ClustersResult(command, clusters, started, 0.0, is_dry_run=is_dry_run, is_finished=False)


def summary(result: ClustersResult) -> str:
    """``3 clusters (2 succeeded, 1 failed: us) in 12.3 s``, on one line."""
    if result.problems and not any(one.result for one in result.clusters):
        return "nothing was sent"
    names: dict[str, list[str]] = {}
    for one in result.clusters:
        names.setdefault(one.verdict, []).append(one.name)
    counts = Counter(one.verdict for one in result.clusters)
    parts = [f"{count} {word}{_named(word, names[word])}" for word, count in counts.items()]
    aside = f" ({'; '.join(parts)})" if parts else ""
    return f"{many(len(result.clusters), 'cluster')}{aside} in {duration(result.seconds)}"


_NAMED = 10  # clusters that the summary names


def _named(word: str, names: Sequence[str]) -> str:
    if word == "succeeded":
        return ""
    return f": {first_of(names, _NAMED)}"


def to_clusters_json(result: ClustersResult) -> dict[str, Any]:
    """The result file's content; docs/clusters.md describes each field."""
    return {
        "command": result.command,
        "result": result.word,
        "exit_code": int(result.exit_code) if result.is_finished else None,
        "dry_run": result.is_dry_run,
        "shard": result.shard or None,
        "message": result.message,
        "started": result.started,
        "seconds": round(result.seconds, 3),
        "clusters": [_cluster(one, result) for one in result.clusters],
        "errors": [problem_json(problem) for problem in result.problems],
    }


def _cluster(one: ClusterResult, result: ClustersResult) -> dict[str, Any]:
    lead = {"name": one.name, "wave": one.wave}
    if one.result is None:
        return {**lead, "command": result.command, "result": NOT_BEGUN, "exit_code": None}
    return {**lead, **to_json(one.result)}


def clusters_rooted(result: ClustersResult, root: str) -> ClustersResult:
    """``result`` with every file relative to ``root``."""
    clusters = (replace(one, result=rooted(one.result, root)) if one.result else one for one in result.clusters)
    return replace(result, clusters=tuple(clusters))
