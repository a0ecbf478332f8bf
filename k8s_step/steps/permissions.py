"""``permissions``: the least Role and ClusterRole that ``apply`` needs, printed, or asked of the server."""

from __future__ import annotations

from k8s_step.errors import ExitCode
from k8s_step.session import Run


def permissions(run: Run) -> ExitCode:
    """To come."""
    raise NotImplementedError(run)
