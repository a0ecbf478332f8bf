"""The loop of ``watch``, in the main thread: tells of changes, and knows when there is no more to wait for."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Sequence

from k8s_step.api.watch import Scope
from k8s_step.cancellation import CANCELLATION
from k8s_step.errors import ApiError, ExitCode, NotFoundError, ReportedError, StepError, TimedOutError
from k8s_step.release.planning.session import Run
from k8s_step.report.events import Lines, Told, json_line, name_line
from k8s_step.report.wording import many
from k8s_step.verdict.evidence.finding import Finding
from k8s_step.verdict.evidence.signals import exit_text
from k8s_step.verdict.judgement import Judgement
from k8s_step.verdict.states import State
from k8s_step.watching.changes import Change, key_of
from k8s_step.watching.feeds import Feed, Feeds, News
from k8s_step.watching.goal import Goal, Hope
from k8s_step.watching.programs import TERM, Ended, Event, Line, Programs

_LOOK = 1.0  # seconds after which it is looked whether anybody still reads stdout
_PATIENCE = 30.0  # seconds that commands are given to end when no more events come
_HASTE = 1.0  # the same for a cancelled run

Explain = Callable[[Sequence[Hope]], Sequence[Finding]]


def time_to_begin(run: Run) -> float:
    """The end of the time for the kinds and the first lists: a request's where ``--timeout`` is shorter, such as 0."""
    return max(run.deadline, run.started + run.inputs.request_timeout)


class Watcher:
    """Tells of the changes that ``feeds`` bring until ``goal`` is reached or nothing more can come.

    ``lines`` makes a change's lines for stdout; ``explain`` finds out why objects have failed; ``programs`` run for
    each change that is told.
    """

    def __init__(
        self, run: Run, feeds: Feeds, lines: Lines, goal: Goal, explain: Explain, programs: Programs | None = None
    ) -> None:
        self._run, self._journal = run, run.journal
        self._feeds, self._lines = feeds, lines
        self._goal, self._explain = goal, explain
        self._programs = programs
        self._told = 0
        self._refused: list[StepError] = []
        self._masks_secrets = False
        self._is_awaiting = False
        self._standings: dict[int, str] = {}

    @property
    def tally(self) -> str:
        """How much was told, and how many commands were run for it."""
        events = many(self._told, "event")
        if self._programs is None:
            return events
        runs, failures = self._programs.runs, self._programs.failures
        return f"{events}, {many(runs, 'command')}{f' ({failures} failed)' if failures else ''}"

    def until_the_end(self) -> ExitCode:
        """Tell of changes until the goal is reached or lost, time is up, nobody reads on, or no watch is left.

        Raises :class:`ReportedError` for all but success; what led to it has been told.
        """
        with CANCELLATION.leaving(self._kill_programs):
            self._tell_until_the_end()
        self._miss_lists()
        codes = [*(error.exit_code for error in self._refused), *self._end_of_goal(), *self._end_of_programs()]
        if codes:
            raise ReportedError(min(codes))
        return ExitCode.SUCCEEDED

    def _tell_until_the_end(self) -> None:
        try:
            while self._goes_on():
                self._hear(self._feeds.next(self._pause()))
                self._look_at_goal()
            self._feeds.stop()
            self._end_programs(_PATIENCE)
        except BaseException:  # cancelled, or an error that nobody foresaw
            self._end_programs(_HASTE, drop=True)
            raise
        finally:
            self._end_what_is_left()

    # -- when to end

    def _goes_on(self) -> bool:
        if self._feeds.are_lost or (self._feeds.are_settled and self._is_decided):
            return False
        return time.monotonic() < self._end

    @property
    def _end(self) -> float:
        """The run's deadline. A first list that is late ends with an error by itself, unless commands hold it up."""
        return self._run.deadline if self._feeds.are_settled else time_to_begin(self._run) + _LOOK

    @property
    def _is_decided(self) -> bool:
        """Whether nothing that may come would change the outcome."""
        goal = self._goal
        if not goal.is_for:
            return self._programs is None and not self._journal.is_read
        return goal.is_reached or goal.is_lost

    def _pause(self) -> float:
        """Seconds to wait for news, until something is due by the clock."""
        due = self._goal.due if self._is_awaiting else None
        return min(_LOOK, min(self._end, self._end if due is None else due) - time.monotonic())

    # -- what comes

    def _hear(self, news: News | Line | Ended | None) -> None:
        if isinstance(news, News):
            self._take(news)
        elif news is not None and self._programs is not None:
            self._hear_of_command(news, self._programs)

    def _take(self, news: News) -> None:
        if news.change is not None:
            self._tell(news.feed, news.change)
        elif news.error is None:
            self._goal.settle(news.feed.scope)
        else:
            self._lost(news.error)
            self._goal.abandon(news.feed.scope)

    def _tell(self, feed: Feed, change: Change) -> None:
        resource = feed.scope.resource
        told = Told(change.type, resource, change.object, change.cells, feed.changes.columns)
        is_told = not (change.is_initial and self._run.inputs.only_new)
        if is_told:
            for line in self._lines(told):
                self._journal.document(line)
            self._told += 1
            self._tell_of_masks(change)
        if self._goal.is_for:
            hope = self._goal.take(resource, change, time.monotonic())
            if hope is not None and self._is_awaiting:
                self._tell_of(hope)
        if is_told and self._programs is not None:
            self._pass_on(told, self._programs)  # it counts as told once its command has ended
        else:
            self._feeds.told()

    def _tell_of_masks(self, change: Change) -> None:
        if change.object.get("kind") == "Secret" and not self._masks_secrets:
            self._masks_secrets = True
            self._journal.notice("the values of Secrets are masked here")

    def _miss_lists(self) -> None:
        """Tell of the first lists that were not told whole by the end."""
        for feed in self._feeds:
            if not feed.is_settled:
                what = "what is there was not told whole when the time was up"
                self._lost(TimedOutError(what, where=feed.scope.text, hint="--timeout may be longer"))

    def _lost(self, error: Exception) -> None:
        """A watch has ended for good, which the others outlive. Raises an error of ours."""
        if not isinstance(error, StepError):
            raise error
        if isinstance(error, ApiError) and error.code == 403:
            error.hint = error.hint or "it takes the verbs list and watch"
        self._journal.error(error)
        self._refused.append(error)

    # -- what is run

    def _pass_on(self, told: Told, programs: Programs) -> None:
        """Run the command for an event, in its turn."""
        namespace, name = key_of(told.object)
        title = name_line(told)
        environ = {"EVENT_TYPE": told.type, "EVENT_OBJECT": title, "EVENT_NAMESPACE": namespace, "EVENT_NAME": name}
        text = json_line(told, self._run.redactor)
        programs.pass_on(Event((told.resource, namespace, name), title, text, environ))

    def _hear_of_command(self, news: Line | Ended, programs: Programs) -> None:
        title = news.event.title
        if isinstance(news, Line):
            self._journal.notice(f"{title}: {news.text}")
        else:
            self._feeds.told()
            if news.code:
                code = exit_text(news.code if news.code > 0 else 128 - news.code)
                self._journal.notice(
                    f"{title}: --exec ended with exit code {code}{f': {news.last}' if news.last else ''}"
                )
        programs.heard(news)

    def _end_programs(self, seconds: float, *, drop: bool = False) -> None:
        """Wait so long for the commands, then end those that still run. ``drop``: start no further one."""
        programs = self._programs
        if programs is None:
            return
        dropped = programs.drop() if drop else 0
        self._until_idle(programs, seconds)
        dropped += programs.drop()
        if programs.running:
            self._journal.notice(f"--exec: {many(programs.running, 'command')} still ran, now ended")
        for number in (signal.SIGTERM, signal.SIGKILL):
            if programs.running:
                programs.signal(number)
                self._until_idle(programs, TERM)
        if dropped:
            self._journal.notice(f"--exec was not run for {many(dropped, 'event')}")

    def _end_what_is_left(self) -> None:
        """End the commands that still run, whatever has happened."""
        left = self._programs.end() if self._programs else 0
        if left:
            self._journal.notice(f"--exec: {many(left, 'command')} still ran, now ended")

    def _kill_programs(self) -> None:
        if self._programs is not None:
            self._programs.kill()

    def _until_idle(self, programs: Programs, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not programs.is_idle and (left := end - time.monotonic()) > 0:
            news = self._feeds.next(left)
            if isinstance(news, (Line, Ended)):
                self._hear_of_command(news, programs)

    def _end_of_programs(self) -> list[ExitCode]:
        if self._programs is None or not self._programs.failures:
            return []
        failures, runs = self._programs.failures, self._programs.runs
        self._journal.error(StepError(f"{failures} of {many(runs, 'command')} failed", where="--exec"))
        return [ExitCode.FAILED]

    # -- what is waited for

    def _look_at_goal(self) -> None:
        """Begin to tell of what is waited for once all of it is known, then of what the clock has changed."""
        if not self._goal.is_for or not self._feeds.are_settled:
            return
        if not self._is_awaiting:
            self._is_awaiting = True
            self._await()
        for hope in self._goal.judge_again(time.monotonic()):
            self._tell_of(hope)
        now = time.monotonic()
        if now >= self._next_tick:
            self._next_tick = now + self._journal.tick_every
            self._journal.tick(self._run.deadline - now)

    _next_tick = 0.0

    def _await(self) -> None:
        goal, hopes = self._goal, list(self._goal.hopes.values())
        self._journal.loaded([hope.reference for hope in hopes])
        if goal.missing or not (hopes or goal.awaits_creation):
            return
        if waiting := len(goal.open) or int(not hopes):
            self._journal.following(waiting, max(self._run.deadline - time.monotonic(), 0.0))
        for hope in hopes:
            self._tell_of(hope)

    def _tell_of(self, hope: Hope) -> None:
        """Tell where an object stands, where that is news."""
        seconds = time.monotonic() - self._run.started
        if hope.is_met:
            self._journal.met(hope.reference, self._goal.told, seconds)
        elif hope.failure is not None:
            self._journal.progress(hope.reference, hope.failure, seconds)
        elif (standing := self._goal.standing(hope)) != self._standings.get(id(hope)):
            self._standings[id(hope)] = standing
            self._journal.progress(hope.reference, Judgement(State.IN_PROGRESS, standing), seconds)

    def _end_of_goal(self) -> list[ExitCode]:
        """The exit code that the goal has come to, and why; none where it was reached, or could not be watched."""
        goal = self._goal
        if not goal.is_for or goal.is_reached:
            return []
        if goal.failed:
            self._journal.found(self._explain(goal.failed))
            return [ExitCode.FAILED]
        if self._feeds.are_lost or not self._feeds.are_settled:
            return []
        for hope in goal.missing:
            self._journal.error(_not_found(str(hope.reference)), hope.reference)
        if not goal.hopes and not goal.awaits_creation:
            scopes = ", no ".join(_chosen(feed.scope) for feed in self._feeds if not feed.error)
            self._journal.error(_not_found(f"no {scopes}"))
        return [ExitCode.REFUSED] if goal.missing or not goal.hopes else [ExitCode.TIMED_OUT]


def _chosen(scope: Scope) -> str:
    """``pods in shop with app=web``."""
    selectors = " and ".join(filter(None, (scope.label_selector, scope.field_selector)))
    return f"{scope.text} with {selectors}" if selectors else scope.text


def _not_found(what: str) -> NotFoundError:
    hint = "is it the right name or selector, and namespace (-n)? --for create waits until it is there"
    return NotFoundError("there is nothing to wait for", code=404, where=what, hint=hint)
