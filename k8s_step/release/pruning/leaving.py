"""The members of a set that would leave it, since they are applied by a release of no set."""

from __future__ import annotations

from collections.abc import Sequence

from k8s_step.objects.metadata import PART_OF, labels_of
from k8s_step.operations.adopt import would_go
from k8s_step.operations.plan import Seen
from k8s_step.release.batch import named
from k8s_step.release.planning.session import Run

_LABEL = ("f:metadata", "f:labels", f"f:{PART_OF}")


def tell_leaving(run: Run, seen: Sequence[Seen]) -> None:
    """Warn of the objects that would lose the label of their set, by the set's id."""
    leaving: dict[str, list[Seen]] = {}
    for one in seen:
        if one.live is not None and _leaves(one, run.inputs.field_manager):
            leaving.setdefault(str(labels_of(one.live)[PART_OF]), []).append(one)
    for set_id, found in leaving.items():
        names, leave = named([one.reference for one in found]), "leaves" if len(found) == 1 else "leave"
        message = f"{names} {leave} the set {set_id}, as this release names none, and will not be pruned by it"
        run.journal.warning(f"{message} (give --prune --applyset NAME, as the release that put the label there did)")


def _leaves(one: Seen, field_manager: str) -> bool:
    """Whether an apply takes the label away: nobody else owns it, and the manifest does not name it."""
    live = one.live or {}
    if PART_OF not in labels_of(live) or PART_OF in labels_of(one.planned.object):
        return False
    return would_go(one, _LABEL, field_manager)
