"""The pure parts of the measuring, and that its processes tell what they took."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.bench import scale
from tests.bench.course import Course, round_trips
from tests.bench.jobs import JOBS, KAPP, KUBECTL, OURS, TOOLS, Job
from tests.bench.launch import LaunchError, Sample, launching
from tests.bench.measure import Measured, Spread, ratio
from tests.bench.results.machine import machine
from tests.bench.results.publication import publish, put
from tests.bench.results.results import Results, to_json
from tests.bench.results.table import markdown

_MACHINE = {"cpu": "Model 3000", "cores": "2", "memory": "8 GB", "system": "Linux"}


def measured(job: str, tool: str, *seconds: float, trip: int = 0, problem: str = "", **noted: float) -> Measured:
    samples = tuple(Sample(each, cpu=each / 2, memory=50_000_000, noted=noted) for each in seconds)
    return Measured(job, trip, tool, samples, problem)


def results(*found: Measured) -> Results:
    return Results("2026-01-02", 3, _MACHINE, {"Kubernetes": "v1.37.2", OURS: "1.2.3"}, found)


def test_a_spread_is_the_middle_and_the_ends() -> None:
    assert Spread.of([3.0, 1.0, 8.0]) == Spread(3.0, 1.0, 8.0)
    assert ratio([1.0, 2.0, 9.0], [4.0]) == 0.5


def test_every_job_is_of_known_tools_and_other_jobs() -> None:
    names = [job.name for job in JOBS]
    assert len(set(names)) == len(names)
    for job in JOBS:
        assert OURS in job.commands and set(job.commands) <= set(TOOLS)
        assert job.beside in ("", *names)
    assert round_trips(JOBS) == (0, 25)


def test_the_table_tells_the_share_of_each_other_tool() -> None:
    said = markdown(results(measured("create", OURS, 1.0, 2.0, 3.0), measured("create", KUBECTL, 4.0, 4.0, 5.0)))
    row = next(line for line in said.splitlines() if line.startswith("| 500 ConfigMaps created"))
    assert row == "| 500 ConfigMaps created | 0 ms | 2.00 (1.00–3.00) | 4.00 (4.00–5.00) | 0.50 |"
    assert "| 500 ConfigMaps created | 0 ms | 1.00 | 2.00 | 50 | 50 |" in said
    assert KAPP not in said.replace("kapp version", "")


def test_a_row_without_figures_of_others_is_compared_with_the_job_it_names() -> None:
    said = markdown(results(measured("create", KUBECTL, 4.0), measured("create-unchecked", OURS, 1.0)))
    assert "| the same with `--no-preflight` | 0 ms | 1.00 | 4.00 | 0.25 |" in said


def test_what_failed_is_told_and_what_is_missing_is_left_out() -> None:
    found = (measured("create", OURS, 1.0), measured("create", KUBECTL, problem="ended with 1"))
    said = markdown(results(*found))
    assert "kubectl at `create`, 0 ms, failed in 3 of 3 runs." in said
    assert "| 500 ConfigMaps created | 0 ms | 1.00 |  |  |" in said
    assert "Deployments again" not in said
    assert to_json(results(*found))["measured"][1]["problem"] == "ended with 1"


def test_what_was_counted_has_a_line() -> None:
    said = markdown(results(measured("busy", OURS, 5.0, 6.0, refused=7)))
    assert "requests refused with 429: k8s-step 7 (7–7)." in said


def test_the_machine_is_told_without_its_name(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text("processor : 0\nmodel name\t: Model 3000\n")
    (tmp_path / "meminfo").write_text("MemTotal:       8000000 kB\n")
    told = machine(tmp_path)
    assert (told["cpu"], told["memory"]) == ("Model 3000", "8 GB")
    assert set(told) == set(_MACHINE)


def test_a_page_gets_its_part_between_the_marks(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- measured: begin -->\nold\n<!-- measured: end -->\nafter\n")
    put(page, "measured", r"new \1" + "\n")
    assert page.read_text() == "before\n<!-- measured: begin -->\nnew \\1\n<!-- measured: end -->\nafter\n"
    with pytest.raises(ValueError, match=r"page.md has no part"):
        put(page, "other", "")


def test_a_publication_is_files_by_date_and_the_page(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    page = tmp_path / "docs" / "performance.md"
    page.write_text("<!-- measured: begin -->\n<!-- measured: end -->\n")
    written = publish(results(measured("version", OURS, 0.1, 0.2)), tmp_path)
    assert all(path.exists() for path in written)
    assert json.loads((tmp_path / "benchmarks/results/2026-01-02.json").read_text())["machine"] == _MACHINE
    for link in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        assert (page.parent / link).exists()
    assert (tmp_path / "docs/performance.png").read_bytes().startswith(b"\x89PNG")


def test_growth_is_published_by_size(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    page = tmp_path / "docs" / "scale.md"
    page.write_text("<!-- measured: begin -->\n<!-- measured: end -->\n")
    made = next(growth for growth in scale.GROWTHS if growth.name == "created")
    points = [scale.Point(made, 1000, Sample(12.34, 5.6, 60_000_000, noted={"requests": 3001}))]
    scale.publish(scale.Growths("2026-01-02", _MACHINE, {"Kubernetes": "v1.37.2"}, points, "A note."), tmp_path)
    assert "| ConfigMaps created | 1,000 | 12.3 | 5.6 | 60 | 3,001 |" in page.read_text()
    assert "A note." in page.read_text()
    told = json.loads((tmp_path / "benchmarks/results/2026-01-02-scale.json").read_text())
    assert told["points"][0]["requests"] == 3001


def test_a_process_tells_what_it_took_and_not_what_its_parent_holds(tmp_path: Path) -> None:
    ballast = bytearray(200_000_000)
    with launching(tmp_path) as launcher:
        small = launcher.run([["/bin/sh", "-c", "true"]], {})
        large = launcher.run([[sys.executable, "-c", "held = bytearray(300_000_000); held[::4096] = held[::4096]"]], {})
        both = launcher.run([["/bin/sh", "-c", 'echo x > "$HOME/here"'], ["/bin/sh", "-c", 'test -e "$HOME/here"']], {})
    assert small.memory < len(ballast) < large.memory
    assert large.cpu > 0 and both.seconds > 0


def test_a_process_that_fails_is_no_figure(tmp_path: Path) -> None:
    with launching(tmp_path) as launcher, pytest.raises(LaunchError, match="sh ended with 3: no such thing"):
        launcher.run([["/bin/sh", "-c", "echo no such thing >&2; exit 3"]], {})


def test_a_job_that_fails_leaves_the_others_their_figures(capsys: pytest.CaptureFixture[str]) -> None:
    plane = SimpleNamespace(
        kubeconfigs={0: Path("near")}, cluster=SimpleNamespace(kubeconfig=Path("near")), namespace=lambda word: word
    )

    def fails(*_: object) -> Sample:
        raise LaunchError("ended with 1")

    good = Job("good", "good", {OURS: lambda _: [], KAPP: lambda _: []}, measure=lambda *_: Sample(1.0))
    bad = Job("bad", "bad", {OURS: lambda _: []}, measure=fails)
    course = Course(plane, None, {OURS: "/bin/true"}, (bad, good))  # type: ignore[arg-type]
    found = course.go(2, 10)
    assert [(one.job, one.tool, len(one.samples), one.problem) for one in found] == [
        ("bad", OURS, 0, "ended with 1"),
        ("good", OURS, 2, ""),
    ]
    assert "FAILED: ended with 1" in capsys.readouterr().err
