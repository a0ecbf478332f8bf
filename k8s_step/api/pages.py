"""Lists read page by page, including those whose continue token expires (410) on the way.

Source: "Retrieving large results sets in chunks" of Kubernetes' API concepts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from k8s_step.api.client import Client, ignore
from k8s_step.api.request import Request
from k8s_step.errors import GoneError, UnreachableError
from k8s_step.objects.metadata import MutableObject, Object, metadata_of
from k8s_step.objects.values.shapes import nameless

PAGE = 500  # objects a page
_RESTARTS = 3


@dataclass(frozen=True)
class ListPage:
    """One page of a list. ``starts_over``: this is a new first page; the pages before it are out of date."""

    body: Object = field(repr=False)
    starts_over: bool = False

    @property
    def items(self) -> list[MutableObject]:
        """The objects in it; a Table has rows instead."""
        return self.body.get("items") or []

    @property
    def token(self) -> str:
        """The continue token for the next page; empty on the last page."""
        return str(metadata_of(self.body).get("continue") or "")

    @property
    def version(self) -> str:
        """The list's resourceVersion, from which a watch may start; pages of one snapshot share it."""
        return str(metadata_of(self.body).get("resourceVersion") or "0")

    @property
    def remaining(self) -> int | None:
        """The number of objects on later pages; ``None`` on the last page, or where the server does not count them."""
        count = metadata_of(self.body).get("remainingItemCount")
        return count if self.token and isinstance(count, int) else None


class WholeList(NamedTuple):
    """All objects of a list, without apiVersion and kind, and the resourceVersion of its last page."""

    items: list[MutableObject]
    version: str


@dataclass(frozen=True)
class Pager:
    """Lists ``limit`` objects at a time, until the client's deadline.

    When the continue token expires (410), the list goes on with the rest's present state where the server offers that,
    else it starts over; ``notice`` gets a line saying which. ``of_one_moment``: the list must be one snapshot, so that
    a watch can start from its resourceVersion; after a 410 it is then requested again in a single answer.
    ``goes_on`` false: after a 410 the list starts over, also where the server offers the rest.
    """

    client: Client
    limit: int = PAGE
    notice: Callable[[str], None] = ignore
    of_one_moment: bool = False
    goes_on: bool = True

    def pages(self, request: Request) -> Iterator[ListPage]:
        """The pages of the list that ``request`` asks for, as they arrive, without keeping them.

        Raises the :class:`ApiError` family, and :class:`UnreachableError` for an answer that is no list.
        """
        token, limit, restarts, starts_over = "", self.limit, 0, False
        while True:
            try:
                body = self.client.send(_of_page(request, token, limit)).body
            except GoneError as error:
                if not token or restarts == _RESTARTS:
                    raise
                token = self._after_gone(request, error)
                restarts, starts_over = restarts + 1, not token
                limit = 0 if self.of_one_moment else limit
                continue
            page = ListPage(_checked(request, body), starts_over)
            yield page
            token, starts_over = page.token, False
            if not token:
                return

    def whole(self, request: Request) -> WholeList:
        """The whole list at once. Raises as :meth:`pages` does."""
        items: list[MutableObject] = []
        version = ""
        for page in self.pages(request):
            if page.starts_over:
                items.clear()
            items += page.items
            version = page.version
        return WholeList(items, version)

    def _after_gone(self, request: Request, error: GoneError) -> str:
        """The continue token in the Status of a 410, for the rest's present state; empty to start over."""
        goes_on = self.goes_on and not self.of_one_moment
        token = str(metadata_of(error.status).get("continue") or "") if goes_on else ""
        way = "the rest is read as it is now, so the list is of two moments" if token else "starting over"
        self.notice(f"{request.where}: the list grew too old for the server while it was read; {way}")
        return token


def _of_page(request: Request, token: str, limit: int) -> Request:
    more = (("limit", str(limit) if limit else ""), ("continue", token))
    return replace(request, query=(*request.query, *(pair for pair in more if pair[1])))


def _checked(request: Request, body: Object) -> Object:
    """``body`` if its items are well-formed; the client has checked its metadata. Raises :class:`UnreachableError`."""
    items = body.get("items")
    if items is None or request.each:  # Go writes null for an empty list; a Table has no items; ``each`` checks its own
        return body
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise UnreachableError(f"the list of {request.where} is none of Kubernetes' own")
    if trouble := next((trouble for item in items if (trouble := nameless(item))), ""):
        raise UnreachableError(f"the list of {request.where} is none of Kubernetes' own: of one item, {trouble}")
    return body
