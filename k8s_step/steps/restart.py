"""``restart``: workloads get new pods of the same template, one patch each, and are followed to their verdict."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from k8s_step.errors import ExitCode
from k8s_step.manifests.patchfile import Patch
from k8s_step.objects.body import PatchType
from k8s_step.operations.patch import send
from k8s_step.operations.plan import ApplyOptions, PlannedPatch, Written
from k8s_step.release.arguments import of_kinds, parse
from k8s_step.release.exemptions import announce
from k8s_step.release.follow import follow, target_of
from k8s_step.release.send import write_in_phases
from k8s_step.release.session import Run, open_session

_KINDS = ("Deployment", "StatefulSet", "DaemonSet")
_ANNOTATION = "kubectl.kubernetes.io/restartedAt"


def restart(run: Run) -> ExitCode:
    """Annotate the pod template with the time, as kubectl does, and follow."""
    inputs = run.inputs
    session = open_session(run)
    named = of_kinds(_KINDS, parse(inputs.object, session.discovery, session.namespace), "restarted")
    announce(run, session, [one.reference for one in named])
    patch = Patch(PatchType.MERGE, _restarted(datetime.now(UTC)))
    options = ApplyOptions(inputs.field_manager, dry_run=inputs.dry_run)

    def write(one: PlannedPatch) -> Written:
        return _said_if_paused(send(session.client, one, None, options))

    plan = [PlannedPatch.of(one, patch) for one in named]
    written = write_in_phases(run.journal, session, plan, write, inputs.concurrency, dry_run=inputs.dry_run)
    if inputs.dry_run:
        return ExitCode.SUCCEEDED
    return follow(run, session, [target_of(one) for one in written])


def _restarted(now: datetime) -> dict[str, object]:
    """To the microsecond: of two restarts within a second, both are to happen."""
    at = now.isoformat(timespec="microseconds").replace("+00:00", "Z")
    return {"spec": {"template": {"metadata": {"annotations": {_ANNOTATION: at}}}}}


def _said_if_paused(written: Written) -> Written:
    if not written.object["spec"].get("paused"):
        return written
    warning = f"{written.planned.reference} is paused: its pods are replaced once it is resumed"
    return replace(written, warnings=(*written.warnings, warning))
