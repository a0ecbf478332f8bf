"""The measurement as a picture: a group of bars for each row, medians, with whiskers from the least to the most."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.bench.jobs import TOOLS
from tests.bench.measure import Measured
from tests.bench.results.results import Results, counted

_COLOURS = {"k8s-step": "#1f6feb", "kubectl": "#8b949e", "kapp": "#d4a72c"}
_BAR = 0.27


def draw(results: Results, path: Path) -> None:
    """Write the picture as PNG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    rows = results.rows()
    figure, axes = pyplot.subplots(figsize=(9, 1.2 + 0.5 * len(rows)))
    for place, tool in enumerate(TOOLS):
        there = [(row, one) for row, (job, trip) in enumerate(rows) if (one := results.of(job.name, trip, tool))]
        if there:
            _bars(axes, [row + (place - 1) * _BAR for row, _ in there], [one for _, one in there])
    axes.set_xscale("log")
    axes.set_xlabel("seconds, logarithmic; less is better")
    axes.set_yticks(range(len(rows)), [f"{job.title.replace('`', '')}, {trip} ms" for job, trip in rows], fontsize=8)
    axes.invert_yaxis()
    axes.grid(axis="x", which="both", alpha=0.3)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(TOOLS), frameon=False)
    axes.set_title(f"k8s-step {results.versions['k8s-step']}, {results.date}, {counted(results)}", fontsize=10, pad=32)
    figure.savefig(path, dpi=100, bbox_inches="tight", metadata={"Software": None})
    pyplot.close(figure)


def _bars(axes: Any, places: list[float], figures: list[Measured]) -> None:
    medians = [one.seconds.median for one in figures]
    below = [one.seconds.median - one.seconds.least for one in figures]
    above = [one.seconds.most - one.seconds.median for one in figures]
    tool = figures[0].tool
    whiskers = {"elinewidth": 0.8, "capsize": 1.5}
    axes.barh(places, medians, _BAR, xerr=[below, above], color=_COLOURS[tool], label=tool, error_kw=whiskers)
