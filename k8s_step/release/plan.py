"""From manifests to a plan: every object with the resource it is sent to. Nothing is written here."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from k8s_step.api.discovery import Discovery
from k8s_step.errors import InputError, InputErrors, UnavailableError
from k8s_step.manifests.files import NoTemplates
from k8s_step.manifests.foreign import exports, hooks
from k8s_step.manifests.manifest import Manifest, load, secret_values
from k8s_step.manifests.names import names_of
from k8s_step.manifests.pipes import name_objects
from k8s_step.manifests.templates import UNTOUCHED, Values, check_annotation
from k8s_step.objects.address import Address
from k8s_step.objects.conditions import mapping
from k8s_step.objects.reference import Reference
from k8s_step.objects.resource import Resource
from k8s_step.operations.plan import Planned
from k8s_step.release.session import Run, Session
from k8s_step.verdict import patience

if TYPE_CHECKING:
    from k8s_step.manifests.kustomize import Built


def read_manifests(
    run: Run, *, allow_generate_name: bool = False, with_hooks: bool = False, as_exported: bool = False
) -> list[Manifest]:
    """All manifests, rendered and checked; their Secrets' values are masked from here on.

    Helm's hooks are left out unless they are asked for, or are what the verb is about (``with_hooks``). So is what a
    server wrote into a manifest, unless it means something to the verb (``as_exported``).
    """
    inputs = run.inputs
    if not inputs.names_manifests:
        hint = "give -f PATH or -k DIR, or INPUT_FILENAME / K8S_FILENAME; k8s-step demo shows the step at work"
        raise InputError("nothing to do: no manifest was named", hint=hint)
    hooks.check_events(inputs.helm_hooks)
    values = Values.read(inputs.variables, inputs.vars_file, run.environ)
    built = _built(run)
    manifests = load(
        inputs.filename,
        values=values,
        images=inputs.images,
        recursive=inputs.recursive,
        stdin=sys.stdin,
        allow_generate_name=allow_generate_name,
        without=[path for path in (inputs.report, inputs.junit, inputs.dotenv) if path],
        literal=NoTemplates(inputs.no_template, inputs.no_template_file),
        built=[one.source for one in built],
    )
    _check_annotations(manifests)
    files = {part for manifest in manifests for part in (manifest.file, *Path(manifest.file).parts)}
    run.redactor.spare(inputs.namespace, *files, *names_of(manifest.object for manifest in manifests))
    run.redactor.add_values(secret_values(manifests))
    for one in built:
        run.journal.notice(f"{one.source.file}: {one.program}")
        if one.warnings:
            run.journal.warning(one.warnings, one.source.file)
    if not with_hooks:
        manifests = _without_hooks(run, manifests)
    return manifests if as_exported else _without_exports(run, manifests)


def _without_hooks(run: Run, manifests: Sequence[Manifest]) -> list[Manifest]:
    kept, left_out = hooks.parted(manifests, run.inputs.helm_hooks)
    if left_out:
        run.journal.remark(hooks.told(left_out))
    return kept


def _without_exports(run: Run, manifests: Sequence[Manifest]) -> list[Manifest]:
    cleaned, line = exports.without_exports(manifests)
    if line:
        run.journal.remark(line)
    return cleaned


def _built(run: Run) -> list[Built]:
    """What kustomize makes of each folder of ``-k``."""
    if not run.inputs.kustomize:
        return []
    from k8s_step.manifests import kustomize

    built, errors = [], []
    for folder in run.inputs.kustomize:
        try:
            built.append(kustomize.build(folder, run.environ))
        except InputError as error:
            run.redactor.add(*kustomize.literals(folder))
            errors.append(error)
    if errors:
        raise InputErrors(errors)
    return built


def _check_annotations(manifests: Sequence[Manifest]) -> None:
    """The step's own annotations are read when it follows: by then, a mistake would be too late."""
    errors = []
    readers: dict[str, Callable[[Mapping[str, Any]], object]] = {
        patience.TIMEOUT: patience.own_timeout,
        patience.FAIL_AFTER: patience.own_patience,
        patience.WAIT: patience.is_waited_for,
        UNTOUCHED: check_annotation,
    }
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
        errors = _counted(errors)
        name_objects(errors, [(manifest.object, manifest.file, manifest.line) for manifest in manifests])
        raise InputErrors(errors)
    return list(plan.values())


class _MisplacedError(InputError):
    """An object's namespace is another than the one that was asked for."""


def _counted(errors: Sequence[InputError]) -> list[InputError]:
    """Of objects that are of one wrong namespace, the first, which says how many there are."""
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
    """Kinds that a CRD of this very release defines: the server can't know them yet."""
    for manifest in manifests:
        if manifest.kind != "CustomResourceDefinition":
            continue
        spec = mapping(manifest.object.get("spec"))
        names, versions = mapping(spec.get("names")), spec.get("versions")
        for version in versions if isinstance(versions, list) else []:
            if isinstance(version, dict) and names.get("kind") and names.get("plural"):
                is_namespaced = spec.get("scope") != "Cluster"
                group, name = str(spec.get("group", "")), str(version.get("name", ""))
                discovery.add(Resource(group, name, str(names["kind"]), str(names["plural"]), is_namespaced))
