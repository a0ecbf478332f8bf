from __future__ import annotations

from typing import Any

import pytest

from k8s_step.verdict.evidence import probes

HTTP = {"httpGet": {"path": "/healthz", "port": 8080, "scheme": "HTTP"}, "periodSeconds": 10}


def pod(started: bool = True, **container: Any) -> dict[str, Any]:
    status = {"containerStatuses": [{"name": "app", "started": started}]}
    return {"spec": {"containers": [{"name": "app", **container}]}, "status": status}


@pytest.mark.parametrize(
    ("probe", "words"),
    [
        (HTTP, "readiness: httpGet :8080/healthz, every 10s"),
        ({**HTTP, "timeoutSeconds": 1}, "readiness: httpGet :8080/healthz, every 10s, timeout 1s"),
        ({**HTTP, "initialDelaySeconds": 30}, "readiness: httpGet :8080/healthz, every 10s, from 30s on"),
        ({"httpGet": {"port": "http"}}, "readiness: httpGet :http/, every 10s"),
        (
            {"httpGet": {"port": 8443, "scheme": "HTTPS", "path": "live", "host": "shop.local"}, "periodSeconds": 3},
            "readiness: httpGet https://shop.local:8443/live, every 3s",
        ),
        ({"tcpSocket": {"port": 5432}}, "readiness: tcpSocket :5432, every 10s"),
        ({"exec": {"command": ["cat", "/tmp/ok"]}}, "readiness: exec cat /tmp/ok, every 10s"),
        ({"grpc": {"port": 9000, "service": "shop"}}, "readiness: grpc :9000 (shop), every 10s"),
        ({}, ""),
        (None, ""),
    ],
)
def test_a_probe_as_the_spec_has_it(probe: dict[str, Any] | None, words: str) -> None:
    assert probes.probe_line(pod(readinessProbe=probe), "app", "readiness") == words
    assert probes.probe_line(pod(readinessProbe=probe), "other", "readiness") == ""


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        (pod(readinessProbe=HTTP), "readiness"),
        (pod(started=False, readinessProbe=HTTP), "readiness"),
        (pod(started=False, readinessProbe=HTTP, startupProbe=HTTP), "startup"),
        (pod(readinessProbe=HTTP, startupProbe=HTTP), "readiness"),
        (pod(livenessProbe=HTTP), ""),
        ({}, ""),
    ],
)
def test_which_probe_an_unready_container_waits_for(given: dict[str, Any], kind: str) -> None:
    assert probes.unready(given, "app") == kind


def event(reason: str, message: str, container: str = "app") -> dict[str, Any]:
    return {"reason": reason, "message": message, "involvedObject": {"fieldPath": f"spec.containers{{{container}}}"}}


EVENTS = [
    event("Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 500", "proxy"),
    event("ProbeWarning", "Readiness probe warning: redirected"),
    event("Unhealthy", "Liveness probe failed: HTTP probe failed with statuscode: 502"),
    event("Unhealthy", "Readiness probe failed: HTTP probe failed\nwith statuscode: 503"),
    event("Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 504"),
    event("Unhealthy", "Startup probe errored and resulted in unknown state: rpc error: code = Unknown"),
    {"reason": "Unhealthy", "message": None, "involvedObject": None},
]


@pytest.mark.parametrize(
    ("container", "kind", "answer"),
    [
        ("app", "readiness", "HTTP probe failed with statuscode: 503"),
        ("app", "liveness", "HTTP probe failed with statuscode: 502"),
        ("app", "startup", "rpc error: code = Unknown"),
        ("proxy", "readiness", "HTTP probe failed with statuscode: 500"),
        ("proxy", "liveness", ""),
    ],
)
def test_what_a_probe_answered_last(container: str, kind: str, answer: str) -> None:
    assert probes.answer(EVENTS, container, kind) == answer


def test_which_probe_had_a_container_stopped() -> None:
    stopped = event("Killing", "Container app failed liveness probe, will be restarted")
    assert probes.killed_by([*EVENTS, stopped], "app") == "liveness"
    assert (
        probes.killed_by([event("Killing", "Container app failed startup probe, will be restarted")], "app")
        == "startup"
    )
    assert probes.killed_by([*EVENTS, stopped], "proxy") == ""
    assert probes.killed_by([event("Killing", "Stopping container app")], "app") == ""
