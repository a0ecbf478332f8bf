"""``patch``: one patch of any type, read and checked, sent once, the rollout followed to its verdict."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from k8s_step.api.client import Client
from k8s_step.errors import ExitCode, ForbiddenError, InputError
from k8s_step.inputs import Inputs
from k8s_step.manifests.patchfile import TYPES, Patch, secrets_of
from k8s_step.manifests.patchfile import read as read_patch
from k8s_step.objects.address import Address
from k8s_step.objects.body import PatchType
from k8s_step.objects.resource import builtin
from k8s_step.operations.patch import patch as patch_one
from k8s_step.operations.patch import read, send
from k8s_step.operations.plan import ApplyOptions, Planned, PlannedPatch, Written
from k8s_step.redaction import MASK, Redactor
from k8s_step.release.following.exemptions import announce
from k8s_step.release.planning.arguments import parse
from k8s_step.release.planning.guards import Guards
from k8s_step.release.planning.session import Run, Session, open_session
from k8s_step.release.send import Writes, write_and_follow

Item = TypeVar("Item", bound=Planned)


def patch(run: Run) -> ExitCode:
    """Patch and follow. Local mistakes surface before the first request."""
    inputs = run.inputs
    _check(inputs)
    if inputs.from_manifest:
        return _from_manifest(run)
    given = None if inputs.images else _read(run)
    session = open_session(run)
    named = _named(inputs, session)
    if given is not None and named.reference.kind == "Secret":
        run.redactor.spare(named.reference.name, named.reference.namespace)
        run.redactor.add_values(secrets_of(given))
    named = named._replace(subresource=inputs.subresource or "")
    options = ApplyOptions(inputs.field_manager, inputs.force_conflicts, inputs.dry_run)

    def write_images(one: Planned) -> Written:
        return _with_images(session.client, one.address, inputs, options)

    def write_patch(one: PlannedPatch) -> Written:
        return patch_one(session.client, one, options)

    if given is None:
        return _done(run, session, Planned(named), write_images)
    return _done(run, session, PlannedPatch.of(named, given), write_patch)


def _done(run: Run, session: Session, plan: Item, write: Callable[[Item], Written]) -> ExitCode:
    """Write, report, and follow the object where it can be followed."""
    inputs = run.inputs
    announce(run, session, [plan.reference])
    if inputs.subresource:
        Writes(run, session).make([plan], write)
        return ExitCode.SUCCEEDED
    return write_and_follow(run, session, [plan], write)


# -- the object and its patch


def _check(inputs: Inputs) -> None:
    """Check that the patch comes from exactly one of -f, -p and --image."""
    sources = {"-f": inputs.filename, "-p": inputs.patch, "--image": inputs.images}
    given = [name for name, value in sources.items() if value]
    if len(given) != 1:
        what = f"{' and '.join(given)} are given, and one patch is sent" if given else "no patch is given"
        raise InputError(what, hint="-f FILE, -p TEXT or --image CONTAINER=REF")
    allowed = _TYPES_FROM_MANIFEST if inputs.from_manifest else ("strategic",) if inputs.images else tuple(TYPES)
    if inputs.patch_type and inputs.patch_type not in allowed:
        what = "a patch computed from a manifest" if inputs.from_manifest else "a patch made of --image"
        raise InputError(f"{what} is {' or '.join(allowed)}, not {inputs.patch_type}", where="--type")
    if inputs.from_manifest and given != ["-f"]:
        raise InputError("the manifest is given with -f FILE", where="--from-manifest")
    if inputs.subresource and (inputs.images or inputs.from_manifest):
        raise InputError("a subresource is patched with -f FILE or -p TEXT", where="--subresource")


_TYPES_FROM_MANIFEST = ("json", "merge")


def _read(run: Run) -> Patch:
    from k8s_step.manifests.templating.templates import Values

    inputs = run.inputs
    values = None if inputs.no_template else Values.read(inputs.variables, inputs.vars_file, run.environ)
    if len(inputs.filename) > 1:
        raise InputError("several files are given, and one patch is sent", where="-f")
    file = inputs.filename[0] if inputs.filename else None
    return read_patch(TYPES[inputs.patch_type or "strategic"], file, inputs.patch, values, sys.stdin)


def _named(inputs: Inputs, session: Session) -> Address:
    named = parse(inputs.object, session.discovery, session.namespace)
    if len(named) != 1:
        raise InputError(f"{len(named)} objects are named, and one is patched", where=" ".join(inputs.object))
    Guards.of(inputs).check(named)
    return named[0]


def _with_images(client: Client, named: Address, inputs: Inputs, options: ApplyOptions) -> Written:
    """The patch that sets the images. The object is read first: the patch would add a container that is missing."""
    reference = named.reference
    if builtin(reference.api_version, reference.kind) is None:
        hint = "custom resources take no strategic merge patch: use --type json with -p"
        raise InputError("--image knows the containers of built-in kinds only", where=str(reference), hint=hint)
    live = read(client, named)
    from k8s_step.manifests import images  # imported here: the first request goes out before that

    if live is None:
        message = "this token may not read it, so its containers are not known"
        raise ForbiddenError(message, code=403, where=str(reference), hint="allow get, or give the patch with -p")
    try:
        change = PlannedPatch.of(named, Patch(PatchType.STRATEGIC, images.patch_of(live, inputs.images)))
    except InputError as error:
        error.where = error.where or str(reference)
        raise
    return send(client, change, live, options)


# -- from a manifest


def _from_manifest(run: Run) -> ExitCode:
    from k8s_step.objects.kinds.secrets import values_of
    from k8s_step.operations import drift
    from k8s_step.release.planning.plan import planned
    from k8s_step.release.planning.reading import read_manifests

    inputs = run.inputs
    manifests = read_manifests(run, with_hooks=True)
    session = open_session(run)
    plan = _chosen(inputs, session, planned(manifests, session, inputs))
    patch_type = TYPES[inputs.patch_type or "json"]
    options = ApplyOptions(inputs.field_manager, dry_run=inputs.dry_run)
    run.journal.content_follows()

    def write(one: Planned) -> Written:
        found = drift.measure(session.client, one)
        run.redactor.add_values(values_of([found.live, found.wanted]))
        body = found.patch(patch_type)
        if body:
            run.journal.document(_shown(_masked(run.redactor, one.reference.kind, body)))
        return drift.close(session.client, found, patch_type, options)

    return _done(run, session, plan, write)


def _chosen(inputs: Inputs, session: Session, plan: list[Planned]) -> Planned:
    """The manifest of the named object, or the only manifest."""
    if not inputs.object and len(plan) == 1:
        return plan[0]
    reference = _named(inputs, session).reference
    for one in plan:
        own = one.reference
        if (own.key[0], own.kind, own.name) == (reference.key[0], reference.kind, reference.name):
            return one
    there = ", ".join(one.reference.title for one in plan)
    raise InputError(f"no manifest is of {reference}", where=", ".join(inputs.filename), hint=f"there are {there}")


def _masked(redactor: Redactor, kind: str, body: Any) -> Any:
    """The patch with its values masked; operations and paths stay."""
    if isinstance(body, list):
        return [_masked_operation(redactor, kind, operation) for operation in body]
    from k8s_step.objects.kinds.secrets import masked

    shown = masked({}, {**body, "kind": kind})[1]
    return redactor.mask_object({key: value for key, value in shown.items() if key in body})


def _masked_operation(redactor: Redactor, kind: str, operation: Mapping[str, Any]) -> dict[str, Any]:
    """The operation with its value masked as a merge patch would show it."""
    if "value" not in operation:
        return dict(operation)
    path = str(operation["path"]).split("/")[1:]
    value = operation["value"]
    if kind == "Secret" and path[0] in ("data", "stringData"):
        value = dict.fromkeys(value, MASK) if isinstance(value, Mapping) else MASK
    return {**operation, **redactor.mask_object({"value": value})}


def _shown(body: Any) -> str:
    """A JSON patch with an operation a line."""
    if not isinstance(body, list):
        return json.dumps(body, indent=2, ensure_ascii=False)
    lines = ",\n".join(f"  {json.dumps(operation, ensure_ascii=False)}" for operation in body)
    return f"[\n{lines}\n]"
