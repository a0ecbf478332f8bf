"""The stages of one write as data: planned, seen before it, written."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from k8s_step.errors import InputError
from k8s_step.objects.address import Address
from k8s_step.objects.body import PatchType
from k8s_step.objects.metadata import Object, guard_of, metadata_of
from k8s_step.objects.reference import Reference
from k8s_step.objects.resource import Resource

if TYPE_CHECKING:
    from k8s_step.manifests.patchfile import Patch
    from k8s_step.objects.ownership.takeover import Takeover

_LEADING_PATH = r"([A-Za-z][^\s:]*(?:\[[^\]]*\][^\s:]*)*): "


def _no_line(_: Any) -> int:
    return 0


@dataclass(frozen=True)
class Planned:
    """One object to be written.

    ``object``: its manifest; empty where the body is derived from the live object. ``line_of`` gives a field path's
    line in the manifest.
    """

    address: Address
    object: Mapping[str, Any] = field(default_factory=dict, repr=False)
    line_of: Callable[[str], int] = _no_line

    @property
    def reference(self) -> Reference:
        """Which object it is."""
        return self.address.reference

    @property
    def resource(self) -> Resource:
        """The resource in the URL."""
        return self.address.resource

    @property
    def path(self) -> str:
        """The URL path of the object, or of its subresource."""
        return self.address.path

    @property
    def where(self) -> str:
        """``k8s/web.yaml:12: deployment/shop/web``."""
        return self.address.where

    @property
    def content_type(self) -> str:
        """The content type of the body: ``application/json`` for a JSON file, else ``application/yaml``."""
        return "application/json" if self.reference.file.endswith(".json") else "application/yaml"

    def where_of(self, warning: str) -> str:
        """The file and line that a server's warning is about, by the field path that it may begin with."""
        path = re.match(_LEADING_PATH, warning)
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
        """The patch of the named object."""
        body = _identified(patch.body, named, patch) if patch.type is PatchType.APPLY else patch.body
        asked = body if isinstance(body, dict) else {}
        address = named._replace(reference=replace(named.reference, file=patch.file, line=patch.line))
        return cls(address, asked, patch.line_of, patch.type, body, patch.line_of_operation)

    @property
    def may_be_repeated(self) -> bool:
        """Whether the patch is idempotent: sent twice, it does no more than sent once."""
        if self.patch_type is PatchType.JSON:
            return False
        return not guard_of(self.object)

    def writes(self, pointer: str) -> bool:
        """Whether an operation of a JSON patch writes the field at this JSON pointer, or one that holds it."""
        operations = self.body if self.patch_type is PatchType.JSON and isinstance(self.body, list) else []
        written = [str(one.get("path")) for one in operations if one.get("op") not in ("test", "remove")]
        return any(f"{pointer}/".startswith(f"{path}/") for path in written)


def _identified(body: Object, named: Address, patch: Patch) -> Object:
    """The body of an apply patch with KIND/NAME's identity. Raises :class:`InputError` where they differ."""
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
    """An object as read before it is written.

    ``live``: the object; ``None`` where it does not exist (``is_absent``) or the token may not read it. ``is_current``:
    an apply would certainly change nothing, so none is sent. ``is_change``: the server's dry run has changed it.
    ``takeover``: the fields of other managers that move to ours before the apply. ``handover``: the number of replicas
    that an autoscaler is to own from now on, where our manifest names it no more.
    """

    planned: Planned
    live: Object | None = field(repr=False)
    is_current: bool = False
    is_change: bool = False
    is_absent: bool = False
    warnings: tuple[str, ...] = ()
    takeover: Takeover | None = None
    handover: int | None = None

    @property
    def reference(self) -> Reference:
        """Which object it is."""
        return self.planned.reference


@dataclass(frozen=True)
class Written:
    """An object after the write.

    ``action``: created, configured, unchanged, or replaced by a new object; deleted, where the new one is still to
    come; unknown, with an empty ``object``, where the answer was lost. ``object``: as the server returned it.
    ``warnings``: the server's. ``because``: the reason of a replacement.
    """

    planned: Planned
    action: str
    object: Object = field(repr=False)
    warnings: tuple[str, ...] = ()
    because: str = ""

    @property
    def reference(self) -> Reference:
        """Which object it is."""
        return self.planned.reference


class ApplyOptions(NamedTuple):
    """How objects are applied.

    ``adopt``: the managers whose fields are taken over; ``None`` where the verb has no such option. ``from_kubectl``:
    fields that kubectl's client-side apply has set are taken over, too. ``source``: the commit and the CI run, for the
    annotation of what changes; empty for none. ``recreates``: a release, which deletes what its manifests allow to be
    deleted, and creates it anew; whatever else applies an object never does.
    """

    field_manager: str = "k8s-step"
    force: bool = False
    dry_run: bool = False
    adopt: tuple[str, ...] | None = None
    from_kubectl: bool = False
    source: str = ""
    recreates: bool = False

    @property
    def query(self) -> tuple[tuple[str, str], ...]:
        """These options as query parameters of the request."""
        pairs = [("fieldManager", self.field_manager), ("fieldValidation", "Strict")]
        if self.force:
            pairs.append(("force", "true"))
        if self.dry_run:
            pairs.append(("dryRun", "All"))
        return tuple(pairs)
