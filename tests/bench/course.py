"""One run after the other over all jobs, the tools in turn: each slow moment of the machine meets all of them."""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tests.bench.jobs import FAR, Job
from tests.bench.launch import Launcher, LaunchError, Sample
from tests.bench.measure import Measured
from tests.bench.plane import Plane
from tests.bench.stations import Station

Key = tuple[str, int, str]


def say(line: str) -> None:
    """Progress, for whoever waits."""
    print(line, file=sys.stderr, flush=True)


@dataclass
class Course:
    """The jobs, the programs by name, and what has been measured by job, round trip and tool."""

    plane: Plane
    launcher: Launcher
    tools: Mapping[str, str]
    jobs: Sequence[Job]
    runs: int = 0
    _samples: dict[Key, list[Sample]] = field(default_factory=lambda: defaultdict(list))
    _problems: dict[Key, str] = field(default_factory=dict)
    _stations: dict[tuple[str, str], Station] = field(default_factory=dict)
    _namespaces: dict[str, str] = field(default_factory=dict)

    def go(self, runs: int, minutes: float) -> list[Measured]:
        """So many runs, and none begun that would last longer than ``minutes`` altogether."""
        begun = time.monotonic()
        while self.runs < runs:
            spent = time.monotonic() - begun
            if self.runs and spent * (self.runs + 1) / self.runs > minutes * 60:
                say(f"{self.runs} of {runs} runs: another would not be done within {minutes:g} minutes")
                break
            self._run()
            self.runs += 1
            say(f"run {self.runs} of {runs} done after {time.monotonic() - begun:.0f} s")
        return self.measured()

    def measured(self) -> list[Measured]:
        """What there is until now, in the order of the jobs."""
        return [
            Measured(job.name, trip, tool, tuple(self._samples[job.name, trip, tool]), problem)
            for job in self.jobs
            for trip in job.round_trips
            for tool in self._able(job)
            if (problem := self._problems.get((job.name, trip, tool), "")) or self._samples[job.name, trip, tool]
        ]

    def _run(self) -> None:
        for job in self.jobs:
            for trip in job.round_trips:
                for tool in self._in_turn(self._able(job)):
                    self._one(job, trip, tool)

    def _able(self, job: Job) -> list[str]:
        return [tool for tool in job.commands if tool in self.tools]

    def _in_turn(self, tools: Iterable[str]) -> Iterable[str]:
        """Every second run the other way round: the second of two may find the server warmer."""
        return list(tools)[:: -1 if self.runs % 2 else 1]

    def _one(self, job: Job, trip: int, tool: str) -> None:
        """One sample. What fails is told and left out; the other figures are none the worse for it."""
        key = (job.name, trip, tool)
        try:
            station = self._station(job, tool).next(self.plane.kubeconfigs[trip])
            job.before(station)
            sample = job.measure(station, job.commands[tool])
        except (LaunchError, AssertionError, OSError) as error:
            self._problems[key] = " ".join(str(error).split()) or type(error).__name__
            say(f"  {job.name}, {trip} ms, {tool}: FAILED: {self._problems[key]}")
            return
        self._samples[key].append(sample)
        counted = "".join(f", {name} {value:g}" for name, value in sample.noted.items())
        say(f"  {job.name}, {trip} ms, {tool}: {sample.seconds:.2f} s{counted}")

    def _station(self, job: Job, tool: str) -> Station:
        """The tool's namespace for the job, prepared when it is first asked for."""
        place = job.place or f"{job.name}-{tool}"
        is_new = place not in self._namespaces
        if is_new:
            self._namespaces[place] = self.plane.namespace(place)
        found = self._stations.get((place, tool))
        if found is None:
            near = self.plane.cluster.kubeconfig
            found = Station(self.plane, self.launcher, self.tools, tool, self._namespaces[place], near)
            self._stations[place, tool] = found
        if is_new:
            say(f"  {job.name}, {tool}: preparing")
            job.begin(found)
        return found


def round_trips(jobs: Iterable[Job]) -> tuple[int, ...]:
    """All that the jobs ask for."""
    return tuple(sorted({trip for job in jobs for trip in job.round_trips} | {FAR}))
