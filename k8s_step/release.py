"""A release: the manifests of one run, planned, sent in phases and followed to their verdicts."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

from k8s_step import patience
from k8s_step.batch import explained_stop, raise_reported, tell_errors, tell_unsent
from k8s_step.concurrency import gather_writes
from k8s_step.culprits import culprits
from k8s_step.diagnose import CANCELLED, LIMIT, diagnose
from k8s_step.discovery import Discovery
from k8s_step.errors import (
    CancelledError,
    ExitCode,
    InputError,
    InputErrors,
    NotFoundError,
    ReportedError,
    StepError,
    UnavailableError,
)
from k8s_step.feeds import Target
from k8s_step.finding import Finding
from k8s_step.manifests import Manifest, load, secret_values, values_of
from k8s_step.patience import USUAL
from k8s_step.phases import in_phases
from k8s_step.preflight import Checked, Preflight, difference_of
from k8s_step.readiness import State, is_paused
from k8s_step.reference import Reference
from k8s_step.report.journal import Journal
from k8s_step.resource import Resource
from k8s_step.rollout import Limits, Rollout
from k8s_step.session import Run, Session
from k8s_step.templates import Values
from k8s_step.writing import UNKNOWN, Planned, Seen, Written
from k8s_step.writing import write as write_one

_ESTABLISHING = 60.0  # seconds a CRD of this release is given before its custom resources are sent


def read_manifests(run: Run, *, allow_generate_name: bool = False) -> list[Manifest]:
    """All manifests, rendered and checked; their Secrets' values are masked from here on."""
    inputs = run.inputs
    if not inputs.filename:
        hint = "give -f PATH, or INPUT_FILENAME / K8S_FILENAME; k8s-step demo shows the step at work"
        raise InputError("nothing to do: no manifest was named", hint=hint)
    values = Values.read(inputs.variables, inputs.vars_file, run.environ)
    manifests = load(
        inputs.filename,
        values=values,
        images=inputs.images,
        recursive=inputs.recursive,
        stdin=sys.stdin,
        allow_generate_name=allow_generate_name,
        without=[path for path in (inputs.report, inputs.junit, inputs.dotenv) if path],
    )
    _check_annotations(manifests)
    run.redactor.add(*secret_values(manifests))
    return manifests


def _check_annotations(manifests: Sequence[Manifest]) -> None:
    """The step's own annotations are read when it follows: by then, a mistake would be too late."""
    errors = []
    readers = {patience.TIMEOUT: patience.own_timeout, patience.FAIL_AFTER: patience.own_patience}
    for manifest, name in product(manifests, readers):
        try:
            readers[name](manifest.object)
        except InputError as error:
            line = manifest.line_of(f"metadata.annotations.{name}")
            error.where = f"{manifest.file}:{line}: {error.where}"
            errors.append(error)
    if errors:
        raise InputErrors(errors)


def planned(manifests: Sequence[Manifest], session: Session, explicit_namespace: str | None) -> list[Planned]:
    """What will be sent where. Asks the server only for kinds that are neither built in nor of this release."""
    _add_own_kinds(manifests, session.discovery)
    errors: list[InputError] = []
    plan: dict[tuple[str, ...], Planned] = {}
    for manifest in manifests:
        try:
            resource = session.discovery.resource(manifest.api_version, manifest.kind)
            one = _planned(manifest, resource, session.namespace, explicit_namespace)
            # With generateName two alike are two objects; else a namespace left to its default may make twins.
            twin = plan.setdefault((*one.reference.key, "" if manifest.name else manifest.where), one)
            if twin is not one:
                raise InputError(f"{one.reference} is in {twin.reference.where} already", where=manifest.where)
        except (InputError, UnavailableError) as error:
            if error.where != manifest.where:
                error.where = ": ".join(part for part in (manifest.where, error.where) if part)
            if isinstance(error, UnavailableError):
                raise
            errors.append(error)
    if errors:
        raise InputErrors(errors)
    return list(plan.values())


def send(
    preflight: Preflight, seen: Sequence[Seen], unchecked: Sequence[Seen] = (), written: list[Written] | None = None
) -> list[Written]:
    """Apply phase by phase what was read before; what could not be checked yet is checked as soon as it can be.

    Where the server refuses, the phase under way is finished and no other begun: ``written`` is what was, or may have
    been, by then.
    """
    by_key = {one.planned.reference.key: one for one in seen}
    client, options, deadline = preflight.session.client, preflight.options, preflight.deadline
    open_questions = {one.planned.reference.key: one for one in unchecked}

    def write(one: Planned) -> Written:
        open_questions.pop(one.reference.key, None)
        made = write_one(client, by_key[one.reference.key], options, deadline)
        by_key[one.reference.key] = Seen(one, made.object, is_current=True)
        return made

    def check_again() -> None:
        checked = preflight.check(list(open_questions.values()), list(by_key.values()))
        for one in checked:
            if one.lacks is None:
                del open_questions[one.seen.planned.reference.key]

    return write_in_phases(
        preflight.journal,
        preflight.session,
        [one.planned for one in seen],
        write,
        preflight.concurrency,
        deadline,
        dry_run=False,
        before=check_again if unchecked else None,
        written=written,
    )


def write_in_phases(
    journal: Journal,
    session: Session,
    plan: Sequence[Planned],
    write: Callable[[Planned], Written],
    concurrency: int,
    deadline: float,
    *,
    dry_run: bool,
    before: Callable[[], None] | None = None,
    written: list[Written] | None = None,
) -> list[Written]:
    """``write`` each object, what others need first, ``concurrency`` at a time; tell what came of it.

    ``before`` is called before each phase but the first; CRDs are established then if any later phase needs them.
    ``written`` is added to as objects are written, and returned: with the action UNKNOWN where nobody knows. Where the
    run is cancelled, what is under way is told first.
    Raises :class:`ReportedError` at the end of the phase in which something was refused.
    """
    written = [] if written is None else written
    phases = in_phases((one.reference.kind, one) for one in plan)
    unsent = {one.reference.key: one for one in plan}

    def work(one: Planned) -> Written:
        return _write_one(one, write, plan, dry_run)

    try:
        for number, phase in enumerate(phases):
            if not dry_run:
                needing = [one for later in phases[number:] for one in later] if before else phase
                _await_kinds(journal, session, written, needing, deadline)
            if before and number:
                before()
            _tell_phase(journal, gather_writes(work, phase, concurrency), written, unsent, dry_run=dry_run)
    except (CancelledError, ReportedError):
        if not dry_run:
            tell_unsent(journal, [one.reference for one in unsent.values()])
        raise
    return written


def _tell_phase(
    journal: Journal,
    results: Iterator[tuple[Planned, Written | Exception]],
    written: list[Written],
    unsent: dict[tuple[str, str, str, str], Planned],
    *,
    dry_run: bool,
) -> None:
    """Tell what comes of each object, and take it from ``unsent``. Raises :class:`ReportedError` after the last."""
    errors: list[tuple[Planned, StepError]] = []
    try:
        for one, result in results:
            unsent.pop(one.reference.key, None)
            if isinstance(result, Written):
                written.append(result)
                tell(journal, result)
                continue
            if not isinstance(result, StepError):
                raise result
            errors.append((one, explained_stop(result, one.where)))
            if result.may_be_done and not dry_run:
                written.append(Written(one, UNKNOWN, {}))
                journal.acted(one.reference, UNKNOWN)
    except CancelledError:
        tell_errors(journal, errors)
        raise
    raise_reported(journal, errors)


def follow(
    run: Run,
    session: Session,
    targets: list[Target],
    deadline: float,
    on_pods: Callable[[Sequence[Mapping[str, Any]]], None] | None = None,
) -> ExitCode:
    """Follow to the verdict, gather the evidence, and say what the exit code is. ``on_pods`` is told of all pods."""
    inputs, left = run.inputs, max(deadline - time.monotonic(), 0.0)
    limits = Limits(
        left, inputs.fail_fast, inputs.timeout - left, tick=run.journal.tick_every, patience=inputs.fail_after or USUAL
    )
    manager = inputs.field_manager
    rollout = Rollout(session.client, targets, run.journal, limits, on_pods=on_pods, field_manager=manager)
    if not inputs.wait:
        rollout.look()
        return ExitCode.SUCCEEDED
    waiting = rollout.look()
    if waiting:
        run.journal.following(waiting, rollout.longest)
    try:
        in_time = rollout.follow()
    except CancelledError:
        known = culprits(targets)
        _tell_evidence(run, session, known, CANCELLED, [one for one in targets if one.is_open and one not in known])
        raise
    is_good = in_time and not any(target.is_lost for target in targets)
    if is_good:
        return ExitCode.SUCCEEDED
    _tell_evidence(run, session, culprits(targets), LIMIT)
    return ExitCode.FAILED if any(target.is_lost for target in targets) else ExitCode.TIMED_OUT


def _tell_evidence(
    run: Run, session: Session, bad: Sequence[Target], limit: float, unfinished: Sequence[Target] = ()
) -> None:
    """Whoever is cancelled in the middle of it has what was gathered until then."""
    findings: Sequence[Finding] = ()
    undone = {target.reference.key for target in unfinished}
    try:
        for known in diagnose(session.client, [*bad, *unfinished], limit):
            findings = [replace(one, unfinished=one.reference.key in undone) for one in known]
    finally:
        run.journal.found(findings)


def _planned(manifest: Manifest, resource: Resource, namespace: str, explicit: str | None) -> Planned:
    own = manifest.namespace
    if resource.namespaced and explicit and own and own != explicit:
        message = f"its namespace is {own}, but {explicit} was asked for"
        raise InputError(message, where=manifest.where, hint="drop one of the two")
    where = (own or namespace) if resource.namespaced else ""
    reference = Reference(manifest.api_version, manifest.kind, where, manifest.name, manifest.file, manifest.line)
    return Planned(reference, resource, manifest.object, manifest.line_of)


def _add_own_kinds(manifests: Sequence[Manifest], discovery: Discovery) -> None:
    """Kinds that a CRD of this very release defines: the server can't know them yet."""
    for manifest in manifests:
        if manifest.kind != "CustomResourceDefinition":
            continue
        spec = manifest.object.get("spec") or {}
        names = spec.get("names") or {}
        for version in spec.get("versions") or []:
            if isinstance(version, dict) and names.get("kind") and names.get("plural"):
                is_namespaced = spec.get("scope") != "Cluster"
                group, name = str(spec.get("group", "")), str(version.get("name", ""))
                discovery.add(Resource(group, name, str(names["kind"]), str(names["plural"]), is_namespaced))


def _write_one(one: Planned, write: Callable[[Planned], Written], plan: Sequence[Planned], dry_run: bool) -> Written:
    try:
        return write(one)
    except NotFoundError as error:
        if dry_run and _comes_with(one, plan):
            return Written(one, "created", dict(one.object), (f"not checked by the server: {error.message}",))
        raise


def _comes_with(one: Planned, plan: Sequence[Planned]) -> bool:
    """Whether what ``one`` lacks, its namespace or its CRD, is part of the same release."""
    crd = f"{one.resource.plural}.{one.resource.group}"
    needed = {("Namespace", one.reference.namespace), ("CustomResourceDefinition", crd)}
    return any((other.reference.kind, other.reference.name) in needed for other in plan)


def show_differences(run: Run, checked: Sequence[Checked]) -> int:
    """Show what would change, in the manifests' order; return how many objects would."""
    run.redactor.add(*values_of(one.seen.live for one in checked if one.seen.live))
    changes = 0
    for one in checked:
        if one.written.action != "unchanged":
            found = difference_of(one)
            changes += bool(found.lines)
            run.journal.differs(found)
    return changes


def tell(journal: Journal, written: Written) -> None:
    """Tell what was done to an object, and what the server warned of."""
    planned = written.planned
    journal.acted(planned.reference, written.action)
    for warning in written.warnings:
        journal.warning(warning, planned.where_of(warning))


def _await_kinds(
    journal: Journal, session: Session, written: list[Written], phase: Sequence[Planned], deadline: float
) -> None:
    """CRDs of this release whose custom resources come next are waited for until they are established."""
    wanted = {one.resource.full_name for one in phase}
    crds = [
        one
        for one in written
        if one.planned.reference.kind == "CustomResourceDefinition" and one.planned.reference.name in wanted
    ]
    if not crds:
        return
    targets = [target_of(one) for one in crds]
    limits = Limits(min(_ESTABLISHING, deadline - time.monotonic()))
    in_time = Rollout(session.client, targets, journal, limits).follow()
    for one, target in zip(crds, targets, strict=True):
        written[written.index(one)] = replace(one, object=target.object)
    bad = [target for target in targets if not target.judgement or target.judgement.state is not State.CURRENT]
    for target in bad:
        message = f"its CRD is not established: {target.judgement.message if target.judgement else ''}"
        journal.error(InputError(message, where=str(target.reference)), target.reference)
    if bad:
        raise ReportedError(ExitCode.FAILED if in_time else ExitCode.TIMED_OUT)


def target_of(written: Written) -> Target:
    """What is followed after a write."""
    planned = written.planned
    changed = written.action != "unchanged"
    return Target(
        planned.reference,
        planned.resource,
        written.object,
        changed=changed,
        must_complete=_must_complete(written),
        paused=is_paused(planned.object),
        wrote=written.object,
    )


def _must_complete(written: Written) -> bool:
    """Whether it is a Job that its manifest does not suspend, whoever else does. A patch tells only a part of it."""
    manifest = written.planned.object.get("spec") or {}
    spec = manifest if "template" in manifest else written.object.get("spec") or {}
    return written.planned.reference.kind == "Job" and not spec.get("suspend")
