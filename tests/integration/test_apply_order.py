"""The order a release is sent in, and what is asked of the server about kinds."""

from __future__ import annotations

import random
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Step, poll
from tests.controlplane.cluster import Cluster
from tests.faults.proxy import Exchange, Proxy, on
from tests.integration.objects import Object, config_map, custom, definition, deployment, obj, through, write
from tests.integration.outcomes import actions, statuses

DISCOVERY = on("GET", r"^/(api|apis/[^/]+)/v\w+$|^/apis(/[^/]+)?$|^/api$")


@pytest.fixture
def group(namespace: str, cluster: Cluster) -> Iterator[str]:
    """An API group of this test's own."""
    name = f"{namespace}.example"
    yield name
    for kind in ("widgets", "gadgets"):
        cluster.request("DELETE", f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{kind}.{name}")


def everything(group: str, namespace: str) -> list[Object]:
    """Objects that need one another, in the order that works."""
    role = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}]
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"}
    subject = {"kind": "ServiceAccount", "name": "robot", "namespace": namespace}
    rbac = "rbac.authorization.k8s.io/v1"
    return [
        obj("v1", "Namespace", namespace),
        definition(group),
        obj("v1", "ServiceAccount", "robot", namespace),
        config_map("settings", namespace, tone="low"),
        obj(rbac, "Role", "reader", namespace, rules=role),
        obj(rbac, "RoleBinding", "reader", namespace, roleRef=reference, subjects=[subject]),
        deployment("web", namespace=namespace),
        {**custom(group, "one"), "metadata": {"name": "one", "namespace": namespace}},
    ]


def order(proxy: Proxy) -> list[str]:
    """What was written, as ``namespaces/shop``, in the order it was sent."""
    found = [re.search(r"([^/]+)/([^/]+)$", request.path) for request in proxy.writes]
    return [f"{match[1]}/{match[2]}" for match in found if match]


@pytest.mark.parametrize("seed", range(3))
def test_a_shuffled_release_goes_out_in_an_order_that_works(
    seed: int, step: Step, namespace: str, group: str, proxy: Proxy, tmp_path: Path
) -> None:
    objects = everything(group, f"{namespace}-new")
    random.Random(seed).shuffle(objects)
    outcome = step("apply", "-f", write(tmp_path / "release.yaml", *objects), env=through(proxy), report=True)
    assert outcome.code == 0, outcome.text
    assert set(actions(outcome).values()) == {"created"} and set(statuses(outcome).values()) == {"current"}
    sent = order(proxy)
    first = [sent.index(f"namespaces/{namespace}-new"), sent.index(f"customresourcedefinitions/widgets.{group}")]
    second = [sent.index(name) for name in ("serviceaccounts/robot", "configmaps/settings", "roles/reader")]
    third, fourth = sent.index("rolebindings/reader"), sent.index("deployments/web")
    assert max(first) < min(second) and max(second) < third < fourth
    assert max(first) < sent.index("widgets/one")
    assert len(sent) == len(objects), "each once"
    assert proxy.matching(DISCOVERY) == [], "built-in kinds and the release's own need no discovery"


def test_the_report_keeps_the_order_of_the_files(step: Step, namespace: str, tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", deployment(), config_map("one", a="b"))
    write(tmp_path / "b.yaml", config_map("two", a="b"))
    outcome = step("apply", "-f", "b.yaml", "-f", "a.yaml", "-n", namespace, report=True)
    assert list(actions(outcome)) == ["ConfigMap/two", "Deployment/web", "ConfigMap/one"], outcome.text


def test_custom_resources_are_sent_when_their_kind_is_established(
    step: Step, namespace: str, group: str, proxy: Proxy, tmp_path: Path
) -> None:
    objects = [custom(group, f"one-{number}") for number in range(5)]
    gadgets = [custom(group, f"two-{number}", "Gadget") for number in range(5)]
    path = write(tmp_path / "release.yaml", *objects, *gadgets, definition(group), definition(group, "Gadget"))
    outcome = step("apply", "-f", path, "-n", namespace, "--no-wait", env=through(proxy), report=True)
    assert outcome.code == 0, outcome.text
    assert list(actions(outcome).values()) == ["created"] * 12
    assert [request.code for request in proxy.writes] == [201] * 12


def test_custom_resources_wait_until_their_kind_is_established(
    step: Step, namespace: str, group: str, proxy: Proxy, tmp_path: Path
) -> None:
    """The news that it is established is held back: until then, nothing of that kind is sent."""
    news = threading.Event()

    def held(exchange: Exchange) -> None:
        news.wait(60)
        exchange.forward()

    rule = proxy.rule(on("GET", "customresourcedefinitions$", watch=True), held)
    path = write(tmp_path / "release.yaml", custom(group, "one"), definition(group))
    run = step.start("apply", "-f", path, "-n", namespace, "--no-preflight", "--no-wait", env=through(proxy))
    poll(lambda: rule.used, "the watch on its definition", 60)
    assert order(proxy) == [f"customresourcedefinitions/widgets.{group}"]
    news.set()
    outcome = run.wait()
    assert outcome.code == 0, outcome.text
    assert order(proxy) == [f"customresourcedefinitions/widgets.{group}", "widgets/one"]


def test_a_kind_that_is_there_costs_one_discovery_request(
    step: Step, namespace: str, group: str, proxy: Proxy, tmp_path: Path
) -> None:
    kinds = write(tmp_path / "kinds.yaml", definition(group), definition(group, "Gadget"))
    assert step("apply", "-f", kinds).code == 0
    objects = [custom(group, "one"), custom(group, "two"), custom(group, "three", "Gadget"), config_map(a="b")]
    path = write(tmp_path / "release.yaml", *objects)
    outcome = step("apply", "-f", path, "-n", namespace, "--no-wait", env=through(proxy), report=True)
    assert outcome.code == 0, outcome.text
    assert [request.path for request in proxy.matching(DISCOVERY)] == [f"/apis/{group}/v1"]


def test_a_dry_run_of_a_kind_that_is_not_there_yet(
    step: Step, cluster: Cluster, namespace: str, group: str, proxy: Proxy, tmp_path: Path
) -> None:
    path = write(tmp_path / "release.yaml", custom(group, "one"), definition(group))
    outcome = step("apply", "-f", path, "-n", namespace, "--dry-run", env=through(proxy), report=True)
    assert outcome.code == 0, outcome.text
    assert set(actions(outcome).values()) == {"created"}
    assert proxy.writes == []
    assert cluster.request("GET", f"/apis/{group}/v1").code == 404


def test_a_kind_whose_names_are_taken_is_not_waited_for_in_vain(
    step: Step, namespace: str, group: str, tmp_path: Path
) -> None:
    assert step("apply", "-f", write(tmp_path / "kinds.yaml", definition(group))).code == 0
    taken = definition(group, "Gadget")
    taken["spec"]["names"] = {**taken["spec"]["names"], "kind": "Widget", "listKind": "WidgetList"}
    path = write(tmp_path / "release.yaml", taken)
    outcome = step("apply", "-f", path, "-n", namespace, report=True)
    assert outcome.code == 1, outcome.text
    assert "already in use" in outcome.stderr
