"""Which permissions which manifests need, how they read as rules, and what rules cover them."""

from __future__ import annotations

from typing import Any

import pytest

from k8s_step.objects.address import Address
from k8s_step.objects.reference import Reference
from k8s_step.objects.resource import Resource, builtin
from k8s_step.operations.plan import Planned
from k8s_step.release.permissions import Permission, bindings, covers, needed, needed_to_run, roles, rules

RBAC = "rbac.authorization.k8s.io"


def planned(api_version: str, kind: str, name: str = "web", namespace: str = "shop", **fields: Any) -> Planned:
    group, _, version = api_version.rpartition("/")
    resource = builtin(api_version, kind) or Resource(group, version, kind, f"{kind.lower()}s", True)
    place = namespace if resource.namespaced else ""
    manifest = {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, **fields}
    return Planned(Address(resource, Reference(api_version, kind, place, name)), manifest, lambda _: 1)


def told(*plan: Planned, logs: bool = False) -> dict[str, set[str]]:
    """By ``namespace/resource.group:name``, the verbs."""
    found: dict[str, set[str]] = {}
    for one in needed(plan, logs=logs):
        key = (
            f"{one.namespace}/{one.resource}{f'.{one.group}' if one.group else ''}{f':{one.name}' if one.name else ''}"
        )
        found.setdefault(key if not one.url else one.url, set()).add(one.verb)
    return found


WRITE = {"get", "create", "patch"}
FOLLOW = WRITE | {"list", "watch"}
SEEN = {"list", "watch"}


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        pytest.param([planned("v1", "ConfigMap")], {"shop/configmaps:web": WRITE}, id="nothing to follow"),
        pytest.param(
            [planned("apps/v1", "Deployment")],
            {
                "shop/deployments.apps:web": FOLLOW,
                "shop/events": {"list"},
                "shop/pods/log": {"get"},
                "shop/pods": SEEN,
                "shop/replicasets.apps": SEEN,
            },
            id="Deployment",
        ),
        pytest.param(
            [planned("apps/v1", "StatefulSet")],
            {
                "shop/statefulsets.apps:web": FOLLOW,
                "shop/events": {"list"},
                "shop/pods/log": {"get"},
                "shop/pods": SEEN,
            },
            id="StatefulSet",
        ),
        pytest.param(
            [planned("apps/v1", "StatefulSet", spec={"volumeClaimTemplates": [{"metadata": {"name": "data"}}]})],
            {
                "shop/statefulsets.apps:web": FOLLOW,
                "shop/events": {"list"},
                "shop/pods/log": {"get"},
                "shop/pods": SEEN,
                "shop/persistentvolumeclaims": {"get"},
            },
            id="StatefulSet with claims of its own",
        ),
        pytest.param(
            [
                planned(
                    "v1", "Pod", spec={"volumes": [{"persistentVolumeClaim": {"claimName": "data"}}, {"emptyDir": {}}]}
                )
            ],
            {
                "shop/pods:web": FOLLOW,
                "shop/events": {"list"},
                "shop/pods/log": {"get"},
                "shop/persistentvolumeclaims:data": {"get"},
            },
            id="Pod that mounts a claim",
        ),
        pytest.param(
            [planned("v1", "Pod")],
            {"shop/pods:web": FOLLOW, "shop/events": {"list"}, "shop/pods/log": {"get"}},
            id="Pod",
        ),
        pytest.param(
            [planned("v1", "PersistentVolumeClaim", spec={"storageClassName": "fast"})],
            {
                "shop/persistentvolumeclaims:web": FOLLOW,
                "shop/events": {"list"},
                "/storageclasses.storage.k8s.io:fast": {"get"},
            },
            id="claim",
        ),
        pytest.param(
            [planned("v1", "Service", spec={"type": "ClusterIP"})], {"shop/services:web": WRITE}, id="Service"
        ),
        pytest.param(
            [planned("v1", "Service", spec={"type": "LoadBalancer"})],
            {"shop/services:web": FOLLOW, "shop/events": {"list"}},
            id="load balancer",
        ),
        pytest.param([planned("v1", "Namespace", "shop")], {"/namespaces:shop": WRITE}, id="Namespace"),
        pytest.param(
            [planned("apiextensions.k8s.io/v1", "CustomResourceDefinition", "x.y")],
            {"/customresourcedefinitions.apiextensions.k8s.io:x.y": FOLLOW, "default/events": {"list"}},
            id="cluster-wide, with its events in default",
        ),
        pytest.param(
            [planned("example.com/v1", "Widget")],
            {"shop/widgets.example.com:web": FOLLOW, "shop/events": {"list"}},
            id="custom",
        ),
    ],
)
def test_needed(plan: list[Planned], expected: dict[str, set[str]]) -> None:
    assert told(*plan) == expected


def test_to_run_jobs() -> None:
    found = needed_to_run([planned("batch/v1", "Job"), planned("batch/v1", "Job", "other")])
    assert rules(found) == [
        {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["get", "list", "watch", "create", "delete"]},
        {"apiGroups": [""], "resources": ["events"], "verbs": ["list"]},
        {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]},
    ]


def test_who_writes_a_role_needs_what_it_grants() -> None:
    granted = {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["a", "b"], "verbs": ["get"]}
    urls = {"nonResourceURLs": ["/metrics"], "verbs": ["get"]}
    assert told(planned(f"{RBAC}/v1", "Role", rules=[granted])) == {
        f"shop/roles.{RBAC}:web": WRITE,
        "shop/secrets:a": {"get"},
        "shop/secrets:b": {"get"},
    }
    assert told(planned(f"{RBAC}/v1", "ClusterRole", rules=[granted, urls])) == {
        f"/clusterroles.{RBAC}:web": WRITE,
        "/secrets:a": {"get"},
        "/secrets:b": {"get"},
        "/metrics": {"get"},
    }
    aggregated = told(planned(f"{RBAC}/v1", "ClusterRole", aggregationRule={"clusterRoleSelectors": []}))
    assert aggregated == {f"/clusterroles.{RBAC}:web": WRITE | {"escalate"}}


def test_who_binds_a_role_may_bind_it_unless_it_comes_along() -> None:
    binding = planned(f"{RBAC}/v1", "RoleBinding", "b", roleRef={"kind": "ClusterRole", "name": "view"})
    assert told(binding)[f"shop/clusterroles.{RBAC}:view"] == {"bind"}
    role = planned(f"{RBAC}/v1", "ClusterRole", "view")
    assert f"shop/clusterroles.{RBAC}:view" not in told(binding, role)


def test_names_with_the_same_verbs_share_a_rule() -> None:
    found = rules(needed([planned("v1", "ConfigMap", "b"), planned("v1", "ConfigMap", "a")]))
    assert found == [
        {
            "apiGroups": [""],
            "resources": ["configmaps"],
            "resourceNames": ["a", "b"],
            "verbs": ["get", "create", "patch"],
        }
    ]


def test_a_role_for_each_namespace_and_its_binding() -> None:
    plan = [planned("v1", "ConfigMap", namespace="shop"), planned("v1", "ConfigMap", namespace="bank")]
    made = roles(needed([*plan, planned("v1", "Namespace", "shop")]), "ship")
    places = [(role["kind"], role["metadata"]) for role in made]
    assert places == [
        ("ClusterRole", {"name": "ship"}),
        ("Role", {"name": "ship", "namespace": "bank"}),
        ("Role", {"name": "ship", "namespace": "shop"}),
    ]
    given = bindings(made, "ci", "runner")
    assert [(one["kind"], one["roleRef"]["kind"], one["metadata"]) for one in given] == [
        (f"{kind}Binding", kind, metadata) for kind, metadata in places
    ]
    assert given[0]["subjects"] == [{"kind": "ServiceAccount", "name": "runner", "namespace": "ci"}]


LOG = Permission("shop", "", "pods/log", "get")
WEB = Permission("shop", "apps", "deployments", "patch", "web")


def rule(group: str, resource: str, verb: str, *names: str) -> dict[str, Any]:
    return {"apiGroups": [group], "resources": [resource], "verbs": [verb], "resourceNames": list(names)}


@pytest.mark.parametrize(
    ("granted", "wanted", "is_covered"),
    [
        (rule("apps", "deployments", "patch"), WEB, True),
        (rule("apps", "deployments", "patch", "web"), WEB, True),
        (rule("apps", "deployments", "patch", "api"), WEB, False),
        (rule("*", "*", "*"), WEB, True),
        (rule("", "deployments", "patch"), WEB, False),
        (rule("apps", "deployments", "get"), WEB, False),
        (rule("apps", "deployments", "patch", "web"), Permission("shop", "apps", "deployments", "patch"), False),
        (rule("", "pods", "get"), LOG, False),
        (rule("", "pods/log", "get"), LOG, True),
        (rule("", "*/log", "get"), LOG, True),
        (rule("", "*", "get"), LOG, True),
        (rule("apps", "deployments", "patch"), Permission("shop", "apps", "deployments", "*", "web"), False),
    ],
)
def test_covers(granted: dict[str, Any], wanted: Permission, is_covered: bool) -> None:
    assert covers([granted], wanted) is is_covered


@pytest.mark.parametrize(("url", "is_covered"), [("/metrics", True), ("/met*", True), ("*", True), ("/logs", False)])
def test_covers_what_is_no_resource(url: str, is_covered: bool) -> None:
    wanted = Permission("", "", "", "get", url="/metrics")
    assert covers([{"nonResourceURLs": [url], "verbs": ["get"]}], wanted) is is_covered


def test_logs_take_one_verb_more_where_there_are_pods() -> None:
    plan = planned("apps/v1", "Deployment"), planned("v1", "ConfigMap")
    without, of_logs = told(*plan), told(*plan, logs=True)
    assert of_logs["shop/pods/log"] == {"get"} and of_logs["shop/pods"] - without["shop/pods"] == {"get"}
    assert {name for name in of_logs if of_logs[name] != without[name]} == {"shop/pods"}
