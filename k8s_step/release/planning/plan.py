"""The plan of a run: every object with its resource and namespace. Nothing is written here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from k8s_step.api.discovery import Discovery
from k8s_step.errors import InputError, InputErrors, UnavailableError
from k8s_step.inputs import Inputs
from k8s_step.objects.address import Address
from k8s_step.objects.reference import Reference
from k8s_step.objects.resource import Resource
from k8s_step.operations.plan import Planned
from k8s_step.release.following.exemptions import announce
from k8s_step.release.planning.arguments import check_kinds, parse
from k8s_step.release.planning.guards import Guards
from k8s_step.release.planning.session import Run, Session, open_session

if TYPE_CHECKING:
    from k8s_step.manifests.manifest import Manifest


def open_release(run: Run, manifests: Sequence[Manifest]) -> tuple[Session, list[Planned]]:
    """Find the cluster, plan the manifests' objects, and report what the run is about."""
    session = open_session(run)
    plan = planned(manifests, session, run.inputs)
    announce(run, session, [one.reference for one in plan])
    return session, plan


def open_named(run: Run, kinds: Sequence[str] = (), done: str = "") -> tuple[Session, list[Address]]:
    """Find the cluster and the objects that the words name, and report what the run is about.

    ``kinds``: the only kinds that can be ``done``, such as "restarted". Raises :class:`InputErrors` for others.
    """
    session = open_session(run)
    named = parse(run.inputs.object, session.discovery, session.namespace)
    Guards.of(run.inputs).check(named)
    if kinds:
        check_kinds(named, kinds, done)
    announce(run, session, [one.reference for one in named])
    return session, named


def planned(manifests: Sequence[Manifest], session: Session, inputs: Inputs) -> list[Planned]:
    """Each manifest with its address. Asks the server only about kinds that are not built in nor of this release.

    Raises :class:`InputErrors` for kinds that no server serves, and for objects that the run's guards forbid.
    """
    guards = Guards.of(inputs)
    _add_own_kinds(manifests, session.discovery)
    guards.check_manifests(manifests, session.namespace, session.discovery)
    errors: list[InputError] = []
    plan: dict[tuple[str, ...], Planned] = {}
    for manifest in manifests:
        try:
            resource = session.discovery.resource(manifest.api_version, manifest.kind)
            one = _planned(manifest, resource, session.namespace, inputs.namespace)
            # Two manifests with the same generateName are two objects; a default namespace may make duplicates.
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
        from k8s_step.manifests.pipes import name_objects

        errors = _counted(errors)
        name_objects(errors, [(manifest.object, manifest.file, manifest.line) for manifest in manifests])
        raise InputErrors(errors)
    guards.check(one.address for one in plan.values())
    return list(plan.values())


class _MisplacedError(InputError):
    """An object's namespace is another than the one that was asked for."""


def _counted(errors: Sequence[InputError]) -> list[InputError]:
    """The errors, with one for all objects of the same wrong namespace, which says how many there are."""
    kept: dict[object, InputError] = {}
    counts: Counter[object] = Counter()
    for error in errors:
        key: object = error.message if isinstance(error, _MisplacedError) else id(error)
        kept.setdefault(key, error)
        counts[key] += 1
    for each, error in kept.items():
        error.message += f", and so for {counts[each] - 1} more" if counts[each] > 1 else ""
    return list(kept.values())


def _planned(manifest: Manifest, resource: Resource, namespace: str, explicit: str | None) -> Planned:
    own = manifest.namespace
    if resource.namespaced and explicit and own and own != explicit:
        message = f"its namespace is {own}, but {explicit} was asked for"
        raise _MisplacedError(message, where=manifest.where, hint="drop one of the two")
    where = (own or namespace) if resource.namespaced else ""
    reference = Reference(manifest.api_version, manifest.kind, where, manifest.name, manifest.file, manifest.line)
    return Planned(Address(resource, reference), manifest.object, manifest.line_of)


def _add_own_kinds(manifests: Sequence[Manifest], discovery: Discovery) -> None:
    """Make the kinds known that CRDs of this release define; the server can't know them yet."""
    for manifest in manifests:
        if manifest.kind != "CustomResourceDefinition":
            continue
        from k8s_step.objects.conditions import mapping

        spec = mapping(manifest.object.get("spec"))
        names, versions = mapping(spec.get("names")), spec.get("versions")
        for version in versions if isinstance(versions, list) else []:
            if isinstance(version, dict) and names.get("kind") and names.get("plural"):
                is_namespaced = spec.get("scope") != "Cluster"
                group, name = str(spec.get("group", "")), str(version.get("name", ""))
                discovery.add(Resource(group, name, str(names["kind"]), str(names["plural"]), is_namespaced))
