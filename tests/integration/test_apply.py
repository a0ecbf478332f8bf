"""``apply``, run as a process against the real control plane: what it says it did is what it did."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Kubectl, Outcome, Step
from tests.controlplane.cluster import Cluster
from tests.faults.proxy import Proxy, Recorded
from tests.integration.objects import RELEASES, config_map, deployment, obj, through, write
from tests.integration.outcomes import actions, statuses


def is_read_of_one(request: Recorded) -> bool:
    """Whether a request reads one object by name: no list, no watch, no discovery."""
    named = request.path.partition("/namespaces/")[2].count("/") == 2 or "/namespaces/" not in request.path
    return request.method == "GET" and not request.query and named


# -- whole releases


@pytest.mark.parametrize("path", RELEASES)
def test_a_release_becomes_current_and_a_second_run_changes_nothing(
    path: Path, step: Step, namespace: str, proxy: Proxy, kubectl: Kubectl
) -> None:
    first = step("apply", "-f", str(path), "-n", namespace, env=through(proxy), report=True)
    assert first.code == 0, first.text
    assert set(actions(first).values()) == {"created"}
    assert set(statuses(first).values()) == {"current"}
    live = json.loads(kubectl("-n", namespace, "get", "deployments", "-o", "json").stdout)["items"]
    assert live and all(_is_complete(one) for one in live)

    proxy.clear()
    second = step("apply", "-f", str(path), "-n", namespace, env=through(proxy), report=True)
    assert second.code == 0, second.text
    assert set(actions(second).values()) == {"unchanged"}
    assert set(statuses(second).values()) == {"current"}
    assert [request.line for request in proxy.requests if not is_read_of_one(request)] == []
    assert len(proxy.requests) == len(actions(second))


def _is_complete(live: dict[str, Any]) -> bool:
    wanted, status = live["spec"]["replicas"], live["status"]
    return bool(
        status["observedGeneration"] == live["metadata"]["generation"]
        and status["updatedReplicas"] == status["availableReplicas"] == status["replicas"] == wanted
    )


# -- truthful actions


def test_created_then_configured_then_unchanged(step: Step, namespace: str, tmp_path: Path, kubectl: Kubectl) -> None:
    def run(**data: str) -> Outcome:
        path = write(tmp_path / "release.yaml", config_map(**data), config_map("other", tone="low"))
        return step("apply", "-f", path, "-n", namespace, report=True)

    assert actions(run(tone="loud")) == {"ConfigMap/settings": "created", "ConfigMap/other": "created"}
    assert actions(run(tone="soft")) == {"ConfigMap/settings": "configured", "ConfigMap/other": "unchanged"}
    assert actions(run(tone="soft")) == {"ConfigMap/settings": "unchanged", "ConfigMap/other": "unchanged"}
    assert actions(run(pitch="high"))["ConfigMap/settings"] == "configured"
    live = kubectl("-n", namespace, "get", "cm", "settings", "-o", "jsonpath={.data}").stdout
    assert json.loads(live) == {"pitch": "high"}, "a key dropped from the manifest is given up"


def test_a_field_of_somebody_else_is_left_alone(
    step: Step, namespace: str, tmp_path: Path, proxy: Proxy, kubectl: Kubectl
) -> None:
    path = write(tmp_path / "release.yaml", deployment(replicas=None))
    assert step("apply", "-f", path, "-n", namespace).code == 0
    kubectl("-n", namespace, "annotate", "deployment", "web", "note=somebody else's")
    kubectl("-n", namespace, "scale", "deployment", "web", "--replicas=2")
    again = step("apply", "-f", path, "-n", namespace, env=through(proxy), report=True)
    assert (again.code, actions(again)) == (0, {"Deployment/web": "unchanged"}), again.text
    assert statuses(again) == {"Deployment/web": "current"}
    assert proxy.writes == []
    live = json.loads(kubectl("-n", namespace, "get", "deployment", "web", "-o", "json").stdout)
    assert (live["spec"]["replicas"], live["metadata"]["annotations"]["note"]) == (2, "somebody else's")


def test_a_field_of_ours_that_somebody_took_is_a_conflict(
    step: Step, namespace: str, tmp_path: Path, kubectl: Kubectl
) -> None:
    path = write(tmp_path / "release.yaml", config_map(tone="loud"), config_map("other", tone="low"))
    assert step("apply", "-f", path, "-n", namespace).code == 0
    theirs = json.dumps(config_map(tone="shrill"))
    theirs_too = ("apply", "--server-side", "--force-conflicts", "--field-manager=night-shift", "-f", "-")
    kubectl("-n", namespace, *theirs_too, input=theirs)

    refused = step("apply", "-f", path, "-n", namespace, report=True)
    assert refused.code == 4, refused.text
    assert ".data.tone" in refused.stderr and '"night-shift"' in refused.stderr
    assert "--force-conflicts" in refused.stderr and "--adopt night-shift takes over all" in refused.stderr
    line = (tmp_path / "release.yaml").read_text().splitlines().index("  tone: loud") + 1
    assert f"release.yaml:{line}: configmap/" in refused.stderr
    assert refused.report is not None and refused.report["result"] == "refused"
    assert actions(refused) == {"ConfigMap/settings": "none", "ConfigMap/other": "unchanged"}

    forced = step("apply", "-f", path, "-n", namespace, "--force-conflicts", report=True)
    assert (forced.code, actions(forced)["ConfigMap/settings"]) == (0, "configured")
    assert kubectl("-n", namespace, "get", "cm", "settings", "-o", "jsonpath={.data.tone}").stdout == "loud"
    assert actions(step("apply", "-f", path, "-n", namespace, report=True))["ConfigMap/settings"] == "unchanged"


def test_scaling_by_hand_is_a_conflict_where_the_manifest_says_replicas(
    step: Step, namespace: str, tmp_path: Path, kubectl: Kubectl
) -> None:
    path = write(tmp_path / "release.yaml", deployment(replicas=1))
    assert step("apply", "-f", path, "-n", namespace).code == 0
    kubectl("-n", namespace, "scale", "deployment", "web", "--replicas=3")
    refused = step("apply", "-f", path, "-n", namespace)
    assert refused.code == 4, refused.text
    assert ".spec.replicas" in refused.stderr and "kubectl" in refused.stderr
    assert step("apply", "-f", path, "-n", namespace, "--force-conflicts").code == 0
    assert kubectl("-n", namespace, "get", "deployment", "web", "-o", "jsonpath={.spec.replicas}").stdout == "1"


def test_the_same_value_set_by_two_is_no_conflict(step: Step, namespace: str, tmp_path: Path, kubectl: Kubectl) -> None:
    same = config_map(tone="loud")
    kubectl("-n", namespace, "apply", "--server-side", "--field-manager=other", "-f", "-", input=json.dumps(same))
    first = step("apply", "-f", write(tmp_path / "release.yaml", same), "-n", namespace, report=True)
    assert first.code == 0, first.text
    live = json.loads(kubectl("-n", namespace, "get", "cm", "settings", "--show-managed-fields", "-o", "json").stdout)
    assert {entry["manager"] for entry in live["metadata"]["managedFields"]} == {"other", "k8s-step"}


def test_what_kubectl_applied_client_side_is_taken_over(
    step: Step, namespace: str, tmp_path: Path, kubectl: Kubectl
) -> None:
    kubectl("-n", namespace, "apply", "-f", "-", input=json.dumps(deployment()))
    path = write(tmp_path / "release.yaml", deployment(image="shop/web:2"))
    outcome = step("apply", "-f", path, "-n", namespace, "--force-conflicts", report=True)
    assert (outcome.code, actions(outcome)) == (0, {"Deployment/web": "configured"}), outcome.text


def test_quantities_the_server_writes_otherwise_are_no_change(
    step: Step, namespace: str, tmp_path: Path, kubectl: Kubectl
) -> None:
    made = deployment()
    made["spec"]["template"]["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "1000m", "memory": "0.5Gi"}}
    path = write(tmp_path / "release.yaml", made)
    assert step("apply", "-f", path, "-n", namespace).code == 0
    before = kubectl("-n", namespace, "get", "deployment", "web", "-o", "jsonpath={.metadata.resourceVersion}").stdout
    again = step("apply", "-f", path, "-n", namespace, report=True)
    assert (again.code, actions(again)) == (0, {"Deployment/web": "unchanged"}), again.text
    after = kubectl("-n", namespace, "get", "deployment", "web", "-o", "jsonpath={.metadata.resourceVersion}").stdout
    assert before == after


def test_the_field_manager_is_the_one_asked_for(step: Step, namespace: str, tmp_path: Path, kubectl: Kubectl) -> None:
    path = write(tmp_path / "release.yaml", config_map(tone="loud"))
    assert step("apply", "-f", path, "-n", namespace, "--field-manager", "jenkins").code == 0
    live = json.loads(kubectl("-n", namespace, "get", "cm", "settings", "--show-managed-fields", "-o", "json").stdout)
    managers = {(entry["manager"], entry["operation"]) for entry in live["metadata"]["managedFields"]}
    assert managers == {("jenkins", "Apply")}


def test_a_token_that_may_write_but_not_read_still_applies(
    step: Step, cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    verbs = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["patch", "create"]}]
    environment = {"KUBECONFIG": None, "K8S_API": cluster.server, "K8S_CA": str(cluster.ca)}
    environment["K8S_TOKEN"] = cluster.token(namespace, "writer", rules=verbs)
    path = write(tmp_path / "release.yaml", config_map(tone="loud"))
    for action in ("created", "configured"):
        outcome = step("apply", "-f", path, "-n", namespace, env=environment, report=True)
        assert (outcome.code, actions(outcome)) == (0, {"ConfigMap/settings": action}), outcome.text


# -- dry run


def test_a_dry_run_changes_nothing(step: Step, namespace: str, tmp_path: Path, proxy: Proxy, kubectl: Kubectl) -> None:
    assert step("apply", "-f", write(tmp_path / "one.yaml", config_map(tone="loud")), "-n", namespace).code == 0
    before = kubectl("-n", namespace, "get", "deploy,rs,pods,cm,secrets,sa", "-o", "name").stdout
    version = ("-n", namespace, "get", "cm", "settings", "-o", "jsonpath={.metadata.resourceVersion}")
    had = kubectl(*version).stdout
    path = write(tmp_path / "two.yaml", config_map(tone="soft"), config_map("new", a="b"), deployment())
    outcome = step("apply", "-f", path, "-n", namespace, "--dry-run", env=through(proxy), report=True)
    assert outcome.code == 0, outcome.text
    expected = {"ConfigMap/settings": "configured", "ConfigMap/new": "created", "Deployment/web": "created"}
    assert actions(outcome) == expected
    assert proxy.writes == []
    assert kubectl(*version).stdout == had
    assert kubectl("-n", namespace, "get", "deploy,rs,pods,cm,secrets,sa", "-o", "name").stdout == before


def test_a_dry_run_with_the_namespace_in_the_same_release(
    step: Step, namespace: str, tmp_path: Path, proxy: Proxy, cluster: Cluster
) -> None:
    new = f"{namespace}-new"
    path = write(tmp_path / "release.yaml", deployment(namespace=new), obj("v1", "Namespace", new))
    outcome = step("apply", "-f", path, "--dry-run", env=through(proxy), report=True)
    assert outcome.code == 0, outcome.text
    assert actions(outcome) == {"Deployment/web": "created", f"Namespace/{new}": "created"}
    assert proxy.writes == []
    assert cluster.request("GET", f"/api/v1/namespaces/{new}").code == 404


def test_a_dry_run_tells_what_the_server_would_refuse(step: Step, namespace: str, tmp_path: Path) -> None:
    broken = deployment()
    broken["spec"]["template"]["spec"]["containers"][0]["ports"] = [{"containerPort": 70000}]
    outcome = step("apply", "-f", write(tmp_path / "release.yaml", broken), "-n", namespace, "--dry-run", report=True)
    assert outcome.code == 4, outcome.text
    assert "containerPort" in outcome.stderr and "release.yaml:" in outcome.stderr
