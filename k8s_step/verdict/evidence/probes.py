"""A container's probes: their definitions in the pod's spec, and their last answers from the pod's events."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from k8s_step.objects.kinds.pods import spec_of, status_of
from k8s_step.objects.metadata import Object

# ``recordContainerEvent`` in kubelet's pkg/kubelet/prober/prober.go.
_UNHEALTHY = re.compile(r"(Readiness|Liveness|Startup) probe (?:failed|errored)[^:]*:\s*(.*)", re.S)
# ``doRestart`` and its like in kubelet's pkg/kubelet/kuberuntime/kuberuntime_manager.go.
_KILLED = re.compile(r"Container .* failed (liveness|startup) probe")


def probe_line(pod: Object, container: str, kind: str) -> str:
    """``readiness: httpGet :8080/healthz, every 10s``; empty where the container has no such probe."""
    probe = spec_of(pod, container).get(f"{kind}Probe") or {}
    action = next((action for action in _ACTIONS if isinstance(probe.get(action), Mapping)), None)
    if action is None:
        return ""
    parts = [f"{action} {_ACTIONS[action](probe[action])}", f"every {probe.get('periodSeconds') or 10}s"]
    parts += [f"timeout {probe['timeoutSeconds']}s"] if probe.get("timeoutSeconds") else []
    parts += [f"from {probe['initialDelaySeconds']}s on"] if probe.get("initialDelaySeconds") else []
    return f"{kind}: {', '.join(parts)}"


def unready(pod: Object, container: str) -> str:
    """The kind (``startup``, ``readiness``) of the probe an unready container waits for; empty where it has none."""
    spec = spec_of(pod, container)
    if spec.get("startupProbe") and not status_of(pod, container).get("started"):
        return "startup"
    return "readiness" if spec.get("readinessProbe") else ""


def killed_by(events: Iterable[Object], container: str) -> str:
    """The kind of the probe that made the kubelet stop this container; empty where none did."""
    for event in _about(events, container, "Killing"):
        found = _KILLED.search(str(event.get("message", "")))
        if found:
            return found[1]
    return ""


def answer(events: Iterable[Object], container: str, kind: str) -> str:
    """The probe's last answer, e.g. ``HTTP probe failed with statuscode: 503``; ``events`` are newest first."""
    for event in _about(events, container, "Unhealthy"):
        found = _UNHEALTHY.search(str(event.get("message", "")))
        if found and found[1].lower() == kind:
            return " ".join(found[2].split())
    return ""


def _about(events: Iterable[Object], container: str, reason: str) -> list[Object]:
    path = f"{{{container}}}"
    return [
        event
        for event in events
        if event.get("reason") == reason and str((event.get("involvedObject") or {}).get("fieldPath")).endswith(path)
    ]


def _http(action: Object) -> str:
    scheme = "https://" if action.get("scheme") == "HTTPS" else ""
    path = str(action.get("path") or "/")
    return f"{scheme}{action.get('host') or ''}:{action.get('port')}{path if path.startswith('/') else '/' + path}"


def _tcp(action: Object) -> str:
    return f"{action.get('host') or ''}:{action.get('port')}"


def _exec(action: Object) -> str:
    return " ".join(map(str, action.get("command") or []))


def _grpc(action: Object) -> str:
    service = f" ({action['service']})" if action.get("service") else ""
    return f":{action.get('port')}{service}"


_ACTIONS: dict[str, Callable[[Object], str]] = {"httpGet": _http, "tcpSocket": _tcp, "exec": _exec, "grpc": _grpc}
