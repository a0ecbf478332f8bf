"""``replace``: every manifest read and checked, every object replaced unless it changed, the rollout followed."""

from __future__ import annotations

from k8s_step.errors import ExitCode
from k8s_step.operations.plan import ApplyOptions, Planned, Written
from k8s_step.operations.replace import GuardedPut
from k8s_step.release.order.sequence import write_in_waves
from k8s_step.release.order.waves import ordered
from k8s_step.release.planning.plan import open_release
from k8s_step.release.planning.reading import read_manifests
from k8s_step.release.planning.session import Run
from k8s_step.release.send import Writes


def replace(run: Run) -> ExitCode:
    """Replace and follow. An object that does not exist is refused, not created."""
    inputs = run.inputs
    session, plan = open_release(run, read_manifests(run, as_exported=True))
    options = ApplyOptions(inputs.field_manager, dry_run=inputs.dry_run)

    def write(one: Planned) -> Written:
        return GuardedPut(session.client, one, options).make(inputs.retry_conflicts)

    return write_in_waves(Writes(run, session), ordered(run, plan), write)
