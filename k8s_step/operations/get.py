"""Reads objects by name or by kind: page by page, as objects, as tables or as names alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from k8s_step.api.client import Client
from k8s_step.api.pages import Pager
from k8s_step.api.request import AS_NAME, AS_NAMES, AS_TABLE, JSON, Request
from k8s_step.errors import ApiError, UnreachableError
from k8s_step.objects.address import Address
from k8s_step.objects.metadata import MutableObject, Object, metadata_of
from k8s_step.objects.ownership.applied import without_metadata
from k8s_step.objects.resource import BUILTIN, Resource
from k8s_step.objects.selection import Group
from k8s_step.objects.values.shapes import nameless

Wanted = Group | Address
_PROTOBUF = "application/vnd.kubernetes.protobuf"


@dataclass(frozen=True)
class Form:
    """How the server is asked to answer: with whole objects, with table rows, or with names and metadata.

    ``included``: what comes with each row of a table: ``Metadata`` or ``Object``; with ``is_lean`` nothing, where the
    row and the request tell the object's name. ``with_managers``: objects keep ``managedFields``.
    """

    of_list: str = JSON
    of_one: str = JSON
    included: str = ""
    is_lean: bool = False
    with_managers: bool = False

    @property
    def is_table(self) -> bool:
        """Whether the items read are a Table's rows."""
        return bool(self.included)

    def query(self, resource: Resource, namespace: str) -> tuple[tuple[str, str], ...]:
        """What goes with a request for ``resource`` in ``namespace``, empty for the whole cluster."""
        if not self.included:
            return ()
        is_named = resource in _NAME_FIRST and (bool(namespace) or not resource.namespaced)
        return (("includeObject", "None" if self.is_lean and is_named else self.included),)


# Kubernetes' own tables begin with the name, but for events: ``pkg/printers/internalversion/printers.go``.
_NAME_FIRST = frozenset(resource for resource in BUILTIN if resource.kind != "Event")
OBJECTS, NAMES = Form(), Form(AS_NAMES, AS_NAME)


def table(included: str = "Metadata", *, is_lean: bool = False) -> Form:
    """Tables, with so much of each row's object; see :class:`Form`."""
    return Form(AS_TABLE, AS_TABLE, included, is_lean)


@dataclass(frozen=True, slots=True)
class Entry:
    """One object or row that was read. ``shown``: what the reader's ``show`` made of it."""

    namespace: str
    name: str
    shown: Any = field(repr=False)


@dataclass(frozen=True)
class Page:
    """Some of what was asked for: objects, or rows of a Table with its ``columns``.

    ``starts_over``: what was read before this page is out of date, and comes again.
    """

    resource: Resource
    entries: tuple[Entry, ...] = field(repr=False)
    columns: tuple[Object, ...] = ()
    starts_over: bool = False

    @property
    def items(self) -> tuple[Any, ...]:
        """What is shown of each entry."""
        return tuple(entry.shown for entry in self.entries)


def _as_it_is(_: Resource, item: Object) -> Any:
    return item


@dataclass(frozen=True)
class Reader:
    """``limit`` objects are asked for at a time; ``notice`` is told how a list goes on, from any thread.

    ``show`` makes of each object or row what is kept of it, while the page is parsed, in any thread. ``goes_on``: a
    list that grew too old for the server goes on with the rest as it is then; else it starts over.
    """

    client: Client
    form: Form
    limit: int
    notice: Callable[[str], None]
    show: Callable[[Resource, Object], Any] = _as_it_is
    goes_on: bool = True

    def pages(self, wanted: Wanted) -> Iterator[Page]:
        """What there is of ``wanted``, as it arrives. Raises the :class:`ApiError` family."""
        if isinstance(wanted, Address):
            query = self.form.query(wanted.resource, "")
            request = Request("GET", wanted.path, query, accept=self.form.of_one, where=str(wanted.reference))
            yield self._page_of_one(wanted.resource, self.client.send(request).body)
            return
        yield from self._listed(wanted)

    def final(self, wanted: Wanted) -> Iterator[Page]:
        """The pages of which nothing need be taken back later, so that they can be printed as they come.

        A list that goes on leaves out what an earlier page held; one that starts over is kept in a temporary file until
        it is whole.
        """
        yield from self._unseen(wanted) if self.goes_on or isinstance(wanted, Address) else self._kept(wanted)

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
        entries: list[Entry] = []
        columns: tuple[Object, ...] = ()
        for page in self.pages(wanted):
            entries = [*page.entries] if page.starts_over else [*entries, *page.entries]
            columns = columns or page.columns
        return Page(wanted.resource, tuple(entries), columns)

    def _unseen(self, wanted: Wanted) -> Iterator[Page]:
        seen: set[str] = set()
        for page in self.pages(wanted):
            keys = [f"{entry.namespace}/{entry.name}" for entry in page.entries]
            new = tuple(entry for key, entry in zip(keys, page.entries, strict=True) if key not in seen)
            seen.update(keys)
            yield replace(page, entries=new)

    def _kept(self, wanted: Wanted) -> Iterator[Page]:
        import pickle  # imported here: few lists are kept
        import tempfile

        with tempfile.TemporaryFile() as kept:
            for page in self.pages(wanted):
                if page.starts_over:
                    kept.seek(0)
                    kept.truncate()
                pickle.dump((page.columns, page.entries), kept)
            end = kept.tell()
            kept.seek(0)
            while kept.tell() < end:
                columns, entries = pickle.load(kept)
                yield Page(wanted.resource, entries, columns)

    def _listed(self, group: Group) -> Iterator[Page]:
        query = (*group.query, *self.form.query(group.resource, group.namespace))

        def each(item: MutableObject) -> Entry:
            return self._entry(group, item)

        request = Request("GET", group.path, query, accept=self.form.of_list, where=group.text, each=each)
        read = 0
        for part in Pager(self.client, self.limit, self.notice, goes_on=self.goes_on).pages(request):
            page = self._page(group, part.body, starts_over=part.starts_over)
            yield page
            read = (0 if part.starts_over else read) + len(page.entries)
            self._tell(group, read, part.remaining)

    def _tell(self, group: Group, read: int, remaining: int | None) -> None:
        """Once for a list: after its first page. With a selector the server doesn't count what remains."""
        if read == self.limit and remaining is not None:
            self.notice(f"{group.text}: {read} read, {remaining} to go")

    def _page(self, group: Group, body: Object, *, starts_over: bool) -> Page:
        is_table = body.get("kind") == "Table"
        columns = tuple(body.get("columnDefinitions") or ()) if is_table else COLUMNS if self.form.is_table else ()
        return Page(group.resource, _listed(group, body, "rows" if is_table else "items"), columns, starts_over)

    def _page_of_one(self, resource: Resource, body: Object) -> Page:
        place = Group(resource, str(metadata_of(body).get("namespace") or ""))
        if body.get("kind") != "Table":
            return Page(resource, (self._entry(place, body),), COLUMNS if self.form.is_table else ())
        entries = tuple(self._entry(place, row) for row in _listed(place, body, "rows"))
        return Page(resource, entries, tuple(body.get("columnDefinitions") or ()))

    def _entry(self, group: Group, item: Any) -> Entry:
        """Raises :class:`UnreachableError` for what is no object."""
        if not isinstance(item, dict):
            raise UnreachableError(f"the list of {group.text} is none of Kubernetes' own")
        if "cells" in item:
            return self._row(group, item)
        if trouble := nameless(item):
            raise UnreachableError(f"the list of {group.text} is none of Kubernetes' own: of one item, {trouble}")
        obj = _completed(group.resource, item, with_managers=self.form.with_managers)
        metadata = metadata_of(obj)
        shown = self.show(group.resource, row_of(obj) if self.form.is_table else obj)
        return Entry(str(metadata.get("namespace") or ""), str(metadata.get("name") or ""), shown)

    def _row(self, group: Group, row: Object) -> Entry:
        metadata = metadata_of(row.get("object") or {})
        first = next(iter(row.get("cells") or [""]))
        name, namespace = metadata.get("name") or first, metadata.get("namespace") or group.namespace
        return Entry(str(namespace), str(name), self.show(group.resource, row))


def _listed(group: Group, body: Object, field_name: str) -> tuple[Any, ...]:
    """The ``items`` or ``rows`` of a list. Raises :class:`UnreachableError` where they are anything else."""
    found = body.get(field_name)
    if found is not None and not isinstance(found, list):  # Go writes null for an empty list
        raise UnreachableError(f"the list of {group.text} is none of Kubernetes' own")
    return tuple(found or ())


def _plain_request(wanted: Wanted, accept: str, *more: tuple[str, str]) -> Request:
    if isinstance(wanted, Address):
        return Request("GET", wanted.path, accept=accept, where=str(wanted.reference))
    return Request("GET", wanted.path, (*wanted.query, *more), accept=accept, where=wanted.text)


def _completed(resource: Resource, item: Object, *, with_managers: bool) -> Object:
    """``item`` as it would come alone: list items come without apiVersion and kind, and a Scale brings its own."""
    whole = {**item, "apiVersion": item.get("apiVersion") or resource.api_version}
    whole["kind"] = item.get("kind") or resource.kind
    return whole if with_managers else without_metadata(whole, ("managedFields",))


# Of objects whose server makes no tables: an aggregated API need not.
COLUMNS: tuple[Object, ...] = ({"name": "Name", "format": "name"}, {"name": "Created At"})


def row_of(obj: Mapping[str, Any]) -> Object:
    """The row of an object, under ``COLUMNS``."""
    metadata = metadata_of(obj)
    return {"cells": [metadata.get("name"), metadata.get("creationTimestamp")], "object": obj}
