"""Fixtures of the integration tests alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Kubectl, Step
from tests.integration.releases import Releases


@pytest.fixture
def release(step: Step, kubectl: Kubectl, namespace: str, tmp_path: Path) -> Releases:
    """Releases into the test's namespace."""
    return Releases(step, kubectl, namespace, tmp_path)
