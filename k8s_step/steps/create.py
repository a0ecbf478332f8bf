"""``create``: every manifest read and checked, every object created once, the rollout followed to its verdict."""

from __future__ import annotations

from k8s_step.errors import ExitCode
from k8s_step.operations.create import create as create_one
from k8s_step.operations.create import name_generated
from k8s_step.operations.plan import ApplyOptions, Planned, Written
from k8s_step.release.order.sequence import write_in_waves
from k8s_step.release.order.waves import ordered
from k8s_step.release.planning.plan import open_release
from k8s_step.release.planning.reading import read_manifests
from k8s_step.release.planning.session import Run
from k8s_step.release.send import Writes


def create(run: Run) -> ExitCode:
    """Create and follow. An object that exists already is refused and not touched."""
    manifests = read_manifests(run, allow_generate_name=True)
    name_generated(manifests)
    session, plan = open_release(run, manifests)
    options = ApplyOptions(run.inputs.field_manager, dry_run=run.inputs.dry_run)

    def write(one: Planned) -> Written:
        return create_one(session.client, one, options)

    return write_in_waves(Writes(run, session), ordered(run, plan), write)
