from __future__ import annotations

import pytest

from k8s_step.errors import ExitCode
from k8s_step.report.fleet.badness import ORDER, worst


def test_every_exit_code_has_its_place() -> None:
    assert sorted(ORDER) == sorted(ExitCode)


@pytest.mark.parametrize(
    ("codes", "command", "expected"),
    [
        ((), "apply", 0),
        ((0, 0), "apply", 0),
        ((0, 6), "apply", 6),
        ((6, 3), "apply", 3),
        ((5, 3), "apply", 5),
        ((5, 1, 4), "apply", 1),
        ((2, 4), "apply", 4),
        ((1, 143), "apply", 143),
        ((70, 143), "apply", 70),
        ((1, 0), "diff", 1),
        ((1, 5), "diff", 5),
        ((1, 6), "diff", 6),
    ],
)
def test_the_worst(codes: tuple[int, ...], command: str, expected: int) -> None:
    assert worst(map(ExitCode, codes), command) == expected
