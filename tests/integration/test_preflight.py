"""Before the first write: one bad manifest among many changes nothing, and every mistake is told with its line."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Kubectl, Outcome, Step, poll
from tests.controlplane.cluster import Cluster
from tests.faults.proxy import Proxy, on
from tests.integration.objects import (
    Object,
    config_map,
    custom,
    definition,
    deployment,
    job,
    obj,
    pod,
    service,
    through,
    write,
)
from tests.integration.outcomes import actions

MANY = 300


def lines(outcome: Outcome, path: str) -> list[int]:
    """The lines of the file that errors name, in the order they are told."""
    errors = [line for line in outcome.stderr.splitlines() if line.startswith("error: ")]
    return [int(line.split(f"{path}:")[1].split(":")[0]) for line in errors]


def line_of(path: str, text: str, nth: int = 1) -> int:
    found = [number for number, line in enumerate(Path(path).read_text().splitlines(), 1) if re.search(text, line)]
    return found[nth - 1]


# -- nothing half done


def test_one_bad_field_among_three_hundred_objects_changes_nothing(
    step: Step, namespace: str, proxy: Proxy, tmp_path: Path, kubectl: Kubectl
) -> None:
    bad = deployment("web")
    bad["spec"]["template"]["spec"]["containers"][0]["imagee"] = "shop/web:1"
    many = [config_map(f"settings-{number}", a="b") for number in range(MANY - 1)]
    path = write(tmp_path / "release.yaml", *many[:200], bad, *many[200:])
    outcome = step("apply", "-f", path, "-n", namespace, env=through(proxy), report=True)
    assert outcome.code == 4, outcome.text
    assert lines(outcome, path) == [line_of(path, "imagee")]
    assert "imagee: field not declared in schema" in outcome.stderr and "nothing was changed" in outcome.stderr
    assert proxy.writes == []
    assert set(actions(outcome).values()) == {"none"} and len(actions(outcome)) == MANY
    names = kubectl("-n", namespace, "get", "configmaps", "-o", "name").stdout.split()
    assert names == ["configmap/kube-root-ca.crt"]


def test_all_mistakes_are_told_at_once_each_in_its_own_line(
    step: Step, namespace: str, proxy: Proxy, tmp_path: Path
) -> None:
    unknown = deployment("unknown")
    unknown["spec"]["replicass"] = 2
    unknown["spec"]["template"]["spec"]["containers"][0]["imagee"] = "x"
    invalid = deployment("invalid", replicas=-1)
    invalid["spec"]["template"]["spec"]["containers"][0]["ports"] = [{"containerPort": 70000}]
    secret = obj("v1", "Secret", "keys", data={"good": "YQ==", "bad": "n\u00f6 base64"})
    untyped = config_map("untyped")
    untyped["data"] = {"a": 1}
    doubled = service("doubled")
    doubled["spec"]["ports"] = [{"port": 80}, {"port": 80}]
    path = write(tmp_path / "release.yaml", unknown, invalid, secret, config_map("good", a="b"), untyped, doubled)
    outcome = step("apply", "-f", path, "-n", namespace, env=through(proxy), report=True)
    assert outcome.code == 4, outcome.text
    wanted = [
        *(line_of(path, text) for text in ("imagee", "replicass", "replicas: -1", "70000", "bad:")),
        *(line_of(path, text) for text in ("a: 1", "ports:")),
    ]
    wanted[-1] = line_of(path, "ports:", 2)
    assert sorted(lines(outcome, path)) == sorted(wanted), outcome.stderr
    assert "expected string, got 1" in outcome.stderr and "this is not base64" in outcome.stderr
    assert proxy.writes == []


def test_all_fields_that_the_server_does_not_know_are_told(step: Step, namespace: str, tmp_path: Path) -> None:
    """An apply's own answer names but the first of them."""
    made = deployment(spec={"replicass": 2})
    made["spec"]["template"]["spec"]["containers"][0]["imagee"] = "shop/web:2"
    made["spec"]["template"]["spec"]["nodeName"], made["spec"]["minReadySecs"] = "node-1", 3
    outcome = step("apply", "-f", write(tmp_path / "web.yaml", made, config_map()), "-n", namespace)
    assert outcome.code == 4
    lines = (tmp_path / "web.yaml").read_text().splitlines()
    for name in ("replicass", "imagee", "minReadySecs"):
        number = next(at for at, line in enumerate(lines, 1) if f"{name}:" in line)
        told = [line for line in outcome.stderr.splitlines() if f"web.yaml:{number}: " in line and name in line]
        assert told and all("is it spelt right, and in the right place?" in line for line in told), outcome.stderr


def test_a_conflict_is_found_before_the_first_write(
    step: Step, namespace: str, proxy: Proxy, tmp_path: Path, kubectl: Kubectl
) -> None:
    theirs = json.dumps(config_map("theirs", tone="shrill"))
    kubectl("-n", namespace, "apply", "--server-side", "--field-manager=night-shift", "-f", "-", input=theirs)
    path = write(tmp_path / "release.yaml", config_map("ours", a="b"), config_map("theirs", tone="loud"))
    outcome = step("apply", "-f", path, "-n", namespace, env=through(proxy))
    assert outcome.code == 4, outcome.text
    assert '.data.tone belongs to "night-shift"' in outcome.stderr and "--force-conflicts" in outcome.stderr
    assert proxy.writes == []
    assert step("apply", "-f", path, "-n", namespace, "--force-conflicts").code == 0


def test_what_may_not_be_written_is_found_before_the_first_write(
    step: Step, cluster: Cluster, namespace: str, proxy: Proxy, tmp_path: Path
) -> None:
    verbs = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "patch", "create"]}]
    environment = {"KUBECONFIG": None, "K8S_API": proxy.url, "K8S_TOKEN": cluster.token(namespace, rules=verbs)}
    path = write(tmp_path / "release.yaml", config_map(a="b"), deployment())
    outcome = step("apply", "-f", path, "-n", namespace, env=environment)
    assert outcome.code == 4, outcome.text
    assert 'cannot patch resource "deployments"' in outcome.stderr
    assert proxy.writes == []


def test_without_preflight_what_comes_first_is_written(step: Step, namespace: str, tmp_path: Path) -> None:
    bad = deployment(replicas=-1)
    path = write(tmp_path / "release.yaml", config_map(a="b"), bad)
    outcome = step("apply", "-f", path, "-n", namespace, "--no-preflight", report=True)
    assert outcome.code == 4, outcome.text
    assert actions(outcome) == {"ConfigMap/settings": "created", "Deployment/web": "none"}


# -- what it costs


def test_one_object_to_change_needs_no_preflight(step: Step, namespace: str, proxy: Proxy, tmp_path: Path) -> None:
    def run(tone: str) -> list[str]:
        proxy.clear()
        path = write(tmp_path / "release.yaml", config_map(tone=tone), config_map("other", a="b"))
        outcome = step("apply", "-f", path, "-n", namespace, env=through(proxy))
        assert outcome.code == 0, outcome.text
        return sorted(f"{request.method} {'dry' if 'dryRun' in request.query else ''}" for request in proxy.requests)

    assert run("loud") == [*["GET "] * 2, *["PATCH "] * 2, *["PATCH dry"] * 2]
    assert run("soft") == [*["GET "] * 2, "PATCH "]
    assert run("soft") == ["GET "] * 2


# -- what can't be tried out yet


def test_a_release_with_its_own_namespace_is_checked_as_far_as_can_be(
    step: Step, cluster: Cluster, namespace: str, proxy: Proxy, tmp_path: Path
) -> None:
    new = f"{namespace}-new"
    objects = [obj("v1", "Namespace", new), config_map(namespace=new, a="b"), deployment(namespace=new)]
    bad = deployment("bad", namespace=new)
    bad["spec"]["template"]["spec"]["containers"][0]["imagee"] = "x"
    path = write(tmp_path / "release.yaml", *objects, bad)
    outcome = step("apply", "-f", path, env=through(proxy))
    assert outcome.code == 4, outcome.text
    assert lines(outcome, path) == [line_of(path, "imagee")]
    assert proxy.writes == []
    assert cluster.request("GET", f"/api/v1/namespaces/{new}").code == 404

    good = step("apply", "-f", write(tmp_path / "good.yaml", *objects), report=True)
    cluster.leave_namespace(new)
    assert good.code == 0, good.text
    assert f"can't try out 2 objects before namespace/{new} is there (their fields were checked)" in good.stderr
    assert set(actions(good).values()) == {"created"}


def test_a_custom_resource_of_the_release_is_checked_once_its_kind_is_there(
    step: Step, namespace: str, proxy: Proxy, tmp_path: Path, kubectl: Kubectl
) -> None:
    group = f"{namespace[:7]}.example"
    crd = definition(group)
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}}}
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = schema
    path = write(tmp_path / "release.yaml", crd, config_map(a="b"), custom(group, "one", spec={"sizee": 1}))
    outcome = step("apply", "-f", path, "-n", namespace, env=through(proxy), report=True)
    assert outcome.code == 4, outcome.text
    assert lines(outcome, path) == [line_of(path, "sizee")]
    assert f"before customresourcedefinition/widgets.{group} is there" in outcome.stderr
    expected = {f"CustomResourceDefinition/widgets.{group}": "created", "ConfigMap/settings": "none"}
    assert actions(outcome) == {**expected, "Widget/one": "none"}

    good = write(tmp_path / "good.yaml", crd, config_map(a="b"), custom(group, "one", spec={"size": 1}))
    again = step("apply", "-f", good, "-n", namespace, "--timeout", "60s", report=True)
    kubectl("delete", "crd", f"widgets.{group}", "--wait=false")
    assert again.code == 0, again.text
    assert actions(again)["Widget/one"] == "created"


def test_what_a_pod_refers_to_may_come_with_it(step: Step, cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    high = f"high-{namespace}"
    account = obj("v1", "ServiceAccount", "runner")
    priority = obj("scheduling.k8s.io/v1", "PriorityClass", high, value=1000)
    one = pod("one", "shop/web:1", serviceAccountName="runner", priorityClassName=high)
    path = write(tmp_path / "release.yaml", one, account, priority, config_map(a="b"))
    outcome = step("apply", "-f", path, "-n", namespace, report=True)
    cluster.request("DELETE", f"/apis/scheduling.k8s.io/v1/priorityclasses/{high}")
    assert outcome.code == 0, outcome.text
    assert "can't try out 1 object before" in outcome.stderr
    missing = write(tmp_path / "missing.yaml", pod("two", "shop/web:1", serviceAccountName="nobody"), config_map(a="c"))
    refused = step("apply", "-f", missing, "-n", namespace, report=True)
    assert refused.code == 4, refused.text
    assert 'serviceaccount "nobody" not found' in refused.stderr and "nothing was changed" in refused.stderr


# -- what can't change


def _other_selector(made: Object) -> None:
    made["spec"]["selector"]["matchLabels"]["tier"] = "front"
    made["spec"]["template"]["metadata"]["labels"]["tier"] = "front"


def _other_image(made: Object) -> None:
    made["spec"]["template"]["spec"]["containers"][0]["image"] = "shop/web:2"


def _other_data(made: Object) -> None:
    made["data"] = {"a": "c"}


IMMUTABLE: dict[str, tuple[Object, Any, str, str]] = {
    "selector": (deployment(), _other_selector, "selector:", "k8s-step/on-immutable: recreate"),
    "job": (job("once", "shop/job:1"), _other_image, "template:", "k8s-step/on-immutable: recreate"),
    "data": ({**config_map(a="b"), "immutable": True}, _other_data, "^data:", "give the new one another name"),
}


@pytest.mark.parametrize(("made", "change", "line", "hint"), IMMUTABLE.values(), ids=IMMUTABLE)
def test_a_field_that_can_not_change_comes_with_the_next_move(
    made: Object, change: Any, line: str, hint: str, step: Step, namespace: str, tmp_path: Path
) -> None:
    made = json.loads(json.dumps(made))
    assert step("apply", "-f", write(tmp_path / "one.yaml", made), "-n", namespace, "--no-wait").code == 0
    change(made)
    path = write(tmp_path / "two.yaml", made)
    outcome = step("apply", "-f", path, "-n", namespace)
    assert outcome.code == 4, outcome.text
    assert hint in outcome.stderr and len(outcome.stderr) < 1500
    assert lines(outcome, path) == [line_of(path, line)]


# -- warnings


def test_the_servers_warnings_are_told_once_with_their_line(
    step: Step, cluster: Cluster, namespace: str, proxy: Proxy, tmp_path: Path
) -> None:
    group = f"{namespace[:7]}.example"
    crd = definition(group)
    old = {**crd["spec"]["versions"][0], "name": "v1beta1", "storage": False, "deprecated": True}
    crd["spec"]["versions"].append(old)
    cluster.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd)
    poll(lambda: cluster.request("GET", f"/apis/{group}/v1beta1").code == 200, "the kind to be served")
    widgets = f"/apis/{group}/v1beta1/namespaces/{namespace}/widgets"
    poll(lambda: cluster.request("GET", widgets).code == 200, "the kind's objects")
    first = {**custom(group, "one", spec={}), "apiVersion": f"{group}/v1beta1"}
    path = write(tmp_path / "release.yaml", config_map(a="b"), first, service("web"))
    outcome = step("apply", "-f", path, "-n", namespace, "--no-wait", env=through(proxy), report=True)
    again = step("apply", "-f", path, "-n", namespace, "--no-wait", report=True)
    cluster.request("DELETE", f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.{group}")
    for run in (outcome, again):
        assert run.code == 0, run.text
        told = [line for line in run.stderr.splitlines() if "is deprecated" in line]
        assert told == [
            f"warning: {path}:{line_of(path, 'v1beta1')}: {group}/v1beta1 Widget is deprecated; use {group}/v1 Widget"
        ]
        assert run.report is not None and len(run.report["warnings"]) == 1
    assert len(proxy.matching(on("PATCH", "widgets"))) == 2, "tried out, then written"


def test_a_warning_about_a_field_names_the_fields_line(step: Step, namespace: str, tmp_path: Path) -> None:
    made = deployment()
    made["spec"]["template"]["spec"]["nodeSelector"] = {"beta.kubernetes.io/os": "linux"}
    path = write(tmp_path / "release.yaml", made)
    outcome = step("apply", "-f", path, "-n", namespace, "--no-wait")
    assert outcome.code == 0, outcome.text
    told = [line for line in outcome.stderr.splitlines() if line.startswith("warning: ")]
    assert len(told) == 1 and told[0].startswith(f"warning: {path}:{line_of(path, 'beta.kubernetes.io/os')}: "), told
