"""The ApplySet format, held to the ids and the objects of kubectl's own tests (pkg/cmd/apply/apply_test.go)."""

from __future__ import annotations

import pytest

from k8s_step.objects.applyset import (
    KINDS,
    NAMESPACES,
    RESOURCES,
    TOOLING,
    Contents,
    GroupKind,
    has_marks,
    identity,
    kinds_of,
    labelled,
    marks,
    namespaces_of,
    resources_of,
    tool_of,
)

RC, SERVICE, ROLE = GroupKind("", "ReplicationController"), GroupKind("", "Service"), GroupKind("rbac.x.io", "Role")


def parent(**annotations: str) -> dict[str, object]:
    return {"metadata": {"annotations": annotations}}


def test_the_id_of_a_namespaced_parent() -> None:
    assert identity("", "Secret", "test", "my-set") == "applyset-0eFHV8ySqp7XoShsGvyWFQD3s96yqwHmzc4e0HR1dsY-v1"


def test_the_id_of_a_cluster_wide_parent() -> None:
    found = identity("company.com", "ApplySet", "", "my-set")
    assert found == "applyset-rhp1a-HVAVT_dFgyEygyA1BEB82HPp2o10UiFTpqtAs-v1"


def test_a_parent_lists_kinds_in_order_and_the_other_namespaces() -> None:
    contents = Contents.of([(SERVICE, "shop"), (RC, "test"), (ROLE, "db"), (GroupKind("", "Namespace"), "")])
    assert marks("the-id", "kubectl/v1.37.2", contents, "test") == {
        "labels": {"applyset.kubernetes.io/id": "the-id"},
        "annotations": {
            "applyset.kubernetes.io/tooling": "kubectl/v1.37.2",
            "applyset.kubernetes.io/contains-group-kinds": "Namespace,ReplicationController,Role.rbac.x.io,Service",
            "applyset.kubernetes.io/additional-namespaces": "db,shop",
        },
    }


def test_a_parent_of_nothing_has_all_annotations() -> None:
    made = marks("the-id", "kubectl/v1.37.2", Contents(), "test")["annotations"]
    assert (made[KINDS], made[NAMESPACES]) == ("", "")


def test_contents_are_united() -> None:
    one, other = Contents.of([(RC, "test")]), Contents.of([(RC, "test"), (SERVICE, "shop")])
    assert one | other == Contents(frozenset({RC, SERVICE}), frozenset({"test", "shop"}))


@pytest.mark.parametrize("value,kinds", [("", []), ("Role.rbac.x.io,Service", [ROLE, SERVICE])])
def test_kinds_are_read(value: str, kinds: list[GroupKind]) -> None:
    assert kinds_of(parent(**{KINDS: value})) == kinds


def test_kinds_that_are_not_listed() -> None:
    assert kinds_of(parent()) is None
    assert resources_of(parent()) is None


def test_resources_of_an_old_parent_are_read() -> None:
    assert resources_of(parent(**{RESOURCES: "services,roles.rbac.x.io"})) == ["services", "roles.rbac.x.io"]


@pytest.mark.parametrize(
    "listed,own,found",
    [("", "test", {"test"}), ("db,shop", "test", {"db", "shop", "test"}), ("db", "", {"db"})],
)
def test_namespaces_are_read(listed: str, own: str, found: set[str]) -> None:
    assert namespaces_of(parent(**{NAMESPACES: listed}), own) == found
    assert namespaces_of(parent(), own) == {own} - {""}


@pytest.mark.parametrize(
    "tooling,tool", [("kubectl/v1.37.2", "kubectl"), ("example.com/tool/v1.0.0", "example.com/tool"), ("", "")]
)
def test_the_tool_is_all_but_the_version(tooling: str, tool: str) -> None:
    assert tool_of(parent(**{TOOLING: tooling})) == tool
    assert tool_of({"metadata": {}}) == ""


def test_a_parent_that_needs_no_write() -> None:
    wanted = marks("the-id", "k8s-step/v1.0.0", Contents.of([(RC, "test")]), "test")
    live = {"metadata": {"labels": {**wanted["labels"], "a": "b"}, "annotations": dict(wanted["annotations"])}}
    assert has_marks(live, wanted)
    assert not has_marks(live, marks("the-id", "k8s-step/v1.0.0", Contents.of([(SERVICE, "test")]), "test"))
    live["metadata"]["annotations"][RESOURCES] = "services"
    assert not has_marks(live, wanted)


def test_a_member_is_labelled_beside_its_own_labels() -> None:
    manifest = {"kind": "ConfigMap", "metadata": {"name": "a", "labels": {"app": "web"}}}
    made = labelled(manifest, "the-id")
    assert made["metadata"]["labels"] == {"app": "web", "applyset.kubernetes.io/part-of": "the-id"}
    assert manifest["metadata"] == {"name": "a", "labels": {"app": "web"}}
    assert labelled({"metadata": {"name": "a", "labels": None}}, "the-id")["metadata"]["labels"]
