"""``sync``: objects of one cluster copied to others, with a result for each."""

from __future__ import annotations

from collections.abc import Callable

from k8s_step.errors import ExitCode
from k8s_step.release.copies import read_copies, write_copies
from k8s_step.release.planning.session import Run


def sync(run: Run) -> Callable[[Run], ExitCode]:
    """Read from the source; return what is done on each of the other clusters."""
    copies = read_copies(run)

    def write(run: Run) -> ExitCode:
        return write_copies(run, copies)

    return write
