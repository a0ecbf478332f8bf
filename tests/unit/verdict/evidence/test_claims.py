from __future__ import annotations

from typing import Any

import pytest

from k8s_step.verdict.evidence import claims


def test_the_claims_of_a_pod() -> None:
    volumes = [
        {"name": "data", "persistentVolumeClaim": {"claimName": "data-db-0"}},
        {"name": "tmp", "ephemeral": {"volumeClaimTemplate": {}}},
        {"name": "config", "configMap": {"name": "web"}},
    ]
    assert claims.names({"metadata": {"name": "db-0"}, "spec": {"volumes": volumes}}) == ["data-db-0", "db-0-tmp"]
    assert claims.names({"metadata": {"name": "db-0"}, "spec": {}}) == []


@pytest.mark.parametrize(
    ("spec", "status", "words"),
    [
        (
            {"storageClassName": "fast", "resources": {"requests": {"storage": "1Gi"}}},
            {"phase": "Pending"},
            "data: Pending, storage class fast, 1Gi",
        ),
        ({}, {"phase": "Lost"}, "data: Lost, no storage class"),
        ({"annotated": "old"}, {}, "data: Pending, storage class old"),
        ({"annotated": "old", "storageClassName": "new"}, {}, "data: Pending, storage class old"),
        ({}, {}, "data: Pending, no storage class"),
    ],
)
def test_what_is_said_of_a_claim(spec: dict[str, Any], status: dict[str, Any], words: str) -> None:
    annotations = {"volume.beta.kubernetes.io/storage-class": spec["annotated"]} if "annotated" in spec else {}
    claim = {"metadata": {"name": "data", "annotations": annotations}, "spec": spec, "status": status}
    assert claims.claim_line(claim) == words
    assert not claims.is_bound(claim)
    assert claims.is_bound({"status": {"phase": "Bound"}})
