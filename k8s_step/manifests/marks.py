"""The labels and annotations that ``--label`` and ``--annotation`` put on every object of a release."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from k8s_step.errors import InputError
from k8s_step.manifests.manifest import Manifest
from k8s_step.objects.metadata import annotations_of, labels_of, metadata_of
from k8s_step.objects.selection import is_label_key, is_label_value

LABEL, ANNOTATION = "--label", "--annotation"


def labels_of_options(texts: Sequence[str]) -> dict[str, str]:
    """Labels written ``K=V``. Raises :class:`InputError` for one that the server would refuse."""
    found = dict(_pair(text, LABEL) for text in texts)
    for key, value in found.items():
        if not is_label_value(value):
            hint = "at most 63 letters, digits, '-', '_' and '.', the first and last a letter or digit"
            raise InputError(f"{value!r} is no label's value", where=f"{LABEL} {key}", hint=hint)
    return found


def annotations_of_options(texts: Sequence[str]) -> dict[str, str]:
    """Annotations written ``K=V``. Raises :class:`InputError` for one whose key the server would refuse."""
    return dict(_pair(text, ANNOTATION) for text in texts)


def marked(manifest: Manifest, labels: Mapping[str, str], annotations: Mapping[str, str]) -> Manifest:
    """The manifest with these labels and annotations in place of its own of the same keys."""
    obj = manifest.object
    metadata = dict(metadata_of(obj))
    if labels:
        metadata["labels"] = {**labels_of(obj), **labels}
    if annotations:
        metadata["annotations"] = {**annotations_of(obj), **annotations}
    return replace(manifest, object={**obj, "metadata": metadata})


def _pair(text: str, option: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    key = key.strip()
    if not equals:
        raise InputError(f"{text!r} is not written K=V", where=option, hint="team=shop, say")
    if not is_label_key(key):
        hint = "a name of at most 63 letters, digits, '-', '_' and '.', and before it, if any, a domain and a slash"
        raise InputError(f"{key!r} is no key", where=option, hint=hint)
    return key, value.strip()
