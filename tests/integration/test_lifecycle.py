"""Whole releases created, replaced and deleted: the verbs agree with each other and with the cluster."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import Kubectl, Step
from tests.integration.objects import RELEASES
from tests.integration.outcomes import actions, statuses

_LEFT = "configmaps,secrets,services,deployments,statefulsets,daemonsets,jobs,cronjobs,roles,rolebindings"


@pytest.mark.parametrize("path", [one for one in RELEASES if one.id in ("shop", "guestbook")])
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
