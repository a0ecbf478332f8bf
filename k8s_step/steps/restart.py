"""``restart``: workloads get new pods of the same template, one patch each, and are followed to their verdict."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from k8s_step.errors import ExitCode
from k8s_step.manifests.patchfile import Patch
from k8s_step.objects.body import PatchType
from k8s_step.operations.patch import send
from k8s_step.operations.plan import ApplyOptions, PlannedPatch, Written
from k8s_step.release.planning.plan import open_named
from k8s_step.release.planning.session import Run
from k8s_step.release.send import write_and_follow

_KINDS = ("Deployment", "StatefulSet", "DaemonSet")
_ANNOTATION = "kubectl.kubernetes.io/restartedAt"


def restart(run: Run) -> ExitCode:
    """Annotate the pod template with the time, as kubectl does, and follow."""
    session, named = open_named(run, _KINDS, "restarted")
    patch = Patch(PatchType.MERGE, _restarted(datetime.now(UTC)))
    options = ApplyOptions(run.inputs.field_manager, dry_run=run.inputs.dry_run)

    def write(one: PlannedPatch) -> Written:
        return _said_if_paused(send(session.client, one, None, options))

    return write_and_follow(run, session, [PlannedPatch.of(one, patch) for one in named], write)


def _restarted(now: datetime) -> dict[str, object]:
    """The patch of a restart, with the time to the microsecond, so that two within a second are two."""
    at = now.isoformat(timespec="microseconds").replace("+00:00", "Z")
    return {"spec": {"template": {"metadata": {"annotations": {_ANNOTATION: at}}}}}


def _said_if_paused(written: Written) -> Written:
    if not (written.object.get("spec") or {}).get("paused"):
        return written
    warning = f"{written.reference} is paused: its pods are replaced once it is resumed"
    return replace(written, warnings=(*written.warnings, warning))
