"""A release to report on: good, failed, timed out, refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from k8s_step.errors import ExitCode
from k8s_step.objects.reference import Reference
from k8s_step.report.results.problem import Problem
from k8s_step.report.results.result import ObjectResult, Result, never_begun, unfinished
from k8s_step.verdict.evidence.finding import Finding

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
    """Two fields of one object, one of them with the next move."""
    where = "deployment/shop/web"
    errors = (
        Problem("spec.replicas belongs to kubectl", f"k8s/shop.yaml:14: {where}", "--force", "k8s/shop.yaml", 14),
        Problem("spec.paused: unknown field", f"k8s/shop.yaml:15: {where}", "", "k8s/shop.yaml", 15),
    )
    told = tuple(map(str, errors))
    return result(
        ExitCode.REFUSED,
        ObjectResult(SETTINGS, "created"),
        ObjectResult(WEB, message="; ".join(error.message for error in errors), errors=errors),
        ObjectResult(API),
        message="; ".join(told),
        errors=told,
    )


def timed_out() -> Result:
    late = replace(PULL, reason="ContainersNotReady", message="0 of 3 ready")
    entry = ObjectResult(WEB, "configured", "in progress", "0 of 3 ready", 12.3)
    return result(ExitCode.TIMED_OUT, entry, ObjectResult(API, "created", "current"), findings=(late,))


def cancelled() -> Result:
    entries = (ObjectResult(SETTINGS, "created", "current"), ObjectResult(WEB, "configured", "in progress", "1 of 3"))
    told = ("cancelled by SIGTERM",)
    return result(ExitCode.CANCELLED, *entries, ObjectResult(API), message=told[0], errors=told)


def rolled_back(code: ExitCode = ExitCode.ROLLED_BACK) -> Result:
    """Whole, or with ``FAILED`` in part."""
    found = replace(failed(), exit_code=code, released=ExitCode.FAILED)
    settings, web, api = found.objects
    settings.action, settings.rolled_back = "configured", "restored"
    web.rolled_back, web.rollback_message = "restored", "as of revision 3"
    api.rolled_back, api.rollback_message = "deleted", ""
    if code is ExitCode.FAILED:
        api.rolled_back, api.rollback_message = "failed", "it is deleted, but not gone"
    return replace(found, findings=(PULL,))


def lost() -> Result:
    """The answer to a write never came."""
    return result(ExitCode.UNREACHABLE, ObjectResult(SETTINGS, "created"), ObjectResult(WEB, "unknown"))


def dry_run() -> Result:
    entries = (ObjectResult(SETTINGS, "unchanged", is_tried=True), ObjectResult(WEB, "created", is_tried=True))
    return replace(result(ExitCode.SUCCEEDED, *entries), is_dry_run=True)


def misspelt() -> Result:
    return never_begun("apply", ExitCode.INVALID, (Problem("'x' is not a duration", "--timeout"),))


EVERY_KIND: dict[str, Callable[[], Result]] = {
    "succeeded": good,
    "failed": failed,
    "timed out": timed_out,
    "refused": refused,
    "never begun": misspelt,
    "cancelled": cancelled,
    "rolled back": rolled_back,
    "rollback incomplete": lambda: rolled_back(ExitCode.FAILED),
    "unknown": lost,
    "dry run": dry_run,
    "unfinished": lambda: unfinished("apply"),
}
