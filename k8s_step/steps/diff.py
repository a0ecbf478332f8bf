"""``diff``: what ``apply`` would change, by the server's own dry run; nothing is written."""

from __future__ import annotations

from k8s_step.errors import ExitCode
from k8s_step.release.autoscalers import leave_replicas
from k8s_step.release.configuration import roll_on_config
from k8s_step.release.plan import open_release
from k8s_step.release.preflight import Preflight, show_differences
from k8s_step.release.reading import read_manifests
from k8s_step.release.session import Run
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
    is_owned_otherwise = any(one.written.action != "unchanged" for one in checked)
    nothing = "no value would change, only who owns which field" if is_owned_otherwise else "nothing would change"
    run.journal.notice(f"{changes} of {len(plan)} would change" if changes else nothing)
    return ExitCode.FAILED if changes and inputs.exit_code else ExitCode.SUCCEEDED
