"""The ``k8s-step`` command, ``python -m k8s_step``: sets up signals and streams before importing anything else."""

from __future__ import annotations

from k8s_step.cancellation import CANCELLATION, catch_signals
from k8s_step.streams import open_missing


def main() -> None:
    """Run the command line and end the process with its exit code."""
    open_missing()
    CANCELLATION.starting()
    catch_signals()
    from k8s_step.cli import main as step

    step()


if __name__ == "__main__":
    main()
