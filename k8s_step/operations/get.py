"""Reads objects by name or by kind: page by page, as objects, as tables or as names alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from k8s_step.api.client import Client
from k8s_step.api.pages import Pager
from k8s_step.api.request import AS_NAME, AS_NAMES, AS_TABLE, JSON, Request
from k8s_step.errors import ApiError, UnreachableError
from k8s_step.objects.address import Address
from k8s_step.objects.applied import without_metadata
from k8s_step.objects.metadata import Object, completed, metadata_of
from k8s_step.objects.resource import Resource
from k8s_step.objects.selection import Group

Wanted = Group | Address
_PROTOBUF = "application/vnd.kubernetes.protobuf"
_METADATA = ("includeObject", "Metadata")  # of each row: its namespace is no column, its uid tells it apart


@dataclass(frozen=True)
class Form:
    """How the server is asked to answer: with whole objects, with table rows, or with names and metadata."""

    of_list: str = JSON
    of_one: str = JSON

    @property
    def is_table(self) -> bool:
        """Whether the items read are a Table's rows."""
        return self == TABLE

    @property
    def query(self) -> tuple[tuple[str, str], ...]:
        """What goes with the request."""
        return (_METADATA,) if self.is_table else ()


OBJECTS, TABLE, NAMES = Form(), Form(AS_TABLE, AS_TABLE), Form(AS_NAMES, AS_NAME)


@dataclass(frozen=True)
class Page:
    """Some of what was asked for: objects, or rows of a Table with its ``columns``.

    ``starts_over``: what was read before this page is out of date, and comes again.
    """

    resource: Resource
    items: tuple[Object, ...] = field(repr=False)
    columns: tuple[Object, ...] = ()
    starts_over: bool = False


@dataclass(frozen=True)
class Reader:
    """``limit`` objects are asked for at a time; ``notice`` is told how a list goes on, from any thread."""

    client: Client
    form: Form
    limit: int
    notice: Callable[[str], None]

    def pages(self, wanted: Wanted) -> Iterator[Page]:
        """What there is of ``wanted``, as it arrives. Raises the :class:`ApiError` family."""
        if isinstance(wanted, Address):
            query = self.form.query
            request = Request("GET", wanted.path, query, accept=self.form.of_one, where=str(wanted.reference))
            yield self._page(wanted.resource, self.client.send(request).body, is_list=False)
            return
        yield from self._listed(wanted)

    def raw(self, wanted: Wanted) -> bytes:
        """The server's answer in one piece, as protobuf."""
        try:
            return self.client.send(_plain_request(wanted, _PROTOBUF)).raw
        except (ApiError, UnreachableError):
            # The refusal may be protobuf as well: asked again for JSON, the server says what it has against it.
            self.client.send(_plain_request(wanted, JSON, ("limit", "1")))
            where = _plain_request(wanted, JSON).where
            hint = "custom resources have none; -o json"
            raise ApiError("the server gives no protobuf of this", code=406, where=where, hint=hint) from None

    def whole(self, wanted: Wanted) -> Page:
        """All of it."""
        items: list[Object] = []
        columns: tuple[Object, ...] = ()
        for page in self.pages(wanted):
            items = [*page.items] if page.starts_over else [*items, *page.items]
            columns = columns or page.columns
        return Page(wanted.resource, tuple(items), columns)

    def unseen(self, wanted: Wanted) -> Iterator[Page]:
        """The pages without what an earlier one held: what has been printed can't be taken back."""
        seen: set[str] = set()
        for page in self.pages(wanted):
            new = tuple(item for item in page.items if uid(item) not in seen)
            seen.update(uid(item) for item in new)
            yield Page(page.resource, new, page.columns)

    def _listed(self, group: Group) -> Iterator[Page]:
        query = (*group.query, *self.form.query)
        request = Request("GET", group.path, query, accept=self.form.of_list, where=group.text)
        read = 0
        for part in Pager(self.client, self.limit, self.notice).pages(request):
            page = self._page(group.resource, part.body, starts_over=part.starts_over)
            yield page
            read = (0 if part.starts_over else read) + len(page.items)
            self._tell(group, read, part.remaining)

    def _tell(self, group: Group, read: int, remaining: int | None) -> None:
        """Once for a list: after its first page. With a selector the server doesn't count what remains."""
        if read == self.limit and remaining is not None:
            self.notice(f"{group.text}: {read} read, {remaining} to go")

    def _page(self, resource: Resource, body: Object, *, is_list: bool = True, starts_over: bool = False) -> Page:
        if body.get("kind") == "Table":
            columns = tuple(body.get("columnDefinitions") or ())
            return Page(resource, tuple(body.get("rows") or ()), columns, starts_over)
        objects = [_completed(resource, item) for item in (body.get("items") or () if is_list else (body,))]
        if not self.form.is_table:
            return Page(resource, tuple(objects), (), starts_over)
        made, rows = table_of_objects(objects)
        return Page(resource, tuple(rows), tuple(made), starts_over)


def _plain_request(wanted: Wanted, accept: str, *more: tuple[str, str]) -> Request:
    if isinstance(wanted, Address):
        return Request("GET", wanted.path, accept=accept, where=str(wanted.reference))
    return Request("GET", wanted.path, (*wanted.query, *more), accept=accept, where=wanted.text)


def uid(item: Object) -> str:
    """Of an object, or of the object that a row is about."""
    metadata = metadata_of(item.get("object") or item)
    return str(metadata.get("uid") or f"{metadata.get('namespace')}/{metadata.get('name')}")


def name(item: Object) -> tuple[str, str]:
    """Namespace and name of an object, or of the object that a row is about."""
    metadata = metadata_of(item.get("object") or item)
    return str(metadata.get("namespace") or ""), str(metadata.get("name") or "")


def _completed(resource: Resource, item: Object) -> Object:
    """As the object would come alone, without who owns which field."""
    return without_metadata(completed(item, resource.api_version, resource.kind), ("managedFields",))


def table_of_objects(objects: Sequence[Mapping[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Columns and rows of objects whose server makes no tables: an aggregated API need not."""
    columns = [{"name": "Name", "format": "name"}, {"name": "Created At"}]
    rows = []
    for obj in objects:
        metadata = metadata_of(obj)
        cells = [metadata.get("name"), metadata.get("creationTimestamp")]
        rows.append({"cells": cells, "object": {"metadata": metadata}})
    return columns, rows
