"""``diff``: what ``apply`` would change, by the server's own dry run; nothing is written."""

from __future__ import annotations

from collections.abc import Sequence

from k8s_step.errors import ExitCode
from k8s_step.release.autoscalers import leave_replicas
from k8s_step.release.configuration import roll_on_config
from k8s_step.release.planning.plan import open_release
from k8s_step.release.planning.reading import read_manifests
from k8s_step.release.planning.session import Run
from k8s_step.release.preflight import Checked, Preflight, show_differences
from k8s_step.release.takeovers import apply_options, tell_takeover


def diff(run: Run) -> ExitCode:
    """Read the objects, try each apply by a dry run, show the differences."""
    inputs = run.inputs
    session, plan = open_release(run, read_manifests(run))
    preflight = Preflight(run, session, apply_options(run))
    seen = roll_on_config(preflight, leave_replicas(preflight, preflight.look(plan)))
    tell_takeover(run.journal, seen, is_tried=True)
    checked = preflight.check(seen, seen)
    changes = show_differences(run, checked)
    run.journal.notice(f"{changes} of {len(plan)} would change" if changes else _nothing(checked))
    return ExitCode.FAILED if changes and inputs.exit_code else ExitCode.SUCCEEDED


def _nothing(checked: Sequence[Checked]) -> str:
    """What to say where no object would have other values."""
    if any(one.written.action != "unchanged" and not one.written.because for one in checked):
        return "no value would change, only who owns which field"
    return "no value would change" if any(one.written.because for one in checked) else "nothing would change"
