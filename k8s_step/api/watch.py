"""Endless watches: from a resourceVersion, resumed after a cut, restarted after 410, replaced by polling on 403.

Source of the protocol: "Efficient detection of changes" in Kubernetes' API concepts.
"""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from k8s_step.api.client import Client, LineStream
from k8s_step.api.pages import Pager
from k8s_step.api.request import Request
from k8s_step.errors import ApiError, ForbiddenError, GoneError, NotFoundError, UnreachableError
from k8s_step.objects.metadata import MutableObject, Object, completed, metadata_of
from k8s_step.objects.resource import Resource
from k8s_step.objects.shapes import misshapen, nameless

_LASTS = 290  # seconds after which the server closes the watch, to be resumed
_SILENCE = 330.0  # seconds of silence, longer than a watch lasts, after which the connection counts as dead
_LONGEST_PAUSE = 5.0
_POLL = 2.0  # seconds between two lists where watching is forbidden
_MOST_POLLS = 16  # after 1, 2, 4, … of them the watch is tried again


@dataclass(frozen=True)
class Event:
    """One event. ``type`` is the server's ADDED, MODIFIED or DELETED, or LISTED.

    LISTED comes first when no resourceVersion was given, and again after 410 or at each poll. Its ``items`` are all
    objects in scope: an object that is not among them no longer exists.
    """

    type: str
    object: dict[str, Any]
    items: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class Scope:
    """The objects that a watch covers: one resource in one or (``None``) all namespaces, by label selector or name."""

    resource: Resource
    namespace: str | None = None
    name: str | None = None
    label_selector: str | None = None

    @property
    def query(self) -> tuple[tuple[str, str], ...]:
        """The selectors, as query parameters."""
        pairs = []
        if self.name:
            pairs.append(("fieldSelector", f"metadata.name={self.name}"))
        if self.label_selector:
            pairs.append(("labelSelector", self.label_selector))
        return tuple(pairs)

    @property
    def text(self) -> str:
        """``deployments.apps in shop``, for messages."""
        return f"{self.resource.full_name} in {self.namespace}" if self.namespace else self.resource.full_name


@dataclass
class Watch:
    """One endless watch. Iterate over it in a thread of its own; any other thread may ``stop()`` it."""

    client: Client
    scope: Scope
    resource_version: str | None = None
    notice: Callable[[str], None] = lambda _: None
    _stopped: threading.Event = field(default_factory=threading.Event)
    _stream: LineStream | None = None
    _failures: int = 0
    _is_refused: bool = False
    _refusals: int = 0

    def stop(self) -> None:
        """End the iteration at once, even while it waits for the server."""
        self._stopped.set()
        stream = self._stream
        if stream is not None:
            stream.close()

    def __iter__(self) -> Iterator[Event]:
        """Events until ``stop()``. Raises :class:`ForbiddenError` where neither watch nor list is allowed."""
        while not self._stopped.is_set():
            try:
                yield from self._poll() if self._is_refused else self._once()
            except GoneError:
                self.resource_version = None
                self._pause_after_failure()
            except ForbiddenError:
                if self._is_refused:
                    raise
                self._is_refused = True
            except UnreachableError as error:
                self._lost(str(error))
            except ApiError as error:
                if error.code < 500 and error.code != 429:
                    raise
                self._lost(str(error))

    def _once(self) -> Iterator[Event]:
        if self.resource_version is None:
            yield self._list()
        yield from self._events()

    def _list(self) -> Event:
        path = self.scope.resource.path(self.scope.namespace)
        request = Request("GET", path, self.scope.query, where=self.scope.text)
        found = Pager(self.client, of_one_moment=True).whole(request)
        listed = Event("LISTED", {}, tuple(self._whole(item) for item in found.items))
        self.resource_version = found.version
        return listed

    def _whole(self, item: Object) -> MutableObject:
        made = completed(item, self.scope.resource.api_version, self.scope.resource.kind)
        if trouble := misshapen(made) or nameless(made):
            raise UnreachableError(f"the list of {self.scope.text} is none of Kubernetes' own: {trouble}")
        return made

    def _events(self) -> Iterator[Event]:
        query = (
            *self.scope.query,
            ("watch", "true"),
            ("allowWatchBookmarks", "true"),
            ("resourceVersion", self.resource_version or "0"),
            ("timeoutSeconds", str(_LASTS)),
        )
        request = Request("GET", self.scope.resource.path(self.scope.namespace), query, where=self.scope.text)
        with self.client.stream(request, idle_timeout=_SILENCE) as lines:
            self._stream = lines
            if self._stopped.is_set():
                return
            self._allowed()
            for line in lines:
                if line:
                    yield from self._read(line)

    def _read(self, line: bytes) -> Iterator[Event]:
        kind, obj = _parsed(line, self.scope)
        if kind == "ERROR":
            raise _error(obj, self.scope)
        self.resource_version = str(metadata_of(obj).get("resourceVersion") or self.resource_version)
        self._failures = 0
        if kind != "BOOKMARK":
            yield Event(kind, obj)

    def _poll(self) -> Iterator[Event]:
        """List repeatedly while the token may list but not watch, then let the watch be tried again.

        A restarted API server may refuse a watch until its cache of roles is filled.
        """
        yield self._list_or_get()
        if not self._refusals:
            self.notice(f"may not watch {self.scope.text}: asking again every {_POLL:g} s instead")
        self._refusals += 1
        for _ in range(min(2 ** (self._refusals - 1), _MOST_POLLS)):
            if self._stopped.wait(_POLL):
                return
            yield self._list_or_get()
        self._is_refused = False

    def _allowed(self) -> None:
        if self._refusals:
            self.notice(f"may watch {self.scope.text} again")
        self._refusals = 0

    def _list_or_get(self) -> Event:
        if self.scope.name is None:
            return self._list()
        path = self.scope.resource.path(self.scope.namespace, self.scope.name)
        try:
            return Event("LISTED", {}, (self.client.send(Request("GET", path, where=self.scope.text)).body,))
        except NotFoundError:
            return Event("LISTED", {})

    def _lost(self, why: str) -> None:
        if self._failures == 1:  # a single cut is normal; only the second in a row is worth a notice
            self.notice(f"lost the watch of {self.scope.text}, resuming: {why}")
        self._pause_after_failure()

    def _pause_after_failure(self) -> None:
        self._failures += 1
        if self._failures > 1:
            self._stopped.wait(min(_LONGEST_PAUSE, 0.05 * 2**self._failures) * random.uniform(0.5, 1))


def _parsed(line: bytes, scope: Scope) -> tuple[str, dict[str, Any]]:
    """An event's type and object. Raises :class:`UnreachableError` for anything else, so that the watch is resumed."""
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        raise UnreachableError(f"the watch of {scope.text} broke off in the middle of an event") from None
    kind, obj = (event.get("type"), event.get("object")) if isinstance(event, dict) else (None, None)
    if trouble := _trouble(kind, obj):
        raise UnreachableError(f"the watch of {scope.text} brought an event that is none of Kubernetes' own: {trouble}")
    assert isinstance(kind, str) and isinstance(obj, dict)
    return kind, obj


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
