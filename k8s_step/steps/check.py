"""``check``: whether each named component has enough ready pods; pods' phases and restarts as metrics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from k8s_step.api.concurrency import gather, successes
from k8s_step.errors import ExitCode, InputError, ReportedError, StepError
from k8s_step.objects.metadata import Object, uid_of
from k8s_step.objects.reference import Reference
from k8s_step.objects.selection import Group
from k8s_step.operations.get import OBJECTS, Reader
from k8s_step.release.planning.session import Run, Session, open_session
from k8s_step.report.content import Metrics, Table
from k8s_step.report.results.metrics import of_components, of_pods
from k8s_step.verdict.components import Component, Health, causes, components, health
from k8s_step.verdict.evidence.finding import Finding
from k8s_step.verdict.judgement import Judgement
from k8s_step.verdict.states import State

_EVERY_POD = Component("", "")  # where only --metrics is given
_COLUMNS = ("component", "ready", "pods", "restarts", "status")


@dataclass
class _Seen:
    """The pods of one component, in all namespaces that could be read."""

    component: Component
    pods: list[Object] = field(default_factory=list)
    is_whole: bool = True

    @property
    def health(self) -> Health:
        return health(self.pods)

    @property
    def reference(self) -> Reference:
        """A name for the component in reports, which is no object of the API."""
        return Reference("", "Component", "", self.component.name)


def check(run: Run) -> ExitCode:
    """Read the pods of each component once, and judge. An unreadable namespace is reported and hides no other."""
    inputs = run.inputs
    run.journal.content_follows()
    wanted = components(inputs.component, "--component")
    if not wanted and not inputs.metrics:
        raise InputError("nothing to check: no component was named", hint="--component NAME=SELECTOR, or --metrics")
    session = open_session(run, many_namespaces=True)
    seen, refused = _read(run, session, [_Seen(one) for one in wanted] or [_Seen(_EVERY_POD)])
    if wanted:
        _judge(run, seen)
    run.journal.delivered(_metrics(run, seen) if inputs.metrics else _table(run, seen))
    has_failed = wanted and not all(one.health.is_good(inputs.min_ready) for one in seen if one.is_whole)
    codes = [*(error.exit_code for error in refused), *([ExitCode.FAILED] if has_failed else [])]
    if refused:
        raise ReportedError(min(codes))
    return min(codes, default=ExitCode.SUCCEEDED)


def _read(run: Run, session: Session, seen: list[_Seen]) -> tuple[list[_Seen], list[StepError]]:
    """List each component's pods in each namespace, several lists at a time."""
    inputs, pods = run.inputs, session.discovery.find("pods")
    spaces = [""] if inputs.all_namespaces else session.namespaces
    lists = [(one, Group(pods, space, one.component.selector)) for one in seen for space in spaces]
    reader = Reader(session.client, OBJECTS, inputs.limit, run.journal.notice)
    refused: list[StepError] = []
    run.journal.loaded([one.reference for one in seen if one.component.name])

    def tell(asked: tuple[_Seen, Group], error: StepError) -> None:
        one = asked[0]
        run.journal.error(error, one.reference if one.component.name else None)
        refused.append(error)
        one.is_whole = False

    read = gather(lambda asked: reader.whole(asked[1]), lists, inputs.concurrency)
    for (one, _), page in successes(read, tell):
        one.pods += page.items
    return seen, refused


def _judge(run: Run, seen: Sequence[_Seen]) -> None:
    """Report the state of each component, and why pods are not ready where too few are."""
    least = run.inputs.min_ready
    for one in seen:
        if not one.is_whole:
            continue
        found = one.health
        state = State.CURRENT if found.is_good(least) else State.FAILED
        reason = "" if found.is_good(least) else "NotEnoughReadyPods" if found.pods else "NoPods"
        run.journal.progress(one.reference, Judgement(state, found.text(least), reason), 0.0)
        if state is State.FAILED:
            run.journal.found(causes(one.reference, one.pods) or [Finding(one.reference, reason, found.text(least))])


def _table(run: Run, seen: Sequence[_Seen]) -> Table:
    return Table(_COLUMNS, tuple(_cells(one, run.inputs.min_ready) for one in seen), run.cluster)


def _cells(one: _Seen, least: int) -> tuple[str | int, ...]:
    found = one.health
    status = "unknown" if not one.is_whole else "ready" if found.is_good(least) else found.text(least)
    return (one.component.name, found.ready, found.pods, found.restarts, status)


def _metrics(run: Run, seen: Sequence[_Seen]) -> Metrics:
    """The metrics of each pod, once even if several components select it, then those of the components."""
    pods = {uid_of(pod): pod for one in seen for pod in one.pods}
    judged = {one.component.name: one.health for one in seen if one.component.name and one.is_whole}
    components = of_components(judged, run.inputs.min_ready) if judged else []
    return Metrics((*of_pods(pods.values()), *components), run.cluster)
