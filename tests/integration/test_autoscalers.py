"""Replicas that an autoscaler sets are left to it; ``kubectl scale`` stands for its scaling."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Kubectl, Step
from tests.faults.proxy import Exchange, Proxy, on
from tests.integration.objects import deployment, obj, service, through, write

Object = dict[str, Any]
SCALER = ("--no-wait-for", "HorizontalPodAutoscaler")  # which waits for metrics that no server gives here


def autoscaler(target: str = "web") -> Object:
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": target}
    spec = {"scaleTargetRef": reference, "minReplicas": 1, "maxReplicas": 10}
    return {**obj("autoscaling/v2", "HorizontalPodAutoscaler", "web"), "spec": spec}


def live(kubectl: Kubectl, namespace: str) -> tuple[int, list[str]]:
    """The replicas of the Deployment, and who owns that field."""
    got = json.loads(kubectl("get", "deployment/web", "-n", namespace, "-o", "json", "--show-managed-fields").stdout)
    owners = [
        entry["manager"]
        for entry in got["metadata"]["managedFields"]
        if "f:replicas" in str(entry["fieldsV1"].get("f:spec"))
    ]
    return got["spec"]["replicas"], owners


def test_what_the_autoscaler_has_set_stays(step: Step, kubectl: Kubectl, namespace: str, tmp_path: Path) -> None:
    path = write(tmp_path / "a.yaml", deployment("web", replicas=2), autoscaler())
    assert step("apply", "-f", path, "-n", namespace, *SCALER).code == 0
    kubectl("scale", "deployment/web", "--replicas", "4", "-n", namespace)
    path = write(tmp_path / "b.yaml", deployment("web", "shop/web:2", replicas=2), autoscaler())
    difference = step("diff", "-f", path, "-n", namespace)
    assert difference.code == 0 and "replicas:" not in difference.stdout, difference.text
    assert "image: shop/web:2" in difference.stdout
    outcome = step("apply", "-f", path, "-n", namespace, *SCALER, report=True)
    assert outcome.code == 0, outcome.text
    assert "replicas left to the autoscaler: deployment.apps/web" in outcome.stderr
    assert live(kubectl, namespace)[0] == 4
    again = step("apply", "-f", path, "-n", namespace, *SCALER)
    assert again.code == 0 and "2 unchanged" in again.stderr, again.text


def test_an_autoscaler_of_the_cluster_is_handed_the_field(
    step: Step, kubectl: Kubectl, namespace: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "a.yaml", deployment("web", replicas=2))
    assert step("apply", "-f", path, "-n", namespace).code == 0
    kubectl("create", "-n", namespace, "-f", write(tmp_path / "hpa.yaml", autoscaler()))
    path = write(tmp_path / "b.yaml", deployment("web", replicas=3))
    dry = step("apply", "-f", path, "-n", namespace, "--dry-run", "--diff")
    assert dry.code == 0 and "replicas:" not in dry.stdout, dry.text
    assert live(kubectl, namespace) == (2, ["k8s-step"])
    outcome = step("apply", "-f", path, "-n", namespace)
    assert outcome.code == 0, outcome.text
    assert live(kubectl, namespace) == (2, ["handover-to-hpa"])
    kubectl("scale", "deployment/web", "--replicas", "4", "-n", namespace)
    assert "handover-to-hpa" not in live(kubectl, namespace)[1]
    again = step("apply", "-f", path, "-n", namespace)
    assert again.code == 0 and "1 unchanged" in again.stderr, again.text
    assert live(kubectl, namespace)[0] == 4


def test_a_kubectl_apply_that_is_taken_over_loses_no_pod(
    step: Step, kubectl: Kubectl, namespace: str, tmp_path: Path
) -> None:
    kubectl("apply", "-n", namespace, "-f", write(tmp_path / "a.yaml", deployment("web", replicas=3), autoscaler()))
    path = write(tmp_path / "b.yaml", deployment("web", replicas=2), autoscaler())
    outcome = step("apply", "-f", path, "-n", namespace, *SCALER)
    assert outcome.code == 0, outcome.text
    assert live(kubectl, namespace) == (3, ["handover-to-hpa"])


@pytest.mark.parametrize("target", ["web", "other"])
def test_the_manifest_decides_where_it_is_asked_to_or_nothing_scales(
    target: str, step: Step, kubectl: Kubectl, namespace: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "a.yaml", deployment("web", replicas=2), autoscaler(target))
    assert step("apply", "-f", path, "-n", namespace, *SCALER).code == 0
    path = write(tmp_path / "b.yaml", deployment("web", replicas=3), autoscaler(target))
    words = ("--replicas-from-manifest",) if target == "web" else ()
    outcome = step("apply", "-f", path, "-n", namespace, *SCALER, *words)
    assert outcome.code == 0, outcome.text
    assert live(kubectl, namespace) == (3, ["k8s-step"])
    assert "autoscaler:" not in outcome.stderr


def test_a_release_that_fails_gives_the_field_back(
    step: Step, kubectl: Kubectl, namespace: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "a.yaml", deployment("web", replicas=2))
    assert step("apply", "-f", path, "-n", namespace).code == 0
    kubectl("create", "-n", namespace, "-f", write(tmp_path / "hpa.yaml", autoscaler()))
    path = write(tmp_path / "b.yaml", deployment("web", "shop/crash:2", replicas=3))
    outcome = step("apply", "-f", path, "-n", namespace, "--rollback-on-failure")
    assert outcome.code == 6, outcome.text
    assert live(kubectl, namespace)[0] == 2


@pytest.mark.parametrize("before", ["a release", "kubectl apply"])
@pytest.mark.parametrize("comes", ["with the release", "before it"])
def test_a_number_that_the_manifest_drops_stays_where_an_autoscaler_is(
    before: str, comes: str, step: Step, kubectl: Kubectl, namespace: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "a.yaml", deployment("web", replicas=3))
    if before == "a release":
        assert step("apply", "-f", path, "-n", namespace).code == 0
    else:
        kubectl("apply", "-n", namespace, "-f", path)
    new = deployment("web", "shop/web:2")
    del new["spec"]["replicas"]
    if comes == "before it":
        kubectl("create", "-n", namespace, "-f", write(tmp_path / "hpa.yaml", autoscaler()))
    path = write(tmp_path / "b.yaml", new, *([autoscaler()] if comes == "with the release" else []))
    difference = step("diff", "-f", path, "-n", namespace)
    assert "replicas" not in difference.stdout, difference.text
    outcome = step("apply", "-f", path, "-n", namespace, *SCALER)
    assert outcome.code == 0, outcome.text
    assert "replicas left to the autoscaler: deployment.apps/web" in outcome.stderr
    assert live(kubectl, namespace) == (3, ["handover-to-hpa"])
    again = step("apply", "-f", path, "-n", namespace, *SCALER)
    assert again.code == 0 and "configured" not in again.stderr, again.text


def test_a_number_that_the_manifest_drops_falls_to_the_default_where_nothing_scales(
    step: Step, kubectl: Kubectl, namespace: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "a.yaml", deployment("web", replicas=3), autoscaler("other"))
    assert step("apply", "-f", path, "-n", namespace, *SCALER).code == 0
    new = deployment("web")
    del new["spec"]["replicas"]
    outcome = step("apply", "-f", write(tmp_path / "b.yaml", new), "-n", namespace)
    assert outcome.code == 0, outcome.text
    assert live(kubectl, namespace) == (1, [])


def scale(kubectl: Kubectl, namespace: str, number: int) -> None:
    kubectl("scale", "deployment/web", "--replicas", str(number), "-n", namespace)


@pytest.mark.parametrize("wanted", [2, 3], ids=["as it is", "another"])
@pytest.mark.parametrize("options", [(), ("--force-conflicts",)], ids=["", "forced"])
def test_what_is_scaled_while_an_earlier_wave_takes_its_time_stays(
    wanted: int, options: tuple[str, ...], step: Step, kubectl: Kubectl, namespace: str, tmp_path: Path
) -> None:
    assert step("apply", "-f", write(tmp_path / "a.yaml", deployment("web", replicas=2)), "-n", namespace).code == 0
    kubectl("create", "-n", namespace, "-f", write(tmp_path / "hpa.yaml", autoscaler()))
    gate = service("gate", "LoadBalancer", no_address="true")
    gate["metadata"]["annotations"]["k8s-step/wave"] = "-1"
    path = write(tmp_path / "b.yaml", gate, deployment("web", "shop/web:2", replicas=wanted))
    run = step.start("apply", "-f", path, "-n", namespace, *options)
    run.wait_for("waiting for 1 object")
    scale(kubectl, namespace, 5)
    address = '{"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}}'
    kubectl("patch", "service/gate", "-n", namespace, "--subresource", "status", "--type", "merge", "-p", address)
    outcome = run.wait()
    assert outcome.code == 0, outcome.text
    assert live(kubectl, namespace)[0] == 5
    assert outcome.stderr.count("replicas left to the autoscaler: deployment.apps/web") == 1


@pytest.mark.parametrize("target", ["web", "other"])
def test_what_is_scaled_while_it_is_applied_stays_where_an_autoscaler_is(
    target: str, step: Step, kubectl: Kubectl, proxy: Proxy, namespace: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "a.yaml", deployment("web", replicas=2), autoscaler(target))
    assert step("apply", "-f", path, "-n", namespace, *SCALER).code == 0

    def scaled(exchange: Exchange) -> None:
        scale(kubectl, namespace, 4)
        exchange.forward()

    proxy.rule(on("PATCH", "/deployments/web$"), scaled, times=1)
    path = write(tmp_path / "b.yaml", deployment("web", "shop/web:2", replicas=2))
    outcome = step("apply", "-f", path, "-n", namespace, env=through(proxy))
    assert outcome.code == (0 if target == "web" else 4), outcome.text
    assert live(kubectl, namespace)[0] == 4
    if target == "other":
        assert ".spec.replicas belongs to" in outcome.stderr
