"""``apply``: every manifest read and checked, every object applied, the rollout followed to its verdict."""

from __future__ import annotations

import time

from k8s_step.errors import ExitCode
from k8s_step.release import follow, planned, read_manifests, send, target_of
from k8s_step.session import Run, open_session
from k8s_step.writing import ApplyOptions


def apply(run: Run) -> ExitCode:
    """Apply and follow. Every local mistake surfaces before the first request."""
    inputs = run.inputs
    deadline = time.monotonic() + inputs.timeout
    manifests = read_manifests(run)
    session = open_session(run)
    plan = planned(manifests, session, explicit_namespace=inputs.namespace)
    run.journal.loaded([one.reference for one in plan])
    options = ApplyOptions(inputs.field_manager, inputs.force_conflicts, inputs.dry_run)
    written = send(run.journal, session, plan, options, inputs.concurrency, deadline)
    if inputs.dry_run:
        return ExitCode.SUCCEEDED
    return follow(run, session, [target_of(one) for one in written], deadline)
