"""Which of several exit codes is the worst, and so that of the whole run."""

from __future__ import annotations

from collections.abc import Iterable

from k8s_step.errors import ExitCode

# From good to bad. First what is safe or may yet come right by a later try, then what a person has to mend, then what a
# release has left broken; a run that was cut short, or a bug of ours, says nothing certain and so comes last.
ORDER = (
    ExitCode.SUCCEEDED,
    ExitCode.ROLLED_BACK,
    ExitCode.TIMED_OUT,
    ExitCode.UNREACHABLE,
    ExitCode.INVALID,
    ExitCode.REFUSED,
    ExitCode.FAILED,
    ExitCode.INTERRUPTED,
    ExitCode.CANCELLED,
    ExitCode.BUG,
)


def worst(codes: Iterable[ExitCode], command: str = "") -> ExitCode:
    """The worst of the codes, success for none. The 1 of a ``diff`` is a mere difference: better than any error."""

    def badness(code: ExitCode) -> float:
        is_difference = command == "diff" and code is ExitCode.FAILED
        return 0.5 if is_difference else ORDER.index(code)

    return max(codes, key=badness, default=ExitCode.SUCCEEDED)
