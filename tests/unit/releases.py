"""A release to report on: good, failed, timed out, refused."""

from __future__ import annotations

from k8s_step.errors import ExitCode
from k8s_step.finding import Finding
from k8s_step.reference import Reference
from k8s_step.report.result import ObjectResult, Result

SETTINGS = Reference("v1", "ConfigMap", "shop", "settings", "k8s/shop.yaml", 1)
WEB = Reference("apps/v1", "Deployment", "shop", "web", "k8s/shop.yaml", 12)
API = Reference("apps/v1", "Deployment", "shop", "api", "k8s/shop.yaml", 40)

PULL = Finding(
    WEB,
    "ErrImagePull",
    "failed to resolve reference: registry.example/shop/web:2.0: not found",
    pod="web-7c6b9d598d-wpgts",
    container="app",
    image="registry.example/shop/web:2.0",
    node="node-1",
    alike=2,
    events=("10:00:03Z pod Failed: Error: ErrImagePull (3 times)",),
    advice="no such image or tag in the registry",
)
CRASH = Finding(
    API,
    "CrashLoopBackOff",
    "exited with code 1, restarted 2 times",
    pod="api-5f-x",
    container="app",
    logs=("starting", "\x1b[31mFATAL\x1b[0m: no database"),
    logs_of="the run that crashed",
)


def result(
    code: ExitCode,
    *objects: ObjectResult,
    findings: tuple[Finding, ...] = (),
    message: str = "",
    errors: tuple[str, ...] = (),
) -> Result:
    server, started = "https://k8s.example:6443", "2026-11-22T10:00:00Z"
    return Result("apply", code, server, "kind", started, 12.34, objects, findings, message, errors=errors)


def good() -> Result:
    return result(
        ExitCode.SUCCEEDED,
        ObjectResult(SETTINGS, "unchanged", "current"),
        ObjectResult(WEB, "configured", "current", "3 of 3 pods ready", 9.8),
        ObjectResult(API, "created", "current", "2 of 2 pods ready", 4.2),
    )


def failed() -> Result:
    message = "1 of 3 pods updated, 3 available; new pods: 1 ContainerCreating"
    return result(
        ExitCode.FAILED,
        ObjectResult(SETTINGS, "unchanged", "current"),
        ObjectResult(WEB, "configured", "failed", PULL.message, 3.1, PULL.reason),
        ObjectResult(API, "created", "in progress", message, 3.1),
        findings=(PULL, CRASH),
    )


def refused() -> Result:
    message = "spec.replicas belongs to kubectl"
    return result(
        ExitCode.REFUSED,
        ObjectResult(SETTINGS, "created"),
        ObjectResult(WEB, message=message),
        ObjectResult(API),
        message=f"k8s/shop.yaml:12: deployment/shop/web: {message}",
    )
