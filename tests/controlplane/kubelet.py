"""The part of a kubelet that serves container logs to the API server; what a container logs follows from its play."""

from __future__ import annotations

import http.server
import ssl
import threading
import time
import urllib.parse
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.controlplane import plays

GetPod = Callable[[str, str], dict[str, Any] | None]
_FOLLOW_SECONDS = 600.0
_LINES_APART = timedelta(microseconds=1)


class LogError(Exception):
    """The container has no such log; the words are the kubelet's (validateContainerLogStatus in kubelet_pods.go)."""


def serve(port: int, folder: Path, get_pod: GetPod) -> None:
    """Serve ``/containerLogs/NAMESPACE/POD/CONTAINER`` on loopback over TLS, in the background."""
    handler = type("Handler", (_Handler,), {"get_pod": staticmethod(get_pod)})
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "kubelet.crt", folder / "kubelet.key")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
    # The handshake belongs in the connection's own thread: a silent client must not hold up the others.
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    get_pod: GetPod

    def do_GET(self) -> None:
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        parts = url.path.strip("/").split("/")
        if len(parts) != 4 or parts[0] != "containerLogs":
            return self._refuse(404, "only logs are served here")
        _, namespace, name, container = parts
        try:
            pod = self._pod(namespace, name)
            previous = query.get("previous") == "true"
            lines, running = log_of(pod, container, previous=previous)
            begun = _begun(pod, container, previous=previous)
        except LogError as error:
            return self._refuse(400, str(error))
        self._begin()
        self._write(_cut(lines, query, begun, _apart(pod)))
        if query.get("follow") == "true" and running:
            self._follow(namespace, name, container, query, begun, len(lines))
        return self._write_chunk(b"")

    def _pod(self, namespace: str, name: str) -> dict[str, Any]:
        pod = self.get_pod(namespace, name)
        if pod is None:
            raise LogError(f'pod "{name}" not found')
        return pod

    def _follow(
        self, namespace: str, name: str, container: str, query: dict[str, str], begun: datetime, written: int
    ) -> None:
        """Until this run of the container has ended: then write the rest of its log."""
        end = time.monotonic() + _FOLLOW_SECONDS
        while time.monotonic() < end:
            pod = self.get_pod(namespace, name)
            if pod is None:
                return
            lines, running = log_of(pod, container, previous=False)
            is_over = not running or _begun(pod, container, previous=False) != begun
            lines = _lines_of_run(pod, container) if is_over else lines
            self._write(_cut(lines, {**query, "tailLines": ""}, begun, _apart(pod), written))
            if is_over:
                return
            written = len(lines)
            time.sleep(0.05)

    def _begin(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def _write(self, text: str) -> None:
        if text:
            self._write_chunk(text.encode())

    def _write_chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def _refuse(self, code: int, message: str) -> None:
        data = message.encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Quiet."""


def log_of(pod: dict[str, Any], container: str, *, previous: bool) -> tuple[list[str], bool]:
    """The lines of a container's current or previous run, and whether that run still goes on."""
    status = _status_of(pod, container)
    state, last = status.get("state") or {}, (status.get("lastState") or {}).get("terminated")
    name = pod["metadata"]["name"]
    if previous:
        if not last:
            raise LogError(f'previous terminated container "{container}" in pod "{name}" not found')
        return _lines(pod, status["image"]), False
    if "running" in state:
        lines = _ticks(pod, container) or _lines(pod, status["image"])
        return (lines[:-1] if _ends(pod, status["image"]) else lines), True
    if "terminated" in state or last:
        return _lines(pod, status["image"]), False
    raise LogError(f'container "{container}" in pod "{name}" is waiting to start: {_why(state)}')


def _status_of(pod: dict[str, Any], container: str) -> dict[str, Any]:
    status = pod.get("status") or {}
    for each in [*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ())]:
        if each["name"] == container:
            return dict(each)
    raise LogError(f'container "{container}" in pod "{pod["metadata"]["name"]}" is not available')


def _why(state: dict[str, Any]) -> str:
    reason = str((state.get("waiting") or {}).get("reason"))
    words = {"ErrImagePull": "image can't be pulled", "ImagePullBackOff": "trying and failing to pull image"}
    return words.get(reason, reason)


def _lines(pod: dict[str, Any], image: str) -> list[str]:
    own = (pod["metadata"].get("annotations") or {}).get(f"{plays.PREFIX}/log")
    return own.splitlines() if own else list(plays.lines_of(image))


def _ticks(pod: dict[str, Any], container: str) -> list[str]:
    """The lines up to now of a log that has no end."""
    if _apart(pod) == _LINES_APART:
        return []
    count = (datetime.now(UTC) - _begun(pod, container, previous=False)) // _apart(pod)
    return [f"tick {number}" for number in range(count)]


def _apart(pod: dict[str, Any]) -> timedelta:
    """The time between two lines of a log."""
    own = (pod["metadata"].get("annotations") or {}).get(f"{plays.PREFIX}/log-every")
    return timedelta(milliseconds=int(own.removesuffix("ms"))) if own else _LINES_APART


def _ends(pod: dict[str, Any], image: str) -> bool:
    """Whether a run of this image ends by itself: its last line is then written at its end."""
    play = plays.play_of(image)
    owners = pod["metadata"].get("ownerReferences") or ()
    return play.does == "die" if play else any(owner["kind"] == "Job" for owner in owners)


def _lines_of_run(pod: dict[str, Any], container: str) -> list[str]:
    return _lines(pod, _status_of(pod, container)["image"])


def _begun(pod: dict[str, Any], container: str, *, previous: bool) -> datetime:
    """When a run began. Its second is the kubelet's; a millisecond for each restart tells runs of one second apart."""
    status = _status_of(pod, container)
    state, last = status.get("state") or {}, (status.get("lastState") or {}).get("terminated") or {}
    run = state.get("running") or state.get("terminated") or last
    number = int(status.get("restartCount") or 0)
    if previous and run is not last:
        run, number = last, number - 1
    started = str(run.get("startedAt") or "1970-01-01T00:00:00Z")
    return datetime.fromisoformat(started) + timedelta(milliseconds=number)


def _cut(lines: list[str], query: dict[str, str], begun: datetime, apart: timedelta, skipped: int = 0) -> str:
    """The lines asked for, each so long after the other."""
    stamped = [(begun + apart * number, line) for number, line in enumerate(lines)][skipped:]
    if query.get("sinceTime"):
        since = datetime.fromisoformat(query["sinceTime"])
        stamped = [(at, line) for at, line in stamped if at >= since]
    if query.get("tailLines"):
        stamped = stamped[max(0, len(stamped) - int(query["tailLines"])) :]
    is_stamped = query.get("timestamps") == "true"
    text = "".join(f"{at:%Y-%m-%dT%H:%M:%S.%f}000Z {line}\n" if is_stamped else f"{line}\n" for at, line in stamped)
    limit = query.get("limitBytes")
    return text.encode()[: int(limit)].decode(errors="ignore") if limit else text
