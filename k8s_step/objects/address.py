"""The place of one object: its path in the API, and its words for a message."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from k8s_step.objects.reference import Reference
from k8s_step.objects.resource import Resource


class Addressed(Protocol):
    """Anything about one object, such as an operation on it, or an :class:`Address` itself."""

    @property
    def address(self) -> Address:
        """The object's place in the API."""

    @property
    def reference(self) -> Reference:
        """The object's kind, namespace, name and place in a file."""


class Address(NamedTuple):
    """One object, or its ``subresource``, and the resource that serves it."""

    resource: Resource
    reference: Reference
    subresource: str = ""

    @property
    def address(self) -> Address:
        """This address, which makes every address :class:`Addressed`."""
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
        """Like :attr:`where`, with another line of the file, such as a field's."""
        reference = self.reference
        return f"{reference.file}:{line}: {reference}" if reference.file else str(reference)
