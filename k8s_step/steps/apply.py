"""``apply``: every manifest read and checked, every object applied, the rollout followed to its verdict."""

from __future__ import annotations

from k8s_step.errors import ExitCode
from k8s_step.release.apply import apply as release
from k8s_step.release.planning.session import Run


def apply(run: Run) -> ExitCode:
    """Apply and follow. Local mistakes surface before the first request, all others before the first write."""
    return release(run)
