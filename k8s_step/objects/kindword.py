"""A kind as the user names it: ``deployment``, ``deploy``, ``deployments.apps``, ``apps/v1/deployments``.

Source of the rules: client-go's ``restmapper``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from k8s_step.objects.resource import Resource

_VERSION = r"v[1-9][0-9]*((alpha|beta)[1-9][0-9]*)?"


class KindWord(NamedTuple):
    """The parts of a KIND argument; ``None`` matches any group or version."""

    name: str
    group: str | None = None
    version: str | None = None

    @classmethod
    def read(cls, word: str) -> KindWord:
        lowered = word.strip().lower()
        api_version, slash, name = lowered.rpartition("/")
        if slash:
            group, _, version = api_version.rpartition("/")
            return cls(name, group, version)
        name, _, rest = lowered.partition(".")
        if not rest:
            return cls(name)
        version, _, group = rest.partition(".")
        if re.fullmatch(_VERSION, version):
            return cls(name, group, version)
        return cls(name, rest)

    @property
    def is_bare(self) -> bool:
        """Whether it names neither a group nor a version."""
        return self.group is None and self.version is None

    def best(self, candidates: Iterable[Resource]) -> Resource | None:
        """The first candidate by full name, else the first by short name."""
        in_group = [resource for resource in candidates if self._is_in_group(resource)]
        by_name = (resource for resource in in_group if self.name in names_of(resource))
        by_short_name = (resource for resource in in_group if self.name in resource.short_names)
        return next(by_name, None) or next(by_short_name, None)

    def _is_in_group(self, resource: Resource) -> bool:
        if self.group is not None and resource.group != self.group:
            return False
        return self.version is None or resource.version == self.version


def names_of(resource: Resource) -> tuple[str, ...]:
    """The words for a resource in lower case, apart from its short names."""
    return (resource.plural, resource.singular or resource.kind.lower(), resource.kind.lower())


def guessed(api_version: str, kind: str) -> Resource:
    """The resource of a kind that is not known, with the plural that nearly all kinds have; its scope is a guess too.

    Source: ``UnsafeGuessKindToResource`` of k8s.io/apimachinery's ``meta/restmapper.go``.
    """
    group, _, version = api_version.rpartition("/")
    singular = kind.lower()
    if singular.endswith("s"):
        plural = f"{singular}es"
    elif singular.endswith("y"):
        plural = f"{singular[:-1]}ies"
    else:
        plural = f"{singular}s"
    return Resource(group, version, kind, plural, True, singular)
