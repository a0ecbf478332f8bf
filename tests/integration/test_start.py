"""How the process begins: signals that come while it starts, and streams that are closed, full or not UTF-8."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.objects import config_map, write

# Counts the modules that are imported from the command line on; sends SIGTERM to itself at the one asked for, if any.
COUNTING = """
import os, signal, sys
at, sys.argv = int(sys.argv[1]), ["k8s-step", *sys.argv[2:]]
class Counter:
    count = None
    def find_spec(self, name, path=None, target=None):
        if name == "k8s_step.cli" or self.count is not None:
            self.count = (self.count or 0) + 1
        if self.count == at:
            os.kill(os.getpid(), signal.SIGTERM)
counter = Counter()
sys.meta_path.insert(0, counter)
leave = os._exit
def told(code):
    print("imports", counter.count, file=sys.stderr, flush=True)
    leave(code)
os._exit = told
from k8s_step.__main__ import main
main()
"""


def environment(folder: Path, **more: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8", **more}


def started(folder: Path, *words: str, code: str = "") -> subprocess.CompletedProcess[str]:
    program = ["-c", code] if code else ["-m", "k8s_step"]
    line = [sys.executable, *program, *words]
    return subprocess.run(line, env=environment(folder), cwd=folder, capture_output=True, text=True, timeout=60)


def test_sigterm_at_the_import_of_each_module(tmp_path: Path) -> None:
    """Nothing has been sent by then: it ends as cancelled, with its result file, and never in a traceback."""
    path, report = write(tmp_path / "release.yaml", config_map(a="b")), tmp_path / "report.json"
    words = ("apply", "-f", path, "--server", "http://127.0.0.1:9", "--report", str(report))
    total = int(started(tmp_path, "0", *words, code=COUNTING).stderr.rpartition("imports ")[2])
    assert total > 40
    for number in range(1, total, total // 25):
        report.unlink(missing_ok=True)
        ended = started(tmp_path, str(number), *words, code=COUNTING)
        assert ended.returncode == 143, f"at import {number}: {ended.stderr}"
        assert "Traceback" not in ended.stderr and "cancelled by SIGTERM" in ended.stderr
        assert json.loads(report.read_text())["result"] == "cancelled"


# Sends SIGTERM to itself once, before or after a function, and goes on.
AT = """
import os, signal, sys
from importlib import import_module
from k8s_step import __main__ as step
where, when = sys.argv[1], sys.argv[2]
sys.argv = ["k8s-step", *sys.argv[3:]]
module, _, path = where.partition(":")
*outer, name = path.split(".")
owner = import_module(module)
for each in outer:
    owner = getattr(owner, each)
real = getattr(owner, name)
sent = []
def signalled(*args, **options):
    def send():
        if not sent:
            sent.append(1)
            os.kill(os.getpid(), signal.SIGTERM)
    if when == "before":
        send()
    result = real(*args, **options)
    send()
    return result
setattr(owner, name, signalled)
step.main()
"""


@pytest.mark.parametrize(
    "moment",
    [
        ("k8s_step.report.journal:Journal.finish", "before"),
        ("k8s_step.report.journal:Journal.finish", "after"),
        ("k8s_step.cli:_write_files", "before"),
        ("k8s_step.cli:_execute", "after"),
        ("k8s_step.cli:run", "after"),
        ("k8s_step.cli:_leave", "before"),
    ],
    ids=" ".join,
)
def test_sigterm_once_the_verdict_stands(moment: tuple[str, str], tmp_path: Path) -> None:
    path, report = write(tmp_path / "release.yaml", config_map(a="b")), tmp_path / "report.json"
    ended = started(tmp_path, *moment, "render", "-f", path, "--report", str(report), code=AT)
    assert (ended.returncode, "Traceback" in ended.stderr) == (0, False), ended.stderr
    assert json.loads(report.read_text())["result"] == "succeeded"


@pytest.mark.parametrize(
    "moment",
    [
        ("k8s_step.cli:_group", "before"),
        ("k8s_step.inputs:resolve", "before"),
        ("k8s_step.release.planning.plan:planned", "before"),
    ],
    ids=" ".join,
)
def test_sigterm_before_the_verdict_stands(moment: tuple[str, str], tmp_path: Path) -> None:
    path, report = write(tmp_path / "release.yaml", config_map(a="b")), tmp_path / "report.json"
    words = ("apply", "-f", path, "--server", "http://127.0.0.1:9", "--report", str(report))
    ended = started(tmp_path, *moment, *words, code=AT)
    assert (ended.returncode, "Traceback" in ended.stderr) == (143, False), ended.stderr
    assert json.loads(report.read_text())["result"] == "cancelled"


@pytest.mark.parametrize("words", [("--help",), ("apply", "--help"), ("--version",)])
def test_sigterm_while_the_help_is_shown(words: tuple[str, ...], tmp_path: Path) -> None:
    ended = started(tmp_path, "click:echo", "before", *words, code=AT)
    assert ended.stdout and not ended.stderr and ended.returncode == 0


@pytest.mark.parametrize(
    "moment",
    [
        ("k8s_step.steps.demo:_announce", "before"),
        ("k8s_step.steps.demo:_announce", "after"),
        ("k8s_step.cli:run", "before"),
        ("k8s_step.release.order.sequence:apply_in_waves", "before"),
        ("k8s_step.cli:_execute", "after"),
    ],
    ids=" ".join,
)
def test_sigterm_in_the_demo(moment: tuple[str, str], tmp_path: Path) -> None:
    ended = started(tmp_path, *moment, "demo", code=AT)
    assert (ended.returncode, "Traceback" in ended.stderr) == (143, False), ended.stderr
    assert "== 3 of 3" not in ended.stdout


@pytest.mark.parametrize("words", [("--help",), ("--version",), ("render", "-f", "{path}")])
def test_closed_streams(words: tuple[str, ...], tmp_path: Path) -> None:
    path = write(tmp_path / "release.yaml", config_map(a="b"))
    line = " ".join([sys.executable, "-m", "k8s_step", *(word.format(path=path) for word in words)])
    for closed in (">&-", "2>&-", "<&-", ">&- 2>&- <&-"):
        ended = subprocess.run(
            ["sh", "-c", f"{line} {closed}"], env=environment(tmp_path), capture_output=True, text=True, timeout=60
        )
        assert ended.returncode == 0, f"{closed}: {ended.stderr}"
        assert "Traceback" not in ended.stderr + ended.stdout
        assert bool(ended.stdout) is not closed.startswith(">&-")


def test_a_file_does_not_take_the_place_of_a_closed_stream(tmp_path: Path) -> None:
    """Without a standard error of its own, what is told would go into the result file."""
    path, report = write(tmp_path / "release.yaml", config_map(a="b")), tmp_path / "report.json"
    line = f"{sys.executable} -m k8s_step render -f {path} --report {report}"
    subprocess.run(["sh", "-c", f"{line} 2>&- >&- <&-"], env=environment(tmp_path), check=True, timeout=60)
    assert json.loads(report.read_text())["result"] == "succeeded"


@pytest.mark.parametrize("verb", ["render", "apply", "create", "patch cm/a"])
def test_there_is_no_stdin_to_read(verb: str, tmp_path: Path) -> None:
    line = f"{sys.executable} -m k8s_step {verb} -f - --server http://127.0.0.1:9 <&-"
    ended = subprocess.run(
        ["sh", "-c", line], env=environment(tmp_path), capture_output=True, text=True, timeout=60, cwd=tmp_path
    )
    assert ended.returncode == 2, ended.stderr
    assert "error: stdin: standard input is closed" in ended.stderr


def test_help_to_a_full_disk(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        line = [sys.executable, "-m", "k8s_step", "--help"]
        ended = subprocess.run(
            line, env=environment(tmp_path), stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False
        )
    assert ended.returncode == 1
    assert "stdout can't be written: No space left on device" in ended.stderr and "Traceback" not in ended.stderr


@pytest.mark.parametrize("words", [("--help",), ("apply", "--help"), ("--version",), ("render", "-f", "{path}")])
def test_a_reader_who_has_left(words: tuple[str, ...], tmp_path: Path) -> None:
    path = write(tmp_path / "release.yaml", config_map(a="b"))
    reader, writer = os.pipe()
    os.close(reader)
    line = [sys.executable, "-m", "k8s_step", *(word.format(path=path) for word in words)]
    ended = subprocess.run(
        line, env=environment(tmp_path), stdout=writer, stderr=subprocess.PIPE, text=True, timeout=60, check=False
    )
    os.close(writer)
    assert ended.returncode == 0 and "Traceback" not in ended.stderr and "error" not in ended.stderr


@pytest.mark.parametrize("setting", [{"LANG": "C", "LC_ALL": "C"}, {"PYTHONIOENCODING": "ascii"}])
def test_a_terminal_that_is_not_utf_8(setting: dict[str, str], tmp_path: Path) -> None:
    path = write(tmp_path / "release.yaml", config_map(ü="ß", name="é"))
    line = [sys.executable, "-m", "k8s_step", "render", "-f", path]
    ended = subprocess.run(line, env=environment(tmp_path, **setting), capture_output=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr
    assert b"Traceback" not in ended.stderr
