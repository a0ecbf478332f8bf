"""Work on many objects at once, with their errors reported together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from k8s_step.api.concurrency import gather, successes
from k8s_step.errors import ExitCode, InvalidError, ReportedError, StepError, StoppedError, single
from k8s_step.objects.reference import Reference
from k8s_step.release.planning.session import Run
from k8s_step.report.journal import Journal
from k8s_step.report.wording import first_of

_NAMED = 20  # objects that one line names


class Referenced(Protocol):
    """Anything that is about one object."""

    @property
    def reference(self) -> Reference:
        """Which object it is."""


Item = TypeVar("Item", bound=Referenced)
Result = TypeVar("Result")


def exit_code_of(work: Callable[[], ExitCode], journal: Journal) -> ExitCode:
    """Do ``work`` and return its exit code; an error that it raises is reported first."""
    try:
        return work()
    except ReportedError as error:
        return error.exit_code
    except StepError as error:
        journal.error(error)
        return error.exit_code


def run_all(run: Run, items: Sequence[Item], work: Callable[[Item], Result]) -> list[Result]:
    """``work`` on all items, several at a time; results in the items' order.

    Raises :class:`ReportedError` once all are done, where something was refused.
    """
    errors: list[tuple[Reference, StepError]] = []

    def refused(index: int, error: StepError) -> None:
        errors.append((items[index].reference, error))

    found = gather(lambda index: work(items[index]), range(len(items)), run.inputs.concurrency)
    done = dict(successes(found, refused))
    raise_reported(run.journal, errors)
    return [done[index] for index in range(len(items))]


def raise_reported(journal: Journal, errors: Sequence[tuple[Reference, StepError]]) -> None:
    """Report the errors and raise :class:`ReportedError` with the first exit code in the contract's order, if any."""
    if errors:
        tell_errors(journal, errors)
        raise ReportedError(min(error.exit_code for _, error in errors))


def tell_unsent(journal: Journal, references: Sequence[Reference]) -> None:
    """Report the objects whose writes were never begun, where a run ends halfway."""
    if references:
        journal.notice(f"not sent: {named(references)}")


def tell_absent(journal: Journal, references: Sequence[Reference]) -> None:
    """Report the objects that were deleted to be created anew, and were not."""
    if references:
        journal.notice(f"deleted, and not yet created anew: {named(references)}; run this again")


def named(references: Sequence[Reference]) -> str:
    """The objects by their titles, the first of many."""
    return first_of([each.title for each in references], _NAMED)


def explained_stop(error: StepError, where: str) -> StepError:
    """The error of a write that the cancellation interrupted, with its object and the next move; others unchanged."""
    if isinstance(error, StoppedError):
        error.where, error.hint = where, "look whether it was done"
    return error


def tell_errors(journal: Journal, errors: Sequence[tuple[Reference, StepError]]) -> None:
    """Report errors in the manifests' order; an error that many objects share (a wrong token) is reported once.

    A field's error is told for each manifest that has it: each has its own line to mend.
    """
    alike: dict[tuple[str, str | None], list[tuple[Reference, StepError]]] = {}
    for reference, error in sorted(_single(errors), key=lambda pair: (pair[0].file, pair[0].line)):
        place = error.where if isinstance(error, InvalidError) else ""
        alike.setdefault((error.message, place), []).append((reference, error))
    for (reference, first), *others in alike.values():
        journal.error(first, reference, others)


def _single(errors: Sequence[tuple[Reference, StepError]]) -> list[tuple[Reference, StepError]]:
    return [(reference, each) for reference, error in errors for each in single(error)]
