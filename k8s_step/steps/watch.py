"""``watch``: print the events of objects as they come, whatever becomes of the connection."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from k8s_step.api.discovery import Discovery
from k8s_step.api.watch import Scope, Watch
from k8s_step.errors import ExitCode, InputError, InputErrors
from k8s_step.inputs import Inputs
from k8s_step.objects.reference import Reference
from k8s_step.objects.resource import Resource
from k8s_step.objects.selection import selectors
from k8s_step.options import OBJECTS, RESULT_FILES, WATCH
from k8s_step.redaction import Redactor
from k8s_step.release.following.watcher import Watcher, time_to_begin
from k8s_step.release.planning.arguments import kinds_alone, parse, words_of
from k8s_step.release.planning.session import Run, Session, open_session
from k8s_step.report.events import Lines, Rows, json_line, name_line
from k8s_step.verdict.evidence.finding import Finding
from k8s_step.verdict.terms import expectations
from k8s_step.verdict.terms.expectations import Expectation
from k8s_step.watching.changes import Changes
from k8s_step.watching.feeds import Feed, Feeds
from k8s_step.watching.goal import Goal, Hope
from k8s_step.watching.programs import Programs

_FOREVER = 10 * 365 * 86400.0  # seconds
_WAIT = 600.0  # seconds to wait for something, where no --timeout was given
_MOST = 100  # watches at once, each of which has a connection


def watch(run: Run) -> ExitCode:
    """Tell of each change, until what is waited for is there, time is up, or nobody reads on.

    What can't be watched is told, and hides no other.
    """
    inputs = run.inputs
    run.journal.content_follows()
    expected = _expectations(inputs)
    labels, fields = selectors(inputs.selector, inputs.field_selector)
    _check(inputs)
    run = _timed(run, is_waiting=bool(expected))
    session = _with_time_to_begin(run, open_session(run, many_namespaces=True))
    scopes = _scopes(inputs, session, labels, fields)
    feeds = _feeds(run, session, scopes)
    goal = Goal(expected, _named(scopes), time.monotonic())
    lines = _lines(inputs, run.redactor, feeds)
    programs = _programs(run, feeds) if inputs.exec_command else None
    watcher = Watcher(run, feeds, lines, goal, lambda lost: _evidence(session, goal, lost), programs)
    try:
        feeds.start()
        return watcher.until_the_end()
    finally:
        feeds.stop()
        run.journal.tallied(watcher.tally)


def _expectations(inputs: Inputs) -> list[Expectation]:
    """What is waited for. Raises :class:`InputErrors` with each that can't be read."""
    found: list[Expectation] = []
    errors: list[InputError] = []
    words = [(expectations.parse, "--for", text) for text in inputs.expectations]
    words += [(expectations.parse_field, "--until", text) for text in inputs.until]
    for read, option, text in words:
        try:
            found.append(read(text, option))
        except InputError as error:
            errors.append(error)
    if errors:
        raise InputErrors(errors)
    return found


def _timed(run: Run, *, is_waiting: bool) -> Run:
    """The run with an end, however far, where no ``--timeout`` was given."""
    if "timeout" in run.inputs.sources:
        return run
    return replace(run, inputs=run.inputs._replace(timeout=_WAIT if is_waiting else _FOREVER))


def _with_time_to_begin(run: Run, session: Session) -> Session:
    """The session, whose kinds and first lists may take a request's time where ``--timeout`` is shorter, such as 0."""
    client = session.open_ended.until(time_to_begin(run))
    return session._replace(client=client, discovery=Discovery(client))


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


def _scopes(inputs: Inputs, session: Session, labels: str, fields: str) -> list[Scope]:
    """What each watch covers: a kind in a namespace, or one object."""
    words = words_of(inputs.object)
    spaces: list[str | None] = [None] if inputs.all_namespaces else [*session.namespaces]
    found: list[Scope] = []
    if kinds := kinds_alone(words):
        for resource in dict.fromkeys(one for kind in kinds for one in session.discovery.find_all(kind)):
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


def _named(scopes: Sequence[Scope]) -> list[tuple[Resource, Reference]]:
    """The objects that are named; none where kinds are."""
    return [
        (one.resource, Reference(one.resource.api_version, one.resource.kind, one.namespace or "", one.name))
        for one in scopes
        if one.name
    ]


def _programs(run: Run, feeds: Feeds) -> Programs:
    """The command of ``--exec``, in the step's environment but for what tells this very watch what to do."""
    own = {variable for option in (OBJECTS, *WATCH, *RESULT_FILES) for variable in option.all_variables}
    own |= {"INPUT_COMMAND", "K8S_COMMAND"}
    environ = {name: value for name, value in run.environ.items() if name not in own}
    return Programs(run.inputs.exec_command or "", environ, run.inputs.exec_concurrency, feeds.put)


def _evidence(session: Session, goal: Goal, lost: Sequence[Hope]) -> list[Finding]:
    """Why objects have failed, with what the server can tell of it."""
    from k8s_step.rollout.diagnose import diagnose
    from k8s_step.verdict.target import Target

    resources = {id(hope): resource for (resource, _), hope in goal.hopes.items()}
    targets = [
        Target(hope.reference, resources[id(hope)], hope.object or {}, changed=False, judgement=hope.failure)
        for hope in lost
    ]
    findings: list[Finding] = []
    for known in diagnose(session.open_ended, targets):
        findings = known
    return findings


def _feeds(run: Run, session: Session, scopes: Sequence[Scope]) -> Feeds:
    """A feed for each scope, whose first list is bounded by the session's client."""
    as_table, client, first = run.inputs.output in ("table", "wide"), session.open_ended, session.client

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
