"""Runs one case in this process and says what of it may not be: a traceback, a hang, exit 70, a secret."""

from __future__ import annotations

import contextlib
import io
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from k8s_step.cli import run
from tests.fuzz.server import Server
from tests.unit.loopback import Loopback

HANG_SECONDS = 30
CODES = (0, 1, 2, 3, 4, 5, 6)
SECRET = "hunter2-SECRET-quetzalcoatl"  # in whatever is secret; no mutation writes it by chance


@dataclass(frozen=True)
class Case:
    """One call of the command. ``secret`` says whether the secret may be nowhere in what it writes."""

    argv: tuple[str, ...]
    environ: Mapping[str, str] = field(default_factory=dict)
    stdin: str = ""
    server: Server | None = None
    secret: bool = True


Target = Callable[[random.Random, Path], Case]


@dataclass(frozen=True)
class Verdict:
    """What came of a case; ``wrong`` is empty where all is well."""

    code: int | None
    seconds: float
    output: str
    wrong: str = ""


class _HungError(BaseException):
    """Not an Exception: the command may not take it for one of its own."""


def check(target: Target, seed: int) -> Verdict:
    """Make the case of a seed, run it, judge it."""
    folder = Path(tempfile.mkdtemp(prefix="k8s-step-fuzz-"))
    try:
        case = target(random.Random(seed), folder)
        with _served(case) as environ:
            return _judged(case, *_run(case, environ, folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def written(target: Target, seed: int, folder: Path) -> Case:
    """The case alone, its files in ``folder``, to look at."""
    return target(random.Random(seed), folder)


@contextlib.contextmanager
def _served(case: Case) -> Iterator[dict[str, str]]:
    if case.server is None:
        yield dict(case.environ)
        return
    with Loopback(case.server) as loopback:
        yield {name: value.replace("http://SERVER", loopback.url) for name, value in case.environ.items()}


def _run(case: Case, environ: Mapping[str, str], folder: Path) -> tuple[int | None, float, str]:
    """With streams of its own, within a bounded time. Paths in the arguments are in ``folder``."""
    streams = {name: io.TextIOWrapper(io.BytesIO(), "utf-8", "backslashreplace") for name in ("stdout", "stderr")}
    stdin = io.TextIOWrapper(io.BytesIO(case.stdin.encode("utf-8", "surrogatepass")), "utf-8", "surrogateescape")
    before = {name: getattr(sys, name) for name in ("stdin", *streams)}
    begun = time.monotonic()
    code: int | None = None
    try:
        _replace({"stdin": stdin, **streams})
        signal.signal(signal.SIGALRM, _hung)
        signal.alarm(HANG_SECONDS)
        code = int(run(list(case.argv), {"HOME": str(folder), **environ}))
    except _HungError:
        code = None
    finally:
        signal.alarm(0)
        _replace(before)
    texts = []
    for stream in streams.values():
        with contextlib.suppress(ValueError):
            stream.flush()
            texts.append(stream.buffer.getvalue().decode("utf-8", "replace"))  # type: ignore[attr-defined]
    files = [path.read_text(errors="replace") for path in folder.glob("result.*")]
    return code, time.monotonic() - begun, "\n".join([*texts, *files])


def _replace(streams: Mapping[str, Any]) -> None:
    for name, stream in streams.items():
        setattr(sys, name, stream)


def _hung(*_: Any) -> None:
    raise _HungError


def _judged(case: Case, code: int | None, seconds: float, output: str) -> Verdict:
    wrong = ""
    if code is None:
        wrong = f"hung: still running after {HANG_SECONDS} s"
    elif code not in CODES:
        wrong = f"exit code {code}"
    elif "Traceback (most recent call last)" in output:
        wrong = "a traceback"
    elif case.secret and SECRET in output:
        wrong = "a secret came out"
    elif code != 0 and not output.strip():
        wrong = f"exit code {code} without a word"
    return Verdict(code, seconds, output, wrong)
