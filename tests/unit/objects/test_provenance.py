"""Whose the annotation ``k8s-step/source`` is, and what is sent of it."""

from __future__ import annotations

from typing import Any

import pytest

from k8s_step.objects.ownership.fieldset import Owner
from k8s_step.objects.provenance import SOURCE, kept, with_source

OURS = {"f:metadata": {"f:annotations": {f"f:{SOURCE}": {}}}}


def live(manager: str = "", operation: str = "Apply", value: str = "commit 1") -> dict[str, Any]:
    entry = {"manager": manager, "operation": operation, "apiVersion": "v1", "fieldsV1": OURS}
    return {"metadata": {"annotations": {SOURCE: value}, "managedFields": [entry] if manager else []}}


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        pytest.param(None, "", id="not there"),
        pytest.param({"metadata": {"annotations": {"a": "b"}}}, "", id="not annotated"),
        pytest.param(live("k8s-step"), "commit 1", id="ours"),
        pytest.param(live("k8s-step", "Update"), "commit 1", id="put back by an undo of ours"),
        pytest.param(live(), "commit 1", id="an old server's"),
        pytest.param(live("other"), None, id="another manager's"),
    ],
)
def test_kept(obj: Any, expected: str | None) -> None:
    assert kept(obj, "k8s-step") == expected


def test_what_is_taken_over_is_ours() -> None:
    assert kept(live("other"), "k8s-step", [Owner("other", "Apply")]) == "commit 1"
    assert kept(live("other"), "k8s-step", force=True) == "commit 1"


def test_with_source() -> None:
    manifest = {"kind": "ConfigMap", "metadata": {"name": "a", "annotations": {"b": "c"}}}
    assert with_source(manifest, "x")["metadata"]["annotations"] == {"b": "c", SOURCE: "x"}
    assert with_source(manifest, "") is manifest
    assert with_source(manifest, None) is manifest
    own = {"metadata": {"annotations": {SOURCE: "by hand"}}}
    assert with_source(own, "x") is own
