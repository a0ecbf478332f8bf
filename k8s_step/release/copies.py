"""Objects of one cluster on their way to others: read once, stripped, and written there by server-side apply."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from k8s_step.api.concurrency import gather, successes
from k8s_step.api.request import Request
from k8s_step.errors import ExitCode, InputError, InputErrors, NotFoundError, ReportedError, StepError
from k8s_step.objects.address import Address
from k8s_step.objects.kinds.immutable import with_kept
from k8s_step.objects.kinds.portable import bound, portable
from k8s_step.objects.kinds.secrets import values_of
from k8s_step.objects.metadata import MutableObject, Object, metadata_of
from k8s_step.objects.ownership.applied import is_applied
from k8s_step.objects.reference import Reference
from k8s_step.objects.selection import Group, selectors
from k8s_step.operations.get import Form, Page, Reader, Wanted
from k8s_step.operations.plan import ApplyOptions, Planned, Seen
from k8s_step.release.order.application import Application
from k8s_step.release.planning.arguments import kinds_alone, parse, words_of
from k8s_step.release.planning.guards import Guards
from k8s_step.release.planning.session import Run, Session, open_session
from k8s_step.release.preflight import Preflight, show_differences
from k8s_step.release.send import Writes, tell

MANAGER = "k8s-step-sync"


@dataclass(frozen=True)
class Copies:
    """What the source has, stripped; ``server`` is the source's own."""

    server: str
    objects: tuple[MutableObject, ...]


def check_words(run: Run) -> None:
    """Raises :class:`InputError` where the words and options name nothing that could be copied."""
    inputs = run.inputs
    words = words_of(inputs.object)
    if not words:
        raise InputError("nothing to do: what is to be copied?", hint="KIND/NAME, or KIND -l SELECTOR")
    has_selector = bool(inputs.selector or inputs.field_selector)
    if kinds_alone(words) and not has_selector:
        raise InputError(f"which {words[0]}?", hint=f"{words[0]} NAME, or {words[0]} -l SELECTOR")
    if has_selector and not kinds_alone(words):
        raise InputError("an object is named and a selector given as well", hint="KIND/NAME, or KIND -l SELECTOR")


def read_copies(run: Run) -> Copies:
    """Read what is to be copied. Raises :class:`ReportedError` where some of it can't be read."""
    check_words(run)
    inputs = run.inputs
    labels, fields = selectors(inputs.selector, inputs.field_selector)
    session = open_session(run, many_namespaces=True)
    words = words_of(inputs.object)
    kinds = kinds_alone(words)
    wanted: list[Wanted] = []
    if kinds:
        found = dict.fromkeys(session.discovery.find(kind) for kind in kinds)
        spaces = session.namespaces
        groups = (Group(one, space if one.namespaced else "", labels, fields) for one in found for space in spaces)
        wanted += dict.fromkeys(groups)
    else:
        wanted += parse(inputs.object, session.discovery, session.namespace)
    objects = [item for page in _read(run, session, wanted) for item in page.items]
    run.redactor.add_values(values_of(objects))
    kept = _movable(run, objects, is_named=not kinds)
    if not kept:
        raise NotFoundError("there is nothing to copy", code=404, hint="is it the right selector, and the right -n?")
    run.journal.loaded([Reference.to(one) for one in kept])
    return Copies(session.client.connection.server, tuple(portable(one) for one in kept))


def _read(run: Run, session: Session, wanted: Sequence[Wanted]) -> list[Page]:
    """What there is of each. Raises :class:`ReportedError` after all refusals have been told."""
    reader = Reader(session.client, Form(with_managers=True), run.inputs.limit, run.journal.notice)
    refused: list[StepError] = []

    def tell_refusal(_: Wanted, error: StepError) -> None:
        run.journal.error(error)
        refused.append(error)

    done = dict(successes(gather(reader.whole, wanted, run.inputs.concurrency), tell_refusal))
    if refused:
        raise ReportedError(min(error.exit_code for error in refused))
    return [done[one] for one in wanted]


def _movable(run: Run, objects: Sequence[Object], *, is_named: bool) -> list[Object]:
    """Without what belongs to its cluster: an error where it was named, a word where a selector chose it."""
    reasons = [(one, bound(one)) for one in objects]
    stays = [(Reference.to(one), why) for one, why in reasons if why]
    if stays and is_named:
        raise InputErrors([InputError(f"it can't be copied: {why}", where=str(one)) for one, why in stays])
    for reference, why in stays:
        run.journal.notice(f"{reference} is left out: {why}")
    return [one for one, why in reasons if not why]


def write_copies(run: Run, copies: Copies) -> ExitCode:
    """Apply the copies to one cluster. Every refusal is told; conflicts name the other manager."""
    inputs = run.inputs
    session = open_session(run)
    plan = _planned(run, session, copies)
    run.journal.loaded([one.reference for one in plan])
    manager = inputs.field_manager if "field_manager" in inputs.sources else MANAGER
    preflight = Preflight(run, session, ApplyOptions(manager, inputs.force_conflicts))
    seen = [_with_kept(run, one, manager) for one in preflight.look(plan)]
    checked = preflight.check(seen, seen)
    preflight.tell_unchecked(checked)
    if inputs.diff:
        show_differences(run, checked)
    if inputs.dry_run:
        for one in checked:
            tell(run.journal, one.written)
        return ExitCode.SUCCEEDED
    writes = Writes(run, session)
    application = Application(writes, preflight, seen, checked)
    between = application.check_again if any(one.lacks for one in checked) else None
    writes.make([one.planned for one in seen], application.write, between)
    return ExitCode.SUCCEEDED


def _planned(run: Run, session: Session, copies: Copies) -> list[Planned]:
    inputs = run.inputs
    plan: dict[tuple[str, ...], Planned] = {}
    for copied in copies.objects:
        resource = session.discovery.resource(str(copied.get("apiVersion")), str(copied.get("kind")))
        metadata = metadata_of(copied)
        space = (inputs.namespace or str(metadata.get("namespace") or "")) if resource.namespaced else ""
        placed = {**copied, "metadata": {**metadata, **({"namespace": space} if space else {})}}
        planned = Planned(Address(resource, Reference.to(placed)), placed)
        if plan.setdefault(planned.reference.key, planned) is not planned:
            hint = "copy one namespace at a time, or drop --to-namespace"
            raise InputError("two objects would come to be this one", where=str(planned.reference), hint=hint)
    _check_places(session, copies, list(plan.values()))
    if inputs.create_namespace:
        for one in _missing_namespaces(session, list(plan.values())):
            plan.setdefault(one.reference.key, one)
    Guards.of(inputs).check(one.address for one in plan.values())
    return list(plan.values())


def _missing_namespaces(session: Session, plan: Sequence[Planned]) -> list[Planned]:
    """The namespaces of the plan that are not there; one that is there stays as it is."""
    missing = []
    for name in dict.fromkeys(one.reference.namespace for one in plan if one.reference.namespace):
        made = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        one = Planned(Address(session.discovery.resource("v1", "Namespace"), Reference.to(made)), made)
        try:
            session.client.send(Request("GET", one.path, where=one.where))
        except NotFoundError:
            missing.append(one)
    return missing


def _check_places(session: Session, copies: Copies, plan: Sequence[Planned]) -> None:
    """Refuse to copy an object onto itself."""
    if session.client.connection.server != copies.server:
        return
    origins = {Reference.to(one).key for one in copies.objects}
    for one in plan:
        if one.reference.key in origins:
            hint = "another context, or --to-namespace"
            raise InputError("this is where it comes from", where=str(one.reference), hint=hint)


def _with_kept(run: Run, one: Seen, manager: str) -> Seen:
    """With the immutable fields of what is there; told where they differ from the source's."""
    if one.live is None:
        return one
    merged, kept = with_kept(one.planned.object, one.live, manager)
    if kept:
        run.journal.warning(f"{one.reference} keeps what can't change, and differs in {', '.join(kept)}")
    planned = replace(one.planned, object=merged)
    return replace(one, planned=planned, is_current=is_applied(one.live, merged, manager))
