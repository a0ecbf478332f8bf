"""The waves of a release: each is written and followed until it is current, before the next one begins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, TypeVar

from k8s_step.errors import ExitCode
from k8s_step.operations.plan import Planned, Seen, Written
from k8s_step.release.batch import named
from k8s_step.release.order.application import Application
from k8s_step.release.planning.session import Run, Session
from k8s_step.release.preflight import Checked, Preflight
from k8s_step.release.send import Writes, leave, write_and_follow

if TYPE_CHECKING:
    from k8s_step.release.following.follow import ReleaseFollowing

Item = TypeVar("Item", bound=Planned)


def write_in_waves(
    writes: Writes,
    waves: Sequence[Sequence[Item]],
    write: Callable[[Item], Written],
    between: Callable[[], None] | None = None,
    before: Callable[[Sequence[Item]], None] = leave,
) -> ExitCode:
    """``write`` each wave's objects, and follow them to the verdict; a wave that does not become current is the last.

    ``between`` is called between two phases and between two waves, ``before`` with each phase's objects.
    Raises :class:`ReportedError`.
    """
    run, session = writes.run, writes.session
    if run.inputs.dry_run:
        return write_and_follow(run, session, [one for wave in waves for one in wave], write)
    left = list(waves)
    following: ReleaseFollowing | None = None
    with ExitStack() as until_the_end:
        try:
            for number, wave in enumerate(waves, 1):
                _tell_wave(run, number, waves)
                if between and number > 1:
                    between()
                del left[0]
                made = writes.make(wave, write, between, before)
                following = following or until_the_end.enter_context(_following(run, session))
                code = following.until_written_current(made, is_last=not left)
                if code is not ExitCode.SUCCEEDED:
                    return code
        finally:
            _tell_unbegun(run, waves, left)
    return ExitCode.SUCCEEDED


def apply_in_waves(
    writes: Writes,
    preflight: Preflight,
    waves: Sequence[Sequence[Planned]],
    seen: Sequence[Seen],
    checked: Sequence[Checked] = (),
) -> ExitCode:
    """Apply what was read before, and follow it; what could not be checked yet is checked as soon as it can be."""
    application = Application(writes, preflight, seen, checked)
    planned = [[application.planned(one) for one in wave] for wave in waves]
    between = application.check_again if any(one.lacks for one in checked) else None
    return write_in_waves(writes, planned, application.write, between, application.prepare)


def _following(run: Run, session: Session) -> ReleaseFollowing:
    from k8s_step.release.following.follow import ReleaseFollowing  # imported here: the first wave goes out before that

    return ReleaseFollowing(run, session)


def _tell_wave(run: Run, number: int, waves: Sequence[Sequence[Planned]]) -> None:
    if len(waves) > 1:
        run.journal.wave(number, len(waves), len(waves[number - 1]))


def _tell_unbegun(run: Run, waves: Sequence[Sequence[Planned]], left: Sequence[Sequence[Planned]]) -> None:
    """The objects of the waves that are left, and where the release has ended."""
    references = [one.reference for wave in left for one in wave]
    reason = f"the release ended in wave {len(waves) - len(left)} of {len(waves)}"
    for reference in references:
        run.journal.unbegun(reference, reason)
    if references:
        run.journal.notice(f"not begun, as {reason}: {named(references)}")
