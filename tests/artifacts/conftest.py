"""What every replay of an example starts from: a checkout of a project, and a token with the Role it needs."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.artifacts.test_lint import EXAMPLES
from tests.conftest import Step
from tests.controlplane.cluster import Cluster

Rules = list[dict[str, Any]]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A checkout of a project that has the examples' manifests in ``k8s/``."""
    folder = tmp_path / "workspace"
    shutil.copytree(EXAMPLES / "k8s", folder / "k8s")
    return folder


@pytest.fixture
def rules(step: Step, played: Cluster, namespace: str, workspace: Path) -> Rules:
    """What ``k8s-step permissions`` says that the manifests need."""
    outcome = step("permissions", "-f", "k8s/", "-n", namespace, env={"IMAGE": "shop/web:1"}, cwd=workspace)
    assert outcome.code == 0, outcome.text
    roles = [document for document in yaml.safe_load_all(outcome.stdout) if document["kind"] == "Role"]
    return [rule for role in roles for rule in role["rules"]]


@pytest.fixture
def token(played: Cluster, namespace: str, rules: Rules) -> str:
    return played.token(namespace, rules=rules)
