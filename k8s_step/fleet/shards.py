"""One job's share of the clusters: ``--shard 3/10``, for a CI system that runs ten jobs side by side."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from k8s_step.errors import InputError
from k8s_step.fleet.member import Member
from k8s_step.fleet.waves import Wave
from k8s_step.report.wording import many

_FORM = re.compile(r"\s*([0-9]+)\s*/\s*([0-9]+)\s*")


@dataclass(frozen=True)
class Shard:
    """The share ``number`` of ``count``; counts from 1."""

    number: int
    count: int

    @classmethod
    def parse(cls, text: str, where: str) -> Shard:
        """The shard that ``3/10`` names. Raises :class:`InputError`."""
        found = _FORM.fullmatch(text)
        if not found or not 1 <= int(found[1]) <= int(found[2]):
            hint = "K/N takes the share K of N, with K from 1 to N: 3/10"
            raise InputError(f"{text!r} is no share of the clusters", where=where, hint=hint)
        return cls(int(found[1]), int(found[2]))

    def of(self, waves: Sequence[Wave]) -> list[Wave]:
        """The share of each wave, empty perhaps.

        The clusters are dealt out like cards, on through the waves: of each wave, and of all together, two shares
        differ by one cluster at the most, and a cluster added at the end leaves the others where they are.
        """
        shares: list[list[Member]] = []
        dealt = 0
        for wave in waves:
            shares.append([one for place, one in enumerate(wave, dealt) if place % self.count == self.number - 1])
            dealt += len(wave)
        return list(shares)

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    def told(self, clusters: int) -> str:
        """The share of so many clusters, for the log."""
        own = len(range(self.number - 1, clusters, self.count))
        aside = "" if own else ", nothing to do"
        return f"shard {self}: {own} of {many(clusters, 'cluster')}{aside}"
