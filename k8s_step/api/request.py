"""A request to the API and its answer as plain data, so that tests can read both without a server."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from k8s_step.objects.metadata import MutableObject, metadata_of

# ``accept``: whole objects, the rows of a Table, names and metadata alone (of a list, of one object).
# Source: "Receiving resources as Tables" and "Metadata-only fetches" of Kubernetes' API concepts.
JSON = "application/json"
AS_TABLE = f"{JSON};as=Table;v=v1;g=meta.k8s.io, {JSON}"
AS_NAMES = f"{JSON};as=PartialObjectMetadataList;v=v1;g=meta.k8s.io, {JSON}"
AS_NAME = f"{JSON};as=PartialObjectMetadata;v=v1;g=meta.k8s.io, {JSON}"


@dataclass(frozen=True)
class Request:
    """One request as data.

    ``accept``: the answer is parsed if this contains ``json``. ``retry=False``: the request is not repeated once the
    server may have acted on it. ``patient=False``: the client soon gives up on a server that does not answer, as at the
    first contact. ``where``: the object's kind/namespace/name, for errors. ``each``: what
    an item of the answer, which is a list, is replaced by as soon as it is parsed.
    """

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: bytes | None = field(default=None, repr=False)
    content_type: str | None = None
    accept: str = JSON
    retry: bool = True
    patient: bool = True
    where: str | None = None
    each: Callable[[MutableObject], Any] | None = field(default=None, repr=False, compare=False)

    @property
    def is_write(self) -> bool:
        """Whether it may change something: neither a read nor a dry run, which a deletion declares in its body."""
        is_dry = ("dryRun", "All") in self.query or (self.method == "DELETE" and bool(self._told.get("dryRun")))
        return self.method != "GET" and not is_dry

    @property
    def is_of_one(self) -> bool:
        """Whether its answer is the object that it reads or writes, not a list, a Table or a review."""
        if "as=" in self.accept or "json" not in self.accept or self.method == "DELETE":
            return False
        if self.method == "POST":
            return not self.path.endswith("reviews")
        return self.method != "GET" or _names_an_object(self.path)

    @property
    def family(self) -> tuple[str, str]:
        """The method, and the path without its last name: requests that take the server about as long."""
        return self.method, self.path.rpartition("/")[0]

    @property
    def target(self) -> str:
        """Path and query, as in the request line."""
        return f"{self.path}?{urlencode(self.query, quote_via=quote)}" if self.query else self.path

    @property
    def is_bound(self) -> bool:
        """Whether its body names a resourceVersion or uid, so that the server refuses it for any other."""
        body = self._said
        if isinstance(body, list):
            return any(one.get("op") != "test" and one.get("path") in _VERSION for one in body if isinstance(one, dict))
        metadata = metadata_of(self._told)
        return bool(metadata.get("resourceVersion") or metadata.get("uid"))

    @property
    def _said(self) -> Any:
        try:
            return json.loads(self.body or b"null")
        except ValueError:
            return None

    @property
    def _told(self) -> dict[str, Any]:
        body = self._said
        return body if isinstance(body, dict) else {}


_VERSION = ("/metadata/resourceVersion", "/metadata/uid")


def _names_an_object(path: str) -> bool:
    """Whether ``path`` is that of one object, not of a collection or a discovery document."""
    parts = path.strip("/").split("/")[2 if path.startswith("/api/") else 3 :]
    if parts[:1] == ["namespaces"] and len(parts) > 2:
        parts = parts[2:]
    return len(parts) > 1


@dataclass(frozen=True)
class Answer:
    """A success. ``body``: the JSON object, empty if none was requested; ``warnings``: texts of Warning headers.

    ``size``: the bytes of the whole answer, which ``raw`` does not keep for a list that was parsed item by item.
    """

    code: int
    body: dict[str, Any] = field(repr=False)
    raw: bytes = field(repr=False)
    warnings: tuple[str, ...] = ()
    date: str | None = None
    size: int = 0
