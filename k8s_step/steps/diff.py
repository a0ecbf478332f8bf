"""``diff``: what ``apply`` would change, by the server's own dry run; nothing is written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from k8s_step.errors import ExitCode
from k8s_step.operations.plan import Seen
from k8s_step.release.autoscalers import leave_replicas
from k8s_step.release.configuration import roll_on_config
from k8s_step.release.planning.plan import open_release
from k8s_step.release.planning.reading import read_manifests
from k8s_step.release.planning.session import Run
from k8s_step.release.preflight import Checked, Preflight, show_differences
from k8s_step.release.pruning.gate import check_options, check_sets, opened
from k8s_step.release.takeovers import apply_options, tell_takeover

if TYPE_CHECKING:
    from k8s_step.release.pruning.pruning import Pruning


def diff(run: Run) -> ExitCode:
    """Read the objects, try each apply by a dry run, show the differences."""
    inputs = run.inputs
    check_options(inputs)
    session, plan = open_release(run, read_manifests(run))
    pruning = opened(run, session, plan)
    preflight = Preflight(run, session, apply_options(run))
    seen = roll_on_config(preflight, leave_replicas(preflight, preflight.look(pruning.plan if pruning else plan)))
    check_sets(run, pruning, seen)
    tell_takeover(run.journal, seen, is_tried=True)
    checked = preflight.check(seen, seen)
    changes = show_differences(run, checked)
    run.journal.notice(f"{changes} of {len(plan)} would change" if changes else _nothing(checked))
    pruned = _shown(run, pruning, seen) if pruning else 0
    return ExitCode.FAILED if (changes or pruned) and inputs.exit_code else ExitCode.SUCCEEDED


def _shown(run: Run, pruning: Pruning, seen: Sequence[Seen]) -> int:
    """Show what would be pruned, and tell what would not; return how many objects would."""
    found = pruning.foresee(seen, tries=False)
    count = pruning.show(found)
    pruning.tell_kept(found)
    run.journal.notice(f"{count} would be pruned" if count else "nothing would be pruned")
    return count


def _nothing(checked: Sequence[Checked]) -> str:
    """What to say where no object would have other values."""
    if any(one.written.action != "unchanged" and not one.written.because for one in checked):
        return "no value would change, only who owns which field"
    return "no value would change" if any(one.written.because for one in checked) else "nothing would change"
