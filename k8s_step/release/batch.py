"""Work on many objects at once; what goes wrong with them is told all at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from k8s_step.api.concurrency import gather
from k8s_step.errors import InvalidError, ReportedError, StepError, StoppedError, single
from k8s_step.objects.reference import Reference
from k8s_step.operations.plan import Planned
from k8s_step.report.journal import Journal

_NAMED = 20  # objects named in one line
Item = TypeVar("Item")
Result = TypeVar("Result")


def run_all(
    journal: Journal,
    items: Sequence[Item],
    work: Callable[[Item], Result],
    planned: Callable[[Item], Planned],
    concurrency: int,
) -> list[Result]:
    """``work`` on all items, ``concurrency`` at a time; results in the items' order.

    Raises :class:`ReportedError` once all are done, where something was refused.
    """
    done: dict[int, Result] = {}
    errors: list[tuple[Planned, StepError]] = []
    for index, result in gather(lambda index: work(items[index]), range(len(items)), concurrency):
        if isinstance(result, StepError):
            errors.append((planned(items[index]), result))
        elif isinstance(result, Exception):
            raise result
        else:
            done[index] = result
    raise_reported(journal, errors)
    return [done[index] for index in range(len(items))]


def raise_reported(journal: Journal, errors: Sequence[tuple[Planned, StepError]]) -> None:
    """Tell the errors and end the run with the code of the first in the contract's order; nothing where none is."""
    if errors:
        tell_errors(journal, errors)
        raise ReportedError(min(error.exit_code for _, error in errors))


def tell_unsent(journal: Journal, references: Sequence[Reference]) -> None:
    """Of work that ends halfway: what was never begun."""
    if references:
        more = f" and {len(references) - _NAMED} more" if len(references) > _NAMED else ""
        journal.notice(f"not sent: {', '.join(each.title for each in references[:_NAMED])}{more}")


def explained_stop(error: StepError, where: str) -> StepError:
    """With the object that was under way when the run was cancelled, and the next move; other errors as they are."""
    if isinstance(error, StoppedError):
        error.where, error.hint = where, "look whether it was done"
    return error


def tell_errors(journal: Journal, errors: Sequence[tuple[Planned, StepError]]) -> None:
    """In the manifests' order; what befell many alike (no such namespace, a wrong token) is told once.

    A field's error is told for each manifest that has it: each has its own line to mend.
    """
    alike: dict[tuple[str, str | None], list[tuple[Planned, StepError]]] = {}
    for one, error in sorted(_single(errors), key=lambda pair: (pair[0].reference.file, pair[0].reference.line)):
        place = error.where if isinstance(error, InvalidError) else ""
        alike.setdefault((error.message, place), []).append((one, error))
    for (one, first), *others in alike.values():
        journal.error(first, one.reference, [(other.reference, error) for other, error in others])


def _single(errors: Sequence[tuple[Planned, StepError]]) -> list[tuple[Planned, StepError]]:
    return [(one, each) for one, error in errors for each in single(error)]
