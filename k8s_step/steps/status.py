"""``status``: the verdict alone, on objects that are named, of a manifest or chosen; nothing is written."""

from __future__ import annotations

from collections.abc import Sequence

from k8s_step.api.concurrency import gather, successes
from k8s_step.errors import ExitCode, InputError, NotFoundError, ReportedError, StepError
from k8s_step.objects.address import Address
from k8s_step.objects.selection import Group
from k8s_step.operations.delete import members
from k8s_step.release.following.exemptions import announce
from k8s_step.release.following.follow import follow, target_read
from k8s_step.release.planning.arguments import parse
from k8s_step.release.planning.plan import planned
from k8s_step.release.planning.reading import read_manifests
from k8s_step.release.planning.session import Run, Session, open_session
from k8s_step.release.removal import groups
from k8s_step.verdict.target import Target
from k8s_step.verdict.terms.patience import is_waited_for
from k8s_step.verdict.terms.pauses import asked_pause


def status(run: Run) -> ExitCode:
    """Read each object, then follow until all are current or one has failed."""
    inputs = run.inputs
    if inputs.selector or inputs.field_selector:
        session = open_session(run)
        return follow(run, session, _chosen(run, session, groups(run, session)))
    if not inputs.object and not inputs.names_manifests:
        raise InputError("no object was named", hint="KIND/NAME, KIND -l SELECTOR, or -f PATH")
    manifests = read_manifests(run, as_exported=True) if inputs.names_manifests else []
    session = open_session(run)
    by_name = parse(inputs.object, session.discovery, session.namespace) if inputs.object else []
    plan = planned(manifests, session, inputs)
    named = [*by_name, *(one.address for one in plan)]
    announce(run, session, [one.reference for one in named])
    targets = _read(run, session, named)
    paused = {one.reference.key for one in plan if asked_pause(one.object)}
    # An object asked for by name gets its verdict; a manifest may hold more than the object made of it.
    wanted = {one.reference.key: False for one in plan if not is_waited_for(one.object)}
    wanted |= {one.reference.key: True for one in by_name}
    for target in targets:
        target.paused = target.reference.key in paused
        target.is_wanted = wanted.get(target.reference.key)
    return follow(run, session, targets)


def _chosen(run: Run, session: Session, wanted: Sequence[Group]) -> list[Target]:
    """The objects of each group. Raises :class:`NotFoundError` where there is none at all to judge."""
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


def _read(run: Run, session: Session, named: Sequence[Address]) -> list[Target]:
    """Read each object; all errors are reported before the run ends."""
    refused: list[StepError] = []

    def get(one: Address) -> Target:
        return target_read(session.client, one)

    def tell(one: Address, error: StepError) -> None:
        run.journal.error(error, one.reference)
        refused.append(error)

    targets = [target for _, target in successes(gather(get, named, run.inputs.concurrency), tell)]
    if refused:
        raise ReportedError(min(error.exit_code for error in refused))
    return targets
