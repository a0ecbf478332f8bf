"""Streams the logs of pods' containers: a few at a time, run after run, resumed after a cut, no line twice."""

from __future__ import annotations

import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from k8s_step.api.client import Client, LineStream
from k8s_step.api.request import Request
from k8s_step.errors import ApiError, ForbiddenError, NotFoundError, StepError, StoppedError, UnreachableError
from k8s_step.objects.kinds.pods import container_names, statuses
from k8s_step.objects.metadata import Object, uid_of
from k8s_step.objects.reference import Reference
from k8s_step.objects.resource import required

PODS = required("v1", "Pod")
REST = 10.0  # seconds
_SILENCE = 120.0  # seconds without a line: the connection may be dead, so ask anew from the last line on
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0  # seconds between two requests for the same log
_STAMP = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d) ?")


@dataclass(frozen=True)
class Container:
    """A container of one pod. ``is_alone``: the pod has no other."""

    namespace: str
    pod: str
    uid: str
    name: str
    is_alone: bool = field(default=True, compare=False)

    @property
    def label(self) -> str:
        """As ``kubectl logs --prefix`` writes it."""
        return f"[pod/{self.pod}/{self.name}]"

    @property
    def where(self) -> str:
        """The container's pod, for messages."""
        return f"pod/{self.pod}"


Say = Callable[[Container, str], bool]  # takes a line, and returns whether further ones of the container are wanted


@dataclass
class Position:
    """How far a container's log has been printed: the time of the last line, and how many lines had that time."""

    second: str = ""
    _last: tuple[float, int] = (0.0, 0)
    _told: int = 0
    _again: int = 0
    _unstamped: set[bytes] = field(default_factory=set)

    def rewind(self) -> None:
        """Begin a new answer. ``sinceTime`` has one-second precision, so lines of the last second come again."""
        self._again = 0

    def text(self, line: bytes) -> bytes | None:
        """The text of a log line without its timestamp; ``None`` where the line was printed before."""
        found = _STAMP.match(line)
        if found is None:
            return self._of_the_kubelet(line)
        at, second = _time(found)
        if at < self._last or (at == self._last and self._is_repeat()):
            return None
        if at > self._last:
            self._last, self._told, self.second = at, 0, second
        self._told += 1
        self._again = self._told
        return line[found.end() :]

    def _of_the_kubelet(self, line: bytes) -> bytes | None:
        """The kubelet's own words, such as those on a log that was rotated away: each answer has them again."""
        if line in self._unstamped:
            return None
        self._unstamped.add(line)
        return line

    def _is_repeat(self) -> bool:
        self._again += 1
        return self._again <= self._told


@dataclass
class _Run:
    """One run of a container: ``number`` is the restart count it ran under."""

    number: int
    has_ended: bool
    is_previous: bool
    lines: int = 0  # printed so far


@dataclass
class _Log:
    """The log of one container, run after run. ``is_taken``: a thread reads it, or it waits for one."""

    container: Container
    position: Position = field(default_factory=Position)
    runs: dict[int, _Run] = field(default_factory=dict)
    unread: deque[_Run] = field(default_factory=deque)
    stream: LineStream | None = field(default=None, repr=False)
    is_taken: bool = False
    is_begun: bool = False
    is_wanted: bool = True


class PodLogs:
    """Passes every log line of every container of the pods that it is shown to ``say``, one line at a time.

    ``notice`` takes a line about a log that can't be read. Both are called from other threads. ``at_once``: so many
    logs are read at a time, each over a connection of its own; others wait for their turn. ``most_bytes``: one answer
    may be so long. ``rest``: the seconds within which the rest of all logs must arrive at the end.
    """

    def __init__(
        self,
        client: Client,
        say: Say,
        notice: Callable[[str], None],
        *,
        at_once: int = 64,
        most_bytes: int | None = None,
        rest: float = REST,
    ) -> None:
        self._client = client
        self._say, self._notice = say, notice
        self._at_once, self._most_bytes, self._rest = at_once, most_bytes, rest
        self._logs: dict[Container, _Log] = {}
        self._waiting: deque[_Log] = deque()
        self._readers: list[threading.Thread] = []
        self._busy = 0
        self._turns = threading.Lock()  # guards who waits and who reads
        self._printing = threading.Lock()
        self._ending, self._stopped = threading.Event(), threading.Event()
        self._noticed: set[object] = set()
        self._barred: set[str] = set()  # namespaces whose logs this token may not read
        self._broken: Exception | None = None  # an error of ours in a thread of ours

    def saw(self, pods: Iterable[Object]) -> None:
        """Begin to follow the containers that run or have run and are not followed yet. Called from one thread only."""
        self._check()
        for pod in pods:
            for entry in statuses(pod):
                for number in _numbers(entry):
                    self._note(_container(pod, entry), entry, number)

    def skip(self) -> list[Container]:
        """Give up the logs that have had no turn yet, and return their containers."""
        with self._turns:
            skipped = [log for log in self._waiting if not log.is_begun]
            for log in skipped:
                self._waiting.remove(log)
                log.is_taken = log.is_wanted = False
        return [log.container for log in skipped]

    def finish(self) -> None:
        """Read every log to where it is now, that of an ended container to its end; then stop."""
        try:
            self._check()
            self._ending.set()
            for log in self._logs.values():
                if log.stream is not None and not all(run.has_ended for run in log.runs.values()):
                    log.stream.close()  # its reader asks once more, for what is there
            self._await_readers(time.monotonic() + self._rest)
            self._check()
        finally:
            self.stop()

    def _await_readers(self, deadline: float) -> None:
        for reader in list(self._readers):
            reader.join(max(deadline - time.monotonic(), 0.0))
        late = sorted({log.container.where for log in self._logs.values() if log.is_taken})
        if late and not self._broken:
            more = f", nor those of {len(late) - 1} more" if len(late) > 1 else ""
            self.tell_once(f"the log of {late[0]} did not arrive to its end{more}")

    def stop(self) -> None:
        """Print no further line. Waits a second at most for a line that a stalled reader of stdout holds up."""
        self._stopped.set()
        self._ending.set()
        if self._printing.acquire(timeout=1.0):
            self._printing.release()
        for log in list(self._logs.values()):
            if log.stream is not None:
                log.stream.close()

    def tell_once(self, message: str, key: object = None) -> None:
        """Pass on a message, unless one with its ``key``, which is by default the message itself, was passed on."""
        if (key or message) not in self._noticed:
            self._noticed.add(key or message)
            self._notice(message)

    def _check(self) -> None:
        """Raise, in the caller's thread, the exception that ended a thread of ours."""
        if self._broken is not None:
            raise self._broken

    def _note(self, container: Container, entry: Object, number: int) -> None:
        log = self._logs.setdefault(container, _Log(container))
        known = log.runs.get(number)
        if known is not None:
            known.has_ended = _is_over(entry, number)
            return
        run = log.runs[number] = _Run(number, _is_over(entry, number), _restarts(entry) > number)
        with self._turns:
            log.unread.append(run)
            self._queue(log)

    def _queue(self, log: _Log) -> None:
        """Have a log read by a thread of its own; where there are enough, it waits, in front if it was read before."""
        if log.is_taken or not log.is_wanted:
            return
        log.is_taken = True
        if self._busy == self._at_once:
            (self._waiting.appendleft if log.is_begun else self._waiting.append)(log)
            return
        self._busy += 1
        reader = threading.Thread(target=self._read_logs, args=(log,), daemon=True)
        self._readers = [*(one for one in self._readers if one.is_alive()), reader]
        reader.start()

    # -- in the threads of the readers

    def _read_logs(self, first: _Log) -> None:
        log: _Log | None = first
        while log is not None:
            log.is_begun = True
            try:
                while (run := self._next_run(log)) is not None:
                    self._follow(log, run)
            except Exception as error:
                self._broken = error
            log = self._next()

    def _next(self) -> _Log | None:
        with self._turns:
            if self._stopped.is_set() or self._broken or not self._waiting:
                self._busy -= 1
                return None
            return self._waiting.popleft()

    def _next_run(self, log: _Log) -> _Run | None:
        with self._turns:
            if log.is_wanted and log.unread and not self._stopped.is_set():
                return log.unread.popleft()
            log.is_taken = False
            return None

    def _follow(self, log: _Log, run: _Run) -> None:
        container = log.container
        if container.namespace in self._barred:
            return
        try:
            self._to_its_end(log, run)
        except (NotFoundError, StoppedError):  # the pod is gone, or the step ends
            return
        except ForbiddenError as error:
            self._barred.add(container.namespace)
            grant = f"grant get on pods and pods/log in namespace {container.namespace}"
            self.tell_once(f"no logs: {grant} ({error.message})", container.namespace)
        except StepError as error:
            self.tell_once(f"no log of {container.where}: {error.message}", type(error))

    def _to_its_end(self, log: _Log, run: _Run) -> None:
        """Read until the run has ended and a last answer has brought no further line, or until :meth:`finish`.

        An answer may end before the run does, when the kubelet or a proxy closes it.
        """
        pause, previous = _SHORTEST_PAUSE, run.is_previous
        while log.is_wanted and not self._stopped.is_set():
            known, is_last = run.lines, self._ending.is_set()
            is_whole = self._read(log, run, previous, follow=not is_last)
            if not log.is_wanted or (is_last and is_whole and not run.has_ended):
                return
            before, previous = previous, self._has_restarted(log, run)
            if is_whole and run.has_ended:
                if previous == before and run.lines == known:
                    return
                continue
            (self._stopped if is_last else self._ending).wait(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _has_restarted(self, log: _Log, run: _Run) -> bool:
        """Whether a later run has begun, so that this log is the ``previous`` one. Notes whether this run has ended."""
        container = log.container
        path = PODS.path(container.namespace, container.pod)
        pod = self._client.send(Request("GET", path, where=container.where)).body
        for entry in statuses(pod):
            if _container(pod, entry) == container:
                run.has_ended = _is_over(entry, run.number)
                return _restarts(entry) > run.number
        raise NotFoundError("another pod has its name", code=404, where=container.where)

    def _read(self, log: _Log, run: _Run, previous: bool, *, follow: bool) -> bool:
        """Read to the end of the log as the server gives it now; ``False`` where it was cut, or is not there yet."""
        log.position.rewind()
        path, query = self._target(log, previous, follow=follow)
        request = Request("GET", path, query, accept="*/*", where=log.container.where)
        try:
            with self._client.stream(request, idle_timeout=_SILENCE) as lines:
                log.stream = lines
                if follow and self._ending.is_set():
                    return False
                for line in lines:
                    self._tell(log, run, line)
                    if not log.is_wanted:
                        break
        except UnreachableError:
            return False
        except ApiError as error:
            if error.code not in (400, 429) and error.code < 500:
                raise
            return False
        return not (follow and self._ending.is_set())

    def _target(self, log: _Log, previous: bool, *, follow: bool) -> tuple[str, tuple[tuple[str, str], ...]]:
        """Path and query of the log, from the second of the last printed line on."""
        container = log.container
        path = PODS.path(container.namespace, container.pod, "log")
        query = [("container", container.name), ("timestamps", "true")]
        if previous:
            query.append(("previous", "true"))
        elif follow:
            query.append(("follow", "true"))
        if log.position.second:
            query.append(("sinceTime", log.position.second))
        if self._most_bytes:
            query.append(("limitBytes", str(self._most_bytes)))
        return path, tuple(query)

    def _tell(self, log: _Log, run: _Run, line: bytes) -> None:
        text = log.position.text(line)
        if text is None:
            return
        run.lines += 1
        with self._printing:  # ``stop`` waits for the line being printed; no other follows it
            if log.is_wanted and not self._stopped.is_set():
                log.is_wanted = self._say(log.container, text.decode("utf-8", "replace"))


def _time(found: re.Match[bytes]) -> tuple[tuple[float, int], str]:
    """A comparable time with nanoseconds, and its second as the API's ``sinceTime`` takes it."""
    second = (found[1] + found[3]).decode()
    return (datetime.fromisoformat(second).timestamp(), int((found[2] or b"0").ljust(9, b"0"))), second


def _container(pod: Object, entry: Object) -> Container:
    reference = Reference.to(pod)
    is_alone = len(container_names(pod)) < 2
    return Container(reference.namespace, reference.name, uid_of(pod), str(entry.get("name", "")), is_alone)


def _numbers(entry: Object) -> list[int]:
    """The runs of a container whose logs the kubelet keeps, by the restart count they ran under: at most the last two.

    While a container waits to be restarted, the restart count is still that of its last run:
    ``convertToAPIContainerStatuses`` in kubernetes' ``kubelet_pods.go``.
    """
    number, state = _restarts(entry), entry.get("state") or {}
    has_run = bool((entry.get("lastState") or {}).get("terminated"))
    if state.get("running") or state.get("terminated"):
        return [number - 1, number] if has_run and number else [number]
    return [number] if has_run else []


def _restarts(entry: Object) -> int:
    return int(entry.get("restartCount") or 0)


def _is_over(entry: Object, number: int) -> bool:
    return _restarts(entry) > number or not (entry.get("state") or {}).get("running")
