"""A practice API server: plain HTTP on loopback, everything in memory, gone when the process ends.

It serves objects of the built-in kinds (get, list, watch, create, server-side apply, delete), and simulates Deployments
with their ReplicaSets, Pods, events and logs, well enough to show a release succeed or fail. It does not check
objects against a schema, authenticate, schedule, run containers, or control any other kind: a Job, a StatefulSet or a
LoadBalancer stays as it was written. A real cluster may refuse a manifest that this server accepts.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from k8s_step.objects.metadata import MutableObject
from k8s_step.objects.resource import BUILTIN, Resource
from k8s_step.practice import kubelet
from k8s_step.practice.controllers import Controllers
from k8s_step.practice.refusal import Refusal
from k8s_step.practice.selectors import Match, matcher
from k8s_step.practice.store import NAMESPACE, Store, StoredWrite
from k8s_step.practice.timers import Timers

VERSION = {"major": "1", "minor": "37", "gitVersion": "v1.37.0+practice", "platform": "practice"}
_APPLY = "application/apply-patch+yaml"
_RESOURCES = {(resource.api_version, resource.plural): resource for resource in BUILTIN}
_WATCH_SECONDS = 1800.0


class PracticeServer:
    """``with PracticeServer() as server:`` serves on ``server.url`` until the block ends.

    ``pace`` multiplies the durations of pods' states: 1.0 for people to watch, less for tests.
    """

    def __init__(self, pace: float = 1.0) -> None:
        self.store = Store()
        self._timers = Timers()
        self._http = _HttpServer(self.store)
        self._running = ExitStack()
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        self.store.listener = Controllers(self.store, self._timers, pace).heed
        for name in ("default", "kube-system"):
            namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
            self.store.create(NAMESPACE, namespace, "practice")

    def __enter__(self) -> PracticeServer:
        serve = threading.Thread(target=self._http.serve_forever, args=(0.05,), name="practice-http", daemon=True)
        self._running.callback(self._http.server_close)
        self._running.enter_context(self._timers)
        serve.start()
        self._running.callback(self._http.shutdown)
        self._running.callback(self.store.close)
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()


class _HttpServer(ThreadingHTTPServer):
    daemon_threads = True  # so that an idle connection does not delay the exit
    request_queue_size = 64

    def __init__(self, store: Store) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.store = store

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that hang up during an answer; report any other error as usual."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@dataclass(frozen=True)
class _Call:
    """A parsed request; ``name`` and ``namespace`` are empty where the URL names none."""

    method: str
    resource: Resource
    namespace: str
    name: str
    subresource: str
    query: dict[str, str]
    content_type: str
    body: bytes

    @property
    def dry_run(self) -> bool:
        return self.query.get("dryRun") == "All"

    @property
    def match(self) -> Match:
        chosen = matcher(self.query.get("labelSelector", ""), self.query.get("fieldSelector", ""))
        return lambda obj: chosen(obj) and self.name in ("", obj["metadata"]["name"])

    def object(self) -> MutableObject:
        """The body's object, with the URL's name and namespace; a :class:`Refusal` (400) if they contradict it."""
        try:
            obj: MutableObject = json.loads(self.body)
            meta = obj.setdefault("metadata", {})
        except (ValueError, AttributeError) as error:
            raise Refusal(400, "BadRequest", f"the practice server reads JSON objects only: {error}") from None
        for key, value in (("namespace", self.namespace), ("name", self.name)):
            if value and meta.setdefault(key, value) != value:
                message = f"the {key} of the object ({meta[key]}) does not match the {key} on the URL ({value})"
                raise Refusal(400, "BadRequest", message)
        if not meta.get("name"):
            raise Refusal(422, "Invalid", f"{self.resource.kind} is invalid: metadata.name: Required value")
        return {"apiVersion": self.resource.api_version, "kind": self.resource.kind} | obj


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 64 * 1024  # one packet for head and body
    server: _HttpServer

    def respond(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            self._dispatch(body)
        except Refusal as refusal:
            self._send(refusal.code, refusal.status)
        except (AttributeError, KeyError, TypeError, ValueError) as error:  # a field of the wrong type
            message = f"the practice server cannot read this: {type(error).__name__}: {error}"
            self._send(400, Refusal(400, "BadRequest", message).status)

    do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = respond  # noqa: N815 - the names http.server looks up

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing, so that the user sees the step's own log only."""

    def _dispatch(self, body: bytes) -> None:
        url = urlsplit(self.path)
        if self.command == "GET" and (answer := _about(url.path)):
            return self._send(200, answer)
        call = self._read(url.path, dict(parse_qsl(url.query)), body)
        if call.query.get("watch") in ("1", "true") and call.method == "GET":
            return self._watch(call)
        if (call.resource.plural, call.subresource) == ("pods", "log"):
            return self._log(call)
        verb = None if call.subresource else _VERBS.get((call.method, bool(call.name)))
        if verb is None:
            raise Refusal(405, "MethodNotAllowed", f"the practice server does not play {call.method} of {url.path}")
        return self._send(*verb(self.server.store, call))

    def _read(self, path: str, query: dict[str, str], body: bytes) -> _Call:
        _, root, *parts = unquote(path).split("/")
        size = {"api": 1, "apis": 2}.get(root, 0)
        api_version, parts = "/".join(parts[:size]), parts[size:]
        namespace = ""
        if len(parts) > 2 and parts[0] == "namespaces":
            namespace, parts = parts[1], parts[2:]
        plural, name, subresource = (*parts, "", "", "")[:3]
        resource = _RESOURCES.get((api_version, plural))
        if resource is None or len(parts) > 3:
            raise Refusal(404, "NotFound", "the server could not find the requested resource")
        content_type = self.headers.get("Content-Type", "").partition(";")[0]
        return _Call(self.command, resource, namespace, name, subresource, query, content_type, body)

    def _head(self, code: int, content_type: str, *headers: tuple[str, str]) -> None:
        self.send_response(code)
        for name, value in (("Content-Type", content_type), ("X-K8s-Step-Practice", "true"), *headers):
            self.send_header(name, value)
        self.end_headers()

    def _send(self, code: int, answer: MutableObject | str) -> None:
        body = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
        kind = "text/plain" if isinstance(answer, str) else "application/json"
        self._head(code, kind, ("Content-Length", str(len(body))))
        self.wfile.write(body)

    def _log(self, call: _Call) -> None:
        pod = self.server.store.get(kubelet.POD, call.namespace, call.name)
        names = [container["name"] for container in pod["spec"]["containers"]]
        container = call.query.get("container") or (names[0] if len(names) == 1 else "")
        if not container:
            message = f"a container name must be specified for pod {call.name}, choose one of: [{' '.join(names)}]"
            raise Refusal(400, "BadRequest", message)
        lines = kubelet.log(pod, container, call.query.get("previous") == "true")
        tail = int(call.query.get("tailLines", len(lines)))
        self._send(200, "".join(f"{line}\n" for line in lines[max(0, len(lines) - tail) :]))

    def _watch(self, call: _Call) -> None:
        """Send changes since ``resourceVersion`` as chunked JSON lines; if that is 0 or missing, first all objects."""
        store, after = self.server.store, int(call.query.get("resourceVersion") or 0)
        self._head(200, "application/json", ("Transfer-Encoding", "chunked"))
        if not after:
            present, after = store.find_all(call.resource, call.namespace, call.match)
            for obj in present:
                self._chunk({"type": "ADDED", "object": obj})
            if call.query.get("sendInitialEvents") == "true":
                self._chunk(_bookmark(call, after, {"k8s.io/initial-events-end": "true"}))
        self.wfile.flush()
        seconds = float(call.query.get("timeoutSeconds") or _WATCH_SECONDS)
        try:
            self._stream(call, after, seconds)
        except Refusal as refusal:
            self._chunk({"type": "ERROR", "object": refusal.status})
        self.wfile.write(b"0\r\n\r\n")

    def _stream(self, call: _Call, after: int, seconds: float) -> None:
        started = time.monotonic()
        match = call.match
        for change in self.server.store.changes(after, seconds):
            if event := _event(call, change, match):
                self._chunk(event)
                self.wfile.flush()
        if call.query.get("allowWatchBookmarks") in ("1", "true") and time.monotonic() - started >= seconds:
            self._chunk(_bookmark(call, self.server.store.version, {}))

    def _chunk(self, event: MutableObject) -> None:
        line = json.dumps(event).encode() + b"\n"
        self.wfile.write(b"%x\r\n%b\r\n" % (len(line), line))


def _bookmark(call: _Call, version: int, annotations: dict[str, str]) -> MutableObject:
    metadata = {"resourceVersion": str(version), "annotations": annotations}
    obj = {"kind": call.resource.kind, "apiVersion": call.resource.api_version, "metadata": metadata}
    return {"type": "BOOKMARK", "object": obj}


def _event(call: _Call, change: StoredWrite, match: Match) -> MutableObject | None:
    """A change as this watch's event, if any: DELETED also for an object that no longer matches its selectors."""
    if change.resource != call.resource or call.namespace not in ("", change.object["metadata"].get("namespace")):
        return None
    seen = change.before is not None and match(change.before)
    sees = change.type != "DELETED" and match(change.object)
    kind = {(False, True): "ADDED", (True, True): "MODIFIED", (True, False): "DELETED"}.get((seen, sees))
    return {"type": kind, "object": change.object} if kind else None


def _get(store: Store, call: _Call) -> tuple[int, MutableObject]:
    return 200, store.get(call.resource, call.namespace, call.name)


def _list(store: Store, call: _Call) -> tuple[int, MutableObject]:
    items, version = store.find_all(call.resource, call.namespace, call.match)
    kind = {"kind": f"{call.resource.kind}List", "apiVersion": call.resource.api_version}
    return 200, kind | {"metadata": {"resourceVersion": str(version)}, "items": items}


def _create(store: Store, call: _Call) -> tuple[int, MutableObject]:
    manager = call.query.get("fieldManager") or "practice"
    return 201, store.create(call.resource, call.object(), manager, call.dry_run)


def _patch(store: Store, call: _Call) -> tuple[int, MutableObject]:
    if call.content_type != _APPLY:
        raise Refusal(415, "UnsupportedMediaType", f"the practice server takes one patch type only: {_APPLY}")
    manager = call.query.get("fieldManager")
    if not manager:
        message = "PatchOptions is invalid: fieldManager: Required value: is required for apply patch"
        raise Refusal(422, "Invalid", message)
    obj, is_new = store.apply(call.resource, call.object(), manager, call.dry_run)
    return 201 if is_new else 200, obj


def _delete(store: Store, call: _Call) -> tuple[int, MutableObject]:
    return 200, store.delete(call.resource, call.namespace, call.name, call.dry_run)


_VERBS: dict[tuple[str, bool], Callable[[Store, _Call], tuple[int, MutableObject]]] = {
    ("GET", True): _get,
    ("GET", False): _list,
    ("POST", False): _create,
    ("PATCH", True): _patch,
    ("DELETE", True): _delete,
}


def _about(path: str) -> MutableObject | str | None:
    """The answer for the paths of version, health and discovery; ``None`` for other paths."""
    known: dict[str, MutableObject | str] = {"/version": VERSION, "/readyz": "ok", "/livez": "ok", "/healthz": "ok"}
    known["/api"] = {"kind": "APIVersions", "apiVersion": "v1", "versions": ["v1"]}
    known["/apis"] = {"kind": "APIGroupList", "apiVersion": "v1", "groups": _groups()}
    return known.get(path.rstrip("/")) or _resource_list(path.strip("/").partition("/")[2])


def _groups() -> list[MutableObject]:
    groups: dict[str, list[MutableObject]] = {}
    for group, version in dict.fromkeys((resource.group, resource.version) for resource in BUILTIN if resource.group):
        groups.setdefault(group, []).append({"groupVersion": f"{group}/{version}", "version": version})
    return [{"name": name, "versions": found, "preferredVersion": found[0]} for name, found in groups.items()]


def _resource_list(api_version: str) -> MutableObject | None:
    found = [
        {
            "name": resource.plural,
            "singularName": resource.singular,
            "namespaced": resource.namespaced,
            "kind": resource.kind,
            "verbs": ["create", "delete", "get", "list", "patch", "watch"],
            "shortNames": list(resource.short_names),
        }
        for resource in BUILTIN
        if resource.api_version == api_version
    ]
    answer = {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": api_version, "resources": found}
    return answer if found else None
