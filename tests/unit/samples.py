"""Kubernetes objects for the unit tests: as little as the case in hand needs."""

from __future__ import annotations

from typing import Any


def pod(
    *containers: dict[str, Any],
    name: str = "web-1",
    phase: str = "Running",
    ready: bool = False,
    owner: str = "",
    init: tuple[dict[str, Any], ...] = (),
    **metadata: Any,
) -> dict[str, Any]:
    """A pod; ``owner`` is the uid of its controller."""
    owners = [{"kind": "ReplicaSet", "name": "x", "uid": owner, "controller": True}] if owner else []
    conditions = [{"type": "Ready", "status": str(ready)}, {"type": "PodScheduled", "status": "True"}]
    status = {"phase": phase, "conditions": conditions, "containerStatuses": list(containers)}
    status |= {"initContainerStatuses": list(init)} if init else {}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "uid": f"uid-{name}", "ownerReferences": owners, **metadata},
        "status": status,
    }


def waiting(reason: str, message: str = "", *, restarts: int = 0, last: dict[str, Any] | None = None) -> dict[str, Any]:
    """The status of a container that waits."""
    state = {"waiting": {"reason": reason, "message": message}}
    return container(state, restarts=restarts, last=last)


def terminated(code: int, reason: str = "Error", **more: Any) -> dict[str, Any]:
    """A state."""
    return {"terminated": {"exitCode": code, "reason": reason, **more}}


def container(
    state: dict[str, Any],
    *,
    name: str = "app",
    image: str = "registry.example:5000/shop/web:1.0",
    restarts: int = 0,
    ready: bool = False,
    last: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The status of a container."""
    common = {"name": name, "image": image, "restartCount": restarts, "ready": ready}
    return {**common, "state": state, "lastState": last or {}}


def running(**more: Any) -> dict[str, Any]:
    """The status of a container that runs."""
    return container({"running": {"startedAt": "2026-11-22T10:00:00Z"}}, **more)
