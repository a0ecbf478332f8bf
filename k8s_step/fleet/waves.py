"""The order of the clusters: ``--waves 'staging; eu, us'``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from k8s_step.errors import InputError
from k8s_step.fleet.member import Member

Wave = Sequence[Member]


def parse_waves(text: str, where: str) -> list[list[str]]:
    """The names in each wave: ``;`` between waves, ``,`` within one. Raises :class:`InputError`."""
    waves = [[name.strip() for name in part.split(",") if name.strip()] for part in text.split(";")]
    waves = [wave for wave in waves if wave]
    twice = [name for name, count in Counter(name for wave in waves for name in wave).items() if count > 1]
    if twice:
        raise InputError(f"{', '.join(twice)} is named twice", where=where, hint="a cluster is in one wave")
    return waves


def in_waves(clusters: Sequence[Member], text: str | None, where: str) -> list[Wave]:
    """The clusters in the order that ``text`` asks for; without it, all in one wave.

    Raises :class:`InputError` for a name that is no cluster, and for a cluster that is in no wave.
    """
    if text is None:
        return [clusters]
    waves = parse_waves(text, where)
    named = [name for wave in waves for name in wave]
    known = {one.name: one for one in clusters}
    unknown = [name for name in named if name not in known]
    if unknown:
        hint = f"the clusters of this run: {', '.join(known)}"
        raise InputError(f"there is no cluster {', '.join(unknown)}", where=where, hint=hint)
    left = [name for name in known if name not in named]
    if left:
        raise InputError(f"no wave has {', '.join(left)}", where=where, hint="each cluster of the run is in one wave")
    return [[known[name] for name in wave] for wave in waves]
