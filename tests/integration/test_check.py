"""``check`` against the real control plane: components by their labels, in several namespaces, and metrics."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import Kubectl, Step, poll
from tests.controlplane.cluster import Cluster
from tests.faults.proxy import Proxy
from tests.integration.objects import deployment, through

READS = {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}


@pytest.fixture(scope="module")
def spaces(cluster: Cluster) -> Iterator[tuple[str, str]]:
    """Two namespaces: web is ready in both, db in neither: its image is not there, or no node takes it."""
    names = [cluster.namespace(f"check-{secrets.token_hex(4)}-{letter}") for letter in "ab"]
    for name in names:
        path = f"/apis/apps/v1/namespaces/{name}/deployments"
        cluster.create(path, deployment("web", "shop/web:1", replicas=2))
        cluster.create(path, deployment("db", "shop/pull-fail:1"))
    pods = [f"/api/v1/namespaces/{name}/pods" for name in names]
    for path in pods:
        poll(lambda path=path: ready(cluster, path) == 2, "two ready pods")
        poll(lambda path=path: "ImagePull" in json.dumps(cluster.get(path, labelSelector="app=db")), "a bad image")
    yield names[0], names[1]
    for name in names:
        cluster.leave_namespace(name)


def ready(cluster: Cluster, path: str) -> int:
    pods = cluster.get(path, labelSelector="app=web")["items"]
    held = [entry for pod in pods for entry in pod["status"].get("conditions") or [] if entry["type"] == "Ready"]
    return sum(entry["status"] == "True" for entry in held)


def test_all_is_well(step: Step, spaces: tuple[str, str], proxy: Proxy) -> None:
    outcome = step("check", "--component", "web=app=web", "--min-ready", "2", "-n", spaces[0], env=through(proxy))
    assert outcome.code == 0, outcome.text
    assert [line.split() for line in outcome.stdout.splitlines()] == [
        ["COMPONENT", "READY", "PODS", "RESTARTS", "STATUS"],
        ["web", "2", "2", "0", "ready"],
    ]
    assert [one.method for one in proxy.requests] == ["GET"], "one list tells all"


def test_a_component_without_enough_ready_pods(step: Step, spaces: tuple[str, str], tmp_path: Path) -> None:
    words = ["--component", "web=app=web", "--component", "db=app=db", "--component", "none=app=none"]
    junit = tmp_path / "junit.xml"
    outcome = step("check", *words, "-n", spaces[0], "--junit", str(junit), report=True)
    assert outcome.code == 1, outcome.text
    assert "0 of 1 pod is ready, 1 is wanted" in outcome.stdout and "it has no pod" in outcome.stdout
    assert "component/none: failed" in outcome.stderr and "NoPods: it has no pod" in outcome.stderr
    assert outcome.report["result"] == "failed"
    stand = {one["name"]: (one["kind"], one["status"]) for one in outcome.report["objects"]}
    assert stand == {"web": ("Component", "current"), "db": ("Component", "failed"), "none": ("Component", "failed")}
    causes = {one["object"]: one for one in outcome.report["failures"]}
    assert causes["Component/db"]["pod"].startswith("db-") and "ImagePull" in causes["Component/db"]["reason"] + str(
        causes["Component/db"]["message"]
    )
    cases = {case.get("name"): case.find("failure") is not None for case in ElementTree.parse(junit).iter("testcase")}
    assert {bool(failed) for name, failed in cases.items() if name and name.endswith("web")} == {False}
    assert sum(cases.values()) == 2


def test_pods_of_several_namespaces_count_together(step: Step, spaces: tuple[str, str]) -> None:
    words = ["check", "--component", "web=app=web", "--min-ready"]
    assert step(*words, "4", "-n", ",".join(spaces)).code == 0
    assert step(*words, "5", "-n", ",".join(spaces)).code == 1
    assert step(*words, "4", "-A").code == 0
    assert step(*words, "3", "-n", spaces[1]).code == 1


def test_a_namespace_that_is_forbidden_hides_no_other(step: Step, cluster: Cluster, spaces: tuple[str, str]) -> None:
    token = cluster.token(spaces[0], "checker", rules=[READS])
    env = {"KUBECONFIG": None, "K8S_API": cluster.server, "K8S_TOKEN": token, "K8S_CA": str(cluster.ca)}
    words = ["--component", "web=app=web", "-n", f"{spaces[1]},{spaces[0]}"]
    outcome = step("check", *words, "--metrics", env=env)
    assert outcome.code == 4, outcome.text
    assert f'cannot list resource "pods" in API group "" in the namespace "{spaces[1]}"' in outcome.stderr
    assert f'namespace="{spaces[0]}"' in outcome.stdout and spaces[1] not in outcome.stdout
    table = step("check", *words, env=env)
    assert table.code == 4 and table.stdout.split()[-5:] == ["web", "2", "2", "0", "unknown"]


def test_metrics_come_from_the_same_list(step: Step, spaces: tuple[str, str], proxy: Proxy, kubectl: Kubectl) -> None:
    outcome = step("check", "--metrics", "-n", spaces[0], env=through(proxy))
    assert outcome.code == 0 and len(proxy.requests) == 1
    families = {family.name: family for family in text_string_to_metric_families(outcome.stdout)}
    names = kubectl("-n", spaces[0], "get", "pods", "-o", "name").stdout.split()
    shown = {sample.labels["pod"] for sample in families["k8s_step_pod_status_ready"].samples}
    assert shown == {name.removeprefix("pod/") for name in names} and len(shown) == 3
    told = {
        one.labels["pod"]: one.labels["phase"] for one in families["k8s_step_pod_status_phase"].samples if one.value
    }
    restarts = families["k8s_step_pod_container_status_restarts"].samples
    counts = {(one.labels["pod"], one.labels["container"]): one.value for one in restarts}
    for pod in json.loads(kubectl("-n", spaces[0], "get", "pods", "-o", "json").stdout)["items"]:
        name, status = pod["metadata"]["name"], pod["status"]
        assert told[name] == status["phase"]
        for entry in status["containerStatuses"]:
            assert counts[name, entry["name"]] == entry["restartCount"]
    both = step("check", "--metrics", "--component", "db=app=db", "-n", spaces[0])
    assert both.code == 1 and 'k8s_step_component_ready{component="db"} 0' in both.stdout


def test_components_by_a_variable(step: Step, spaces: tuple[str, str]) -> None:
    env = {"K8S_COMMAND": "check", "K8S_COMPONENT": "web=app in (web,api)\nagain=app=web", "K8S_NAMESPACE": spaces[0]}
    outcome = step(env=env)
    assert outcome.code == 0 and len(outcome.stdout.splitlines()) == 3, outcome.text


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "nothing to check: no component was named"),
        (["--component", "web"], "--component: 'web' has no selector"),
        (["--component", "web=app=web", "--min-ready", "0"], "--min-ready"),
    ],
)
def test_what_can_not_be_checked(step: Step, cluster: Cluster, words: list[str], told: str) -> None:
    outcome = step("check", *words)
    assert outcome.code == 2 and told in outcome.stderr


def test_other_verbs_work_in_one_namespace(step: Step, spaces: tuple[str, str]) -> None:
    outcome = step("status", "deployment/web", "-n", ",".join(spaces))
    assert outcome.code == 2 and "this command works in one namespace" in outcome.stderr


def test_get_reads_several_namespaces(step: Step, spaces: tuple[str, str]) -> None:
    outcome = step("get", "deployments", "-n", ",".join(spaces))
    assert outcome.code == 0
    rows = [line.split()[:2] for line in outcome.stdout.splitlines()]
    assert rows == [["NAMESPACE", "NAME"], *([space, name] for space in spaces for name in ("db", "web"))]
    one = step("get", "deployment/web", "-n", ",".join(spaces), "-o", "json")
    assert [item["metadata"]["namespace"] for item in json.loads(one.stdout)["items"]] == list(spaces)
