"""Lists, read a page at a time, also where the server finds one too old to be continued.

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
from k8s_step.objects.shapes import nameless

PAGE = 500  # objects that a request lists
_RESTARTS = 3


@dataclass(frozen=True)
class ListPage:
    """One answer to the request for a list. ``starts_over``: the pages before it are out of date, and come again."""

    body: Object = field(repr=False)
    starts_over: bool = False

    @property
    def items(self) -> list[MutableObject]:
        """The objects in it; a Table has rows instead."""
        return self.body.get("items") or []

    @property
    def token(self) -> str:
        """What the next page is asked for with; empty after the last one."""
        return str(metadata_of(self.body).get("continue") or "")

    @property
    def version(self) -> str:
        """The list's resourceVersion, from which a watch goes on; the same for all pages of a list of one moment."""
        return str(metadata_of(self.body).get("resourceVersion") or "0")

    @property
    def remaining(self) -> int | None:
        """The objects still to come; ``None`` where none is, or where a selector keeps the server from counting."""
        count = metadata_of(self.body).get("remainingItemCount")
        return count if self.token and isinstance(count, int) else None


class WholeList(NamedTuple):
    """All objects of a list, each once and without apiVersion and kind, and the resourceVersion of its last page."""

    items: list[MutableObject]
    version: str


@dataclass(frozen=True)
class Pager:
    """Lists ``limit`` objects at a time, until the client's deadline.

    A list that takes longer than the server keeps old versions (410) goes on with the rest as it is now, where the
    server offers that, or starts over; ``notice`` is told which. ``of_one_moment``: the list always starts over, and
    comes in one answer then, so that a watch can go on from its resourceVersion.
    """

    client: Client
    limit: int = PAGE
    notice: Callable[[str], None] = ignore
    of_one_moment: bool = False

    def pages(self, request: Request) -> Iterator[ListPage]:
        """The pages of the list that ``request`` asks for, as they arrive, and none of them kept.

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
        """All of the list at once; the same errors."""
        items: list[MutableObject] = []
        version = ""
        for page in self.pages(request):
            if page.starts_over:
                items.clear()
            items += page.items
            version = page.version
        return WholeList(items, version)

    def _after_gone(self, request: Request, error: GoneError) -> str:
        """The token to go on with; empty to start over. A Status of 410 offers one for the rest as it is now."""
        token = "" if self.of_one_moment else str(metadata_of(error.status).get("continue") or "")
        way = "the rest is read as it is now, so the list is of two moments" if token else "starting over"
        self.notice(f"{request.where}: the list grew too old for the server while it was read; {way}")
        return token


def _of_page(request: Request, token: str, limit: int) -> Request:
    more = (("limit", str(limit) if limit else ""), ("continue", token))
    return replace(request, query=(*request.query, *(pair for pair in more if pair[1])))


def _checked(request: Request, body: Object) -> Object:
    """The answer to a list. Its metadata has been looked at by the client, as of any object."""
    items = body.get("items")
    if items is None:  # of an empty list in Go, and of a Table
        return body
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise UnreachableError(f"the list of {request.where} is none of Kubernetes' own")
    if trouble := next((trouble for item in items if (trouble := nameless(item))), ""):
        raise UnreachableError(f"the list of {request.where} is none of Kubernetes' own: of one item, {trouble}")
    return body
