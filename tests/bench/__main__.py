"""``python -m tests.bench``: measure, print the table, and publish it where that is asked for."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from pathlib import Path

from tests.bench import scale
from tests.bench.course import Course, round_trips, say
from tests.bench.jobs import JOBS, KAPP, KUBECTL, OURS, Job
from tests.bench.launch import launching
from tests.bench.plane import plane
from tests.bench.results.machine import machine, versions
from tests.bench.results.publication import publish
from tests.bench.results.results import Results
from tests.bench.results.table import markdown
from tests.controlplane.build import UnavailableError
from tests.image.build import at_hand

_BIN = Path(sys.executable).parent


def main() -> int:
    """The exit code."""
    options = _options()
    jobs = [job for job in JOBS if not options.only or job.name in options.only]
    try:
        if options.scale:
            return _scaled(options)
        results = _measured(jobs, options)
    except UnavailableError as reason:
        say(f"the control plane can't be started: {reason}")
        return 1
    print(markdown(results), end="")
    image = at_hand()
    print(f"\n{image.size}" if image else "\nimage: not built on this machine yet (make image-test)")
    if options.publish:
        for path in publish(results):
            say(f"wrote {path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path.name}")
    return 0


def _options() -> argparse.Namespace:
    names = [job.name for job in JOBS]
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__, epilog="KAPP=PATH adds kapp")
    parser.add_argument("--runs", type=int, default=7, help="so many of each row (default: 7)")
    parser.add_argument("--minutes", type=float, default=20, help="no run is begun that would end later (default: 20)")
    parser.add_argument("--only", action="append", choices=names, help="this job alone (repeatable)")
    parser.add_argument("--scale", type=int, metavar="N", help="instead: growth up to N objects (docs/scale.md)")
    parser.add_argument("--publish", action="store_true", help="write benchmarks/results and docs/performance.md")
    parser.add_argument("--note", default="", help="a sentence that is published with the figures")
    options = parser.parse_args()
    if options.publish and options.only:
        parser.error("--publish is for all rows: leave --only out")
    if options.runs < 1:
        parser.error("--runs is 1 at the least")
    return options


def _scaled(options: argparse.Namespace) -> int:
    say("starting a control plane …")
    tools = _tools()
    with plane(()) as found, launching(found.folder) as launcher:
        points = scale.measure(found, launcher, tools, options.scale)
    growth = scale.Growths(time.strftime("%Y-%m-%d"), machine(), versions(tools), points, options.note)
    print(scale.markdown(growth), end="")
    for path in scale.publish(growth) if options.publish else ():
        say(f"wrote {path.name}")
    return 0


def _tools() -> dict[str, str]:
    """The programs that are there. kubectl is needed to prepare; kapp is where ``KAPP`` says."""
    found = {OURS: str(_BIN / OURS), KUBECTL: str(_BIN / KUBECTL)}
    kapp = os.environ.get("KAPP")
    if kapp and not shutil.which(kapp):
        raise SystemExit("KAPP names no program that can be run")
    if not kapp:
        say("kapp is left out: KAPP names none")
    return {**found, **({KAPP: str(Path(kapp).resolve())} if kapp else {})}


def _measured(jobs: list[Job], options: argparse.Namespace) -> Results:
    tools = _tools()
    say("starting a control plane …")
    with plane(round_trips(jobs)) as found, launching(found.folder) as launcher:
        course = Course(found, launcher, tools, jobs)
        measured = course.go(options.runs, options.minutes)
    return Results(time.strftime("%Y-%m-%d"), course.runs, machine(), versions(tools), measured, options.note)


if __name__ == "__main__":
    sys.exit(main())
