"""The stages of one write as data: planned, seen before it, written."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from k8s_step.objects.metadata import Object
from k8s_step.objects.reference import Reference
from k8s_step.objects.resource import Resource
from k8s_step.objects.takeover import Takeover

UNKNOWN = "unknown"  # the action of a write whose answer was lost
_LEADING_PATH = re.compile(r"([A-Za-z][^\s:]*(?:\[[^\]]*\][^\s:]*)*): ")


@dataclass(frozen=True)
class Planned:
    """One object to be written. ``line_of`` tells the manifest's line of a field path."""

    reference: Reference
    resource: Resource
    object: Mapping[str, Any]
    line_of: Callable[[str], int]

    @property
    def where(self) -> str:
        """``k8s/web.yaml:12: deployment/shop/web``."""
        reference = self.reference
        return f"{reference.where}: {reference}" if reference.where else str(reference)

    @property
    def content_type(self) -> str:
        """As the user wrote it: ``application/json`` for a JSON file, else ``application/yaml``."""
        return "application/json" if self.reference.file.endswith(".json") else "application/yaml"

    def where_of(self, warning: str) -> str:
        """The file and line that a warning is about: it may begin with a field's path."""
        path = _LEADING_PATH.match(warning)
        line = self.line_of(path[1]) if path else self.reference.line
        return f"{self.reference.file}:{line}" if self.reference.file else str(self.reference)

    @property
    def path(self) -> str:
        """The URL path of the object."""
        return self.resource.path(self.reference.namespace or None, self.reference.name)


@dataclass(frozen=True)
class Seen:
    """An object before it is written. ``live`` is ``None`` where it isn't there, or where it may not be read.

    ``is_current``: applying it would surely change nothing, so nothing need be sent. ``is_absent``: it isn't there.
    ``takeover``: the fields of other managers that move to ours before it is applied.
    """

    planned: Planned
    live: Object | None
    is_current: bool = False
    is_absent: bool = False
    warnings: tuple[str, ...] = ()
    takeover: Takeover | None = None


@dataclass(frozen=True)
class Written:
    """``action``: created, configured or unchanged; ``object`` as the server returned it, empty where it is UNKNOWN."""

    planned: Planned
    action: str
    object: Object
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class ApplyOptions:
    """How objects are applied.

    ``adopt``: the managers whose fields are taken over, ``None`` where one may not name any; ``from_kubectl``: what
    kubectl's client-side apply has set is, too.
    """

    field_manager: str = "k8s-step"
    force: bool = False
    dry_run: bool = False
    adopt: tuple[str, ...] | None = None
    from_kubectl: bool = False

    @property
    def query(self) -> tuple[tuple[str, str], ...]:
        """As query parameters."""
        pairs = [("fieldManager", self.field_manager), ("fieldValidation", "Strict")]
        if self.force:
            pairs.append(("force", "true"))
        if self.dry_run:
            pairs.append(("dryRun", "All"))
        return tuple(pairs)
