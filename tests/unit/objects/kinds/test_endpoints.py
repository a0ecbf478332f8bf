"""Whose Endpoints are: a Service's, or somebody's own."""

from __future__ import annotations

from typing import Any

import pytest

from k8s_step.objects.kinds.endpoints import is_of_service
from k8s_step.objects.kinds.portable import bound
from k8s_step.objects.metadata import PART_OF
from k8s_step.release.pruning.protection import reason_to_keep

CONTROLLERS = {"endpoints.kubernetes.io/managed-by": "endpoint-controller"}


def made(*managers: str, kind: str = "Endpoints", **labels: str) -> dict[str, Any]:
    """As an older server has them: with the Service's labels, the set's among them, and no owner."""
    fields = [{"manager": name, "operation": "Update", "apiVersion": "v1", "fieldsV1": {}} for name in managers]
    metadata = {"name": "web", "labels": {PART_OF: "applyset-x-v1", **labels}, "managedFields": fields}
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata}


@pytest.mark.parametrize(
    "obj,is_made",
    [
        (made("kube-controller-manager", **CONTROLLERS), True),
        (made("kubectl-label", "kube-controller-manager", **CONTROLLERS), True),
        (made(**CONTROLLERS), True),
        (made("kube-controller-manager"), True),
        (made("k3s"), True),
        (made("kubelite", "kube-controller-manager"), True),
        (made("k8s-step"), False),
        (made("k8s-step", "kube-controller-manager"), False),
        (made(), False),
        (made("kube-controller-manager", kind="Service"), False),
    ],
)
def test_those_that_a_controller_writes(obj: dict[str, Any], is_made: bool) -> None:
    assert is_of_service(obj) is is_made
    assert ("its Service makes it" in bound(obj)) is is_made
    assert ("kept for a Service" in reason_to_keep(obj, "", with_data=True)) is is_made
