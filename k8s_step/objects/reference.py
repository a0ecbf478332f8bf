"""The name of one object, and the place in a file where the user wrote it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from k8s_step.objects.metadata import Object, metadata_of

STDIN = "stdin"


def is_file(name: str) -> bool:
    """Whether ``name``, a reference's ``file``, is a path, not ``stdin`` or an option such as ``-k k8s/``."""
    return bool(name) and name != STDIN and not name.startswith("-")


# As names are made up by ``pkg/util/rand`` of k8s.io/apimachinery: no vowels, so that no words come out.
NAME_LETTERS = "bcdfghjklmnpqrstvwxz2456789"


def name_ending(choose: Callable[[str], str]) -> str:
    """Five letters as the server ends the names that it generates. ``choose`` picks one of a text at random."""
    return "".join(choose(NAME_LETTERS) for _ in range(5))


@dataclass(frozen=True)
class Reference:
    """One object. ``namespace``: empty for cluster-wide kinds. ``file``, ``line``: empty and 0 without a source."""

    api_version: str
    kind: str
    namespace: str
    name: str
    file: str = ""
    line: int = 0

    @classmethod
    def to(cls, obj: Object, file: str = "", line: int = 0) -> Reference:
        """The reference to an object as the server returned it."""
        metadata = metadata_of(obj)
        name, namespace = str(metadata.get("name", "")), str(metadata.get("namespace") or "")
        return cls(str(obj.get("apiVersion", "")), str(obj.get("kind", "")), namespace, name, file, line)

    @property
    def key(self) -> tuple[str, str, str, str]:
        """Identity of the object in any API version: group, kind, namespace, name."""
        return (self.api_version.rpartition("/")[0], self.kind, self.namespace, self.name)

    @property
    def title(self) -> str:
        """``deployment.apps/web``, as kubectl prints it."""
        group = self.api_version.rpartition("/")[0]
        return f"{self.kind.lower()}.{group}/{self.name}" if group else f"{self.kind.lower()}/{self.name}"

    @property
    def path(self) -> str:
        """``apps/v1/Deployment/shop/web``, as in the result file."""
        return "/".join(part for part in (self.api_version, self.kind, self.namespace, self.name) if part)

    @property
    def where(self) -> str:
        """``k8s/web.yaml:12``, or empty."""
        return f"{self.file}:{self.line}" if self.file else ""

    def __str__(self) -> str:
        return (
            f"{self.kind.lower()}/{self.namespace}/{self.name}"
            if self.namespace
            else f"{self.kind.lower()}/{self.name}"
        )
