"""What a patch writes, and whether it may be sent twice."""

from __future__ import annotations

from typing import Any

import pytest

from k8s_step.manifests.patchfile import Patch
from k8s_step.objects.address import Address
from k8s_step.objects.body import PatchType
from k8s_step.objects.reference import Reference
from k8s_step.objects.resource import required
from k8s_step.operations.plan import PlannedPatch

WEB = Address(required("apps/v1", "Deployment"), Reference("apps/v1", "Deployment", "shop", "web"))
PAUSED = "/spec/paused"


@pytest.mark.parametrize(
    ("patch_type", "body", "is_written"),
    [
        (PatchType.JSON, [{"op": "add", "path": PAUSED, "value": True}], True),
        (PatchType.JSON, [{"op": "copy", "from": "/spec/x", "path": PAUSED}], True),
        (PatchType.JSON, [{"op": "replace", "path": "/spec", "value": {}}], True),
        (PatchType.JSON, [{"op": "replace", "path": "", "value": {}}], True),
        (PatchType.JSON, [{"op": "test", "path": PAUSED, "value": True}], False),
        (PatchType.JSON, [{"op": "remove", "path": PAUSED}], False),
        (PatchType.JSON, [{"op": "add", "path": "/spec/pausedUntil", "value": 1}], False),
        (PatchType.JSON, [{"op": "add", "path": "/spec/paused/x", "value": 1}], False),
        (PatchType.MERGE, {"spec": {"paused": True}}, False),
    ],
)
def test_which_field_operations_write(patch_type: PatchType, body: Any, is_written: bool) -> None:
    assert PlannedPatch.of(WEB, Patch(patch_type, body)).writes(PAUSED) is is_written


@pytest.mark.parametrize(
    ("patch_type", "body", "may_be"),
    [
        (PatchType.MERGE, {"spec": {}}, True),
        (PatchType.MERGE, {"metadata": {"resourceVersion": "7"}}, False),
        (PatchType.MERGE, {"metadata": None}, True),
        (PatchType.JSON, [], False),
    ],
)
def test_what_may_be_sent_twice(patch_type: PatchType, body: Any, may_be: bool) -> None:
    assert PlannedPatch.of(WEB, Patch(patch_type, body)).may_be_repeated is may_be
