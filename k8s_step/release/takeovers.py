"""From which managers a release takes over fields, and the line that reports it."""

from __future__ import annotations

from collections.abc import Sequence

from k8s_step.operations.plan import ApplyOptions, Seen
from k8s_step.release.planning.session import Run
from k8s_step.report.journal import Journal


def apply_options(run: Run) -> ApplyOptions:
    """The options with which the objects of a release are applied."""
    inputs = run.inputs
    return ApplyOptions(
        inputs.field_manager,
        inputs.force_conflicts,
        adopt=inputs.adopt,
        from_kubectl=not inputs.no_adopt,
        source=run.surroundings.source if inputs.source_annotation else "",
        recreates=True,
    )


def tell_takeover(journal: Journal, seen: Sequence[Seen], *, is_tried: bool) -> None:
    """Report whose fields are taken over, and of how many objects; ``is_tried``: in a dry run."""
    taken = [one.takeover for one in seen if one.takeover]
    if not taken:
        return
    managers = ", ".join(dict.fromkeys(name for one in taken for name in one.managers))
    count = f"{len(taken)} of {len(seen)} objects"
    said = f"the fields of {managers} would be taken over" if is_tried else f"taking over the fields of {managers}"
    journal.notice(f"{said}, on {count}")
