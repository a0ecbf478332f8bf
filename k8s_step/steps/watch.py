"""``watch``: print the events of objects as they come, whatever becomes of the connection."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from k8s_step.api.watch import Scope, Watch
from k8s_step.errors import ApiError, ExitCode, InputError, ReportedError, StepError
from k8s_step.inputs import Inputs
from k8s_step.objects.selection import field_selector, label_selector
from k8s_step.redaction import Redactor
from k8s_step.release.arguments import kinds_alone, parse, words_of
from k8s_step.release.session import Run, Session, open_session
from k8s_step.report.events import Lines, Rows, Told, json_line, name_line
from k8s_step.watching.changes import Change, Changes
from k8s_step.watching.feeds import Feed, Feeds, News

_FOREVER = 10 * 365 * 86400.0  # seconds
_LOOK = 1.0  # seconds after which it is looked whether anybody still reads stdout
_MOST = 100  # watches at once, each of which has a connection


def watch(run: Run) -> ExitCode:
    """Tell of each change until time is up or nobody reads on. What can't be watched is told, and hides no other."""
    run = _timed(run)
    run.journal.content_follows()
    labels, fields = _selectors(run.inputs)
    _check(run.inputs)
    session = open_session(run, many_namespaces=True)
    feeds = _feeds(run, session, _scopes(run.inputs, session, labels, fields))
    watching = _Watching(run, feeds, _lines(run.inputs, run.redactor, feeds))
    feeds.start()
    try:
        return watching.until_the_end()
    finally:
        feeds.stop()
        run.journal.tallied(watching.tally)


def _timed(run: Run) -> Run:
    """The run with an end, however far, where no ``--timeout`` was given."""
    if "timeout" in run.inputs.sources:
        return run
    return replace(run, inputs=replace(run.inputs, timeout=_FOREVER))


def _selectors(inputs: Inputs) -> tuple[str | None, str | None]:
    labels = label_selector(inputs.selector, "--selector") if inputs.selector else None
    return labels, field_selector(inputs.field_selector, "--field-selector") if inputs.field_selector else None


def _check(inputs: Inputs) -> None:
    """Raises :class:`InputError` where words and options contradict each other."""
    words = words_of(inputs.object)
    if not words:
        raise InputError("nothing to do: what is to be watched?", hint="KIND, KIND/NAME, or KIND -l SELECTOR")
    if kinds_alone(words):
        return
    if inputs.selector or inputs.field_selector:
        raise InputError("an object is named and a selector given as well", hint="KIND/NAME, or KIND -l SELECTOR")
    if inputs.all_namespaces:
        raise InputError("an object is named, which is in one namespace", where="--all-namespaces", hint="-n NAME")


def _scopes(inputs: Inputs, session: Session, labels: str | None, fields: str | None) -> list[Scope]:
    """What each watch covers: a kind in a namespace, or one object."""
    words = words_of(inputs.object)
    spaces: list[str | None] = [None] if inputs.all_namespaces else [*session.namespaces]
    found: list[Scope] = []
    if kinds := kinds_alone(words):
        for resource in dict.fromkeys(map(session.discovery.find, kinds)):
            found += [Scope(resource, space if resource.namespaced else None, None, labels, fields) for space in spaces]
    else:
        for space in session.namespaces:
            named = parse(words, session.discovery, space)
            found += [Scope(one.resource, one.reference.namespace or None, one.reference.name) for one in named]
    scopes = list(dict.fromkeys(found))
    if len(scopes) > _MOST:
        hint = "KIND -l SELECTOR instead of names, -A instead of namespaces"
        raise InputError(f"{len(scopes)} watches are too many, {_MOST} are the most", hint=hint)
    return scopes


def _feeds(run: Run, session: Session, scopes: Sequence[Scope]) -> Feeds:
    """The first list of each may take a request's time, even where ``--timeout`` is shorter: it is asked for once."""
    as_table, client = run.inputs.output in ("table", "wide"), session.open_ended
    first = client.until(max(run.deadline, run.started + run.inputs.request_timeout))

    def feed(scope: Scope) -> Feed:
        made = Watch(client, scope, None, run.journal.notice, in_pages=True, as_table=as_table, first=first)
        return Feed(made, Changes(scope.resource, as_table))

    return Feeds([feed(scope) for scope in scopes])


def _lines(inputs: Inputs, redactor: Redactor, feeds: Feeds) -> Lines:
    """The function that makes an event's lines, by ``--output``."""
    if inputs.output in ("table", "wide"):
        scopes = [feed.scope for feed in feeds]
        spaces = inputs.all_namespaces or len({scope.namespace for scope in scopes if scope.namespace}) > 1
        kinds = len({scope.resource for scope in scopes}) > 1
        return Rows(redactor, wide=inputs.output == "wide", namespaces=spaces, kinds=kinds).lines
    if inputs.output == "name":
        return lambda told: [name_line(told)]
    return lambda told: [json_line(told, redactor)]


class _Watching:
    """The loop that tells of changes, in the main thread, and what it has seen."""

    def __init__(self, run: Run, feeds: Feeds, lines: Lines) -> None:
        self._run = run
        self._feeds = feeds
        self._lines = lines
        self._told = 0
        self._refused: list[StepError] = []
        self._masks_secrets = False

    @property
    def tally(self) -> str:
        """How much was told."""
        return f"{self._told} event" if self._told == 1 else f"{self._told} events"

    def until_the_end(self) -> ExitCode:
        """Tell of changes until time is up, nobody reads on, or no watch is left.

        Raises :class:`ReportedError` where some could not be watched.
        """
        while self._goes_on():
            news = self._feeds.next(min(_LOOK, self._run.deadline - time.monotonic()))
            if isinstance(news, News):
                self._take(news)
        if self._refused:
            raise ReportedError(min(error.exit_code for error in self._refused))
        return ExitCode.SUCCEEDED

    def _goes_on(self) -> bool:
        if all(feed.error for feed in self._feeds) or not self._run.journal.is_read:
            return False
        # A first list ends at the deadline by itself, with an error where the server did not answer.
        is_settled = all(feed.is_settled for feed in self._feeds)
        return not is_settled or time.monotonic() < self._run.deadline

    def _take(self, news: News) -> None:
        if news.error is not None:
            self._lost(news.error)
        if news.change is not None:
            self._tell(news.feed, news.change)
            self._feeds.told()

    def _tell(self, feed: Feed, change: Change) -> None:
        if change.is_initial and self._run.inputs.only_new:
            return
        told = Told(change.type, feed.scope.resource, change.object, change.cells, feed.changes.columns)
        for line in self._lines(told):
            self._run.journal.document(line)
        self._told += 1
        if change.object.get("kind") == "Secret" and not self._masks_secrets:
            self._masks_secrets = True
            self._run.journal.notice("the values of Secrets are masked here")

    def _lost(self, error: Exception) -> None:
        """A watch has ended for good, which the others outlive. Raises an error of ours."""
        if not isinstance(error, StepError):
            raise error
        if isinstance(error, ApiError) and error.code == 403:
            error.hint = error.hint or "it takes the verbs list and watch"
        self._run.journal.error(error)
        self._refused.append(error)
