"""The readers of metadata: what an object lacks, or holds as null, reads as nothing."""

from __future__ import annotations

from typing import Any

import pytest

from k8s_step.objects.metadata import (
    annotations_of,
    completed,
    entries,
    guard_of,
    labels_of,
    metadata_of,
    uid_of,
    version_of,
)

FULL = {
    "metadata": {
        "uid": "u-1",
        "resourceVersion": "42",
        "labels": {"app": "web"},
        "annotations": {"a": "b"},
        "managedFields": [{"manager": "kubectl"}],
    }
}


def test_what_is_there() -> None:
    assert (uid_of(FULL), version_of(FULL), guard_of(FULL)) == ("u-1", 42, "42")
    assert (labels_of(FULL), annotations_of(FULL), entries(FULL)) == (
        {"app": "web"},
        {"a": "b"},
        [{"manager": "kubectl"}],
    )


@pytest.mark.parametrize(
    "obj",
    [
        {},
        {"metadata": None},
        {"metadata": "web"},
        {"metadata": dict.fromkeys(("uid", "resourceVersion", "labels", "annotations", "managedFields"))},
        {"metadata": {"labels": "app=web", "annotations": ["a"]}},
    ],
)
def test_what_is_not_there(obj: dict[str, Any]) -> None:
    assert (uid_of(obj), version_of(obj), guard_of(obj)) == ("", 0, "")
    assert (labels_of(obj), annotations_of(obj), entries(obj)) == ({}, {}, [])
    assert metadata_of(obj).get("name") is None


def test_a_version_that_cannot_be_compared() -> None:
    obj = {"metadata": {"resourceVersion": "a-1"}}
    assert (version_of(obj), guard_of(obj)) == (0, "a-1")


def test_an_item_of_a_list_gets_its_kind_back() -> None:
    made = completed({"kind": "PartialObjectMetadata", "spec": {}}, "apps/v1", "Deployment")
    assert made == {"apiVersion": "apps/v1", "kind": "Deployment", "spec": {}}
