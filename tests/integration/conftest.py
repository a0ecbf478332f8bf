"""Fixtures of the integration tests alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Kubectl, Step
from tests.controlplane.cluster import Cluster
from tests.integration.releases import Releases


@pytest.fixture
def release(step: Step, kubectl: Kubectl, namespace: str, tmp_path: Path) -> Releases:
    """Releases into the test's namespace."""
    return Releases(step, kubectl, namespace, tmp_path)


@pytest.fixture
def twin(cluster: Cluster, namespace: str) -> Iterator[str]:
    """A second namespace, in which kubectl does the same."""
    name = cluster.namespace(f"{namespace[:50]}-twin")
    yield name
    cluster.leave_namespace(name)
