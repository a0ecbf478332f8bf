"""A shell command for each event: some at a time, those of one object one after the other and in order."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, Generic, TypeVar

from k8s_step.cancellation import CANCELLATION

_LONGEST = 1000  # characters of a line of output
_AHEAD = 100  # lines of output that may wait to be told
TERM = 3.0  # seconds between SIGTERM and SIGKILL, and then until a command is given up
_LINGER = 1.0  # seconds in which output is still read after the shell's end: a child of its own may keep the pipe open

Task = TypeVar("Task")


class Lanes(Generic[Task]):
    """Which task may run next: up to ``limit`` at once, and of one key never two. Pure."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting: dict[Hashable, deque[Task]] = {}
        self._ready: deque[Hashable] = deque()
        self.running: set[Hashable] = set()

    def add(self, key: Hashable, task: Task) -> None:
        """Let ``task`` wait for its turn."""
        lane = self._waiting.setdefault(key, deque())
        lane.append(task)
        if len(lane) == 1 and key not in self.running:
            self._ready.append(key)

    def next(self) -> Iterator[Task]:
        """The tasks to be started now; they count as running."""
        while self._ready and len(self.running) < self._limit:
            key = self._ready.popleft()
            lane = self._waiting[key]
            task = lane.popleft()
            if not lane:
                del self._waiting[key]
            self.running.add(key)
            yield task

    def ended(self, key: Hashable) -> None:
        """The task of ``key`` that ran has ended."""
        self.running.discard(key)
        if key in self._waiting:
            self._ready.append(key)

    def clear(self) -> int:
        """Drop the tasks that wait; return how many there were."""
        dropped = sum(map(len, self._waiting.values()))
        self._waiting.clear()
        self._ready.clear()
        return dropped

    @property
    def is_idle(self) -> bool:
        """Whether nothing runs and nothing waits."""
        return not self.running and not self._waiting


@dataclass(frozen=True)
class Event:
    """An event to be passed on. ``key``: of its object; ``title``: the object, for messages; ``text``: for stdin."""

    key: Hashable
    title: str
    text: str = field(repr=False)
    environ: Mapping[str, str] = field(repr=False, default_factory=dict)


@dataclass(frozen=True)
class Line:
    """A line that a command has written, to stdout or stderr."""

    event: Event
    text: str


@dataclass(frozen=True)
class Ended:
    """A command has ended. ``code``: negative for a signal; ``last``: the last line that it wrote."""

    event: Event
    code: int
    last: str


class Programs:
    """The commands that run, each in a session of its own. All methods are for the main thread.

    ``tell`` gets each :class:`Line` and :class:`Ended`, from any thread; they go back into :meth:`heard`. Whoever
    passes events on calls :meth:`end` in any case, or the commands would live on.
    """

    def __init__(
        self, command: str, environ: Mapping[str, str], limit: int, tell: Callable[[Line | Ended], None]
    ) -> None:
        self._command, self._environ = command, environ
        self._tell = tell
        self._lanes: Lanes[Event] = Lanes(limit)
        self._processes: dict[Hashable, subprocess.Popen[bytes]] = {}
        self._room = threading.Semaphore(_AHEAD)
        self.runs = 0
        self.failures = 0

    @property
    def is_idle(self) -> bool:
        """Whether all events have been passed on and their commands have ended."""
        return self._lanes.is_idle

    @property
    def running(self) -> int:
        """How many commands run."""
        return len(self._lanes.running)

    def pass_on(self, event: Event) -> None:
        """Run the command with ``event`` on its stdin when its turn has come."""
        self._lanes.add(event.key, event)
        self._start()

    def heard(self, news: Line | Ended) -> None:
        """Take in what a command has told; the next one may start."""
        if isinstance(news, Line):
            self._room.release()
            return
        self._processes.pop(news.event.key, None)
        self.failures += news.code != 0
        self._lanes.ended(news.event.key)
        self._start()

    def drop(self) -> int:
        """Start no further command; return how many events are not passed on."""
        return self._lanes.clear()

    def end(self) -> int:
        """End all that still run, within twice ``TERM`` seconds and heard no more; return how many there were."""
        self.drop()
        running = [one for one in self._processes.values() if one.poll() is None]
        for number in (signal.SIGTERM, signal.SIGKILL):
            self.signal(number)
            given_up = time.monotonic() + TERM
            for one in running:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    one.wait(max(given_up - time.monotonic(), 0.0))
            if all(one.poll() is not None for one in running):
                break
        self._processes.clear()
        return len(running)

    def kill(self) -> None:
        """Kill all that run, with no time for anything more."""
        self.signal(signal.SIGKILL)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to all that run, and to what they have started."""
        for process in self._processes.values():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, number)

    def _start(self) -> None:
        with CANCELLATION.undivided():  # a command that a signal met at its start would live on, unknown
            for event in self._lanes.next():
                self.runs += 1
                try:
                    process = self._begun(event)
                except (OSError, ValueError) as error:  # such as a text that no environment can hold
                    why = error.strerror if isinstance(error, OSError) else error
                    self._tell(Ended(event, 127, f"sh can't be started: {why}"))
                    continue
                self._processes[event.key] = process
                threading.Thread(target=self._attend, args=(event, process), daemon=True).start()

    def _begun(self, event: Event) -> subprocess.Popen[bytes]:
        with tempfile.TemporaryFile() as stdin:  # not a pipe: a command need not read it
            stdin.write(f"{event.text}\n".encode(errors="backslashreplace"))
            stdin.seek(0)
            return subprocess.Popen(
                ["sh", "-c", self._command],
                env={**self._environ, **event.environ},
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _attend(self, event: Event, process: subprocess.Popen[bytes]) -> None:
        """Tell each line of output as it comes, then the end."""
        assert process.stdout is not None
        last = [""]
        reader = threading.Thread(target=self._read, args=(event, process.stdout, last), daemon=True)
        reader.start()
        code = process.wait()
        reader.join(_LINGER)
        self._tell(Ended(event, code, last[0]))

    def _read(self, event: Event, output: IO[bytes], last: list[str]) -> None:
        for line in iter(lambda: output.readline(_LONGEST), b""):
            text = line.decode(errors="replace").rstrip()
            if text:
                last[0] = text
                self._room.acquire()
                self._tell(Line(event, text))
