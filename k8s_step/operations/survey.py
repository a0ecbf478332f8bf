"""Reads many objects of one kind and namespace by a list, where that takes less than a GET for each of them.

A list is as fresh as a GET, since it names no resourceVersion. An object that no list has told of for certain is read
by a GET of its own, and so are Secrets: a list of them would hold the values of others.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from k8s_step.api.client import Client
from k8s_step.api.concurrency import gather
from k8s_step.api.pages import PAGE, ListPage
from k8s_step.api.request import Answer, Request
from k8s_step.errors import ForbiddenError, StepError, StoppedError, UnauthorizedError, UnreachableError
from k8s_step.objects.metadata import completed, metadata_of
from k8s_step.objects.values.shapes import misshapen, nameless
from k8s_step.operations.look import MANY, compared, look
from k8s_step.operations.plan import ApplyOptions, Planned, Seen

_BY_NAME_ONLY = ("Secret",)
_FIRST_PAGE = 2  # items for each object of the release: a namespace that holds little else is read at once
_BYTES_OF_A_GET = 16_000  # of a list, which take about as long to be sent and read as one GET
_OTHER, _ODD = None, False  # in place of an item: no object of the release, no object at all


class Survey:
    """The objects of a plan as lists have told of them; the other objects are read one by one."""

    def __init__(self, client: Client, plan: Iterable[Planned], concurrency: int) -> None:
        self._client = client
        self._found: dict[str, Answer | StepError | None] = {}
        self._may_list = True
        crowds = _crowds(plan)
        for crowd, result in gather(self._listed, crowds, concurrency):
            if isinstance(result, StepError):
                self._found.update((one.path, result) for one in crowd)
            elif isinstance(result, Exception):
                raise result
            else:
                self._found.update(result)

    def look(self, one: Planned, options: ApplyOptions) -> Seen:
        """As :func:`look` does, without a request for an object that a list has told of."""
        if one.path not in self._found:
            return look(self._client, one, options)
        found = self._found[one.path]
        if isinstance(found, StepError):
            raise found
        return Seen(one, None, is_absent=True) if found is None else compared(self._client, one, found, options)

    def _listed(self, crowd: Sequence[Planned]) -> dict[str, Answer | None]:
        """The objects of one collection by path; ``None`` for those that are not there.

        Raises the errors that each GET would meet as well; what else goes wrong is left to the GETs. After one 403
        nothing more is listed: the token may read by name alone.
        """
        if not self._may_list:
            return {}
        try:
            return _Listing(self._client, crowd).read()
        except (UnauthorizedError, StoppedError):
            raise
        except UnreachableError:
            if not self._client.has_answered:
                raise
        except StepError as error:
            self._may_list = self._may_list and not isinstance(error, ForbiddenError)
        return {}


def _crowds(plan: Iterable[Planned]) -> list[list[Planned]]:
    """The objects that are many of one collection, by collection."""
    found: dict[str, list[Planned]] = {}
    for one in plan:
        if one.reference.kind not in _BY_NAME_ONLY:
            found.setdefault(one.address.collection, []).append(one)
    return [crowd for crowd in found.values() if len(crowd) >= MANY]


class _Listing:
    """One collection, read page by page as long as that is worth it."""

    def __init__(self, client: Client, crowd: Sequence[Planned]) -> None:
        self._client = client
        self._wanted = {one.reference.name: one for one in crowd}
        self._path, self._where = crowd[0].address.collection, crowd[0].where
        self._found: dict[str, Answer | None] = {}

    def read(self) -> dict[str, Answer | None]:
        token, limit = "", _FIRST_PAGE * len(self._wanted)
        while True:
            answer = self._client.send(self._request(token, min(limit, PAGE)))
            items = answer.body.get("items", _ODD)
            items = [] if items is None else items  # Go writes null for an empty list
            if not isinstance(items, list) or _ODD in items:
                return {}
            self._note(items, answer.warnings)
            page = ListPage(answer.body)
            if not page.token:
                return {**{one.path: None for one in self._wanted.values()}, **self._found}
            if page.remaining is None or not self._is_worth(page.remaining, answer.size / max(len(items), 1)):
                return self._found
            token, limit = page.token, page.remaining

    def _request(self, token: str, limit: int) -> Request:
        query = (("limit", str(limit)), *((("continue", token),) if token else ()))
        return Request("GET", self._path, query, patient=False, where=self._where, each=self._kept)

    def _is_worth(self, remaining: int, size: float) -> bool:
        """Whether so many further items of about this size (bytes) are read sooner than the objects left by GETs."""
        left = len(self._wanted) - len(self._found)
        return remaining * size <= left * _BYTES_OF_A_GET

    def _note(self, items: Iterable[Any], warnings: tuple[str, ...]) -> None:
        for item in filter(None, items):
            one = self._wanted[metadata_of(item)["name"]]
            self._found[one.path] = Answer(200, item, b"", warnings)

    def _kept(self, item: Any) -> Any:
        """An item as a GET returns it, if the release has it; others are dropped as soon as they are parsed."""
        if not isinstance(item, dict) or nameless(item):
            return _ODD
        one = self._wanted.get(metadata_of(item)["name"])
        if one is None:
            return _OTHER
        whole = completed(item, one.reference.api_version, one.reference.kind)
        return _ODD if misshapen(whole) else whole
