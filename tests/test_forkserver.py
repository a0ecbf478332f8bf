"""A forked step is like one that was started."""

from __future__ import annotations

import contextlib
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Step, poll
from tests.forkserver import Forked, ForkServer

pytestmark = pytest.mark.usefixtures("forked")

MANIFEST = "kind: ConfigMap\napiVersion: v1\nmetadata: {name: a}\ndata: {word: '${WORD}'}\n"


@pytest.fixture
def forked(forks: ForkServer | None) -> None:
    if forks is None:
        pytest.skip("steps are not forked here")


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Step]:
    (tmp_path / "started").mkdir()
    runner = Step(tmp_path / "started", None)
    yield runner
    runner.close()


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--version",), 0),
        (("apply", "--help"), 0),
        ((), 2),
        (("no-such-command",), 2),
        (("render", "-f", "-", "--var", "WORD=\N{SNOWMAN}"), 0),
        (("render", "-f", "there.yaml", "--no-template"), 0),
        (("render", "-f", "missing.yaml"), 2),
        (("render", "-f", "there.yaml"), 0),
    ],
)
def test_it_says_and_ends_the_same(
    words: tuple[str, ...], code: int, step: Step, started: Step, tmp_path: Path
) -> None:
    (tmp_path / "there.yaml").write_text(MANIFEST)
    env = {"WORD": "hello"}
    ran = [run(*words, env=env, input=MANIFEST, cwd=tmp_path) for run in (step, started)]
    assert ran[0].code == ran[1].code == code, ran[0].text
    said = [(one.stdout, re.sub(r" in \d+\.\d s$", "", one.stderr, flags=re.M)) for one in ran]
    assert said[0] == said[1] and ran[0].text


def test_what_python_reads_at_its_start_is_no_fork(step: Step, started: Step) -> None:
    assert isinstance(step.start("--version").process, Forked)
    assert not isinstance(step.start("--version", env={"LC_ALL": "C"}).process, Forked)
    assert not isinstance(step.start("--version", own_clock=True).process, Forked)
    assert not isinstance(started.start("--version").process, Forked)


def opened(pid: int) -> list[str]:
    found = []
    for one in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed since
            found.append(str(one.readlink()))
    return found


def test_it_has_its_streams_and_ends_by_signals(step: Step, tmp_path: Path) -> None:
    """It holds nothing open of the tests' own, and is the tests' child."""
    os.mkfifo(tmp_path / "pipe.yaml")
    ends = []
    for number in (signal.SIGKILL, signal.SIGTERM):
        run = step.start("render", "-f", "pipe.yaml", cwd=tmp_path)
        writer = os.open(tmp_path / "pipe.yaml", os.O_WRONLY)
        poll(lambda pid=run.pid: "pipe.yaml" in str(opened(pid)), "the read")
        assert not [one for one in opened(run.pid) if one.startswith("socket:")]
        assert f"PPid:\t{os.getpid()}" in Path(f"/proc/{run.pid}/status").read_text()
        run.signal(number)
        ends.append(run.wait(30).code)
        os.close(writer)
    assert ends == [-signal.SIGKILL, 143]
