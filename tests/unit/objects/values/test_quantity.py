"""Quantities as numbers."""

from __future__ import annotations

from fractions import Fraction

import pytest

from k8s_step.objects.values import quantity


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("1", 1),
        ("-1.5", Fraction(-3, 2)),
        ("+.5", Fraction(1, 2)),
        ("5.", 5),
        ("100m", Fraction(1, 10)),
        ("1n", Fraction(1, 10**9)),
        ("2k", 2000),
        ("1Ki", 1024),
        ("1.5Gi", 3 * 2**29),
        ("1E", 10**18),
        ("1Ei", 2**60),
        ("1e3", 1000),
        ("1E-2", Fraction(1, 100)),
    ],
)
def test_a_quantity(text: str, number: Fraction | int) -> None:
    assert quantity.parse(text) == number


@pytest.mark.parametrize("text", ["", "x", "1 ", "1K", "1ki", "1mm", "e3", "1e", "1.2.3", "--1", "1e9999999", "1Gi2"])
def test_no_quantity(text: str) -> None:
    assert quantity.parse(text) is None
