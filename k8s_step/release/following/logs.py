"""The logs of followed objects in the step's own: of Jobs that run at each release; with ``--logs``, of new pods."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from k8s_step.objects.kinds.pods import is_ready
from k8s_step.objects.metadata import RUN, Object, annotations_of, metadata_of, uid_of
from k8s_step.objects.reference import Reference
from k8s_step.objects.values.times import moment
from k8s_step.operations.plan import Written
from k8s_step.release.planning.session import Run, Session
from k8s_step.report.journal import Journal
from k8s_step.verdict.readiness import observed
from k8s_step.verdict.revision import current_pods
from k8s_step.verdict.target import Target

if TYPE_CHECKING:
    from k8s_step.rollout.joblogs import JobLogs
    from k8s_step.rollout.podlogs import Container, PodLogs

_AT_ONCE = 20  # logs of new pods that are streamed at a time
_ANSWER = 4 << 20  # bytes; more than any budget, so that an endless line fills no memory
_REST = 5.0  # seconds within which the rest of the logs must arrive once the verdict has fallen


@dataclass
class Budget:
    """How much of a log is printed: so many lines and bytes, whichever ends first.

    ``told``: the limit that has been reached, such as ``1000 lines``; empty before.
    """

    lines: int
    bytes: int
    told: str = field(default="", init=False)
    _lines: int = field(default=0, init=False)
    _bytes: int = field(default=0, init=False)

    def takes(self, line: str) -> bool:
        """Whether the line may still be printed; counts it."""
        self._lines, self._bytes = self._lines + 1, self._bytes + len(line.encode("utf-8", "replace"))
        if self._lines > self.lines:
            self.told = f"{self.lines} lines"
        elif self._bytes > self.bytes:
            self.told = f"{self.bytes >> 10} KiB"
        return not self.told


def of_job() -> Budget:
    """What is printed of one Job's log."""
    return Budget(2000, 1 << 20)


def of_pod() -> Budget:
    """What ``--logs`` prints of one pod's logs."""
    return Budget(1000, 256 << 10)


def of_all() -> Budget:
    """What ``--logs`` prints of all pods' logs."""
    return Budget(10_000, 2 << 20)


class ReleaseLogs:
    """Streams the logs of a release's Jobs and new pods, those of one wave after those of another."""

    def __init__(self, run: Run, session: Session) -> None:
        self._run, self._session = run, session
        self._jobs: dict[str, JobLogs] = {}
        self._pods = _NewPods(run, session) if run.inputs.logs else None

    @property
    def wants_pods(self) -> bool:
        """Whether :meth:`saw` is of use at all."""
        return self._pods is not None or bool(self._jobs)

    def begin(self, written: Iterable[Written]) -> None:
        """Stream the logs of those among the ``written`` objects that are Jobs to be run at each release."""
        asking = (one for one in written if RUN in annotations_of(one.planned.object))
        made = (one for one in asking if one.action in ("created", "replaced") and _is_run(one))
        self._jobs.update((uid_of(one.object), self._logs_of(one)) for one in made)

    def _logs_of(self, one: Written) -> JobLogs:
        from k8s_step.release.jobs import has_several_logs  # imported here: few releases have such a Job
        from k8s_step.rollout.joblogs import JobLogs

        say, several = _of_job(self._run.journal, one.reference), has_several_logs([one.object])
        notice, client = self._run.journal.notice, self._session.open_ended
        return JobLogs(client, [one.object], say, notice, several=several, most_bytes=_ANSWER)

    def saw(self, target: Target, pods: Sequence[Object], replica_sets: Mapping[str, Object]) -> None:
        """Take in a target's pods as the watches have told of them."""
        if target.uid in self._jobs:
            self._jobs[target.uid].saw(target, pods, replica_sets)
        elif self._pods is not None:
            self._pods.saw(target, pods, replica_sets)

    def finish(self) -> None:
        """Print what has been logged up to now; the logs of what a later wave brings may follow."""
        for logs in self._jobs.values():
            logs.finish()
        self._jobs = {}
        if self._pods is not None:
            self._pods.finish()

    def stop(self) -> None:
        """Print nothing more."""
        for logs in self._jobs.values():
            logs.stop()
        if self._pods is not None:
            self._pods.stop()


def _is_run(one: Written) -> bool:
    from k8s_step.operations.restoring.recreation import runs_always

    return runs_always(one.planned.object)


def _of_job(journal: Journal, reference: Reference) -> Callable[[str], bool]:
    """Prints the lines of one Job's log, as far as its budget goes. Called by one thread at a time."""
    budget = of_job()

    def say(line: str) -> bool:
        was_within, is_within = not budget.told, budget.takes(line)
        if was_within:
            journal.logged(reference, line if is_within else _cut(budget, reference, f"job/{reference.name}"))
        return is_within

    return say


def _cut(budget: Budget, reference: Reference, name: str) -> str:
    return f"… more than {budget.told}: kubectl logs -n {reference.namespace} {name} has the rest"


class _NewPods:
    """The pods of the followed objects' present templates, of one wave after another.

    A pod that is ready when it is first seen, and was created before this run began, is not new: a workload that is
    merely scaled keeps such pods.
    """

    def __init__(self, run: Run, session: Session) -> None:
        self._journal, self._session = run.journal, session
        self._budget, self._budgets = of_all(), dict[str, Budget]()
        self._is_new: dict[str, bool] = {}  # by the pod's uid; those of earlier waves are new no more
        self._logs = self._begun()

    def _begun(self) -> PodLogs:
        from k8s_step.rollout.podlogs import PodLogs  # imported here: few runs stream logs

        client, notice = self._session.open_ended, self._journal.notice
        return PodLogs(client, self._say, notice, at_once=_AT_ONCE, most_bytes=_ANSWER, rest=_REST)

    def saw(self, target: Target, pods: Sequence[Object], replica_sets: Mapping[str, Object]) -> None:
        if self._budget.told or not observed(target.object):
            return
        found = current_pods(target.object, pods, replica_sets)
        for pod in found:
            if uid_of(pod) not in self._is_new:
                self._is_new[uid_of(pod)] = not is_ready(pod) or self._is_made_now(pod)
        self._logs.saw(pod for pod in found if self._is_new[uid_of(pod)])

    def finish(self) -> None:
        skipped = self._logs.skip()
        self._logs.finish()
        if skipped and not self._budget.told:
            containers = "1 more container is" if len(skipped) == 1 else f"{len(skipped)} more containers are"
            self._journal.notice(f"the logs of {containers} not shown: {_AT_ONCE} are streamed at a time")
        self._is_new = dict.fromkeys(self._is_new, False)
        self._logs = self._begun()

    def stop(self) -> None:
        self._logs.stop()

    def _say(self, container: Container, line: str) -> bool:
        """Print a line, as far as the budgets of its pod and of all go. Called by one thread at a time."""
        if self._budget.told:
            return False
        pod = Reference("v1", "Pod", container.namespace, container.pod)
        name = "" if container.is_alone else container.name
        budget = self._budgets.setdefault(container.uid, of_pod())
        was_within, is_within = not budget.told, budget.takes(line)
        if is_within and not self._budget.takes(line):
            self._journal.notice(f"no more logs are shown: these were {self._budget.told}")
            return False
        if was_within:
            self._journal.logged(pod, line if is_within else _cut(budget, pod, pod.title), name)
        return is_within

    def _is_made_now(self, pod: Object) -> bool:
        begun = self._session.client.begun
        return not begun or moment(metadata_of(pod).get("creationTimestamp")) >= parsedate_to_datetime(begun)
