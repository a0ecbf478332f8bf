"""Which targets a failed run reports: those that failed, those that were broken at the end, and the late ones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from k8s_step.verdict.judgement import troubles
from k8s_step.verdict.target import Target


def culprits(targets: Iterable[Target]) -> list[Target]:
    """The targets that failed, then the broken ones, then those that were not current in time.

    Targets merely still in progress are left out. A broken target whose grace and timeout were not over has its
    judgement narrowed, in place, to its broken pods.
    """
    told = [(rank, target) for target in targets if (rank := _rank(target)) is not None]
    for rank, target in told:
        if rank == _BROKEN and not target.is_late:
            _narrow(target)
    return [target for _, target in sorted(told, key=lambda pair: pair[0])]


_FAILED, _BROKEN, _LATE = range(3)


def _rank(target: Target) -> int | None:
    if target.is_lost:
        return _FAILED
    if target.is_open and _is_broken(target):
        return _BROKEN
    return _LATE if target.is_late else None


def _is_broken(target: Target) -> bool:
    judgement = target.judgement
    return judgement is not None and (judgement.lasting or bool(troubles(target.object, judgement)))


def _narrow(target: Target) -> None:
    if target.judgement is not None:
        blamed = troubles(target.object, target.judgement)
        target.judgement = replace(target.judgement, blamed=blamed or target.judgement.blamed)
