"""The order of field values that ``--sort-by`` of kubectl sorts by; pure.

Source: ``isLess`` in ``pkg/cmd/get/sorter.go`` of k8s.io/kubectl.
"""

from __future__ import annotations

from functools import total_ordering
from typing import Any

from k8s_step.objects.values import quantity

MISSING = object()  # of an object without the field


class OrderError(ValueError):
    """Two values have no order."""


@total_ordering
class Key:
    """A value to sort by: missing ones first, then null, then numbers or texts; texts that are quantities as those.

    Comparing raises :class:`OrderError` for values that are neither, or of two types.
    """

    __slots__ = ("_quantity", "_value")

    def __init__(self, value: Any) -> None:
        if isinstance(value, (bool, dict, list)):
            raise OrderError(
                f"{'true and false have' if isinstance(value, bool) else 'a list or mapping has'} no order"
            )
        self._value = value
        self._quantity = quantity.parse(value) if isinstance(value, str) else None

    def __lt__(self, other: Key) -> bool:
        ranks = self._rank, other._rank
        if ranks != (2, 2):
            return ranks[0] < ranks[1]
        if self._quantity is not None and other._quantity is not None:
            return self._quantity < other._quantity
        if type(self._value) is not type(other._value):
            raise OrderError(f"{self._value!r} and {other._value!r} are of two types, which have no order")
        return bool(self._value < other._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Key) and not self < other and not other < self

    def __hash__(self) -> int:
        return hash(self._value)

    @property
    def is_missing(self) -> bool:
        """Whether the object has no such field."""
        return self._value is MISSING

    @property
    def _rank(self) -> int:
        return 0 if self.is_missing else 1 if self._value is None else 2
