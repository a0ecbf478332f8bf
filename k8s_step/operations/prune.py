"""Deletes one member of a set as it was read or not at all: after a change, the object is read and judged again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from k8s_step.api.client import Client
from k8s_step.api.request import Request
from k8s_step.errors import ConflictError, NotFoundError
from k8s_step.objects.metadata import Object, guard_of, uid_of
from k8s_step.operations.delete import Deleted, DeleteOptions, delete_read, is_terminating
from k8s_step.verdict.target import Target

_TRIES = 20  # controllers may write the object's status all the time


@dataclass(frozen=True)
class Pruned:
    """A member after its turn. ``kept``: why it was not deleted after all; empty where it was.

    ``before``: the object as it was when it was deleted. ``deleted``: ``None`` where it is kept.
    """

    target: Target
    before: Object = field(repr=False)
    kept: str = ""
    deleted: Deleted | None = None


def prune(client: Client, target: Target, options: DeleteOptions, keeps: Callable[[Object], str]) -> Pruned:
    """Delete the object unless it says otherwise: ``keeps`` gives the reason, and is asked about each state of it.

    Raises :class:`ApiError`.
    """
    for _ in range(_TRIES):
        before = target.object
        if reason := keeps(before):
            return Pruned(target, before, kept=reason)
        try:
            return Pruned(target, before, deleted=delete_read(client, target, options, version=guard_of(before)))
        except ConflictError as error:
            now = _read(client, target)
            if now is None or uid_of(now) != uid_of(before):  # gone; a successor is no business of this run
                return Pruned(target, before, deleted=Deleted(target, is_gone=True))
            target = replace(target, object=now)
            if error.may_be_done and is_terminating(now) and not is_terminating(before):  # by the try without an answer
                return Pruned(target, before, deleted=Deleted(target, is_gone=False))
    message = "others write it faster than it can be deleted"
    raise ConflictError(message, code=409, where=target.address.where)


def _read(client: Client, target: Target) -> Object | None:
    try:
        return client.send(Request("GET", target.address.path, where=target.address.where)).body
    except NotFoundError:
        return None
