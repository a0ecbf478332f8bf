"""Deletes objects one by one or as a collection, but never a successor that bears the same name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from k8s_step.api.client import Client, ignore
from k8s_step.api.delivery import deliver
from k8s_step.api.pages import Pager
from k8s_step.api.request import Answer, Request
from k8s_step.errors import ApiError, ConflictError, ForbiddenError, NotFoundError
from k8s_step.objects.address import Address
from k8s_step.objects.body import encode
from k8s_step.objects.metadata import Object, completed, metadata_of
from k8s_step.objects.reference import Reference
from k8s_step.objects.selection import Group
from k8s_step.verdict.target import Target


@dataclass(frozen=True)
class DeleteOptions:
    """How objects are deleted.

    ``cascade``: background, foreground or orphan. ``grace_period``: seconds; ``None`` for the object's own.
    """

    cascade: str = "background"
    grace_period: int | None = None
    dry_run: bool = False

    def body(self, uid: str = "", version: str = "") -> bytes:
        """These options as a ``meta/v1`` DeleteOptions body.

        ``uid`` restricts the deletion to that object, ``version`` to that object as it is at this resourceVersion.
        """
        options: dict[str, Any] = {
            "kind": "DeleteOptions",
            "apiVersion": "v1",
            "propagationPolicy": self.cascade.capitalize(),
        }
        if self.grace_period is not None:
            options["gracePeriodSeconds"] = self.grace_period
        if self.dry_run:
            options["dryRun"] = ["All"]
        conditions = {"uid": uid, "resourceVersion": version}
        if uid or version:
            options["preconditions"] = {name: value for name, value in conditions.items() if value}
        return encode(options)


@dataclass(frozen=True)
class Deleted:
    """A deletion. ``target``: the object as last seen; ``is_gone``: the server no longer has it."""

    target: Target
    is_gone: bool


def delete(client: Client, named: Address, options: DeleteOptions) -> Deleted:
    """Read the object, then delete the one with its uid, so that a repetition can't hit a successor.

    Raises :class:`NotFoundError` where the object does not exist at first.
    """
    try:
        live = client.send(Request("GET", named.path, where=named.where)).body
    except NotFoundError as error:
        raise _missing(error, named) from None
    except ForbiddenError:  # a token may be allowed to delete but not to read
        return _delete_unread(client, named, options)
    return delete_read(client, Target(named.reference, named.resource, live), options)


def delete_read(client: Client, target: Target, options: DeleteOptions, *, version: str = "") -> Deleted:
    """Delete an object that was read before, by its uid.

    With its ``version``, the server deletes it as it was read or not at all: raises :class:`ConflictError`.
    """
    try:
        answer = client.send(_request(target.address, options, target.uid, version))
    except NotFoundError:  # somebody else deleted it, or the answer to our first request was lost
        return Deleted(target, is_gone=True)
    except ConflictError as error:
        if "UID" not in error.message:
            raise
        return Deleted(target, is_gone=True)  # a successor bears its name now
    return _deleted(target, answer)


def members(client: Client, group: Group, notice: Callable[[str], None] = ignore) -> list[Target]:
    """The objects of a group. ``notice`` takes a line where the list had to start over, or mixes two versions."""
    request = Request("GET", group.path, group.query, where=group.text)
    return [_target(group, item) for item in Pager(client, notice=notice).whole(request).items]


def delete_group(client: Client, group: Group, found: Sequence[Target], options: DeleteOptions) -> bool:
    """Delete a collection in one request; ``False`` where the kind has no such verb or the token may not use it.

    After a lost answer the request is repeated only while some of ``found`` are not being deleted yet.
    """
    request = Request(
        "DELETE",
        group.path,
        group.query,
        options.body(),
        "application/json",
        retry=options.dry_run,
        where=group.text,
    )

    def look() -> Answer | None:
        left = {target.uid for target in members(client, group) if not is_terminating(target.object)}
        return None if left & {target.uid for target in found} else Answer(200, {}, b"")

    try:
        deliver(client, request, look)
    except ForbiddenError:
        return False
    except ApiError as error:
        if error.code != 405:  # MethodNotAllowed: namespaces and some aggregated APIs have no such verb
            raise
        return False
    return True


def is_terminating(obj: Object) -> bool:
    """Whether the object is being deleted: the server waits for its grace period or its finalizers."""
    return bool(metadata_of(obj).get("deletionTimestamp"))


def _delete_unread(client: Client, named: Address, options: DeleteOptions) -> Deleted:
    """Delete an object that the token may not read. The DELETE is sent once: without a uid it could hit a successor."""
    target = Target(named.reference, named.resource, {"metadata": {"name": named.reference.name}})
    try:
        return _deleted(target, client.send(_request(named, options)))
    except NotFoundError as error:
        raise _missing(error, named) from None


def _request(named: Address, options: DeleteOptions, uid: str = "", version: str = "") -> Request:
    body = options.body(uid, version)
    query = (("dryRun", "All"),) if options.dry_run else ()  # for proxies and audit logs; the server reads the body
    return Request("DELETE", named.path, query, body, "application/json", retry=bool(uid), where=named.where)


def _deleted(target: Target, answer: Answer) -> Deleted:
    """The deletion by its answer: a Status means gone; an object is still being deleted, or was the last state.

    Source: ``finalizeDelete`` in k8s.io/apiserver's registry/generic/registry/store.go.
    """
    if answer.body.get("kind") == "Status":
        return Deleted(target, is_gone=True)
    target.object = answer.body
    return Deleted(target, is_gone=False)


def _target(group: Group, item: Object) -> Target:
    obj = completed(item, group.resource.api_version, group.resource.kind)
    return Target(Reference.to(obj), group.resource, obj)


def _missing(error: NotFoundError, named: Address) -> ApiError:
    hint = "--ignore-not-found takes that as deleted"
    return NotFoundError("it is not there", code=error.code, status=error.status, where=named.where, hint=hint)
