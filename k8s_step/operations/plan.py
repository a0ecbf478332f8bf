"""The stages of one write as data: planned, seen before it, written."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from k8s_step.errors import InputError
from k8s_step.manifests.patchfile import Patch
from k8s_step.objects.address import Address
from k8s_step.objects.body import PatchType
from k8s_step.objects.metadata import Object, guard_of, metadata_of
from k8s_step.objects.reference import Reference
from k8s_step.objects.resource import Resource
from k8s_step.objects.takeover import Takeover

_LEADING_PATH = re.compile(r"([A-Za-z][^\s:]*(?:\[[^\]]*\][^\s:]*)*): ")


def _no_line(_: Any) -> int:
    return 0


@dataclass(frozen=True)
class Planned:
    """One object to be written. ``line_of`` tells the manifest's line of a field path.

    ``object`` is what is asked of it: empty where that is worked out from the object as it is found.
    """

    address: Address
    object: Mapping[str, Any] = field(default_factory=dict)
    line_of: Callable[[str], int] = _no_line

    @property
    def reference(self) -> Reference:
        """Which object it is."""
        return self.address.reference

    @property
    def resource(self) -> Resource:
        """What it is sent to."""
        return self.address.resource

    @property
    def path(self) -> str:
        """The URL path of what is written."""
        return self.address.path

    @property
    def where(self) -> str:
        """``k8s/web.yaml:12: deployment/shop/web``."""
        return self.address.where

    @property
    def content_type(self) -> str:
        """As the user wrote it: ``application/json`` for a JSON file, else ``application/yaml``."""
        return "application/json" if self.reference.file.endswith(".json") else "application/yaml"

    def where_of(self, warning: str) -> str:
        """The file and line that a warning is about: it may begin with a field's path."""
        path = _LEADING_PATH.match(warning)
        line = self.line_of(path[1]) if path else self.reference.line
        return f"{self.reference.file}:{line}" if self.reference.file else str(self.reference)


@dataclass(frozen=True)
class PlannedPatch(Planned):
    """One patch of one object, or of its subresource."""

    patch_type: PatchType = PatchType.STRATEGIC
    body: Any = field(default=None, repr=False)
    line_of_operation: Callable[[int | None], int] = _no_line

    @classmethod
    def of(cls, named: Address, patch: Patch) -> PlannedPatch:
        """``patch`` for what was named."""
        body = _identified(patch.body, named, patch) if patch.type is PatchType.APPLY else patch.body
        asked = body if isinstance(body, dict) else {}
        address = replace(named, reference=replace(named.reference, file=patch.file, line=patch.line))
        return cls(address, asked, patch.line_of, patch.type, body, patch.line_of_operation)

    @property
    def may_be_repeated(self) -> bool:
        """Whether sending it twice does no more than sending it once."""
        if self.patch_type is PatchType.JSON:
            return False
        return not guard_of(self.object)

    def writes(self, pointer: str) -> bool:
        """Whether an operation of a JSON patch writes the field at this JSON pointer, or one that holds it."""
        operations = self.body if self.patch_type is PatchType.JSON and isinstance(self.body, list) else []
        written = [str(one.get("path")) for one in operations if one.get("op") not in ("test", "remove")]
        return any(f"{pointer}/".startswith(f"{path}/") for path in written)


def _identified(body: Object, named: Address, patch: Patch) -> Object:
    """An apply body says which object it is; what it leaves out is known from KIND/NAME."""
    api_version, kind = named.reference.api_version, named.reference.kind
    if named.subresource == "scale":
        api_version, kind = "autoscaling/v1", "Scale"
    metadata = {"name": named.reference.name, **metadata_of(body)}
    wanted = {"apiVersion": api_version, "kind": kind, **body, "metadata": metadata}
    told = {"kind": (wanted["kind"], kind), "metadata.name": (metadata["name"], named.reference.name)}
    for path, (written, expected) in told.items():
        if written != expected:
            message = f"{path} is {written}, but {named.reference} is to be patched"
            where = f"{patch.file}:{patch.line_of(path)}"
            raise InputError(message, where=where, hint="drop it, or name the other object")
    return wanted


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

    @property
    def reference(self) -> Reference:
        """Which object it is."""
        return self.planned.reference


@dataclass(frozen=True)
class Written:
    """``action``: created, configured or unchanged; unknown, with an empty ``object``, where the answer was lost.

    ``object`` is as the server returned it.
    """

    planned: Planned
    action: str
    object: Object
    warnings: tuple[str, ...] = ()

    @property
    def reference(self) -> Reference:
        """Which object it is."""
        return self.planned.reference


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
