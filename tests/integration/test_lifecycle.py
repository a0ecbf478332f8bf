"""Whole releases created, replaced and deleted: the verbs agree with each other and with the cluster."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Kubectl, Step
from tests.controlplane.cluster import ROOT
from tests.integration.objects import FOLDER
from tests.integration.outcomes import actions, statuses

_SHARED = ROOT.parent / "shared" / "manifests"
_REASON = "the manifests that the projects share are not beside this checkout"
_LEFT = "configmaps,secrets,services,deployments,statefulsets,daemonsets,jobs,cronjobs,roles,rolebindings"


def releases() -> list[Any]:
    path = _SHARED / "guestbook.yaml"
    missing = pytest.mark.skipif(not path.exists(), reason=_REASON)
    return [pytest.param(FOLDER / "shop.yaml", id="shop"), pytest.param(path, id="guestbook", marks=missing)]


@pytest.mark.parametrize("path", releases())
def test_created_replaced_and_deleted(path: Path, step: Step, kubectl: Kubectl, namespace: str) -> None:
    options = ("-f", str(path), "-n", namespace)
    before = left(kubectl, namespace)

    created = step("create", *options, report=True)
    assert created.code == 0, created.text
    assert set(actions(created).values()) == {"created"}
    assert set(statuses(created).values()) == {"current"}

    again = step("create", *options, report=True)
    assert again.code == 4
    assert set(actions(again).values()) == {"none"}

    replaced = step("replace", *options, "--retry-conflicts", "5", report=True)
    assert replaced.code == 0, replaced.text
    assert set(actions(replaced).values()) <= {"replaced", "unchanged"}
    assert set(statuses(replaced).values()) == {"current"}

    deleted = step("delete", *options, report=True)
    assert deleted.code == 0, deleted.text
    assert set(actions(deleted).values()) == {"deleted"}
    assert set(statuses(deleted).values()) == {"not found"}
    assert left(kubectl, namespace) == before


def left(kubectl: Kubectl, namespace: str) -> set[str]:
    listed = json.loads(kubectl("-n", namespace, "get", _LEFT, "-o", "json").stdout)["items"]
    return {f"{one['kind']}/{one['metadata']['name']}" for one in listed}
