"""The API server's webhook for bearer tokens that no issuer of its own gave: whoever a test names is asked.

A test's reviewer is a URL in ``reviewers.json``, which takes a TokenReview and answers one. Source:
``--authentication-token-webhook-config-file`` and authentication.k8s.io/v1.
"""

from __future__ import annotations

import http.server
import json
import threading
import urllib.request
from pathlib import Path
from typing import Any

CONFIG, REVIEWERS = "reviews.kubeconfig", "reviewers.json"
_SECONDS = 20.0  # for one reviewer; the API server waits for thirty


def serve(port: int, folder: Path) -> None:
    """Serve TokenReviews on loopback in the background; the API server finds the way in ``CONFIG``."""
    handler = type("Handler", (_Handler,), {"reviewers": folder / REVIEWERS})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()


def write_config(port: int, folder: Path) -> None:
    """The webhook's kubeconfig, and nobody to ask yet."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "reviews", "cluster": {"server": f"http://127.0.0.1:{port}/"}}],
        "users": [{"name": "apiserver", "user": {}}],
        "contexts": [{"name": "reviews", "context": {"cluster": "reviews", "user": "apiserver"}}],
        "current-context": "reviews",
    }
    (folder / CONFIG).write_text(json.dumps(config))
    (folder / REVIEWERS).write_text("[]")


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    reviewers: Path

    def do_POST(self) -> None:
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        raw = json.dumps({**review, "status": self._status(review)}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def _status(self, review: dict[str, Any]) -> dict[str, Any]:
        """The first reviewer's that knows the token."""
        status: dict[str, Any] = {"authenticated": False}
        for url in json.loads(self.reviewers.read_text()):
            status = _asked(url, review)
            if status.get("authenticated"):
                break
        return status

    def log_message(self, *_: Any) -> None:
        """Nobody reads it."""


def _asked(url: str, review: dict[str, Any]) -> dict[str, Any]:
    request = urllib.request.Request(url, json.dumps(review).encode(), {"Content-Type": "application/json"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=_SECONDS) as answer:
            found: dict[str, Any] = json.load(answer)["status"]
    except OSError as error:
        return {"authenticated": False, "error": str(error)}
    return found
