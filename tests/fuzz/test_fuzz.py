"""Some cases of each target, always the same; ``make fuzz`` makes others, for ten minutes."""

from __future__ import annotations

import random

import pytest

from tests.fuzz.harness import check
from tests.fuzz.targets import TARGETS

CASES = 12
SLOW = ("answers", "watches", "options", "patch")  # they may wait for their timeout of a second


@pytest.mark.parametrize("name", TARGETS)
def test_spoilt_input_is_no_surprise(name: str) -> None:
    for seed in range(CASES // 2 if name in SLOW else CASES):
        verdict = check(TARGETS[name], seed)
        assert not verdict.wrong, f"seed {seed}: {verdict.wrong}\n{verdict.output}"


@pytest.mark.parametrize("name", TARGETS)
def test_a_seed_makes_the_same_case_each_time(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    def made() -> str:
        folder = tmp_path_factory.mktemp("case")
        case = TARGETS[name](random.Random(7), folder)
        files = [(path.name, path.read_bytes()) for path in sorted(folder.iterdir())]
        return f"{case.argv} {dict(case.environ)} {files}".replace(str(folder), "")

    assert made() == made()
