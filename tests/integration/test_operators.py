"""Kinds of well-known operators, judged without a rule of the user's; kubectl plays the operator.

The CRDs are of the operators' groups and let everything in; they stay, since other tests may use them at the same time.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Kubectl, Outcome, Step, poll
from tests.integration.objects import custom, definition, write

Object = dict[str, Any]


@dataclass(frozen=True)
class Played:
    """A kind, what its operator writes while it works, the words that tell so, and what it writes in the end."""

    group: str
    kind: str
    spec: Object
    first: Object
    told: str
    last: Object
    code: int = 0

    @property
    def plural(self) -> str:
        return f"{self.kind.lower()}s"


def ready(status: str = "True", reason: str = "", **more: Any) -> Object:
    return {"type": "Ready", "status": status, "reason": reason, **more}


STEPS = {"replicas": 1, "strategy": {"canary": {"steps": [{"setWeight": 20}, {"pause": {}}]}}}
PAUSED = {
    "phase": "Paused",
    "message": "CanaryPauseStep",
    "controllerPause": True,
    "currentStepIndex": 1,
    "pauseConditions": [{"reason": "CanaryPauseStep"}],
    "observedGeneration": "1",
}
ABORTED = {
    "phase": "Degraded",
    "message": "RolloutAborted: metric success-rate assessed Failed",
    "observedGeneration": "1",
    "conditions": [{"type": "Progressing", "status": "False", "reason": "RolloutAborted", "message": "aborted"}],
}
HEALTHY = {"phase": "Healthy", "observedGeneration": "1", "updatedReplicas": 1, "availableReplicas": 1}
SOURCE = {"repoURL": "https://git.acme.com/shop.git", "path": "web", "targetRevision": "v2"}
APPLICATION = {"source": SOURCE, "syncPolicy": {"automated": {}}}


def compared(revision: str) -> Object:
    return {"status": "Synced", "comparedTo": {"source": {**SOURCE, "targetRevision": revision}}}


PLAYS = [
    Played("argoproj.io", "Rollout", STEPS, PAUSED, "paused at step 2 of 2: CanaryPauseStep", HEALTHY),
    Played("argoproj.io", "Rollout", STEPS, PAUSED, "paused at step 2 of 2", ABORTED, code=1),
    Played(
        "argoproj.io",
        "Application",
        APPLICATION,
        {"health": {"status": "Healthy"}, "sync": compared("v1")},
        "compare its source",
        {"health": {"status": "Healthy"}, "sync": compared("v2")},
    ),
    Played(
        "cert-manager.io",
        "Certificate",
        {"secretName": "tls"},
        {"conditions": [ready("False", "DoesNotExist", message="Secret does not exist", observedGeneration=1)]},
        "Secret does not exist",
        {"conditions": [ready(reason="Ready", observedGeneration=1)]},
    ),
    Played(
        "acme.cert-manager.io",
        "Challenge",
        {},
        {"state": "pending", "reason": "waiting for propagation"},
        "waiting for propagation",
        {"state": "invalid", "reason": "DNS problem"},
        code=1,
    ),
    Played(
        "flagger.app",
        "Canary",
        {"analysis": {"interval": "30s"}},
        {"phase": "Progressing"},
        "it is Progressing",
        {"phase": "Succeeded"},
    ),
    Played(
        "postgresql.cnpg.io",
        "Cluster",
        {"instances": 1},
        {"phase": "Setting up primary"},
        "it is Setting up primary",
        {"phase": "Cluster in healthy state", "readyInstances": 1},
    ),
    Played(
        "minio.min.io",
        "Tenant",
        {},
        {"currentState": "Provisioning MinIO Statefulset"},
        "it is Provisioning MinIO",
        {"currentState": "Initialized"},
    ),
    Played(
        "gateway.solo.io",
        "VirtualService",
        {},
        {"statuses": {"gloo-system": {"state": "Warning", "reason": "no such upstream yet"}}},
        "no such upstream yet",
        {"statuses": {"gloo-system": {"state": "Accepted", "reason": ""}}},
    ),
]


@pytest.fixture
def defined(kubectl: Kubectl, tmp_path: Path) -> Callable[[str, str], str]:
    """Sees to it that a kind is there; gives the name of its resource."""

    def define(group: str, kind: str) -> str:
        made = definition(group, kind)
        kubectl("create", "-f", write(tmp_path / "crd.yaml", made), check=False)
        name = made["metadata"]["name"]
        kubectl("wait", "--for=condition=Established", f"crd/{name}", "--timeout=60s")
        return str(name)

    return define


def applied(
    play: Played, resource: str, step: Step, kubectl: Kubectl, namespace: str, tmp_path: Path, first: Object | None
) -> Outcome:
    """The outcome of an apply during which the operator writes both statuses, or the second alone."""
    path = write(tmp_path / "a.yaml", custom(play.group, "web", play.kind, spec=play.spec))
    run = step.start("apply", "-f", path, "-n", namespace, report=True)
    there = ("get", f"{resource}/web", "-n", namespace)
    poll(lambda: kubectl(*there, check=False).returncode == 0, play.kind, 60)

    def write_status(status: Object) -> None:
        words = ("-n", namespace, "--subresource=status", "--type=merge", "-p", json.dumps({"status": status}))
        kubectl("patch", f"{resource}/web", *words)

    if first is not None:
        write_status(first)
        run.wait_for(play.told)
    write_status(play.last)
    return run.wait(120)


@pytest.mark.parametrize("play", PLAYS, ids=[f"{play.kind}-{play.code}" for play in PLAYS])
def test_it_is_judged_by_what_its_operator_writes(
    play: Played,
    step: Step,
    kubectl: Kubectl,
    namespace: str,
    tmp_path: Path,
    defined: Callable[[str, str], str],
) -> None:
    resource = defined(play.group, play.kind)
    outcome = applied(play, resource, step, kubectl, namespace, tmp_path, play.first)
    assert outcome.code == play.code, outcome.text
    assert outcome.report is not None
    (found,) = outcome.report["objects"]
    assert found["status"] == ("failed" if play.code else "current")
    assert found["judged"]


@pytest.mark.parametrize(
    ("domain", "kind", "conditions"),
    [
        ("crossplane.io", "Bucket", [{"type": "Synced", "status": "True"}, ready()]),
        ("toolkit.fluxcd.io", "Kustomization", [ready()]),
        ("knative.dev", "Broker", [ready()]),
        ("services.k8s.aws", "Table", [ready(type="ACK.ResourceSynced")]),
    ],
)
def test_what_has_no_condition_yet_is_waited_for(
    domain: str,
    kind: str,
    conditions: list[Object],
    step: Step,
    kubectl: Kubectl,
    namespace: str,
    tmp_path: Path,
    defined: Callable[[str, str], str],
) -> None:
    """An unknown kind would be taken as it is after five seconds; of these it is known what must come."""
    group = f"{namespace[:20].strip('-')}.{domain}"
    resource = defined(group, kind)
    play = Played(group, kind, {}, {"observedGeneration": 1}, "waiting for its controller", {"conditions": conditions})
    outcome = applied(play, resource, step, kubectl, namespace, tmp_path, play.first)
    kubectl("delete", f"crd/{resource}", "--wait=false")
    assert outcome.code == 0, outcome.text
    assert "waiting for its controller to set the condition" in outcome.stderr


def test_a_route_waits_for_each_of_its_parents(step: Step, kubectl: Kubectl, namespace: str, tmp_path: Path) -> None:
    """Also those that are named by another kind than Gateway."""
    group, kind = "gateway.networking.k8s.io", "HTTPRoute"
    made = definition(group, kind)
    made["metadata"]["annotations"] = {"api-approved.kubernetes.io": "https://github.com/kubernetes-sigs/gateway-api"}
    kubectl("create", "-f", write(tmp_path / "crd.yaml", made), check=False)
    resource = made["metadata"]["name"]
    kubectl("wait", "--for=condition=Established", f"crd/{resource}", "--timeout=60s")
    good = [{"type": "Accepted", "status": "True", "observedGeneration": 1}]
    first = {"parents": [{"parentRef": {"name": "public"}, "controllerName": "a.com/b", "conditions": good}]}
    mesh = {"parentRef": {"name": "web", "kind": "Service", "group": ""}, "controllerName": "a.com/c"}
    last = {"parents": [*first["parents"], {**mesh, "conditions": good}]}
    refs = [{"name": "public"}, {"name": "web", "kind": "Service", "group": ""}]
    play = Played(group, kind, {"parentRefs": refs}, first, "take it for Service web", last)
    outcome = applied(play, resource, step, kubectl, namespace, tmp_path, play.first)
    assert outcome.code == 0, outcome.text
