"""The runs of one verb on several clusters, side by side in threads, wave after wave."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from k8s_step.cancellation import CANCELLATION
from k8s_step.errors import BugError, CancelledError, ExitCode, StepError
from k8s_step.fleet.member import Member
from k8s_step.fleet.waves import Wave
from k8s_step.release.planning.session import Run
from k8s_step.report.fleet.result import ClusterResult, ClustersResult
from k8s_step.report.journal import Journal
from k8s_step.report.results.problem import Problem
from k8s_step.report.results.result import Result, never_begun, timestamp

_GRACE = 4.0  # seconds that a cancelled run gives its clusters to tell where they stand


class WaveListener(Protocol):
    """Told how the run as a whole goes on."""

    def wave(self, number: int, waves: int, names: Sequence[str]) -> None:
        """A wave begins; ``number`` counts from 1."""

    def not_begun(self, names: Sequence[str], why: str) -> None:
        """These clusters are left as they are."""


@dataclass(frozen=True)
class _Settled:
    """A cluster's release has ended with ``code``; what it wrote stays as long as it is good, and so is its wave."""

    name: str
    code: ExitCode


@dataclass(frozen=True)
class _Ended:
    """A cluster's run has ended."""

    name: str
    result: Result


_Message = _Settled | _Ended | None


@dataclass
class _MemberRun:
    """A cluster of the wave under way. ``is_settled``: its release has ended, and it waits for the wave's verdict."""

    cluster: Member
    journal: Journal
    verdict: queue.SimpleQueue[bool | None] = field(default_factory=queue.SimpleQueue)
    is_settled: bool = False
    is_answered: bool = False


class Fleet:
    """Runs a verb on each cluster. ``work`` turns all errors of a verb into exit codes; ``run_of`` makes its run.

    ``max_parallel``: clusters at a time; one that waits for the others of its wave does not count. ``max_failures``:
    once more clusters have failed, no other is begun.
    """

    def __init__(
        self,
        command: str,
        work: Callable[[Run], ExitCode],
        run_of: Callable[[Member, Callable[[ExitCode], bool]], Run],
        listener: WaveListener,
        *,
        max_parallel: int,
        max_failures: int | None,
        is_dry_run: bool = False,
    ) -> None:
        self._command, self._work, self._run_of, self._listener = command, work, run_of, listener
        self._max_parallel, self._max_failures = max_parallel, max_failures
        self._is_dry_run = is_dry_run
        self._messages: queue.SimpleQueue[_Message] = queue.SimpleQueue()
        self._members: dict[str, _MemberRun] = {}  # of the wave under way, until they have ended
        self._results: dict[str, Result] = {}
        self._failed: list[str] = []

    def run(self, waves: Sequence[Wave]) -> ClustersResult:
        """Run all waves, one after the other; a cancellation becomes part of the result. An empty wave is passed by."""
        started, clock = datetime.now(UTC), time.monotonic()
        cancelled: ExitCode | None = None
        try:
            CANCELLATION.started()
            with CANCELLATION.held(lambda: self._messages.put(None)):
                for number, wave in enumerate(waves, 1):
                    if wave and not self._run_wave(number, len(waves), wave):
                        break
        except CancelledError as error:
            cancelled = error.exit_code
            self._give_up(error)
        self._tell_not_begun([one.name for wave in waves for one in wave], is_cancelled=cancelled is not None)
        return ClustersResult(
            self._command,
            tuple(
                ClusterResult(one.name, number, self._results.get(one.name))
                for number, wave in enumerate(waves, 1)
                for one in wave
            ),
            timestamp(started),
            time.monotonic() - clock,
            cancelled=cancelled,
            is_dry_run=self._is_dry_run,
        )

    @property
    def _is_over(self) -> bool:
        return self._max_failures is not None and len(self._failed) > self._max_failures

    def _run_wave(self, number: int, waves: int, wave: Wave) -> bool:
        """Run the wave's clusters; whether the next wave may begin."""
        self._listener.wave(number, waves, [one.name for one in wave])
        waiting = list(wave)
        while waiting or self._members:
            while waiting and self._busy < self._max_parallel and not self._is_over:
                self._begin(waiting.pop(0))
            if not self._members:
                break
            message = self._messages.get()
            if message is None:
                self._linger()
                return False
            self._take(message)
            self._answer(is_whole=not waiting or self._is_over)
        return not self._is_over

    @property
    def _busy(self) -> int:
        return sum(not member.is_settled for member in self._members.values())

    def _begin(self, one: Member) -> None:
        run = self._run_of(one, lambda code: self._stays(one.name, code))
        self._members[one.name] = _MemberRun(one, run.journal)
        threading.Thread(target=self._work_on, args=(one.name, run), daemon=True).start()

    def _take(self, message: _Settled | _Ended) -> None:
        if isinstance(message, _Settled):
            self._members[message.name].is_settled = message.code is ExitCode.SUCCEEDED
            self._count(message.name, message.code)
            return
        member = self._members.pop(message.name, None)
        self._results[message.name] = message.result
        if member is None or not member.is_settled:  # one whose release was good has ended as its wave has
            self._count(message.name, message.result.exit_code)

    def _count(self, name: str, code: ExitCode) -> None:
        if code is not ExitCode.SUCCEEDED and name not in self._failed:
            self._failed.append(name)

    def _answer(self, *, is_whole: bool) -> None:
        """Tell the clusters that wait for their wave's verdict, as soon as it is known."""
        is_good = is_whole and all(member.is_settled for member in self._members.values())
        if not (self._is_over or is_good):
            return
        for member in self._members.values():
            if member.is_settled and not member.is_answered:
                member.is_answered = True
                member.verdict.put(not self._is_over)

    # -- cancelled

    def _linger(self) -> None:
        """Take what the cancelled clusters still come to."""
        end = time.monotonic() + _GRACE
        while self._members:
            try:
                message = self._messages.get(timeout=max(end - time.monotonic(), 0.0))
            except queue.Empty:
                return
            if message is not None:
                self._take(message)

    def _give_up(self, error: CancelledError) -> None:
        """End the clusters that have not come to an end by themselves, with all that is known of them."""
        for name, member in self._members.items():
            member.journal.error(StepError(error.message))
            self._results[name] = member.journal.finish(error.exit_code)
        self._members = {}

    def _tell_not_begun(self, names: Sequence[str], *, is_cancelled: bool) -> None:
        left = [name for name in names if name not in self._results]
        if left:
            why = "the run was cancelled" if is_cancelled else f"{', '.join(self._failed)} failed"
            self._listener.not_begun(left, why)

    # -- in the thread of a cluster

    def _work_on(self, name: str, run: Run) -> None:
        try:
            with CANCELLATION.taking_part():
                code = self._outcome(run)
            result = run.journal.finish(code)
        except BaseException as error:  # the main thread waits for a message in any case
            told = Problem.of(BugError(f"this is a bug of k8s-step: {type(error).__name__}: {error}"))
            result = never_begun(self._command, ExitCode.BUG, (told,))
        self._messages.put(_Ended(name, result))

    def _outcome(self, run: Run) -> ExitCode:
        try:
            return self._work(run)
        except CancelledError as error:  # cancelled while an error was being reported
            return error.exit_code

    def _stays(self, name: str, code: ExitCode) -> bool:
        """Whether what the cluster's good release wrote stays; waits until the verdict of its wave is known."""
        self._messages.put(_Settled(name, code))
        if code is not ExitCode.SUCCEEDED:
            return False
        member = self._members[name]
        with CANCELLATION.waking(lambda: member.verdict.put(None)):
            stays = member.verdict.get()
        if not stays:
            others = ", ".join(each for each in self._failed if each != name)
            member.journal.notice(f"{others} failed: what was done here is taken back as well")
        return bool(stays)
