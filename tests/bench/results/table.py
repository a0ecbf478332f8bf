"""The measurement as Markdown: seconds with their spread, our share of each other tool's, then CPU and memory."""

from __future__ import annotations

from collections.abc import Iterable

from tests.bench.jobs import OURS, TOOLS, Job
from tests.bench.measure import Measured, Spread, ratio
from tests.bench.results.results import Results, counted

_NONE = ""


def markdown(results: Results) -> str:
    """Everything, without a heading."""
    tools = [tool for tool in TOOLS if any(one.tool == tool for one in results.measured)]
    parts = [_head(results), _times(results, tools), _costs(results, tools), *_counts(results), *_problems(results)]
    return "\n\n".join(parts) + "\n"


def _head(results: Results) -> str:
    machine = results.machine
    on = f"{machine['cpu']}, {machine['cores']} cores, {machine['memory']} of memory, {machine['system']}"
    versions = ", ".join(f"{name} {version}" for name, version in results.versions.items())
    note = f" {results.note}" if results.note else ""
    spread = f"medians of {counted(results)}, the least and the most in brackets" if results.runs > 1 else "one run"
    return f"Measured on {results.date}: {on}; {versions}; {spread}.{note}"


def _times(results: Results, tools: list[str]) -> str:
    others = [tool for tool in tools if tool != OURS]
    head = ["job", "round trip", *(f"{tool}, s" for tool in tools), *(f"of {tool}" for tool in others)]
    return _table(head, (_time_row(results, job, trip, tools) for job, trip in results.rows()))


def _time_row(results: Results, job: Job, trip: int, tools: list[str]) -> list[str]:
    found = {tool: _figures(results, job, trip, tool) for tool in tools}
    cells = [_seconds(one) for one in found.values()]
    return [job.title, f"{trip} ms", *cells, *(_share(found[OURS], found[tool]) for tool in tools if tool != OURS)]


def _figures(results: Results, job: Job, trip: int, tool: str) -> Measured | None:
    own = results.of(job.name, trip, tool)
    return own if own or tool == OURS else results.of(job.beside, trip, tool)


def _seconds(one: Measured | None) -> str:
    if not one:
        return _NONE
    median, *ends = (_number(each) for each in (one.seconds.median, one.seconds.least, one.seconds.most))
    return f"{median} ({'–'.join(ends)})" if len(one.samples) > 1 else median


def _number(seconds: float) -> str:
    return f"{seconds:.3f}" if seconds < 0.2 else f"{seconds:.2f}" if seconds < 10 else f"{seconds:.1f}"


def _share(ours: Measured | None, theirs: Measured | None) -> str:
    if not ours or not theirs:
        return _NONE
    return f"{ratio([one.seconds for one in ours.samples], [one.seconds for one in theirs.samples]):.2f}"


def _costs(results: Results, tools: list[str]) -> str:
    head = ["job", "round trip", *(f"{tool}, CPU s" for tool in tools), *(f"{tool}, MB" for tool in tools)]
    rows = (_cost_row(results, job, trip, tools) for job, trip in results.rows())
    return _table(head, (row for row in rows if any(row[2:])))


def _cost_row(results: Results, job: Job, trip: int, tools: list[str]) -> list[str]:
    found = [results.of(job.name, trip, tool) for tool in tools]
    known = [one if one and one.memory.most else None for one in found]
    cpu = [_number(one.cpu.median) if one else _NONE for one in known]
    return [job.title, f"{trip} ms", *cpu, *(f"{one.memory.most:.0f}" if one else _NONE for one in known)]


def _counts(results: Results) -> list[str]:
    """A line for each thing that was counted besides."""
    lines = []
    for job, trip in results.rows():
        for name, words in job.counts.items():
            found = [one for tool in job.commands if (one := results.of(job.name, trip, tool))]
            told = ", ".join(f"{one.tool} {_count(one.noted(name))}" for one in found)
            lines.append(f"{job.title}: {words}: {told}.")
    return lines


def _count(spread: Spread) -> str:
    return f"{spread.median:g} ({spread.least:g}–{spread.most:g})"


def _problems(results: Results) -> list[str]:
    """A line for each row from which samples are missing."""
    return [
        f"{one.tool} at `{one.job}`, {one.round_trip} ms, failed in {results.runs - len(one.samples)} of "
        f"{results.runs} runs."
        for one in results.measured
        if one.problem
    ]


def _table(head: list[str], rows: Iterable[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
