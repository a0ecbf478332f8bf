"""The annotation ``k8s-step/source``: the commit and the CI run that shipped an object as it is.

It is never a reason to write an object: one that is otherwise as its manifest says keeps the value that it has.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from k8s_step.objects.metadata import Object, annotations_of, metadata_of
from k8s_step.objects.ownership.fieldset import Owner, owners_of

SOURCE = "k8s-step/source"
_PATH = ("f:metadata", "f:annotations", f"f:{SOURCE}")


def kept(live: Object | None, field_manager: str, moved: Collection[Owner] = (), *, force: bool = False) -> str | None:
    """The value that ``live`` has; empty where it has none, ``None`` where the annotation is another manager's.

    ``moved``: the owners whose fields move to ``field_manager`` before the object is applied. ``force``: applying takes
    over fields of any owner.
    """
    value = annotations_of(live or {}).get(SOURCE)
    if value is None or live is None:
        return ""
    owners = owners_of(live, _PATH)
    is_ours = force or not owners or any(owner.manager == field_manager or owner in moved for owner in owners)
    return str(value) if is_ours else None


def with_source(manifest: Mapping[str, Any], value: str | None) -> Mapping[str, Any]:
    """The manifest with the annotation, unless it names one itself or there is no value."""
    if not value or SOURCE in annotations_of(manifest):
        return manifest
    metadata = metadata_of(manifest)
    return {**manifest, "metadata": {**metadata, "annotations": {**annotations_of(manifest), SOURCE: value}}}
