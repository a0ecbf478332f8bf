"""An API server small enough to be spoilt: it takes every write, shows what it took, and all is current at once."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

from tests.unit.loopback import Exchange

_NAMED = re.compile(r"^/(?:api|apis/[^/]+)/[^/]+(?:/namespaces/[^/]+)?/(?P<plural>[a-z]+)/(?P<name>[^/]+)")
_KINDS = {"configmaps": "ConfigMap", "secrets": "Secret", "deployments": "Deployment", "jobs": "Job", "pods": "Pod"}

_VERSIONS = {"deployments": "apps/v1", "jobs": "batch/v1"}


@dataclass
class Said:
    """One answer, before it is spoilt: ``lines`` are those of a watch or a log."""

    code: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})
    lines: list[bytes] | None = None
    raw: bytes | None = None
    cut: int | None = None

    @property
    def data(self) -> bytes:
        return self.raw if self.raw is not None else json.dumps(self.body).encode()


Spoil = Callable[[Said], None]


class Server:
    """``spoil`` is done to the answers numbered ``spoilt``; ``late`` has a Deployment become current later."""

    def __init__(self, spoil: Spoil | None = None, spoilt: tuple[int, ...] = (), late: bool = False) -> None:
        self._spoil, self._spoilt, self._late = spoil, spoilt, late
        self._objects: dict[str, dict[str, Any]] = {}
        self._count = 0
        self._version = 100

    def put(self, path: str, made: Mapping[str, Any]) -> None:
        """An object that is there from the beginning."""
        named = _NAMED.match(path)
        assert named, path
        self._objects[path] = self._made(made, named["plural"], named["name"])

    def __call__(self, exchange: Exchange) -> None:
        self._count += 1
        said = self._said(exchange)
        if self._spoil and self._count in self._spoilt:
            self._spoil(said)
        _send(exchange, said)

    def _said(self, exchange: Exchange) -> Said:
        url = urlsplit(exchange.target)
        query = parse_qs(url.query)
        found = _NAMED.match(url.path)
        if exchange.method in ("PATCH", "POST", "PUT"):
            return self._write(exchange, url.path, "dryRun" in query)
        if exchange.method == "DELETE":
            self._objects.pop(url.path, None)
            return Said(body={"kind": "Status", "apiVersion": "v1", "status": "Success", "metadata": {}})
        if url.path.endswith("/log"):
            return Said(headers={"Content-Type": "text/plain"}, raw=b"starting\ndone\n")
        if "watch" in query:
            return self._watch(url.path)
        if found:
            return Said(body=self._objects[url.path]) if url.path in self._objects else _missing(found["name"])
        return self._list(url.path)

    def _write(self, exchange: Exchange, path: str, is_dry: bool) -> Said:
        try:
            sent = yaml.safe_load(exchange.body)
        except (yaml.YAMLError, ValueError):
            sent = None
        if not isinstance(sent, dict):
            sent = {}
        named = _NAMED.match(path)
        name = named["name"] if named else str((sent.get("metadata") or {}).get("name"))
        plural = named["plural"] if named else path.rsplit("/", 1)[-1]
        where = path if named else f"{path}/{name}"
        is_new = where not in self._objects
        made = self._made(sent, plural, name)
        if not is_dry:
            self._objects[where] = made
        return Said(201 if is_new else 200, made)

    def _made(self, sent: Mapping[str, Any], plural: str, name: str) -> dict[str, Any]:
        self._version += 1
        metadata = sent.get("metadata") if isinstance(sent.get("metadata"), dict) else {}
        own = {"name": name, "namespace": "shop", "uid": "u1", "resourceVersion": str(self._version), "generation": 1}
        made = {
            "apiVersion": _VERSIONS.get(plural, "v1"),
            "kind": _KINDS.get(plural, "Thing"),
            **sent,
            "metadata": {**(metadata or {}), **own},
        }
        if plural == "deployments":
            made["status"] = _status(0 if self._late else 1)
            made.setdefault("spec", {"replicas": 1, "selector": {"matchLabels": {"app": "web"}}, "template": {}})
        if plural == "jobs":
            made["status"] = {"succeeded": 1, "conditions": [{"type": "Complete", "status": "True"}]}
        return made

    def _list(self, path: str) -> Said:
        items = [one for where, one in self._objects.items() if where.startswith(f"{path}/")]
        metadata = {"resourceVersion": str(self._version)}
        kind = _KINDS.get(path.rsplit("/", 1)[-1], "Thing")
        return Said(body={"kind": f"{kind}List", "apiVersion": "v1", "metadata": metadata, "items": items})

    def _watch(self, path: str) -> Said:
        """What there is becomes current, event by event; other kinds have no events."""
        lines = []
        for where, one in list(self._objects.items()):
            if where.startswith(f"{path}/") and one["kind"] == "Deployment":
                for ready in (0, 1):
                    self._version += 1
                    metadata = {**one["metadata"], "resourceVersion": str(self._version)}
                    changed = {**one, "metadata": metadata, "status": _status(ready)}
                    lines.append(json.dumps({"type": "MODIFIED", "object": changed}).encode() + b"\n")
                    self._objects[where] = changed
        return Said(lines=lines)


def _status(ready: int) -> dict[str, Any]:
    conditions = [{"type": "Available", "status": "True" if ready else "False"}]
    counts = {"replicas": 1, "updatedReplicas": 1, "readyReplicas": ready, "availableReplicas": ready}
    return {"observedGeneration": 1, **counts, "conditions": conditions}


def _missing(name: str) -> Said:
    status = {"status": "Failure", "reason": "NotFound", "code": 404, "message": f'things "{name}" not found'}
    return Said(404, {"kind": "Status", "apiVersion": "v1", "metadata": {}, **status})


def _send(exchange: Exchange, said: Said) -> None:
    headers = "".join(f"{name}: {value}\r\n" for name, value in said.headers.items())
    if said.lines is not None and said.raw is None:
        exchange.send(f"HTTP/1.1 {said.code} X\r\n{headers}Transfer-Encoding: chunked\r\n\r\n".encode())
        for line in said.lines:
            exchange.chunk(line)
        exchange.chunk(b"")
        return
    data = said.data
    length = "" if "Content-Length" in said.headers else f"Content-Length: {len(data)}\r\n"
    exchange.send(f"HTTP/1.1 {said.code} X\r\n{headers}{length}\r\n".encode("utf-8", "replace"))
    exchange.send(data if said.cut is None else data[: said.cut])
    if said.cut is not None or length == "":
        exchange.close()
