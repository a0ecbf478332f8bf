"""The parent of a set: the object that lists the kinds and namespaces of the set's members, found, read and written."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from k8s_step import __version__
from k8s_step.api.client import Client
from k8s_step.api.discovery import Discovery
from k8s_step.api.request import Request
from k8s_step.errors import ConflictError, ForbiddenError, InputError, NotFoundError
from k8s_step.inputs import Inputs
from k8s_step.objects.address import Address
from k8s_step.objects.applyset import (
    ID,
    IS_PARENT_TYPE,
    KINDS,
    TOOLING,
    Contents,
    GroupKind,
    has_marks,
    identity,
    kinds_of,
    marks,
    namespaces_of,
    resources_of,
    tool_of,
)
from k8s_step.objects.body import PatchType, encode
from k8s_step.objects.kindword import KindWord
from k8s_step.objects.metadata import Object, annotations_of, labels_of, uid_of
from k8s_step.objects.resource import BUILTIN, Resource, required
from k8s_step.release.planning.arguments import named
from k8s_step.release.planning.session import Session

OPTION = "--applyset"
HINT = "k8s-step permissions --prune prints a Role that may do it"
_OWN, _KUBECTL = "k8s-step", "kubectl"
_TOOLING = {_OWN: f"{_OWN}/v{__version__}", _KUBECTL: f"{_KUBECTL}/v1.37.0"}  # of a parent that is made
_MAY_BE_MADE = ("Secret", "ConfigMap")
_FORMS = "a Secret, a ConfigMap (configmaps/NAME), or a custom resource whose CRD has the label " + IS_PARENT_TYPE
_CRD = required("apiextensions.k8s.io/v1", "CustomResourceDefinition")


class ParentWord(NamedTuple):
    """The parts of ``[RESOURCE[.GROUP]/]NAME``."""

    resource: str
    name: str

    @classmethod
    def read(cls, text: str) -> ParentWord:
        """The parts of ``text``; without a resource it is a Secret. Raises :class:`InputError`."""
        kind, slash, name = text.strip().partition("/")
        if not slash:
            kind, name = "secrets", kind
        if not kind or not name or "/" in name:
            raise InputError(f"{text!r} names no parent", where=OPTION, hint="[RESOURCE[.GROUP]/]NAME")
        known = KindWord.read(kind).best(BUILTIN)
        if known is not None and not _may_be_made(known):
            raise InputError(f"a {known.kind} can't be the parent of a set", where=OPTION, hint=_FORMS)
        return cls(kind, name)


@dataclass(frozen=True)
class Parent:
    """The parent of a set.

    ``tool``: who keeps the set, ``k8s-step`` or ``kubectl``. ``manager``: the field manager that writes the parent.
    ``live``: the parent as last read or written; ``None`` where it is not there. ``contents``: what it lists.
    """

    address: Address
    tool: str
    manager: str
    live: Object | None = field(default=None, repr=False)
    contents: Contents = field(default_factory=Contents)

    @property
    def id(self) -> str:
        """The id of the set, the value of its members' label."""
        reference = self.address.reference
        return identity(self.address.resource.group, reference.kind, reference.namespace, reference.name)

    @property
    def uid(self) -> str:
        """The parent's uid; empty where it is not there."""
        return uid_of(self.live or {})


def find(inputs: Inputs, session: Session) -> Parent:
    """The parent that ``--applyset`` names, not yet read; a kind that is not built in is looked up.

    Raises :class:`InputError` where the kind can't be a parent, or the parent's namespace is not known.
    """
    word = ParentWord.read(inputs.applyset or "")
    namespace = inputs.namespace or session.client.connection.namespace or ""
    address = named(word.resource, word.name, session.discovery, namespace, inputs.applyset or "")
    if address.resource.namespaced and not namespace:
        message = f"the namespace of {address.reference.title} is not known, which is a part of the set's identity"
        raise InputError(message, where=OPTION, hint="-n NAMESPACE, or the namespace of the context")
    tool = inputs.applyset_as or _OWN
    manager = f"{inputs.field_manager if tool == _OWN else tool}-applyset"
    return Parent(address, tool, manager)


def read(parent: Parent, client: Client, discovery: Discovery) -> Parent:
    """The parent as it is on the server; kinds listed by resource are looked up.

    Raises :class:`ConflictError` for an object that is no parent, or another tool's, and :class:`InputError` where the
    parent is missing or its kind is not made to be one.
    """
    if not _may_be_made(parent.address.resource):
        _check_kind(client, parent.address.resource)
    try:
        with _hinting(parent):
            live = client.send(Request("GET", parent.address.path, where=parent.address.where)).body
    except NotFoundError:
        if _may_be_made(parent.address.resource):
            return parent
        message = "it is not there, and only a Secret or a ConfigMap is made to be the parent of a set"
        raise InputError(message, where=str(parent.address.reference), hint="create it first") from None
    if not _may_be_made(parent.address.resource) and TOOLING not in annotations_of(live) and ID not in labels_of(live):
        return replace(parent, live=live)  # made to be a parent, and of no set so far
    _check(parent, live)
    namespaces = namespaces_of(live, parent.address.reference.namespace)
    return replace(parent, live=live, contents=Contents(_listed(parent, live, discovery), namespaces))


def write(client: Client, parent: Parent, contents: Contents, *, dry_run: bool = False) -> Parent:
    """The parent once it lists these contents; nothing is written where it does so already.

    As kubectl does, a conflict with another manager is forced: the tool that keeps the set owns these fields.
    """
    reference = parent.address.reference
    wanted = marks(parent.id, _tooling(parent), contents, reference.namespace)
    if parent.live is not None and has_marks(parent.live, wanted):
        return replace(parent, contents=contents)
    names = {"name": reference.name, **({"namespace": reference.namespace} if reference.namespace else {})}
    body = {"apiVersion": reference.api_version, "kind": reference.kind, "metadata": {**names, **wanted}}
    with _hinting(parent):
        try:
            made = client.send(_request(parent, body, dry_run=dry_run)).body
        except ConflictError:
            made = client.send(_request(parent, body, dry_run=dry_run, force=True)).body
    return replace(parent, live=made, contents=contents)


@contextlib.contextmanager
def _hinting(parent: Parent) -> Iterator[None]:
    """Give the refusal of a request for the parent its hint."""
    try:
        yield
    except ForbiddenError as error:
        is_secret = parent.address.reference.kind == "Secret"
        other = f"; a set of {OPTION} configmaps/NAME needs no right to Secrets" if is_secret else ""
        error.hint = error.hint or f"{HINT}{other}"
        raise


def _tooling(parent: Parent) -> str:
    """The tooling annotation: this version's, or what kubectl has written of its own."""
    kubectls = annotations_of(parent.live or {}).get(TOOLING) if parent.tool == _KUBECTL else ""
    return str(kubectls or _TOOLING[parent.tool])


def _request(parent: Parent, body: Object, *, dry_run: bool, force: bool = False) -> Request:
    query = [("fieldManager", parent.manager)]
    query += [("force", "true")] if force else []
    query += [("dryRun", "All")] if dry_run else []
    address = parent.address
    return Request("PATCH", address.path, tuple(query), encode(body), PatchType.APPLY.value, where=address.where)


def _may_be_made(resource: Resource) -> bool:
    return not resource.group and resource.kind in _MAY_BE_MADE


def _check_kind(client: Client, resource: Resource) -> None:
    """Raise :class:`InputError` for a custom resource whose CRD does not say that it may be a parent."""
    path = _CRD.path(name=resource.full_name)
    try:
        definition = client.send(Request("GET", path, where=f"the CRD {resource.full_name}")).body
    except NotFoundError:
        definition = {}
    if IS_PARENT_TYPE not in labels_of(definition):
        message = f"{resource.full_name} can't be the parent of a set: its CRD has no label {IS_PARENT_TYPE}"
        raise InputError(message, where=OPTION, hint=_FORMS)


def _check(parent: Parent, live: Object) -> None:
    """Raise :class:`ConflictError` where the object is not the parent of a set that this run may keep."""
    tool, found = tool_of(live), labels_of(live).get(ID)
    if TOOLING not in annotations_of(live):
        raise _refusal(parent, f"it is there, and no set's parent: it has no annotation {TOOLING}", "name another")
    if tool != parent.tool:
        hint = "--applyset-as kubectl keeps it by kubectl's rules" if tool == _KUBECTL else "name another"
        hint = "drop --applyset-as" if tool == _OWN else hint
        raise _refusal(parent, f"the set is {tool or annotations_of(live)[TOOLING]}'s, and left to it", hint)
    if found != parent.id:
        message = f"its label {ID} is {found}, and would be {parent.id}" if found else f"it has no label {ID}"
        raise _refusal(parent, message, "is it a copy of another set's parent, or renamed?")


def _refusal(parent: Parent, message: str, hint: str) -> ConflictError:
    return ConflictError(message, code=409, where=f"{OPTION} {parent.address.reference}", hint=hint)


def _listed(parent: Parent, live: Object, discovery: Discovery) -> frozenset[GroupKind]:
    kinds = kinds_of(live)
    if kinds is not None:
        return frozenset(kinds)
    resources = resources_of(live)
    if resources is None:
        hint = "an empty one says that the set has no members"
        raise _refusal(parent, f"it has no annotation {KINDS}, so what the set holds is not known", hint)
    found = map(discovery.find, resources)
    return frozenset(GroupKind(each.group, each.kind) for each in found)
