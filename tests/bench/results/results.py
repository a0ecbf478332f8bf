"""One measurement as a whole, and the same as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tests.bench.jobs import JOBS, Job
from tests.bench.measure import Measured, Spread

_SHOWN = 4  # digits


@dataclass(frozen=True)
class Results:
    """``note`` is what a reader has to know of them, such as a busy machine."""

    date: str
    runs: int
    machine: Mapping[str, str]
    versions: Mapping[str, str]
    measured: Sequence[Measured]
    note: str = ""

    def of(self, job: str, round_trip: int, tool: str) -> Measured | None:
        """One tool's figures at one job, where there are any."""
        same = (one for one in self.measured if (one.job, one.round_trip, one.tool) == (job, round_trip, tool))
        return next((one for one in same if one.samples), None)

    def rows(self) -> list[tuple[Job, int]]:
        """The jobs and round trips for which there are figures."""
        there = {(one.job, one.round_trip) for one in self.measured if one.samples}
        return [(job, trip) for job in JOBS for trip in job.round_trips if (job.name, trip) in there]


def counted(results: Results) -> str:
    """``7 runs``."""
    return f"{results.runs} runs" if results.runs > 1 else "one run"


def to_json(results: Results) -> dict[str, Any]:
    """Everything, each sample among it; seconds and MB."""
    return {
        "date": results.date,
        "note": results.note,
        "runs": results.runs,
        "machine": dict(results.machine),
        "versions": dict(results.versions),
        "measured": [_measured(one) for one in results.measured],
    }


def _measured(one: Measured) -> dict[str, Any]:
    told = {"job": one.job, "round_trip_ms": one.round_trip, "tool": one.tool, "problem": one.problem}
    if not one.samples:
        return told
    names = one.samples[0].noted
    return {
        **told,
        "seconds": _spread(one.seconds),
        "cpu_seconds": _spread(one.cpu),
        "memory_mb": _spread(one.memory),
        **{name: _spread(one.noted(name)) for name in names},
        "samples": [round(sample.seconds, _SHOWN) for sample in one.samples],
    }


def _spread(spread: Spread) -> dict[str, float]:
    return {name: round(value, _SHOWN) for name, value in asdict(spread).items()}
