"""``delete``: objects by name, by manifest or by selector, deleted and waited for until they are gone."""

from __future__ import annotations

from k8s_step.errors import ExitCode, InputError
from k8s_step.inputs import Inputs
from k8s_step.objects.address import Address
from k8s_step.operations.plan import Planned
from k8s_step.release.order.waves import in_waves
from k8s_step.release.planning.arguments import parse
from k8s_step.release.planning.guards import Guards
from k8s_step.release.planning.plan import planned
from k8s_step.release.planning.reading import read_manifests
from k8s_step.release.planning.session import Run, Session, open_session
from k8s_step.release.removal import Removal, groups


def delete(run: Run) -> ExitCode:
    """Delete, and wait until all are gone. Local mistakes surface before the first request."""
    inputs = run.inputs
    chooses = _chooses(inputs)
    if chooses:
        session = open_session(run)
        chosen = groups(run, session)
        Guards.of(inputs).check_groups(chosen)
        return Removal(run, session).of_groups(chosen)
    manifests = read_manifests(run, as_exported=True) if inputs.names_manifests else []
    session = open_session(run)
    plan = [*planned(manifests, session, inputs), *map(Planned, _parsed(inputs, session))]
    waves = in_waves(plan, is_whole=False)
    return Removal(run, session).of_objects([[one.address for one in wave] for wave in waves])


def _chooses(inputs: Inputs) -> bool:
    """Whether selectors choose the objects. Raises :class:`InputError` where neither they nor the words do."""
    selects = bool(inputs.selector or inputs.field_selector)
    if selects and inputs.all:
        raise InputError("--all and a selector contradict each other", hint="drop one of the two")
    if not selects and not inputs.all:
        _check_named(inputs)
        return False
    return True


def _check_named(inputs: Inputs) -> None:
    if not inputs.object and not inputs.names_manifests:
        hint = "KIND/NAME, -f PATH, or KIND -l SELECTOR"
        raise InputError("nothing to do: what is to be deleted?", hint=hint)
    words = [part for word in inputs.object for part in word.split()]
    if len(words) == 1 and "/" not in words[0]:
        hint = f"which ones? {words[0]}/NAME, {words[0]} -l SELECTOR, or {words[0]} --all"
        raise InputError("this names a kind and no object", where=words[0], hint=hint)


def _parsed(inputs: Inputs, session: Session) -> list[Address]:
    named = parse(inputs.object, session.discovery, session.namespace) if inputs.object else []
    Guards.of(inputs).check(named)
    return named
