"""``status``: the verdict alone, on named objects or on those of a manifest; nothing is written."""

from __future__ import annotations

import time
from collections.abc import Sequence

from k8s_step.client import Request
from k8s_step.concurrency import gather
from k8s_step.errors import ExitCode, InputError, ReportedError, StepError
from k8s_step.feeds import Target
from k8s_step.release import follow, planned, read_manifests
from k8s_step.session import Run, Session, open_session
from k8s_step.targets import Named, parse


def status(run: Run) -> ExitCode:
    """Read each object, then follow until all are current or one has failed."""
    inputs = run.inputs
    deadline = time.monotonic() + inputs.timeout
    if not inputs.object and not inputs.filename:
        raise InputError("no object was named", hint="name it as KIND/NAME, or give -f PATH")
    manifests = read_manifests(run) if inputs.filename else []
    session = open_session(run)
    named = parse(inputs.object, session.discovery, session.namespace) if inputs.object else []
    named += [Named(one.resource, one.reference) for one in planned(manifests, session, inputs.namespace)]
    run.journal.loaded([one.reference for one in named])
    return follow(run, session, _read(run, session, named, deadline), deadline)


def _read(run: Run, session: Session, named: Sequence[Named], deadline: float) -> list[Target]:
    """Each object as it is; what can't be read is told, all of it, before the run ends."""
    targets, errors = [], []

    def get(one: Named) -> Target:
        request = Request("GET", one.path(), where=str(one.reference))
        answer = session.client.send(request, deadline=deadline)
        return Target(one.reference, one.resource, answer.body, changed=False)

    for one, result in gather(get, named, run.inputs.concurrency):
        if isinstance(result, StepError):
            run.journal.error(result, one.reference)
            errors.append(result)
        elif isinstance(result, Exception):
            raise result
        else:
            targets.append(result)
    if errors:
        raise ReportedError(min(error.exit_code for error in errors))
    return targets
