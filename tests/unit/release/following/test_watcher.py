"""The loop of ``watch``: when it waits, when it ends, what becomes of its commands, and what an event costs."""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from k8s_step.api.watch import Scope, Watch
from k8s_step.errors import CancelledError, ExitCode, ReportedError, StepError
from k8s_step.inputs import Inputs
from k8s_step.objects.reference import Reference
from k8s_step.objects.resource import required
from k8s_step.redaction import Redactor
from k8s_step.release.following.watcher import Watcher
from k8s_step.release.planning.session import Run
from k8s_step.report.events import Told
from k8s_step.report.journal import Journal
from k8s_step.report.output import Output
from k8s_step.verdict.terms.expectations import parse
from k8s_step.watching.changes import Change, Changes
from k8s_step.watching.feeds import Feed, Feeds, News
from k8s_step.watching.goal import Goal
from k8s_step.watching.programs import Programs

PODS = required("v1", "Pod")
READY = "condition=Ready"


class Script(Feeds):
    """Feeds without threads. What is next comes from the script: news, ``None`` for a silence, or what raises."""

    def __init__(self, feeds: Sequence[Feed]) -> None:
        super().__init__(feeds)
        self.script: deque[Any] = deque()
        self.waits: list[float] = []

    def next(self, timeout: float) -> Any:
        """The script's next; what commands have put comes after it."""
        self.waits.append(timeout)
        if not self.script:
            return super().next(timeout)
        step = self.script.popleft()
        if isinstance(step, BaseException):
            raise step
        if step is None:
            return None
        self.put(step)
        return super().next(0)


class Heard(Output):
    """The errors and notices of a run; ``trouble`` is raised by each notice."""

    def __init__(self) -> None:
        self.errors: list[str] = []
        self.notices: list[str] = []
        self.trouble: Exception | None = None

    def error(self, error: StepError) -> None:
        self.errors.append(str(error))

    def notice(self, message: str) -> None:
        self.notices.append(message)
        if self.trouble:
            raise self.trouble


@dataclass
class Stage:
    """A watcher of pods in two namespaces, ``shop`` and ``web``, whose time is up from the first."""

    words: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    command: str = ""
    timeout: float = 0.0
    started: float = field(default_factory=time.monotonic)
    lines: Callable[[Told], list[str]] = lambda _: []
    heard: Heard = field(default_factory=Heard)

    def __post_init__(self) -> None:
        scopes = [Scope(PODS, "shop"), Scope(PODS, "web")]
        made = [Feed(Watch(None, scope), Changes(PODS)) for scope in scopes]  # type: ignore[arg-type]
        self.shop, self.web = made
        self.feeds = Script(made)
        self.journal = Journal("watch", [self.heard], Redactor())
        self.run = Run(Inputs(timeout=self.timeout), {}, self.journal, Redactor(), started=self.started)
        references = [(PODS, Reference("v1", "Pod", "shop", name)) for name in self.names]
        self.goal = Goal([parse(one, "--for") for one in self.words], references, self.started)
        self.programs = Programs(self.command, dict(os.environ), 4, self.feeds.put) if self.command else None

    def play(self, *script: Any) -> ExitCode:
        self.feeds.script.extend(script)
        watcher = Watcher(self.run, self.feeds, self.lines, self.goal, lambda _: (), self.programs)
        try:
            return watcher.until_the_end()
        except ReportedError as ended:
            return ended.exit_code

    def pod(self, name: str, *, is_ready: bool = False, kind: str = "ADDED", version: int = 1) -> News:
        status = {"conditions": [{"type": "Ready", "status": "True" if is_ready else "False"}]}
        metadata = {"name": name, "namespace": "shop", "uid": name, "resourceVersion": str(version)}
        obj = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": status}
        return News(self.shop, Change(kind, obj, is_initial=kind == "ADDED"))

    @property
    def settled(self) -> list[News]:
        return [News(self.shop), News(self.web)]


# -- when it waits and ends


def test_a_list_that_is_late_is_waited_for_in_peace() -> None:
    """Though the time is up already."""
    stage = Stage()
    assert stage.play(None, None, None, *stage.settled) is ExitCode.SUCCEEDED
    assert min(stage.feeds.waits) > 0.5


def test_what_is_due_before_all_is_known_is_waited_for_in_peace() -> None:
    stage = Stage((READY,), timeout=60, started=time.monotonic() - 30)
    ill = stage.pod("a")
    waiting = {"waiting": {"reason": "CreateContainerError", "message": "no such volume"}}
    ill.change.object["status"]["containerStatuses"] = [{"name": "app", "restartCount": 0, "state": waiting}]  # type: ignore[union-attr]
    stage.goal.take(PODS, ill.change, time.monotonic() - 3600)  # type: ignore[arg-type]
    assert stage.goal.due is not None and stage.goal.due < time.monotonic()
    assert stage.play(None, None, *stage.settled) is ExitCode.FAILED
    assert min(stage.feeds.waits) > 0.5


def test_what_was_not_listed_in_time_is_no_answer() -> None:
    """Not that it is not there, nor that all is well."""
    for words, names in (((), ()), ((READY,), ()), ((READY,), ("a",))):
        stage = Stage(words, names, started=time.monotonic() - 3600)
        assert stage.play() is ExitCode.TIMED_OUT
        assert stage.heard.errors == [
            f"pods in {space}: what is there was not told whole when the time was up (--timeout may be longer)"
            for space in ("shop", "web")
        ]


def test_a_list_that_is_there_in_time_decides() -> None:
    stage = Stage((READY,), ("a",))
    assert stage.play(stage.pod("a", is_ready=True), *stage.settled) is ExitCode.SUCCEEDED
    late = Stage((READY,), ("a",))
    assert late.play(late.pod("a"), *late.settled) is ExitCode.TIMED_OUT and late.heard.errors == []


# -- what becomes of commands


def ended(pid: int) -> bool:
    """A zombie that nobody has buried is."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


class Awaiting:
    """A silence of the script that ends once the command has written its process's number."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def pid(self) -> int:
        return int(self.path.read_text())

    def __call__(self, told: Told) -> list[str]:
        """In place of the lines of an event: that of ``b`` comes when the command for ``a`` runs, and goes wrong."""
        if told.object["metadata"]["name"] == "b":
            end = time.monotonic() + 60
            while not (self.path.exists() and self.path.read_text().strip()):
                assert time.monotonic() < end
                time.sleep(0.01)
            raise RuntimeError("nobody foresaw it")
        return []


def test_commands_end_with_an_error_that_nobody_foresaw(tmp_path: Path) -> None:
    awaiting = Awaiting(tmp_path / "pid")
    stage = Stage(command=f"echo $$ > {tmp_path}/pid; sleep 600", lines=awaiting, timeout=60)
    with pytest.raises(RuntimeError, match="nobody foresaw it"):
        stage.play(stage.pod("a"), stage.pod("b"))
    assert ended(awaiting.pid())
    assert "--exec: 1 command still ran, now ended" in stage.heard.notices


def test_commands_end_though_not_even_that_can_be_told(tmp_path: Path) -> None:
    awaiting = Awaiting(tmp_path / "pid")
    stage = Stage(command=f"echo $$ > {tmp_path}/pid; sleep 600", lines=awaiting, timeout=60)
    stage.heard.trouble = OSError("no such stream")
    with pytest.raises(OSError, match="no such stream"):
        stage.play(stage.pod("a"), stage.pod("b"))
    assert ended(awaiting.pid())


def test_commands_that_heed_nothing_are_killed(tmp_path: Path) -> None:
    awaiting = Awaiting(tmp_path / "pid")
    stage = Stage(command=f"trap '' TERM; echo $$ > {tmp_path}/pid; sleep 600 & wait; sleep 600", lines=awaiting)
    with pytest.raises(RuntimeError, match="nobody foresaw it"):
        stage.play(stage.pod("a"), stage.pod("b"))
    assert ended(awaiting.pid())


def test_a_cancellation_while_commands_are_waited_for_ends_them() -> None:
    stage = Stage(command="echo $$; sleep 600")
    numbers: list[int] = []

    def notice(message: str) -> None:
        if message.startswith("pod/a: ") and not numbers:
            numbers.append(int(message.rpartition(" ")[2]))
            stage.feeds.script.append(CancelledError("cancelled by SIGTERM"))

    stage.heard.notice = notice  # type: ignore[method-assign]
    with pytest.raises(CancelledError):
        stage.play(stage.pod("a"), *stage.settled)
    (pid,) = numbers
    assert ended(pid)


def test_an_event_that_no_environment_can_hold_fails_alone() -> None:
    stage = Stage(command="true")
    odd = stage.pod("a\0b")
    assert stage.play(odd, stage.pod("c"), *stage.settled) is ExitCode.FAILED
    assert "--exec: 1 of 2 commands failed" in stage.heard.errors


# -- what an event costs


class Work:
    """The instructions of Python that this package carries out from one event to another: no clock, the same each time.

    In place of the lines of an event; the two are told apart by their version.
    """

    def __init__(self, first: int, last: int) -> None:
        self.ends = {str(first): self.trace, str(last): sys.gettrace()}
        self.count = 0

    def __call__(self, told: Told) -> list[str]:
        version = told.object["metadata"]["resourceVersion"]
        if version in self.ends:
            sys.settrace(self.ends[version])
        return []

    def trace(self, frame: FrameType, event: str, _: Any) -> Any:
        if "k8s_step" not in frame.f_code.co_filename:
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        self.count += event == "opcode"
        return self.trace


def cost(open_ones: int) -> int:
    """Of twenty changes of an object that goes on to be waited for, among so many others."""
    work = Work(100, 120)
    stage = Stage((READY,), timeout=600, lines=work)
    there = [stage.pod(f"pod-{number}") for number in range(open_ones)]
    changes = [stage.pod("pod-0", kind="MODIFIED", version=number) for number in range(100, 121)]
    last = [stage.pod(f"pod-{number}", is_ready=True, kind="MODIFIED", version=200) for number in range(open_ones)]
    assert stage.play(*there, *stage.settled, *changes, *last) is ExitCode.SUCCEEDED
    return work.count


def test_an_event_costs_the_same_among_thousands() -> None:
    few, many = cost(10), cost(3000)
    assert few > 1000 and many < few * 1.1, (few, many)
