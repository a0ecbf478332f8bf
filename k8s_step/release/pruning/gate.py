"""The way from a release to its pruning: what a run that does not prune needs of it, and nothing more is imported."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from k8s_step.errors import InputError, ReportedError
from k8s_step.inputs import Inputs
from k8s_step.objects.metadata import PART_OF, labels_of
from k8s_step.operations.plan import Planned, Seen
from k8s_step.release.planning.session import Run, Session

if TYPE_CHECKING:
    from k8s_step.release.pruning.membership import Members
    from k8s_step.release.pruning.pruning import Pruning

_OTHERS = ("applyset", "applyset_as", "applyset_adopt", "prune_data", "allow_empty")


def check_options(inputs: Inputs) -> None:
    """Raise :class:`InputError` for options of pruning that lack one another, or contradict the rest."""
    if not inputs.prune:
        if given := next((name for name in _OTHERS if getattr(inputs, name)), ""):
            where = inputs.sources.get(given, f"--{given.replace('_', '-')}")
            raise InputError("that is about pruning, which is not asked for", where=where, hint="give --prune as well")
        return
    where = inputs.sources.get("prune", "--prune")
    if not inputs.applyset:
        hint = "--applyset NAME: the objects of this release are labelled as a set, and what leaves it goes"
        raise InputError("what is to be pruned is not known without a set", where=where, hint=hint)
    if not inputs.wait:
        where = inputs.sources.get("wait", where).replace("--wait", "--no-wait")
        message = "a release that is not followed is never seen to be current, and nothing is pruned before"
        raise InputError(message, where=where, hint="drop --prune, or let the release be followed")
    from k8s_step.release.pruning.parent import ParentWord

    ParentWord.read(inputs.applyset)


def opened(run: Run, session: Session, plan: Sequence[Planned]) -> Pruning | None:
    """The pruning that the inputs ask for, if any. Raises :class:`StepError`."""
    if not run.inputs.prune:
        return None
    from k8s_step.release.pruning.pruning import Pruning

    return Pruning.open(run, session, plan)


def check_sets(run: Run, pruning: Pruning | None, seen: Sequence[Seen]) -> None:
    """Look at the sets that the objects are in, before anything is written.

    Raises :class:`ReportedError` for objects of another set. A release of no set warns of objects that would leave one.
    """
    if pruning:
        pruning.check(seen)
    elif any(PART_OF in labels_of(one.live) for one in seen if one.live):
        from k8s_step.release.pruning.leaving import tell_leaving

        tell_leaving(run, seen)


def foreseen(run: Run, pruning: Pruning | None, seen: Sequence[Seen]) -> Members | None:
    """What would be pruned as things are now. Raises :class:`ReportedError`, and says that nothing was changed."""
    if pruning is None:
        return None
    try:
        found = pruning.foresee(seen)
    except ReportedError:
        run.journal.notice("nothing was changed")
        raise
    if run.inputs.diff:
        pruning.show(found)
    return found
