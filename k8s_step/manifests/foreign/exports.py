"""Removes the server's fields from manifests that were exported from a cluster (``kubectl get -o yaml``).

Sources: ``internal/stripmeta.go`` of k8s.io/apimachinery's managedfields, and the names of kubectl's and the Deployment
controller's annotations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from k8s_step.manifests.manifest import Manifest
from k8s_step.objects.metadata import REVISION, Object
from k8s_step.objects.ownership.applied import without_annotations, without_metadata
from k8s_step.objects.ownership.lastapplied import LAST_APPLIED
from k8s_step.objects.provenance import SOURCE

_SIGNS = ("managedFields", "uid", "selfLink", "creationTimestamp")  # null counts as none: generators write it
_METADATA = (*_SIGNS, "resourceVersion", "generation", "deletionTimestamp", "deletionGracePeriodSeconds")
_ANNOTATIONS = (LAST_APPLIED, REVISION, SOURCE)
_NAMED = 3


def without_exports(manifests: Sequence[Manifest]) -> tuple[list[Manifest], str]:
    """The manifests without fields of the server, and a line that lists the removed fields; empty without exports.

    A ``resourceVersion`` without other signs of an export stays, as a user sets it on purpose.
    """
    taken: dict[str, None] = {}
    exported: list[Manifest] = []
    cleaned: list[Manifest] = []
    for one in manifests:
        if _is_exported(one.object):
            exported.append(one)
            taken.update(dict.fromkeys(_written_by_server(one.object)))
            one = replace(one, object=_cleaned(one.object))
        cleaned.append(one)
    return cleaned, _summary(exported, list(taken))


def _is_exported(obj: Object) -> bool:
    return any(obj["metadata"].get(sign) for sign in _SIGNS)


def _written_by_server(obj: Object) -> list[str]:
    metadata = obj["metadata"]
    annotations = metadata.get("annotations") or {}
    found = [key for key in _METADATA if key in metadata] + [key for key in _ANNOTATIONS if key in annotations]
    return [*found, "status"] if "status" in obj else found


def _cleaned(obj: Object) -> dict[str, Any]:
    bare = {key: value for key, value in obj.items() if key != "status"}
    return without_annotations(without_metadata(bare, _METADATA), _ANNOTATIONS)


def _summary(exported: Sequence[Manifest], taken: Sequence[str]) -> str:
    if not exported:
        return ""
    count = "1 manifest was" if len(exported) == 1 else f"{len(exported)} manifests were"
    places = [one.where for one in exported[:_NAMED]]
    more = [f"{len(exported) - _NAMED} more"] if len(exported) > _NAMED else []
    return f"{count} exported from a cluster ({', '.join([*places, *more])}): left out {', '.join(taken)}"
