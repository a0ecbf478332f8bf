"""Whose claims go when it is deleted."""

from __future__ import annotations

from typing import Any

import pytest

from k8s_step.objects.kinds.retention import claims_go_with


@pytest.mark.parametrize(
    ("spec", "go"),
    [
        ({"persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Delete"}}, True),
        ({"persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Delete", "whenScaled": "Retain"}}, True),
        ({"persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Delete"}}, False),
        ({"persistentVolumeClaimRetentionPolicy": {}}, False),
        ({"persistentVolumeClaimRetentionPolicy": "Delete"}, False),  # a custom resource's own
        ({"volumeClaimTemplates": [{}]}, False),
        ("text", False),
        (None, False),
    ],
)
def test_the_policy_says_so(spec: Any, go: bool) -> None:
    assert claims_go_with({"kind": "StatefulSet", "spec": spec}) is go


def test_an_object_without_a_spec() -> None:
    assert not claims_go_with({"kind": "ConfigMap"})
