"""What keeps an object that is being deleted, in words."""

from __future__ import annotations

from typing import Any

import pytest

from k8s_step.objects.reference import Reference
from k8s_step.objects.resource import required
from k8s_step.rollout.termination import finding, held
from k8s_step.verdict.target import Target


def obj(kind: str = "ConfigMap", *finalizers: str, deleted: bool = True, **fields: Any) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": "x", "namespace": "shop", "finalizers": list(finalizers)}
    if deleted:
        metadata["deletionTimestamp"] = "2026-11-22T10:00:00Z"
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, **fields}


CONDITIONS = [
    {"type": "NamespaceContentRemaining", "status": "True", "message": "Some resources are remaining: pods. has 2"},
    {"type": "NamespaceDeletionDiscoveryFailure", "status": "False", "message": "All resources discovered"},
]


@pytest.mark.parametrize(
    ("live", "words"),
    [
        (obj(deleted=False), "not yet being deleted"),
        (obj(), "being deleted"),
        (obj("ConfigMap", "example.com/guard"), "held by finalizer example.com/guard"),
        (
            obj("Deployment", "foregroundDeletion", "a/b"),
            "held by finalizer foregroundDeletion (until the objects it owns are gone), finalizer a/b",
        ),
        (
            obj("PersistentVolumeClaim", "kubernetes.io/pvc-protection"),
            "held by finalizer kubernetes.io/pvc-protection (while a pod uses it)",
        ),
        (
            obj("Namespace", spec={"finalizers": ["kubernetes"]}, status={"conditions": CONDITIONS}),
            "held by finalizer kubernetes (until everything in it is gone); Some resources are remaining: pods. has 2",
        ),
    ],
)
def test_what_holds_it(live: dict[str, Any], words: str) -> None:
    assert held(live) == words


def test_a_pods_grace_is_told() -> None:
    live = obj("Pod")
    live["metadata"]["deletionGracePeriodSeconds"] = 30
    assert held(live) == "being deleted, 30 s grace"


@pytest.mark.parametrize(("finalizers", "has_advice"), [(("a/b",), True), ((), False)])
def test_the_finding_advises_on_finalizers_only(finalizers: tuple[str, ...], has_advice: bool) -> None:
    live = obj("ConfigMap", *finalizers)
    found = finding(Target(Reference.to(live), required("v1", "ConfigMap"), live))
    assert (found.reason, bool(found.advice)) == ("Terminating", has_advice)
