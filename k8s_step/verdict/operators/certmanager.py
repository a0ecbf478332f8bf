"""cert-manager's Certificate."""

from __future__ import annotations

from k8s_step.objects.conditions import condition
from k8s_step.objects.metadata import Object
from k8s_step.verdict.operators.facts import failing
from k8s_step.verdict.states import Readiness


def certificate(obj: Object) -> Readiness | None:
    """A Certificate without a valid certificate, whose last attempt has failed: the next one comes in an hour.

    Source: ``pkg/controller/certificates/issuing`` of cert-manager, which leaves Issuing False with a reason.
    """
    issuing, ready = condition(obj, "Issuing"), condition(obj, "Ready")
    if ready.is_true or issuing.status != "False" or not issuing.reason or issuing.is_stale(obj):
        return None
    return failing(issuing.told, issuing.reason)
