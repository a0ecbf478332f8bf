from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from k8s_step.redaction.needles import Needles

letters = st.text("ab", min_size=4, max_size=90).map(str.encode)


def longest_ones(needles: list[bytes], data: bytes) -> set[tuple[int, int]]:
    """By looking for each at each place; of those that begin alike the longest counts."""
    found: dict[tuple[int, bytes], int] = {}
    for needle in needles:
        for start in range(len(data)):
            if data.startswith(needle, start):
                key = (start, needle[:64])
                found[key] = max(found.get(key, 0), start + len(needle))
    return {(start, end) for (start, _), end in found.items()}


@given(st.lists(letters, max_size=12), st.lists(letters, max_size=6), st.randoms())
@example([b"abab" * 20, b"abab" * 16 + b"b", b"abab" * 17], [b"abab" * 30], None)
def test_every_needle_is_found_wherever_it_stands(needles, others, random) -> None:
    parts = [*others, *needles]
    if random is not None:
        random.shuffle(parts)
    data = b"".join(parts)
    made = Needles()
    for needle in needles:
        made.add(needle)
    assert set(made.find(data)) == longest_ones(needles, data)
    assert len(made) == len(set(needles))


def test_looking_does_not_take_longer_for_more_needles() -> None:
    """By what is looked up, not by the clock: tables of one and of many needles are asked the same questions."""

    class Counted(dict):
        asked = 0

        def __contains__(self, key: object) -> bool:
            type(self).asked += 1
            return super().__contains__(key)

    asked = []
    for count in (1, 1000):
        made = Needles()
        for number in range(count):
            made.add(f"needle-{number:06d}".encode())
        made._blocks = Counted(made._blocks)
        Counted.asked = 0
        assert made.find(b"." * 4000 + b"needle-000000" + b"." * 4000) == [(4000, 4013)]
        asked.append(Counted.asked)
    assert asked[0] == asked[1]


@pytest.mark.parametrize("length", [*range(4, 20), 63, 64, 65, 130])
def test_a_needle_of_any_length_is_found_at_any_offset(length: int) -> None:
    """Those under seven bytes cover no whole block everywhere; of those over 64 the rest is compared."""
    needle = bytes(range(1, length + 1))
    made = Needles()
    made.add(needle)
    assert len(made) == 1 and needle in made and needle[:-1] not in made
    for before in range(9):
        for after in range(5):
            data = b"\xff" * before + needle + b"\xff" * after
            assert made.find(data) == [(before, before + length)]
    assert made.find(needle[:-1]) == [] and made.find(needle[:-1] + b"\xff") == []


def test_needles_that_begin_alike_for_long_are_told_apart() -> None:
    common = bytes(range(1, 65))
    one, other = common + b"one", common + b"other"
    made = Needles()
    for needle in (one, other):
        made.add(needle)
    assert made.find(one) == [(0, 67)] and made.find(other) == [(0, 69)] and made.find(common + b"none") == []
