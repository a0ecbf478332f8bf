"""The objects that are written and not followed: by ``--no-wait-for``, or by their annotation ``k8s-step/wait``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from k8s_step.errors import InputError, InputErrors
from k8s_step.objects.reference import Reference
from k8s_step.release.planning.arguments import Meant
from k8s_step.release.planning.session import Run, Session
from k8s_step.report.wording import first_of
from k8s_step.verdict.terms import patience

if TYPE_CHECKING:
    from k8s_step.verdict.target import Target

_OPTION = "--no-wait-for"
_ANNOTATED = f'{patience.WAIT}: "false"'


def announce(run: Run, session: Session, references: Sequence[Reference]) -> None:
    """Report what the run is about, and the words of ``--no-wait-for`` and its like that match none of its objects.

    Raises :class:`InputErrors` for a kind that the server does not serve.
    """
    words = [(f"{_OPTION} {word}", meant) for word, meant in _exemptions(run, session)]
    if run.inputs.wait_for or run.inputs.fail_on:
        from k8s_step.release.following import rules

        words += [(one.title, one.meant) for one in rules.asked(run, session)]
    idle = [title for title, meant in words if not any(map(meant.fits, references))]
    run.journal.loaded(references)
    for title in idle:
        run.journal.notice(f"{title}: nothing in this run is meant by it")


def followed(run: Run, session: Session, targets: Sequence[Target], *, silent: bool = False) -> list[Target]:
    """The targets to be followed; the others are reported with the reason, unless ``silent``."""
    asked = _exemptions(run, session)
    kept = []
    left: dict[str, list[Reference]] = defaultdict(list)
    for target in targets:
        reason = _reason(run, target, asked)
        if reason:
            left[reason].append(target.reference)
        else:
            kept.append(target)
    for reason, references in {} if silent else left.items():
        _tell(run, references, reason)
    return kept


def _reason(run: Run, target: Target, asked: Sequence[tuple[str, Meant]]) -> str:
    """Why the target is not followed: the option's word or the annotation; empty where it is followed."""
    word = next((word for word, meant in asked if meant.fits(target.reference)), None)
    if word:
        return f"{_OPTION} {word}"
    is_wanted = target.is_wanted
    if is_wanted is None:
        try:
            is_wanted = patience.is_waited_for(target.object)
        except InputError as error:
            run.journal.notice(f"{target.reference}: ignored: {error}")
    return _ANNOTATED if is_wanted is False else ""


def _tell(run: Run, references: Sequence[Reference], reason: str) -> None:
    for reference in references:
        run.journal.unfollowed(reference, reason)
    run.journal.notice(f"not followed ({reason}): {first_of([reference.title for reference in references])}")


def _exemptions(run: Run, session: Session) -> list[tuple[str, Meant]]:
    """Each word of ``--no-wait-for``, with the objects that it means."""
    errors, found = [], []
    for word in run.inputs.no_wait_for:
        try:
            found.append((word, Meant.read(word, session.discovery)))
        except InputError as error:
            error.where = f"{_OPTION} {error.where or word}"
            errors.append(error)
    if errors:
        raise InputErrors(errors)
    return found
