"""What etcd held, revision by revision: a watch of its own, below the API server and apart from all that it answers.

An object's ``resourceVersion`` is the etcd revision that wrote it (``etcd3/store.go``), so that what the step was told
can be found here.
"""

from __future__ import annotations

import base64
import bisect
import contextlib
import json
import re
import threading
import time
from collections.abc import Mapping
from typing import Any

import requests

from tests.chaos.record import Key, State

_ALL = {"key": "AA==", "range_end": "AA=="}  # from NUL to NUL: every key, so that no revision is without an event
_NOISE = re.compile(r"/registry/(events|leases|masterleases|ranges|apiregistration|flowschemas|prioritylevel)")
_WAIT_SECONDS = 60.0


class History:
    """All states of all objects from the first moment on; ``at`` is when etcd told of one, on this machine's clock.

    ``only``: of keys with this in them, where others use the cluster too.
    """

    def __init__(self, etcd: str, only: str = "") -> None:
        self._etcd, self._only = etcd, only
        self._states: list[State] = []
        self._keys: dict[str, Key] = {}
        self._changed = threading.Condition()
        self._ended = threading.Event()
        self.revision = self._read_all()
        threading.Thread(target=self._follow, daemon=True).start()

    def close(self) -> None:
        self._ended.set()

    def now(self) -> int:
        """Etcd's revision now; waits while etcd is away."""
        end = time.monotonic() + _WAIT_SECONDS
        while time.monotonic() < end:
            with contextlib.suppress(requests.RequestException):
                answer = self._call("range", {**_ALL, "count_only": True})
                return int(answer["header"]["revision"])
            time.sleep(0.05)
        raise AssertionError(f"etcd is not back after {_WAIT_SECONDS:.0f}s")

    def caught_up(self) -> int:
        """Etcd's revision now, once all that led to it is here."""
        wanted = self.now()
        with self._changed:
            here = self._changed.wait_for(lambda: self.revision >= wanted, _WAIT_SECONDS)
        assert here, f"the history is at {self.revision}, etcd at {wanted}"
        return wanted

    def states(self, namespace: str, group: str = "") -> list[State]:
        """The states of what is in a namespace, and of cluster-wide objects whose names end in ``group``."""
        with self._changed:
            known = list(self._states)
        return [one for one in known if one.key[1] == namespace or (group and one.key[2].endswith(group))]

    def latest(self, key: Key) -> State | None:
        """The newest state of an object that is known."""
        with self._changed:
            return next((one for one in reversed(self._states) if one.key == key), None)

    def compact(self) -> None:
        """Have etcd forget all that this history has read already."""
        with contextlib.suppress(requests.RequestException):
            self._call("compaction", {"revision": str(self.revision), "physical": True}, "kv")

    def forget(self, before: int) -> None:
        """Keep no states that were followed by others before this revision: a long session would fill the memory."""
        with self._changed:
            last = {one.key: one for one in self._states if one.revision < before}
            kept = [one for one in last.values() if one.object is not None]
            newer = self._states[bisect.bisect_left([one.revision for one in self._states], before) :]
            self._states = sorted(kept, key=lambda one: one.revision) + newer

    def _call(self, verb: str, body: Mapping[str, Any], service: str = "kv") -> dict[str, Any]:
        answer = requests.post(f"{self._etcd}/v3/{service}/{verb}", json=body, timeout=10)
        answer.raise_for_status()
        return dict(answer.json())

    def _read_all(self) -> int:
        answer = self._call("range", _ALL)
        for kv in sorted(answer.get("kvs") or (), key=lambda kv: int(kv["mod_revision"])):
            self._add(kv, deleted=False)
        return int(answer["header"]["revision"])

    def _follow(self) -> None:
        while not self._ended.is_set():
            with contextlib.suppress(requests.RequestException, ValueError):
                self._watch()
            self._ended.wait(0.05)

    def _watch(self) -> None:
        body = {"create_request": {**_ALL, "start_revision": str(self.revision + 1)}}
        with requests.post(f"{self._etcd}/v3/watch", json=body, stream=True, timeout=(5, 30)) as answer:
            for line in answer.iter_lines(chunk_size=None):
                if self._ended.is_set():
                    return
                self._take(json.loads(line)["result"])

    def _take(self, result: Mapping[str, Any]) -> None:
        assert not int(result.get("compact_revision") or 0), "etcd was compacted beyond what was read"
        with self._changed:
            for event in result.get("events") or ():
                self._add(event["kv"], deleted=event.get("type") == "DELETE")
                self.revision = int(event["kv"]["mod_revision"])
            self._changed.notify_all()

    def _add(self, kv: Mapping[str, Any], *, deleted: bool) -> None:
        path = base64.b64decode(kv["key"]).decode()
        if not path.startswith("/registry/") or _NOISE.match(path) or self._only not in path:
            return
        found = None if deleted else _parsed(base64.b64decode(kv.get("value") or ""))
        key = self._keys.get(path) if found is None else _key(found)
        if key is None:
            return
        self._keys[path] = key
        self._states.append(State(key, int(kv["mod_revision"]), time.monotonic(), found))


def _parsed(value: bytes) -> dict[str, Any] | None:
    with contextlib.suppress(ValueError):
        found = json.loads(value)
        return found if isinstance(found, dict) and "metadata" in found else None
    return None


def _key(found: Mapping[str, Any]) -> Key:
    metadata = found["metadata"]
    return Key(str(found.get("kind")), str(metadata.get("namespace") or ""), str(metadata.get("name")))
