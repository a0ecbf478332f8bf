"""``status``: the verdict alone, on objects that are named, of a manifest or chosen; nothing is written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from k8s_step.api.concurrency import gather, successes
from k8s_step.api.request import Request
from k8s_step.errors import ExitCode, InputError, NotFoundError, ReportedError, StepError
from k8s_step.objects.address import Address
from k8s_step.objects.metadata import Object
from k8s_step.operations.plan import Planned
from k8s_step.release.following.exemptions import announce
from k8s_step.release.planning.arguments import parse
from k8s_step.release.planning.session import Run, Session, open_session
from k8s_step.verdict.terms.patience import is_waited_for

if TYPE_CHECKING:
    from k8s_step.objects.selection import Group
    from k8s_step.verdict.target import Target


def status(run: Run) -> ExitCode:
    """Read each object, then follow until all are current or one has failed."""
    inputs = run.inputs
    if inputs.selector or inputs.field_selector:
        return _follow_chosen(run)
    if not inputs.object and not inputs.names_manifests:
        raise InputError("no object was named", hint="KIND/NAME, KIND -l SELECTOR, or -f PATH")
    session, by_name, plan = _named(run)
    named = [*by_name, *(one.address for one in plan)]
    announce(run, session, [one.reference for one in named])
    found = _read(run, session, named)
    from k8s_step.release.following.follow import follow  # imported here: the first requests go out before that
    from k8s_step.verdict.target import Target
    from k8s_step.verdict.terms.pauses import asked_pause

    targets = [Target(one.reference, one.resource, obj, changed=False) for one, obj in found]
    paused = {one.reference.key for one in plan if asked_pause(one.object)}
    # An object asked for by name gets its verdict; a manifest may hold more than the object made of it.
    wanted = {one.reference.key: False for one in plan if not is_waited_for(one.object)}
    wanted |= {one.reference.key: True for one in by_name}
    for target in targets:
        target.paused = target.reference.key in paused
        target.is_wanted = wanted.get(target.reference.key)
    return follow(run, session, targets)


def _named(run: Run) -> tuple[Session, list[Address], list[Planned]]:
    """The session, the objects that the words name, and those of the manifests."""
    inputs = run.inputs
    if not inputs.names_manifests:
        session = open_session(run)
        return session, parse(inputs.object, session.discovery, session.namespace), []
    from k8s_step.release.planning.plan import planned
    from k8s_step.release.planning.reading import read_manifests

    manifests = read_manifests(run, as_exported=True)
    session = open_session(run)
    by_name = parse(inputs.object, session.discovery, session.namespace) if inputs.object else []
    return session, by_name, planned(manifests, session, inputs)


def _follow_chosen(run: Run) -> ExitCode:
    """The same as :func:`status` for the objects that selectors choose."""
    from k8s_step.release.following.follow import follow
    from k8s_step.release.removal import groups

    session = open_session(run)
    return follow(run, session, _chosen(run, session, groups(run, session)))


def _chosen(run: Run, session: Session, wanted: Sequence[Group]) -> list[Target]:
    """The objects of each group. Raises :class:`NotFoundError` where there is none at all to judge."""
    from k8s_step.operations.delete import members

    targets: list[Target] = []
    for group in wanted:
        found = members(session.client, group, run.journal.notice)
        if not found and len(wanted) > 1:
            run.journal.notice(f"there are no {group.text}")
        targets += found
    if not targets:
        nothing = f"there are no {', no '.join(group.text for group in wanted)}"
        raise NotFoundError(nothing, code=404, hint="is it the right selector, and the right namespace (-n)?")
    for target in targets:
        target.changed = False
    announce(run, session, [target.reference for target in targets])
    return targets


def _read(run: Run, session: Session, named: Sequence[Address]) -> list[tuple[Address, Object]]:
    """Read each object; all errors are reported before the run ends."""
    refused: list[StepError] = []

    def get(one: Address) -> Object:
        return session.client.send(Request("GET", one.path, where=str(one.reference))).body

    def tell(one: Address, error: StepError) -> None:
        run.journal.error(error, one.reference)
        refused.append(error)

    found = list(successes(gather(get, named, run.inputs.concurrency), tell))
    if refused:
        raise ReportedError(min(error.exit_code for error in refused))
    return found
