"""Endless watches: from a resourceVersion, resumed after a cut, restarted after 410, by polling after 403 and 405.

Source of the protocol: "Efficient detection of changes" in Kubernetes' API concepts.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from k8s_step.api.client import Client, LineStream
from k8s_step.api.pages import ListPage, Pager
from k8s_step.api.request import AS_TABLE, JSON, Request
from k8s_step.errors import ApiError, GoneError, NotFoundError, UnreachableError
from k8s_step.objects.metadata import MutableObject, Object, completed, guard_of, metadata_of
from k8s_step.objects.resource import Resource
from k8s_step.objects.values.shapes import misshapen, nameless

_LASTS = 290  # seconds after which the server closes the watch, to be resumed
_SILENCE = 330.0  # seconds of silence, longer than a watch lasts, after which the connection counts as dead
# A server sends a bookmark a minute, and one two seconds before it closes a watch. Source: ``cacheWatcher`` of
# k8s.io/apiserver. Where not even these arrive, something in between holds all back until the watch ends.
_QUIET = 100.0  # seconds without a byte after which a watch is suspected to be held back
_HELD_UP = 20.0  # seconds without an answer's head that are as suspect
_BRIEF = 10  # seconds that a watch lasts which may be held back: events are late by no more
_EARLY = 1.0  # seconds before its end by which a watch that is not held back has brought its bookmark
_AT_ONCE = 1.0  # seconds; no server lets a watch last for less
_LONGEST_PAUSE = 5.0
_POLL = 2.0  # seconds between two lists where watching is forbidden, or the kind has no such verb
_MOST_POLLS = 16  # after 1, 2, 4, … of them the watch is tried again


@dataclass(frozen=True)
class Event:
    """One event. ``type`` is the server's ADDED, MODIFIED or DELETED, or LISTED.

    LISTED comes first when no resourceVersion was given, and again after 410 or at each poll. Its ``items`` are all
    objects in scope at ``version`` (0 where that is not told): any other object that is no newer no longer exists. A
    watch in pages has PAGE in its place: from the page that ``begins`` the list to the one that ``ends`` it.

    ``columns``: of a watch of tables, whose ``object`` and ``items`` are rows.
    """

    type: str
    object: dict[str, Any]
    items: tuple[dict[str, Any], ...] = ()
    columns: tuple[dict[str, Any], ...] = ()
    begins: bool = False
    ends: bool = False
    version: int = 0


@dataclass(frozen=True)
class Scope:
    """The objects that a watch covers: one resource in one or (``None``) all namespaces, by selectors or by name."""

    resource: Resource
    namespace: str | None = None
    name: str | None = None
    label_selector: str | None = None
    field_selector: str | None = None

    @property
    def query(self) -> tuple[tuple[str, str], ...]:
        """The selectors, as query parameters."""
        pairs = []
        fields = [f"metadata.name={self.name}"] if self.name else []
        if fields := [*fields, *([self.field_selector] if self.field_selector else [])]:
            pairs.append(("fieldSelector", ",".join(fields)))
        if self.label_selector:
            pairs.append(("labelSelector", self.label_selector))
        return tuple(pairs)

    @property
    def text(self) -> str:
        """``deployments.apps in shop``, for messages."""
        return f"{self.resource.full_name} in {self.namespace}" if self.namespace else self.resource.full_name


@dataclass
class Watch:
    """One endless watch. Iterate over it in a thread of its own; any other thread may ``stop()`` it.

    ``in_pages``: lists come page by page, as PAGE events. ``as_table``: rows of the server's tables come in the place
    of objects. ``first``: the client of the first list, where that may fail: without it, trouble never ends a watch.
    """

    client: Client
    scope: Scope
    resource_version: str | None = None
    notice: Callable[[str], None] = lambda _: None
    in_pages: bool = False
    as_table: bool = False
    first: Client | None = None
    _stopped: threading.Event = field(default_factory=threading.Event)
    _stream: LineStream | None = None
    _failures: int = 0
    _is_refused: bool = False
    _refusals: int = 0
    _is_brief: bool = False
    _heard: float | None = None  # when the present stream brought its first line

    def stop(self) -> None:
        """End the iteration at once, even while it waits for the server."""
        self._stopped.set()
        stream = self._stream
        if stream is not None:
            stream.close()

    def __iter__(self) -> Iterator[Event]:
        """Events until ``stop()``. Raises :class:`ApiError` (403, 405) where neither watch nor list is allowed."""
        while not self._stopped.is_set():
            try:
                yield from self._poll() if self._is_refused else self._once()
            except GoneError:
                self._tell_of_the_gap()
                self.resource_version = None
                self._pause_after_failure()
            except UnreachableError as error:
                if self.first is not None:
                    raise
                self._lost(str(error))
            except ApiError as error:
                if error.is_barred and not self._is_refused:
                    self._is_refused = True
                elif self.first is not None or (error.code < 500 and error.code != 429):
                    raise
                else:
                    self._lost(str(error))

    def _once(self) -> Iterator[Event]:
        if self.resource_version is None:
            yield from self._list()
        yield from self._events()

    def _list(self) -> Iterator[Event]:
        path = self.scope.resource.path(self.scope.namespace)
        request = Request("GET", path, (*self.scope.query, *self._form), accept=self._accept, where=self.scope.text)
        pages = Pager(self.first or self.client, of_one_moment=True).pages(request)
        version = yield from self._paged(pages) if self.in_pages else self._whole(pages)
        self.resource_version, self.first = version, None

    def _paged(self, pages: Iterable[ListPage]) -> Generator[Event, None, str]:
        """Yield an event for each page; return the list's resourceVersion."""
        begins, version = True, ""
        for page in pages:
            begins, version = begins or page.starts_over, page.version
            columns = tuple(page.body.get("columnDefinitions") or ())
            yield Event("PAGE", {}, self._items(page.body), columns, begins, ends=not page.token)
            begins = False
        return version

    def _whole(self, pages: Iterable[ListPage]) -> Generator[Event, None, str]:
        """Yield one event for all pages; return the list's resourceVersion."""
        items: list[MutableObject] = []
        version = ""
        for page in pages:
            items = [*([] if page.starts_over else items), *self._items(page.body)]
            version = page.version
        at = int(version) if version.isdecimal() else 0
        yield Event("LISTED", {}, tuple(items), version=at)
        return version

    @property
    def _accept(self) -> str:
        return AS_TABLE if self.as_table else JSON

    @property
    def _form(self) -> tuple[tuple[str, str], ...]:
        """The query parameters of a table, whose rows bring their objects along."""
        return (("includeObject", "Object"),) if self.as_table else ()

    def _items(self, body: Object) -> tuple[MutableObject, ...]:
        """The objects of a list, or the rows of a Table; a server without tables sends objects all the same."""
        if body.get("kind") == "Table":
            return tuple({**row, "object": self._checked(row.get("object"))} for row in body.get("rows") or ())
        items = (self._checked(item) for item in body.get("items") or ())
        return tuple({"object": item} for item in items) if self.as_table else tuple(items)

    def _checked(self, item: Any) -> MutableObject:
        made = completed(item or {}, self.scope.resource.api_version, self.scope.resource.kind)
        if trouble := misshapen(made) or nameless(made):
            raise UnreachableError(f"the list of {self.scope.text} is none of Kubernetes' own: {trouble}")
        return made

    def _events(self) -> Iterator[Event]:
        query = (
            *self.scope.query,
            *self._form,
            ("watch", "true"),
            ("allowWatchBookmarks", "true"),
            ("resourceVersion", self.resource_version or "0"),
            ("timeoutSeconds", str(self._lasts)),
        )
        path = self.scope.resource.path(self.scope.namespace)
        request = Request("GET", path, query, accept=self._accept, where=self.scope.text)
        begun, self._heard = time.monotonic(), None
        try:
            with self.client.stream(request, idle_timeout=_SILENCE if self._is_brief else _QUIET) as lines:
                self._stream = lines
                if self._stopped.is_set():
                    return
                self._allowed()
                for line in lines:
                    if line:
                        self._heard = self._heard or time.monotonic()
                        yield from self._read(line)
        except UnreachableError:
            if self._heard is not None or time.monotonic() - begun < _HELD_UP:
                raise
            self._is_brief = True
        else:
            self._has_ended(time.monotonic() - begun)

    @property
    def _lasts(self) -> int:
        """Seconds that the next watch lasts."""
        return min(_BRIEF, max(int(self.client.request_timeout / 2), 1)) if self._is_brief else _LASTS

    def _has_ended(self, lasted: float) -> None:
        """Let watches last long again after one that brought a line before its end.

        One that ended at once without a line is a failure: it would be asked for as fast as the network allows.
        """
        if self._heard is not None and time.monotonic() - self._heard > _EARLY:
            self._is_brief = False
        if self._heard is None and lasted < _AT_ONCE and not self._stopped.is_set():
            self._lost("the watch ended at once, without a line")

    def _read(self, line: bytes) -> Iterator[Event]:
        kind, obj, columns = _parsed(line, self.scope, as_table=self.as_table)
        if kind == "ERROR":
            raise _error(obj, self.scope)
        subject = obj["object"] if self.as_table else obj
        self.resource_version = str(metadata_of(subject).get("resourceVersion") or self.resource_version)
        self._failures = 0
        if kind != "BOOKMARK":
            yield Event(kind, obj, columns=columns)

    def _poll(self) -> Iterator[Event]:
        """List repeatedly while only the watch is refused, then let it be tried again.

        A restarted API server may refuse a watch until its cache of roles is filled.
        """
        yield from self._list_or_get()
        if not self._refusals:
            self.notice(f"may not watch {self.scope.text}: asking again every {_POLL:g} s instead")
        self._refusals += 1
        for _ in range(min(2 ** (self._refusals - 1), _MOST_POLLS)):
            if self._stopped.wait(_POLL):
                return
            yield from self._list_or_get()
        self._is_refused = False

    def _allowed(self) -> None:
        if self._refusals:
            self.notice(f"may watch {self.scope.text} again")
        self._refusals = 0

    def _list_or_get(self) -> Iterator[Event]:
        if self.scope.name is None or self.scope.field_selector:
            yield from self._list()
            return
        kind = "PAGE" if self.in_pages else "LISTED"
        path = self.scope.resource.path(self.scope.namespace, self.scope.name)
        request = Request("GET", path, self._form, accept=self._accept, where=self.scope.text)
        try:
            body = (self.first or self.client).send(request).body
        except NotFoundError:
            self.resource_version = None  # no version of a deletion is told: the next watch begins with a list
            yield Event(kind, {}, begins=True, ends=True)
        else:
            columns = tuple(body.get("columnDefinitions") or ())
            items = self._items(body if body.get("kind") == "Table" else {"items": [body]})
            self._go_forward(items)
            yield Event(kind, {}, items, columns, begins=True, ends=True)
        self.first = None

    def _go_forward(self, items: Iterable[Object]) -> None:
        """Let the next watch begin at the version of what was read, unless a later one is known from a bookmark."""
        for item in items:
            found, known = guard_of(item["object"] if self.as_table else item), self.resource_version or ""
            if not (found.isdecimal() and known.isdecimal() and int(found) <= int(known)):
                self.resource_version = found or None

    def _tell_of_the_gap(self) -> None:
        if self.in_pages and self.first is None:
            self.notice(f"the server has forgotten what happened to {self.scope.text} meanwhile: listed anew")

    def _lost(self, why: str) -> None:
        if self._failures == 1:  # a single cut is normal; only the second in a row is worth a notice
            self.notice(f"lost the watch of {self.scope.text}, resuming: {why}")
        self._pause_after_failure()

    def _pause_after_failure(self) -> None:
        self._failures += 1
        if self._failures > 1:
            self._stopped.wait(min(_LONGEST_PAUSE, 0.05 * 2**self._failures) * random.uniform(0.5, 1))


def _parsed(line: bytes, scope: Scope, *, as_table: bool) -> tuple[str, dict[str, Any], tuple[dict[str, Any], ...]]:
    """An event's type, its object or row, and the columns of a row where they are new.

    Raises :class:`UnreachableError` for anything else, so that the watch is resumed.
    """
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        raise UnreachableError(f"the watch of {scope.text} broke off in the middle of an event") from None
    kind, obj = (event.get("type"), event.get("object")) if isinstance(event, dict) else (None, None)
    row, columns = _row(obj) if as_table and kind != "ERROR" else (obj, ())
    subject = row.get("object") if as_table and kind != "ERROR" and isinstance(row, dict) else row
    if trouble := _trouble(kind, subject):
        raise UnreachableError(f"the watch of {scope.text} brought an event that is none of Kubernetes' own: {trouble}")
    assert isinstance(kind, str) and isinstance(row, dict)
    return kind, row, columns


def _row(obj: Any) -> tuple[Any, tuple[dict[str, Any], ...]]:
    """The one row of a Table with its columns, which only a stream's first Table has; an object alone as a row."""
    if not isinstance(obj, dict) or obj.get("kind") != "Table":
        return {"object": obj}, ()
    rows = obj.get("rows")
    row = rows[0] if isinstance(rows, list) and rows else None
    return row, tuple(obj.get("columnDefinitions") or ())


def _trouble(kind: Any, obj: Any) -> str:
    """The reason why an event is not Kubernetes' own, else empty; only ERROR and BOOKMARK need no named object."""
    if not isinstance(kind, str) or not isinstance(obj, dict):
        return "it has no type or no object"
    return misshapen(obj) or ("" if kind in ("ERROR", "BOOKMARK") else nameless(obj))


def _error(status: dict[str, Any], scope: Scope) -> ApiError:
    code = status.get("code")
    kind = GoneError if code == 410 else ApiError
    message = str(status.get("message") or "the watch failed")
    return kind(message, code=code if isinstance(code, int) else 500, status=status, where=scope.text)
