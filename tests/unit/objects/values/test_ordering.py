"""The order of values as kubectl sorts them."""

from __future__ import annotations

from typing import Any

import pytest

from k8s_step.objects.values.ordering import MISSING, Key, OrderError


@pytest.mark.parametrize(
    "ordered",
    [
        [MISSING, None, 1, 2, 10],
        [MISSING, None, "a", "b"],
        [-1.5, 0.5, 2.25],
        ["900M", "1Gi", "2Gi", "1T"],
        ["1m", "100m", "1", "1k"],
        ["9", "10", "x"],
        ["v1", "v10", "v2"],
        ["2026-11-01T10:00:00Z", "2026-11-02T09:00:00Z"],
    ],
)
def test_in_order(ordered: list[Any]) -> None:
    assert sorted([*ordered[1:], ordered[0]], key=Key) == ordered


def test_equal_ones_stay_as_they_are() -> None:
    assert sorted(["1000m", "1", "1.0"], key=Key) == ["1000m", "1", "1.0"]


@pytest.mark.parametrize("value", [True, {}, []])
def test_what_has_no_order(value: Any) -> None:
    with pytest.raises(OrderError):
        Key(value)


def test_two_types() -> None:
    with pytest.raises(OrderError, match="two types"):
        sorted([1, "a"], key=Key)
