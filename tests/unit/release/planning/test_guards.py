"""Which objects the guards of a run forbid, and in which words."""

from __future__ import annotations

from typing import Any

import pytest

from k8s_step.api.discovery import Discovery
from k8s_step.errors import InputError, InputErrors
from k8s_step.inputs import Inputs
from k8s_step.manifests.manifest import Manifest
from k8s_step.objects.address import Address
from k8s_step.objects.reference import Reference
from k8s_step.objects.resource import Resource, required
from k8s_step.objects.selection import Group
from k8s_step.release.planning.guards import Guards

WIDGET = Resource("example.com", "v1", "Widget", "widgets", True, "widget", ("wd",))
FISH = Resource("example.com", "v1", "Fish", "fish", True, "fish")
DEPLOYMENT = required("apps/v1", "Deployment")
SECRET = required("v1", "Secret")
ROLE = required("rbac.authorization.k8s.io/v1", "ClusterRole")
NAMESPACE = required("v1", "Namespace")


def objection(guards: Guards, resource: Resource, namespace: str = "shop", name: str = "web") -> str:
    reference = Reference(resource.api_version, resource.kind, namespace if resource.namespaced else "", name)
    return guards.objection(resource, reference)


@pytest.mark.parametrize(
    "word", ["Deployment", "deployments", "deploy", "deployment.apps", "deployments.v1.apps", "apps/v1/deployments"]
)
def test_a_kind_in_every_way_to_name_it(word: str) -> None:
    assert objection(Guards(denied=(word,)), DEPLOYMENT) == f"--deny-kind {word} forbids a Deployment"
    assert not objection(Guards(allowed=(word,)), DEPLOYMENT)
    assert objection(Guards(allowed=(word,)), SECRET) == f"a Secret is none of --allow-kind {word}"
    assert not objection(Guards(denied=(word,)), SECRET)


@pytest.mark.parametrize("word", ["widgets", "widget.example.com", "wd", "*.example.com", "w*"])
def test_a_custom_kind(word: str) -> None:
    assert objection(Guards(denied=(word,)), WIDGET)
    assert not objection(Guards(denied=(word,)), SECRET)


def test_an_unusual_plural_counts_and_so_does_the_usual_one() -> None:
    """Before the server was asked, only the usual one is known: the same word must mean the same then."""
    assert objection(Guards(denied=("fish",)), FISH)
    assert objection(Guards(denied=("fishs",)), FISH)


def test_denied_wins() -> None:
    assert objection(Guards(allowed=("secrets",), denied=("Secret",)), SECRET).startswith("--deny-kind")


def test_namespaces() -> None:
    guards = Guards(namespaces=("shop", "team-*"))
    assert not objection(guards, DEPLOYMENT, "shop")
    assert not objection(guards, DEPLOYMENT, "team-a")
    told = "its namespace kube-system is none of --allow-namespace shop, team-*"
    assert objection(guards, DEPLOYMENT, "kube-system") == told
    assert objection(guards, DEPLOYMENT, "shop-2")


def test_cluster_wide_kinds_are_named_or_refused() -> None:
    told = "a ClusterRole is cluster-wide, so --allow-namespace shop takes it only where --allow-kind names it"
    assert objection(Guards(namespaces=("shop",)), ROLE) == told
    assert objection(Guards(namespaces=("shop",), allowed=("*",)), ROLE) == told
    assert not objection(Guards(namespaces=("shop",), allowed=("*", "clusterroles")), ROLE)
    assert not objection(Guards(allowed=("*",)), ROLE)


def test_a_namespace_is_where_it_is() -> None:
    guards = Guards(namespaces=("shop-*",), allowed=("*", "ns"))
    assert not objection(guards, NAMESPACE, name="shop-2")
    assert objection(guards, NAMESPACE, name="kube-system") == "it is none of --allow-namespace shop-*"


def test_what_a_selector_chooses() -> None:
    with pytest.raises(InputError, match=r"pods in kube-system: its namespace kube-system is none of"):
        Guards(namespaces=("shop",)).check_groups([Group(required("v1", "Pod"), "kube-system")])
    with pytest.raises(InputError, match="it is none of"):
        Guards(namespaces=("shop",), allowed=("namespaces",)).check_groups([Group(NAMESPACE, "", "app=web")])
    Guards(namespaces=("shop",)).check_groups([Group(required("v1", "Pod"), "shop")])


class _NoServer:
    def send(self, request: Any, **_: Any) -> Any:
        raise AssertionError(f"the server was asked: {request}")


def manifest(kind: str, api_version: str = "v1", namespace: str = "", line: int = 1) -> Manifest:
    metadata = {"name": f"{kind.lower()}-{line}", **({"namespace": namespace} if namespace else {})}
    return Manifest({"apiVersion": api_version, "kind": kind, "metadata": metadata}, "k8s/a.yaml", line)


def refused(guards: Guards, *manifests: Manifest) -> list[str]:
    client: Any = _NoServer()
    try:
        guards.check_manifests(manifests, "shop", Discovery(client))
    except InputErrors as errors:
        return [str(each) for each in errors.errors]
    return []


def test_manifests_are_checked_without_a_request() -> None:
    guards = Guards(namespaces=("shop",), denied=("widgets.example.com",))
    told = refused(
        guards,
        manifest("ConfigMap"),
        manifest("Widget", "example.com/v1", line=5),
        manifest("ConfigMap", namespace="kube-system", line=9),
        manifest("Gadget", "example.com/v1", line=12),
    )
    assert told == [
        "k8s/a.yaml:5: widget/shop/widget-5: --deny-kind widgets.example.com forbids a Widget",
        "k8s/a.yaml:9: configmap/kube-system/configmap-9: its namespace kube-system is none of --allow-namespace shop",
    ]


def test_many_are_counted() -> None:
    told = refused(Guards(denied=("secrets",)), *(manifest("Secret", line=line) for line in range(1, 31)))
    assert len(told) == 10
    assert told[0] == "k8s/a.yaml:1: secret/shop/secret-1: --deny-kind secrets forbids a Secret"
    assert told[-1].endswith("forbids a Secret, and so for 20 more")


@pytest.mark.parametrize("word", ["secret/token", "deployment/", "two words"])
def test_a_word_that_is_no_kind(word: str) -> None:
    with pytest.raises(InputError, match="names no kind"):
        Guards.of(Inputs(deny_kind=(word,)))


def test_the_server_told_more_about_a_kind() -> None:
    with pytest.raises(InputErrors, match="--deny-kind wd forbids a Widget"):
        Guards(denied=("wd",)).check([Address(WIDGET, Reference("example.com/v1", "Widget", "shop", "one"))])
