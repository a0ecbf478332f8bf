"""kubectl's last-applied annotation (the "note"), by which client-side apply detects dropped fields. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from k8s_step.objects.metadata import Object, annotations_of

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_LIMIT = 256 * 1024  # bytes of all annotations: TotalAnnotationSizeLimitB of k8s.io/apimachinery
_ESCAPED = "[<>&\u2028\u2029]"  # characters that Go's JSON encoder escapes and Python's does not


def last_applied(obj: Object) -> Mapping[str, Any]:
    """The manifest in the note; empty where there is no note, or no readable one."""
    try:
        found = json.loads(str(annotations_of(obj).get(LAST_APPLIED) or "{}"))
    except ValueError:
        return {}
    return found if isinstance(found, Mapping) else {}


def with_note(manifest: Object, namespace: str) -> Object:
    """The manifest with a note added; unchanged where it has one already or the annotations would be too long."""
    own = annotations_of(manifest)
    if LAST_APPLIED in own:
        return manifest
    text = note_of(manifest, namespace)
    annotations = {**own, LAST_APPLIED: text}
    if sum(len(str(part).encode()) for pair in annotations.items() for part in pair) > _LIMIT:
        return manifest
    return {**manifest, "metadata": {**manifest["metadata"], "annotations": annotations}}


def note_of(manifest: Object, namespace: str) -> str:
    """The note's text, byte by byte as kubectl writes it, so that kubectl finds nothing to change.

    Source: ``GetModifiedConfiguration`` of kubectl's pkg/util, with ``UnstructuredJSONScheme``.
    """
    annotations = dict(annotations_of(manifest))
    place = {"namespace": namespace} if namespace else {}
    obj = {**manifest, "metadata": {**manifest["metadata"], **place, "annotations": annotations}}
    text = json.dumps(obj, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return re.sub(_ESCAPED, lambda found: f"\\u{ord(found[0]):04x}", text) + "\n"
