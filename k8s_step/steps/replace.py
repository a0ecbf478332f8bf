"""``replace``: every manifest read and checked, every object replaced unless it changed, the rollout followed."""

from __future__ import annotations

from k8s_step.errors import ExitCode
from k8s_step.operations.plan import ApplyOptions, Planned, Written
from k8s_step.operations.replace import GuardedPut
from k8s_step.release.exemptions import announce
from k8s_step.release.follow import follow, target_of
from k8s_step.release.plan import planned, read_manifests
from k8s_step.release.send import write_in_phases
from k8s_step.release.session import Run, open_session


def replace(run: Run) -> ExitCode:
    """Replace and follow. What is not there is refused, not created."""
    inputs = run.inputs
    manifests = read_manifests(run, as_exported=True)
    session = open_session(run)
    plan = planned(manifests, session, explicit_namespace=inputs.namespace)
    announce(run, session, [one.reference for one in plan])
    options = ApplyOptions(inputs.field_manager, dry_run=inputs.dry_run)

    def write(one: Planned) -> Written:
        return GuardedPut(session.client, one, options).make(inputs.retry_conflicts)

    written = write_in_phases(run.journal, session, plan, write, inputs.concurrency, dry_run=inputs.dry_run)
    if inputs.dry_run:
        return ExitCode.SUCCEEDED
    return follow(run, session, [target_of(one) for one in written])
