"""Workloads that are enough with some of their pods, and DaemonSets on nodes that drop out, on the real control plane.

Two nodes are added for the DaemonSets, with a taint, so that no other test's pods come there, and deleted at the end.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Kubectl, Step, poll
from tests.controlplane.plays import PREFIX
from tests.integration.objects import deployment, workload, write
from tests.integration.releases import HELD, Releases

pytestmark = pytest.mark.usefixtures("played")


@pytest.fixture
def release(step: Step, kubectl: Kubectl, namespace: str, tmp_path: Path) -> Releases:
    return Releases(step, kubectl, namespace, tmp_path)


def let_start(release: Releases, *names: str) -> None:
    """Let these pods start, which are held back."""
    release.kubectl("annotate", "pods", *names, f"{PREFIX}/create-delay-")


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
@pytest.mark.parametrize("by_annotation", [True, False])
def test_enough_pods_make_a_workload_enough(kind: str, by_annotation: bool, release: Releases) -> None:
    spec = {"replicas": 4, **({"podManagementPolicy": "Parallel"} if kind == "StatefulSet" else {})}
    made = workload(kind, "web", "shop/web:1", spec=spec, create_delay=HELD)
    if by_annotation:
        made["metadata"]["annotations"] = {"k8s-step/required": "75%"}
    run = release.start(made, options=() if by_annotation else ("--required", "75%"))
    names = release.living(4)
    let_start(release, *names[:3])
    outcome = run.wait()
    assert outcome.code == 0 and outcome.report is not None, outcome.text
    (found,) = outcome.report["objects"]
    assert found["status"] == "current"
    assert found["note"].startswith(f"3 of 4 pods available, enough for 75%; missing: {names[3]}"), found["note"]
    assert found["note"] in outcome.stdout


def test_fewer_than_required_are_not_enough(release: Releases) -> None:
    made = deployment(replicas=4, create_delay=HELD)
    run = release.start(made, options=("--required", "3"), own_clock=True)
    let_start(release, *release.living(4)[:2])
    poll(lambda: release.read("deployment", "web")["status"].get("readyReplicas") == 2, "two ready pods", 60)
    run.wait_for("2 of 4")
    run.time_passes()
    outcome = run.wait()
    assert outcome.code == 3, outcome.text


def test_pods_of_before_do_not_count(release: Releases) -> None:
    assert release(deployment(image="shop/web:1", replicas=4)).code == 0
    outcome = release(deployment(image="shop/pull-fail:2", replicas=4), options=("--required", "50%"))
    assert outcome.code == 1, outcome.text


@pytest.mark.parametrize("words", ["0", "most", "101%"])
def test_what_is_no_share_is_refused(words: str, step: Step, tmp_path: Path) -> None:
    outcome = step("apply", "-f", write(tmp_path / "a.yaml", deployment()), "--required", words)
    assert outcome.code == 2 and "--required" in outcome.stderr, outcome.text


# -- nodes


@pytest.fixture
def nodes(kubectl: Kubectl, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """Two nodes, for whoever tolerates their taint and selects their label, both with their own name."""
    mark = f"own-{secrets.token_hex(3)}"
    names = (f"{mark}-a", f"{mark}-b")
    template = json.loads(kubectl("get", "node", "node-1", "-o", "json").stdout)
    for name in names:
        labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", f"{PREFIX}/own": mark}
        taints = [{"key": f"{PREFIX}/own", "value": mark, "effect": "NoSchedule"}]
        made: dict[str, Any] = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}}
        kubectl("create", "-f", write(tmp_path / "node.yaml", {**made, "spec": {"taints": taints}}))
        status = {field: template["status"][field] for field in ("capacity", "allocatable", "daemonEndpoints")}
        say(kubectl, name, **status, conditions=[condition("True")], addresses=template["status"]["addresses"])
        kubectl("patch", "node", name, "--type=merge", "-p", json.dumps({"spec": {"taints": taints}}))
    yield names
    kubectl("delete", "nodes", *names, "--wait=false")


def condition(status: str) -> dict[str, str]:
    return {"type": "Ready", "status": status, "reason": "NodeStatusUnknown", "message": "the kubelet is silent"}


def say(kubectl: Kubectl, node: str, **status: Any) -> None:
    kubectl("patch", "node", node, "--subresource=status", "--type=merge", "-p", json.dumps({"status": status}))


def daemons(nodes: tuple[str, str]) -> dict[str, Any]:
    """A DaemonSet for these two nodes, whose pods are held back."""
    mark = nodes[0].rpartition("-")[0]
    made = workload("DaemonSet", "agent", "shop/web:1", create_delay=HELD)
    toleration = {"key": f"{PREFIX}/own", "operator": "Exists"}
    made["spec"]["template"]["spec"].update(nodeSelector={f"{PREFIX}/own": mark}, tolerations=[toleration])
    return made


def pods_by_node(release: Releases) -> dict[str, str]:
    def both() -> dict[str, str]:
        found = {pod["spec"].get("nodeName"): pod["metadata"]["name"] for pod in release.read("pods")}
        return found if len(found) == 2 and None not in found else {}

    return dict(poll(both, "a pod on each node", 60))


def test_a_daemon_set_is_not_held_up_by_a_node_that_is_not_ready(
    release: Releases, kubectl: Kubectl, nodes: tuple[str, str]
) -> None:
    run = release.start(daemons(nodes))
    pods = pods_by_node(release)
    say(kubectl, nodes[1], conditions=[condition("Unknown")])
    let_start(release, pods[nodes[0]])
    outcome = run.wait()
    assert outcome.code == 0 and outcome.report is not None, outcome.text
    note = f"1 of 1 pods available; pods there do not count: node {nodes[1]} is NotReady"
    assert outcome.report["objects"][0]["note"] == note
    assert note in outcome.stdout


def test_a_node_that_is_well_is_waited_for(release: Releases, kubectl: Kubectl, nodes: tuple[str, str]) -> None:
    run = release.start(daemons(nodes), own_clock=True)
    pods = pods_by_node(release)
    let_start(release, pods[nodes[0]])
    run.wait_for("1 of 2 pods available")
    run.time_passes()
    outcome = run.wait()
    assert outcome.code == 3, outcome.text


def test_as_many_as_required_of_the_nodes_that_are_well(
    release: Releases, kubectl: Kubectl, nodes: tuple[str, str]
) -> None:
    run = release.start(daemons(nodes), options=("--required", "50%"))
    pods = pods_by_node(release)
    let_start(release, pods[nodes[0]])
    outcome = run.wait()
    assert outcome.code == 0, outcome.text
    assert "1 of 2 pods available, enough for 50%" in outcome.text


def test_a_token_that_may_not_read_nodes_waits_as_ever(
    step: Step, kubectl: Kubectl, namespace: str, nodes: tuple[str, str], tmp_path: Path
) -> None:
    release = Releases(step, kubectl, namespace, tmp_path)
    release.kubectl("create", "serviceaccount", "shipper")
    release.kubectl("create", "rolebinding", "shipper", "--clusterrole=admin", f"--serviceaccount={namespace}:shipper")
    user = ("--as", f"system:serviceaccount:{namespace}:shipper")
    run = release.start(daemons(nodes), options=user, own_clock=True)
    pods = pods_by_node(release)
    say(kubectl, nodes[1], conditions=[condition("Unknown")])
    let_start(release, pods[nodes[0]])
    run.wait_for("may not get nodes")
    run.time_passes()
    outcome = run.wait()
    assert outcome.code == 3, outcome.text
