"""Streams the logs of Jobs' pods: one thread for each run of a container, resumed after a cut, no line twice."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from k8s_step.api.client import Client, LineStream
from k8s_step.api.request import Request
from k8s_step.errors import ApiError, ForbiddenError, NotFoundError, StepError, StoppedError, UnreachableError
from k8s_step.objects.kinds.pods import controller_of, statuses
from k8s_step.objects.metadata import Object, uid_of
from k8s_step.objects.reference import Reference
from k8s_step.objects.resource import required

Say = Callable[[str], None]
_PODS = required("v1", "Pod")
_SILENCE = 120.0  # seconds without a line: the connection may be dead, so ask anew from the last line on
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0  # seconds between two requests for the same log
_AT_ONCE = 64  # logs read at a time; each is a connection
_REST = 10.0  # seconds within which the logs of ended containers must arrive
_STAMP = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d) ?")


@dataclass(frozen=True)
class Container:
    """A container of one pod."""

    namespace: str
    pod: str
    uid: str
    name: str

    @property
    def label(self) -> str:
        """As ``kubectl logs --prefix`` writes it."""
        return f"[pod/{self.pod}/{self.name}]"


@dataclass
class Position:
    """How far a container's log has been printed: the time of the last line, and how many lines had that time."""

    second: str = ""
    _last: tuple[float, int] = (0.0, 0)
    _told: int = 0
    _again: int = 0

    def rewind(self) -> None:
        """Begin a new answer. ``sinceTime`` has one-second precision, so lines of the last second come again."""
        self._again = 0

    def text(self, line: bytes) -> bytes | None:
        """The text of a log line without its timestamp; ``None`` where the line was printed before."""
        found = _STAMP.match(line)
        if found is None:  # the kubelet's own words, such as those on a log that has been rotated away
            return line
        at, second = _time(found)
        if at < self._last or (at == self._last and self._is_repeat()):
            return None
        if at > self._last:
            self._last, self._told, self.second = at, 0, second
        self._told += 1
        self._again = self._told
        return line[found.end() :]

    def _is_repeat(self) -> bool:
        self._again += 1
        return self._again <= self._told


@dataclass
class _Run:
    """One run of a container: ``number`` is the restart count it ran under."""

    container: Container
    number: int
    position: Position
    has_ended: bool
    is_previous: bool
    thread: threading.Thread | None = None
    stream: LineStream | None = field(default=None, repr=False)
    lines: int = 0  # printed so far

    @property
    def where(self) -> str:
        """The run's pod and container, for messages."""
        return f"pod/{self.container.pod}"


class JobLogs:
    """Passes every log line of every container of these Jobs' pods to ``say``, from any thread.

    ``jobs``: the objects as the server returned them. ``several``: more than one container is expected, so each line
    begins with its pod and container. ``notice`` takes a line about a log that can't be read.
    """

    def __init__(self, client: Client, jobs: Sequence[Object], say: Say, notice: Say, *, several: bool) -> None:
        self._client = client
        self._jobs = {uid_of(job): Reference.to(job) for job in jobs}
        self._say, self._notice = say, notice
        self._several = several
        self._runs: dict[tuple[Container, int], _Run] = {}
        self._stopped = threading.Event()
        self._slots = threading.BoundedSemaphore(_AT_ONCE)
        self._lock = threading.Lock()
        self._noticed: set[str] = set()
        self._broken: Exception | None = None  # an error of ours in a thread of ours

    def saw(self, pods: Iterable[Object]) -> None:
        """Begin to follow the containers of the Jobs' pods that run or have run and are not followed yet.

        ``pods`` may hold other pods, too. Called from one thread only.
        """
        self._check()
        for pod in pods:
            if controller_of(pod).get("uid") in self._jobs:
                for entry in statuses(pod):
                    for number in _numbers(entry):
                        self._begin(_container(pod, entry), entry, number)

    def finish(self) -> None:
        """Wait for the rest of the logs of ended containers, then stop."""
        try:
            for uid, reference in self._jobs.items():
                self.saw(self._pods(reference, uid))
            deadline = time.monotonic() + _REST
            for run in list(self._runs.values()):
                if run.has_ended and run.thread is not None:
                    run.thread.join(max(deadline - time.monotonic(), 0.0))
                    if run.thread.is_alive():
                        self._tell_once(f"the log of {run.where} did not arrive to its end")
            self._check()
        finally:
            self.stop()

    def _check(self) -> None:
        """Raise, in the caller's thread, the exception that ended the thread of a run."""
        if self._broken is not None:
            raise self._broken

    def stop(self) -> None:
        """Print no further line. Waits a second at most for a line that a stalled reader of stdout holds up."""
        self._stopped.set()
        if self._lock.acquire(timeout=1.0):
            self._lock.release()
        for run in list(self._runs.values()):
            if run.stream is not None:
                run.stream.close()

    def _pods(self, job: Reference, uid: str) -> list[Object]:
        """All present pods of a Job: a quick pod may have come and ended between two events."""
        query = (("labelSelector", f"batch.kubernetes.io/controller-uid={uid}"),)
        request = Request("GET", _PODS.path(job.namespace), query, where=str(job))
        try:
            return list(self._client.until(time.monotonic() + _REST).send(request).body.get("items") or [])
        except StepError as error:
            self._tell_once(f"the log of {job} may lack a pod: {error.message}")
            return []

    def _begin(self, container: Container, entry: Object, number: int) -> None:
        known = self._runs.get((container, number))
        if known is not None:
            known.has_ended = _is_over(entry, number)
            return
        before = [run for run in self._runs.values() if run.container == container]
        position = before[0].position if before else Position()
        run = _Run(container, number, position, _is_over(entry, number), _restarts(entry) > number)
        self._several = self._several or any(other != container for other, _ in self._runs)
        self._runs[container, number] = run
        run.thread = threading.Thread(target=self._follow, args=(run, before), daemon=True)
        run.thread.start()

    # -- in the run's own thread

    def _follow(self, run: _Run, before: list[_Run]) -> None:
        for earlier in before:
            if earlier.thread is not None:
                earlier.thread.join()
        try:
            self._to_its_end(run)
        except (NotFoundError, StoppedError):  # the pod is gone, or the step ends
            return
        except ForbiddenError as error:
            self._tell_once(f"no logs: grant get on pods and pods/log ({error.message})")
        except StepError as error:
            self._tell_once(f"no log of {run.where}: {error.message}")
        except Exception as error:
            self._broken = error

    def _to_its_end(self, run: _Run) -> None:
        """Read until the run has ended and a last answer has brought no further line.

        An answer may end before the run does, when the kubelet or a proxy closes it.
        """
        pause, previous = _SHORTEST_PAUSE, run.is_previous
        while not self._stopped.is_set():
            known = run.lines
            is_whole = self._read(run, previous)
            before, previous = previous, self._has_restarted(run)
            if is_whole and run.has_ended:
                if previous == before and run.lines == known:
                    return
                continue
            self._stopped.wait(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _has_restarted(self, run: _Run) -> bool:
        """Whether a later run has begun, so that this log is the ``previous`` one. Notes whether this run has ended."""
        path = _PODS.path(run.container.namespace, run.container.pod)
        pod = self._client.send(Request("GET", path, where=run.where)).body
        for entry in statuses(pod):
            if _container(pod, entry) == run.container:
                run.has_ended = _is_over(entry, run.number)
                return _restarts(entry) > run.number
        raise NotFoundError("another pod has its name", code=404, where=run.where)

    def _read(self, run: _Run, previous: bool) -> bool:
        """Read to the end of the log as the server gives it now; ``False`` where it was cut, or is not there yet."""
        run.position.rewind()
        path, query = _target(run, previous)
        try:
            with (
                self._slots,
                self._client.stream(
                    Request("GET", path, query, accept="*/*", where=run.where), idle_timeout=_SILENCE
                ) as lines,
            ):
                run.stream = lines
                for line in lines:
                    self._tell(run, line)
        except UnreachableError:
            return False
        except ApiError as error:
            if error.code not in (400, 429) and error.code < 500:
                raise
            return False
        return True

    def _tell(self, run: _Run, line: bytes) -> None:
        text = run.position.text(line)
        if text is None:
            return
        run.lines += 1
        prefix = f"{run.container.label} " if self._several else ""
        with self._lock:  # ``stop`` waits for the line being printed; no other follows it
            if not self._stopped.is_set():
                self._say(prefix + text.decode("utf-8", "replace"))

    def _tell_once(self, message: str) -> None:
        if message not in self._noticed:
            self._noticed.add(message)
            self._notice(message)


def _target(run: _Run, previous: bool) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Path and query of the log, from the second of the last printed line on."""
    path = _PODS.path(run.container.namespace, run.container.pod, "log")
    query = [("container", run.container.name), ("timestamps", "true")]
    query.append(("previous", "true") if previous else ("follow", "true"))
    if run.position.second:
        query.append(("sinceTime", run.position.second))
    return path, tuple(query)


def _time(found: re.Match[bytes]) -> tuple[tuple[float, int], str]:
    """A comparable time with nanoseconds, and its second as the API's ``sinceTime`` takes it."""
    second = (found[1] + found[3]).decode()
    return (datetime.fromisoformat(second).timestamp(), int((found[2] or b"0").ljust(9, b"0"))), second


def _container(pod: Object, entry: Object) -> Container:
    reference = Reference.to(pod)
    return Container(reference.namespace, reference.name, uid_of(pod), str(entry.get("name", "")))


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
