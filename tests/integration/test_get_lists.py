"""Long lists read by ``get`` from the real control plane: streamed, ended, broken off, too old, partly forbidden."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
import yaml

from tests.conftest import Kubectl, Outcome, Step, poll
from tests.controlplane.cluster import Cluster
from tests.faults import proxy as faults
from tests.faults.proxy import Exchange, Proxy, Recorded, on
from tests.integration.objects import config_map, obj, through

READS = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list"]}


def many(step: Step, namespace: str, count: int) -> None:
    items = [config_map(f"m-{number:04}") for number in range(count)]
    made = step(
        "create",
        "-f",
        "-",
        "-n",
        namespace,
        "--no-wait",
        input=json.dumps({"kind": "List", "items": items, "apiVersion": "v1"}),
    )
    assert made.code == 0, made.text[-500:]


def later_pages(request: Recorded) -> bool:
    return "continue" in request.query


def names_in(outcome: Outcome, form: str) -> list[str]:
    """The names of the ConfigMaps ``m-…`` that were printed, in order."""
    if form in ("json", "yaml"):
        found = [one["metadata"]["name"] for one in yaml.safe_load(outcome.stdout)["items"]]
    elif form == "jsonl":
        found = [json.loads(line)["metadata"]["name"] for line in outcome.stdout.splitlines()]
    else:
        found = [line.split()[0].removeprefix("configmap/") for line in outcome.stdout.splitlines()]
    return [name for name in found if name.startswith("m-")]


def test_five_thousand_while_others_are_created(step: Step, namespace: str, proxy: Proxy, cluster: Cluster) -> None:
    """Each page comes after another one was created: all that were there when it began are there, each once."""
    many(step, namespace, 5000)
    made: list[str] = []

    def meanwhile(exchange: Exchange) -> None:
        made.append(f"m-{len(made):04}-more")
        cluster.create(f"/api/v1/namespaces/{namespace}/configmaps", config_map(made[-1]))
        exchange.forward()

    proxy.rule(later_pages, meanwhile, None)
    outcome = step("get", "cm", "-n", namespace, "-o", "name", env=through(proxy))
    assert outcome.code == 0, outcome.text[-500:]
    assert names_in(outcome, "name") == [f"m-{number:04}" for number in range(5000)]
    assert len(made) == 10
    cluster.delete_namespace(namespace)  # other tests list what is in all namespaces


def forgotten(owned: Cluster, namespace: str) -> Callable[[Exchange], None]:
    """The page is asked for once the server has forgotten the version that the list is of."""

    def action(exchange: Exchange) -> None:
        owned.request("DELETE", f"/api/v1/namespaces/{namespace}/configmaps/m-0000")
        owned.create(f"/api/v1/namespaces/{namespace}/configmaps", config_map("m-9999"))
        owned.compact()
        asked = exchange.record
        poll(lambda: owned.request("GET", asked.path, **asked.query).code == 410, "the server to forget")
        exchange.forward()

    return action


@pytest.mark.parametrize("form", ["json", "table"])
@pytest.mark.parametrize("way", ["continue", "restart"])
def test_etcd_is_compacted_between_two_pages(
    way: str, form: str, step: Step, namespace: str, proxy: Proxy, owned: Cluster
) -> None:
    many(step, namespace, 8)
    proxy.rule(later_pages, forgotten(owned, namespace), 1)
    words = ("get", "cm", "-n", namespace, "-o", form, "--limit", "5", "--on-expired", way)
    outcome = step(*words, env=through(proxy))
    assert outcome.code == 0, outcome.text
    begins = [] if way == "restart" else ["m-0000"]
    assert names_in(outcome, form) == [*begins, *(f"m-{number:04}" for number in range(1, 8)), "m-9999"]
    said = "starting over" if way == "restart" else "the rest is read as it is now"
    assert outcome.stderr.count("grew too old") == 1 and said in outcome.stderr


@pytest.mark.parametrize("form", ["json", "yaml", "jsonl", "name", "table"])
def test_a_list_that_breaks_off(form: str, step: Step, namespace: str, proxy: Proxy) -> None:
    """Nothing looks like a whole answer: the exit code, stderr, and JSON and YAML that no parser takes."""
    many(step, namespace, 6)
    proxy.rule(later_pages, faults.forbid("is forbidden: from now on"), None)
    outcome = step("get", "cm", "-n", namespace, "-o", form, "--limit", "4", env=through(proxy))
    assert outcome.code == 4
    assert "from now on" in outcome.stderr and "configmaps in" in outcome.stderr
    if form in ("json", "yaml"):
        assert "m-0000" in outcome.stdout
        with pytest.raises(yaml.YAMLError):
            yaml.safe_load(outcome.stdout)
    else:
        assert names_in(outcome, form)[:3] == ["m-0000", "m-0001", "m-0002"]


@pytest.mark.parametrize("form", ["json", "yaml", "name", "table"])
def test_a_namespace_that_is_forbidden_hides_no_other(
    form: str, step: Step, namespace: str, cluster: Cluster, kubectl: Kubectl
) -> None:
    kubectl("-n", namespace, "create", "-f", "-", input=json.dumps(config_map("m-0001")))
    token = cluster.token(namespace, "reader", rules=[READS])
    env = {"KUBECONFIG": None, "K8S_API": cluster.server, "K8S_TOKEN": token, "K8S_CA": str(cluster.ca)}
    outcome = step("get", "cm", "-n", f"kube-system,{namespace}", "-o", form, env=env)
    assert outcome.code == 4, outcome.text
    assert 'cannot list resource "configmaps" in API group "" in the namespace "kube-system"' in outcome.stderr
    shown = outcome.stdout if form in ("json", "yaml", "name") else outcome.stdout.replace(namespace, "")
    assert "m-0001" in shown
    if form in ("json", "yaml"):
        assert {one["metadata"]["namespace"] for one in yaml.safe_load(outcome.stdout)["items"]} == {namespace}
    alone = step("get", "cm", "-n", "kube-system", "-o", form, env=env)
    assert (alone.code, alone.stdout) == (4, ""), "no empty list where nothing may be seen"


def test_several_lists_come_in_the_order_asked_for(step: Step, namespace: str, proxy: Proxy, kubectl: Kubectl) -> None:
    made = [obj("v1", "Secret", "s"), config_map("m-0001"), obj("v1", "ServiceAccount", "a")]
    kubectl("-n", namespace, "create", "-f", "-", input=yaml.safe_dump_all(made))
    proxy.rule(on("GET", "/secrets$"), faults.delay(1), 1)
    words = ("secrets,sa,cm", "-n", f"{namespace},{namespace}", "-o", "name")
    outcome = step("get", *words, env=through(proxy))
    kinds = list(dict.fromkeys(line.partition("/")[0] for line in outcome.stdout.splitlines()))
    assert kinds == ["secret", "serviceaccount", "configmap"]


def test_the_result_file_names_the_first_thousand(step: Step, namespace: str) -> None:
    many(step, namespace, 1002)
    outcome = step("get", "cm", "-n", namespace, "-o", "name", report=True)
    assert outcome.report is not None and len(outcome.report["objects"]) == 1000
    assert "1003 objects" in outcome.stderr, "and one that every namespace has"
