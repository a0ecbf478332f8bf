"""The last look before a run reports success: does the server still hold each object as it was judged?

One list of names and resourceVersions for each kind and namespace answers that; only changed objects are read whole.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from k8s_step.api.client import Client
from k8s_step.api.concurrency import gather
from k8s_step.api.request import AS_NAME, AS_NAMES, JSON, Request
from k8s_step.errors import ApiError, NotFoundError
from k8s_step.objects.metadata import Object, uid_of, version_of
from k8s_step.objects.resource import Resource
from k8s_step.verdict.readiness import outcome
from k8s_step.verdict.target import Target

News = tuple[Target, Object | None]
_PAGE = "500"  # objects listed; an object that is not on the first page is read by name


@dataclass(frozen=True)
class Confirmation:
    """Compares targets with the server. ``notice`` takes a line where the token may not read one."""

    client: Client
    concurrency: int
    notice: Callable[[str], None]

    def news(self, targets: Iterable[Target]) -> list[News]:
        """The targets that have changed on the server, each with its present object: ``None`` where it is gone.

        Raises the :class:`ApiError` family, and :class:`UnreachableError` where the server can't be reached.
        """
        groups: dict[tuple[Resource, str], list[Target]] = defaultdict(list)
        for target in targets:
            if outcome(target.object) is None:  # a finished Job stays as it is
                groups[target.resource, target.reference.namespace].append(target)
        doubtful = [one for found in self._each(self._listed, list(groups.values())) for one in found]
        return [one for found in self._each(self._read, doubtful) for one in found]

    def _each(self, work: Callable[[Any], list[Any]], items: Sequence[Any]) -> Iterator[list[Any]]:
        for _, result in gather(work, items, self.concurrency):
            if isinstance(result, Exception):
                raise result
            yield result

    def _listed(self, group: list[Target]) -> list[Target]:
        """The targets of one kind and namespace whose uid and resourceVersion are not in the list."""
        if len(group) == 1:
            return group
        resource, namespace = group[0].resource, group[0].reference.namespace
        where = f"{resource.full_name} in {namespace}" if namespace else resource.full_name
        request = Request("GET", resource.path(namespace or None), (("limit", _PAGE),), accept=AS_NAMES, where=where)
        try:
            items = self.client.send(request).body.get("items") or []
        except ApiError as error:
            if not error.is_barred and error.code != 404:
                raise
            return group
        seen = {_identity(item) for item in items}
        return [target for target in group if _identity(target.object) not in seen]

    def _read(self, target: Target) -> list[News]:
        """Read the metadata first, and the whole object only where it has changed: a Secret need not be sent again."""
        try:
            found = self._get(target, AS_NAME)
            if _identity(found) == _identity(target.object):
                return []
            return [(target, self._get(target, JSON))]
        except NotFoundError:
            return [(target, None)]
        except ApiError as error:
            if not error.is_barred:
                raise
            self.notice(f"{target.reference}: whether it is still so at the end can't be seen: {error.message}")
            return []

    def _get(self, target: Target, accept: str) -> Object:
        path = target.resource.path(target.reference.namespace or None, target.reference.name)
        request = Request("GET", path, accept=accept, where=str(target.reference))
        return self.client.send(request).body


def _identity(obj: Object) -> tuple[str, int]:
    return uid_of(obj), version_of(obj)
