"""What the server serves, asked as rarely as may be, in both forms of its discovery documents."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from k8s_step.api.client import Client, Pace
from k8s_step.api.discovery import Discovery
from k8s_step.connection.settings import Connection
from k8s_step.errors import ForbiddenError, InputError, StepError
from k8s_step.objects.resource import Resource
from tests.unit.loopback import Exchange, Loopback

WIDGET = Resource("example.com", "v1", "Widget", "widgets", True, "widget", ("wd",))
OLD_WIDGET = Resource("example.com", "v1beta1", "Widget", "widgets", True, "widget", ("wd",))
OTHER_WIDGET = Resource("other.example", "v1", "Widget", "widgets", False, "widget", ("wd",))


def listed(api_version: str, *items: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "APIResourceList", "groupVersion": api_version, "resources": list(items)}


def item(kind: str, plural: str, *short: str, namespaced: bool = True) -> dict[str, Any]:
    # Singular names are empty for many resources of older servers.
    return {"name": plural, "singularName": "", "namespaced": namespaced, "kind": kind, "shortNames": list(short)}


def group(name: str, *versions: str) -> dict[str, Any]:
    entries = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"kind": "APIGroup", "name": name, "versions": entries, "preferredVersion": entries[-1]}


LEGACY: dict[str, dict[str, Any]] = {
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/api/v1": listed(
        "v1", item("Pod", "pods", "po"), item("ComponentStatus", "componentstatuses", "cs", namespaced=False)
    ),
    "/apis": {
        "kind": "APIGroupList",
        "groups": [group("example.com", "v1beta1", "v1"), group("down.example", "v1"), group("other.example", "v1")],
    },
    "/apis/example.com": group("example.com", "v1beta1", "v1"),
    "/apis/example.com/v1": listed(
        "example.com/v1", item("Widget", "widgets", "wd"), item("Widget", "widgets/status"), item("Gadget", "gadgets")
    ),
    "/apis/example.com/v1beta1": listed("example.com/v1beta1", item("Widget", "widgets", "wd")),
    "/apis/other.example/v1": listed(
        "other.example/v1", item("Widget", "widgets", "wd", namespaced=False), item("Wd", "wds")
    ),
}


def aggregated(*groups: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "items": list(groups)}


def version(name: str, *resources: dict[str, Any], freshness: str = "Current") -> dict[str, Any]:
    return {"version": name, "resources": list(resources), "freshness": freshness}


def entry(kind: str, plural: str, *short: str, scope: str = "Namespaced") -> dict[str, Any]:
    return {
        "resource": plural,
        "responseKind": {"group": "", "version": "", "kind": kind},
        "scope": scope,
        "singularResource": kind.lower(),
        "shortNames": list(short),
    }


AGGREGATED: dict[str, dict[str, Any]] = {
    **LEGACY,
    "/api": aggregated(
        {
            "metadata": {},
            "versions": [version("v1", entry("ComponentStatus", "componentstatuses", "cs", scope="Cluster"))],
        }
    ),
    "/apis": aggregated(
        {
            "metadata": {"name": "example.com"},
            "versions": [
                version("v1", entry("Widget", "widgets", "wd"), {"resource": "without-a-kind"}),
                version("v1beta1", entry("Widget", "widgets", "wd")),
            ],
        },
        {"metadata": {"name": "down.example"}, "versions": [version("v1", freshness="Stale")]},
        {
            "metadata": {"name": "other.example"},
            "versions": [version("v1", entry("Widget", "widgets", "wd", scope="Cluster"), entry("Wd", "wds"))],
        },
    ),
}


class Served:
    """A server with these documents, and a discovery that asks it."""

    def __init__(self, stack: contextlib.ExitStack, documents: dict[str, dict[str, Any]]) -> None:
        self.documents = dict(documents)
        self.server = stack.enter_context(Loopback(self._answer))
        client = Client(Connection(self.server.url, "test"), pace=Pace(sleep=lambda _: None))
        stack.callback(client.close)
        self.discovery = Discovery(client)

    @property
    def asked(self) -> list[str]:
        return [exchange.target for exchange in self.server.exchanges]

    def _answer(self, exchange: Exchange) -> None:
        document = self.documents.get(exchange.target)
        if document is None and "down.example" in exchange.target:
            status = {"kind": "Status", "message": "the server is currently unable to handle the request"}
            exchange.reply(403 if "forbid" in self.documents else 500, status)
        elif document is None:
            exchange.reply(404, b"404 page not found\n", content_type="text/plain")
        else:
            exchange.reply(int(document.get("code", 200)), document)


@pytest.fixture
def stack() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as opened:
        yield opened


@pytest.fixture(params=["legacy", "aggregated"])
def served(request: pytest.FixtureRequest, stack: contextlib.ExitStack) -> Served:
    return Served(stack, LEGACY if request.param == "legacy" else AGGREGATED)


class TestResource:
    def test_built_in_kinds_cost_nothing(self, served: Served) -> None:
        assert served.discovery.resource("apps/v1", "Deployment").plural == "deployments"
        assert served.asked == []

    def test_one_request_for_a_group_version(self, served: Served) -> None:
        assert served.discovery.resource("example.com/v1", "Widget") == WIDGET
        assert served.discovery.resource("example.com/v1", "Gadget").plural == "gadgets"
        assert served.asked == ["/apis/example.com/v1"]

    def test_one_request_for_many_threads(self, served: Served) -> None:
        threads = [
            threading.Thread(target=served.discovery.resource, args=("example.com/v1", "Widget")) for _ in range(16)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert served.asked == ["/apis/example.com/v1"]

    def test_core_kinds_that_are_not_built_in(self, served: Served) -> None:
        assert served.discovery.resource("v1", "ComponentStatus").namespaced is False
        assert served.asked == ["/api/v1"]

    def test_what_this_run_creates(self, served: Served) -> None:
        own = Resource("own.example", "v1", "Thing", "things", True)
        served.discovery.add(own)
        assert served.discovery.resource("own.example/v1", "Thing") == own
        assert served.asked == []

    def test_a_version_not_served(self, served: Served) -> None:
        with pytest.raises(InputError) as caught:
            served.discovery.resource("example.com/v2", "Widget")
        assert "example.com/v2 Widget" in str(caught.value)
        assert "it serves example.com/v1beta1, example.com/v1" in str(caught.value)

    def test_a_group_not_served(self, served: Served) -> None:
        with pytest.raises(InputError, match="CustomResourceDefinition"):
            served.discovery.resource("no.example/v1", "Widget")

    def test_a_kind_not_served(self, served: Served) -> None:
        with pytest.raises(InputError) as caught:
            served.discovery.resource("example.com/v1", "Wigdet")
        assert "close to it: Widget" in str(caught.value)

    def test_a_kind_that_comes_later(self, served: Served) -> None:
        served.discovery.resource("example.com/v1", "Widget")
        with pytest.raises(InputError):
            served.discovery.resource("example.com/v1", "Gizmo")
        served.documents["/apis/example.com/v1"] = listed("example.com/v1", item("Gizmo", "gizmos"))
        assert served.discovery.resource("example.com/v1", "Gizmo").plural == "gizmos"

    def test_a_refusal_names_the_kind(self, served: Served) -> None:
        served.documents["/apis/example.com/v1"] = {"kind": "Status", "message": "is forbidden", "code": 403}
        with pytest.raises(ForbiddenError, match=r"example\.com/v1 Widget"):
            served.discovery.resource("example.com/v1", "Widget")


class TestServing:
    def test_kinds_in_their_preferred_version(self, served: Served) -> None:
        found = served.discovery.serving(
            [("example.com", "Widget"), ("apps", "Deployment"), ("other.example", "Widget")]
        )
        assert found["example.com", "Widget"].version in ("v1", "v1beta1")
        assert found["other.example", "Widget"] == OTHER_WIDGET
        assert found["apps", "Deployment"].api_version == "apps/v1"

    def test_built_in_kinds_cost_nothing(self, served: Served) -> None:
        assert served.discovery.serving([("", "ConfigMap")])["", "ConfigMap"].plural == "configmaps"
        assert served.discovery.serving([("autoscaling", "HorizontalPodAutoscaler")])
        assert served.asked == []

    def test_what_is_not_served_is_left_out(self, served: Served) -> None:
        assert served.discovery.serving([("no.example", "Widget"), ("example.com", "Gizmo")]) == {}

    def test_a_group_that_is_down_can_not_be_told(self, served: Served) -> None:
        with pytest.raises(StepError, match=r"down\.example/v1"):
            served.discovery.serving([("down.example", "Thing")])
        served.documents["/apis/down.example/v1"] = listed("down.example/v1", item("Thing", "things"))
        assert served.discovery.serving([("down.example", "Thing")])["down.example", "Thing"].plural == "things"

    def test_another_group_that_is_down_does_not_matter(self, served: Served) -> None:
        assert served.discovery.serving([("example.com", "Gizmo")]) == {}


class TestServed:
    def test_a_kind_in_the_version_that_the_server_has(self, served: Served) -> None:
        """As of Kubernetes 1.22, where version 2 of autoscalers is not served yet."""
        scaler = item("HorizontalPodAutoscaler", "horizontalpodautoscalers", "hpa")
        served.documents["/apis/autoscaling"] = group("autoscaling", "v2beta2", "v1")
        served.documents["/apis/autoscaling/v1"] = listed("autoscaling/v1", item("Scale", "scalers/scale"), scaler)
        found = served.discovery.served("autoscaling", "HorizontalPodAutoscaler")
        assert found == Resource(
            "autoscaling", "v1", scaler["kind"], scaler["name"], True, scaler["kind"].lower(), ("hpa",)
        )
        assert served.asked == ["/apis/autoscaling", "/apis/autoscaling/v1"]

    def test_a_version_that_is_preferred_and_lacks_the_kind(self, served: Served) -> None:
        served.documents["/apis/example.com/v1"] = listed("example.com/v1", item("Gadget", "gadgets"))
        assert served.discovery.served("example.com", "Widget") == OLD_WIDGET

    def test_a_version_that_has_just_gone(self, served: Served) -> None:
        del served.documents["/apis/example.com/v1"]
        assert served.discovery.served("example.com", "Widget") == OLD_WIDGET

    def test_what_is_served_in_no_version(self, served: Served) -> None:
        assert served.discovery.served("example.com", "Gizmo") is None
        assert served.discovery.served("no.example", "Widget") is None

    def test_core_has_one_version(self, served: Served) -> None:
        served.documents["/api/v1"] = LEGACY["/api/v1"]
        assert served.discovery.served("", "Pod") == Resource("", "v1", "Pod", "pods", True, "pod", ("po",))

    def test_a_server_that_is_down_can_not_tell(self, served: Served) -> None:
        served.documents["/apis/down.example"] = group("down.example", "v1")
        with pytest.raises(StepError, match=r"down\.example/v1"):
            served.discovery.served("down.example", "Thing")


class TestFind:
    @pytest.mark.parametrize(
        ("word", "found"),
        [
            ("deployment", "apps/v1 deployments"),
            ("Deployment", "apps/v1 deployments"),
            ("deploy", "apps/v1 deployments"),
            ("DEPLOYMENTS", "apps/v1 deployments"),
            ("deployment.apps", "apps/v1 deployments"),
            ("deployments.v1.apps", "apps/v1 deployments"),
            ("apps/v1/deployments", "apps/v1 deployments"),
            ("v1/pods", "v1 pods"),
            ("po", "v1 pods"),
            ("events", "v1 events"),
            ("events.events.k8s.io", "events.k8s.io/v1 events"),
            ("hpa", "autoscaling/v2 horizontalpodautoscalers"),
            ("autoscaling/v1/hpa", "autoscaling/v1 horizontalpodautoscalers"),
        ],
    )
    def test_built_in(self, served: Served, word: str, found: str) -> None:
        resource = served.discovery.find(word)
        assert (f"{resource.api_version} {resource.plural}", served.asked) == (found, [])

    @pytest.mark.parametrize(
        ("word", "found"),
        [
            ("widget", WIDGET),
            ("widgets.example.com", WIDGET),
            ("wd.example.com", WIDGET),
            ("widgets.v1beta1.example.com", OLD_WIDGET),
            ("example.com/v1beta1/widgets", OLD_WIDGET),
            ("widgets.other.example", OTHER_WIDGET),
        ],
    )
    def test_served(self, served: Served, word: str, found: Resource) -> None:
        assert served.discovery.find(word) == found

    def test_a_full_name_counts_before_a_short_one(self, served: Served) -> None:
        assert served.discovery.find("wd").kind == "Wd"

    def test_is_remembered(self, served: Served) -> None:
        served.discovery.find("widgets")
        asked = len(served.asked)
        served.discovery.find("widgets")
        assert len(served.asked) == asked

    def test_what_was_asked_before_changes_nothing(self, served: Served) -> None:
        served.discovery.find("widgets.other.example")
        served.discovery.resource("other.example/v1", "Widget")
        assert served.discovery.find("widgets") == WIDGET

    def test_core_is_looked_at_too(self, served: Served) -> None:
        assert served.discovery.find("cs").kind == "ComponentStatus"

    def test_unknown(self, served: Served) -> None:
        with pytest.raises(InputError) as caught:
            served.discovery.find("wigdets")
        assert "'wigdets'" in str(caught.value)
        assert "widgets" in str(caught.value)
        assert "not available at the moment: down.example/v1" in str(caught.value)

    def test_two_requests_where_the_server_aggregates(self, stack: contextlib.ExitStack) -> None:
        served = Served(stack, AGGREGATED)
        served.discovery.find("widgets")
        assert served.asked == ["/api", "/apis"]
        assert "as=APIGroupDiscoveryList" in str(served.server.exchanges[0].header("Accept"))
