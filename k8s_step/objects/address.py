"""Where one object is: the path in the API, and the words for a message."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from k8s_step.objects.reference import Reference
from k8s_step.objects.resource import Resource


class Addressed(Protocol):
    """What is done to one object, or known of it; an :class:`Address` alone, too."""

    @property
    def address(self) -> Address:
        """Where the object is."""

    @property
    def reference(self) -> Reference:
        """Which object it is."""


@dataclass(frozen=True)
class Address:
    """One object, or its ``subresource``, at the resource it is sent to."""

    resource: Resource
    reference: Reference
    subresource: str = ""

    @property
    def address(self) -> Address:
        """Itself, so that an address goes where anything :class:`Addressed` does."""
        return self

    @property
    def path(self) -> str:
        """The URL path."""
        return self.resource.path(self.reference.namespace or None, self.reference.name, self.subresource)

    @property
    def collection(self) -> str:
        """The URL path that new objects are posted to."""
        return self.resource.path(self.reference.namespace or None)

    @property
    def where(self) -> str:
        """``k8s/web.yaml:12: deployment/shop/web``."""
        return self.at(self.reference.line)

    def at(self, line: int) -> str:
        """The same with another line of the file, such as a field's."""
        reference = self.reference
        return f"{reference.file}:{line}: {reference}" if reference.file else str(reference)
