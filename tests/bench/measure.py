"""What samples come to: medians, spread, and one tool's share of another's."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from tests.bench.launch import Sample


@dataclass(frozen=True)
class Spread:
    """The middle of some values, the least and the most of them."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of at least one value."""
        return cls(statistics.median(values), min(values), max(values))


@dataclass(frozen=True)
class Measured:
    """One tool at one job over a line of this round trip (ms). ``problem``: why samples are missing, if any are."""

    job: str
    round_trip: int
    tool: str
    samples: tuple[Sample, ...]
    problem: str = ""

    @property
    def seconds(self) -> Spread:
        return Spread.of([one.seconds for one in self.samples])

    @property
    def cpu(self) -> Spread:
        return Spread.of([one.cpu for one in self.samples])

    @property
    def memory(self) -> Spread:
        """Peak memory in MB (10⁶ bytes)."""
        return Spread.of([one.memory / 1e6 for one in self.samples])

    def noted(self, name: str) -> Spread:
        """Something else that was counted."""
        return Spread.of([one.noted[name] for one in self.samples])


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median of ours as a share of the median of theirs.

    >>> ratio([1.0, 2.0, 9.0], [4.0, 4.0])
    0.5
    """
    return statistics.median(ours) / statistics.median(theirs)
