"""Events about objects; repeated events are counted, as by the real recorder."""

from __future__ import annotations

import uuid

from k8s_step.objects.metadata import MutableObject
from k8s_step.objects.resource import required
from k8s_step.practice.store import Store, now

EVENT = required("v1", "Event")


def record(
    store: Store, source: str, about: MutableObject, reason: str, message: str, container: str | None = None
) -> None:
    """Create an event, or count a repeated one. A reason in :data:`_WARNINGS` makes it a Warning."""
    meta = about["metadata"]

    def same(event: MutableObject) -> bool:
        return (event["involvedObject"]["uid"], event["reason"], event["message"]) == (meta["uid"], reason, message)

    seen, _ = store.find_all(EVENT, meta["namespace"], same)
    if seen:
        store.update(EVENT, seen[0], _once_more)
        return
    involved = {"apiVersion": about["apiVersion"], "kind": about["kind"]}
    involved |= {key: meta[key] for key in ("namespace", "name", "uid")}
    if container:
        involved["fieldPath"] = f"spec.containers{{{container}}}"
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"namespace": meta["namespace"], "name": f"{meta['name']}.{uuid.uuid4().hex[:16]}"},
        "involvedObject": involved,
        "type": "Warning" if reason in _WARNINGS else "Normal",
        "reason": reason,
        "message": message,
        "count": 1,
        "firstTimestamp": now(),
        "lastTimestamp": now(),
        "source": {"component": source},
        "reportingComponent": source,
    }
    store.create(EVENT, event, source)


_WARNINGS = frozenset({"Failed", "BackOff"})


def _once_more(event: MutableObject) -> None:
    event["count"] += 1
    event["lastTimestamp"] = now()
