"""Reads an object before it is written, compares it with its manifest, and finds fields to be taken over."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from k8s_step.api.client import Client
from k8s_step.api.request import Answer, Request
from k8s_step.errors import ApiError, ForbiddenError, NotFoundError
from k8s_step.objects import provenance
from k8s_step.objects.body import PatchType, encode
from k8s_step.objects.metadata import RUN, Object, annotations_of, entries
from k8s_step.operations.plan import ApplyOptions, Planned, Seen

if TYPE_CHECKING:
    from k8s_step.objects.ownership.takeover import Takeover

MANY = 20  # objects of one kind and namespace, from which on a list is read (``survey``): fewer GETs run at once


def look(client: Client, planned: Planned, options: ApplyOptions) -> Seen:
    """Read the object, compare it with the manifest, and find the fields to be taken over, and from whom.

    An object that need not be written costs this one GET.
    """
    try:
        answer = client.send(Request("GET", planned.path, where=planned.where))
    except NotFoundError:
        return Seen(planned, None, is_absent=True)
    except ForbiddenError:  # a token may be allowed to write but not to read
        return Seen(planned, None)
    return compared(client, planned, answer, options)


def compared(client: Client, planned: Planned, answer: Answer, options: ApplyOptions) -> Seen:
    """The object that a read has brought, compared with its manifest."""
    from k8s_step.objects.ownership.lastapplied import (
        LAST_APPLIED,  # imported here: an object that is not there needs none
    )
    from k8s_step.objects.ownership.takeover import takeover

    live: Object = answer.body
    if options.from_kubectl and LAST_APPLIED in annotations_of(live) and not entries(live):
        live = _with_entries(client, planned, live, options)
    manager, version = options.field_manager, planned.reference.api_version
    found = takeover(live, manager, version, options.adopt or (), from_kubectl=options.from_kubectl)
    planned = _with_note(planned, live, found, manager)
    runs_anew = options.recreates and _runs_always(planned.object)
    done = found is None and not runs_anew and is_current(live, planned.object, options)
    return Seen(planned, live, done, warnings=answer.warnings, takeover=found)


def _runs_always(manifest: Object) -> bool:
    """Whether the object is a Job that runs at each release, however current it is."""
    if RUN not in annotations_of(manifest):
        return False
    from k8s_step.operations.restoring.recreation import runs_always

    return runs_always(manifest)


def asking(one: Seen, manifest: Object, options: ApplyOptions) -> Seen:
    """``one`` with another manifest than it was read for, compared with that."""
    is_as_read = one.live is not None and one.takeover is None and one.handover is None
    done = is_as_read and is_current(one.live or {}, manifest, options)
    return replace(one, planned=replace(one.planned, object=manifest), is_current=done)


def is_current(live: Object, manifest: Object, options: ApplyOptions) -> bool:
    """Whether applying the manifest would certainly change nothing; another source is no reason for a write."""
    from k8s_step.objects.ownership.applied import is_applied

    manager = options.field_manager
    source = provenance.kept(live, manager, force=options.force)
    return is_applied(live, provenance.with_source(manifest, source), manager)


def _with_entries(client: Client, planned: Planned, live: Object, options: ApplyOptions) -> Object:
    """The object with the ``managedFields`` that its first apply would give it: an old server has kept none.

    A dry run of an empty apply returns them. Source: skipnonapplied.go of k8s.io/apimachinery's managedfields.
    """
    metadata = {key: live["metadata"][key] for key in ("name", "namespace") if key in live["metadata"]}
    identity = {"apiVersion": planned.reference.api_version, "kind": planned.reference.kind}
    body, query = encode({**identity, "metadata": metadata}), options._replace(dry_run=True, force=False).query
    request = Request("PATCH", planned.path, query, body, PatchType.APPLY.value, where=planned.where)
    try:
        found = client.send(request).body
    except ApiError:
        return live
    return {**live, "metadata": {**live["metadata"], "managedFields": entries(found)}}


def _with_note(planned: Planned, live: Object, found: Takeover | None, manager: str) -> Planned:
    """The manifest with kubectl's last-applied annotation, where the object has one and this manager owns it.

    With an up-to-date annotation a user can go back to ``kubectl apply``.
    """
    from k8s_step.objects.ownership.fieldset import Owner
    from k8s_step.objects.ownership.lastapplied import LAST_APPLIED, with_note
    from k8s_step.objects.ownership.takeover import owns_annotation

    own = Owner(manager, "Apply")
    is_ours = owns_annotation(live, own) or any(
        owns_annotation(live, owner) for owner in (found.moved if found else ())
    )
    if LAST_APPLIED not in annotations_of(live) or not is_ours:
        return planned
    return replace(planned, object=with_note(planned.object, planned.reference.namespace))
