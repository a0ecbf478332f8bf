"""Two objects, one made by the step and one by kubectl: alike but for what the server gives each its own of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.conftest import Kubectl

_OWN = ("uid", "resourceVersion", "creationTimestamp", "managedFields", "namespace", "generation")
_CONTROLLERS = ("deployment.kubernetes.io/revision",)  # written when the controller comes to it
_JOB_LABELS = ("controller-uid", "batch.kubernetes.io/controller-uid", "job-name", "batch.kubernetes.io/job-name")


def live(kubectl: Kubectl, namespace: str, word: str) -> dict[str, Any]:
    """The object as the server has it."""
    return dict(json.loads(kubectl("-n", namespace, "get", word, "-o", "json").stdout))


def bare(obj: Mapping[str, Any]) -> dict[str, Any]:
    """What twins share: no identity, no status, no address, no mark of a controller."""
    metadata = {key: value for key, value in obj["metadata"].items() if key not in _OWN}
    metadata["annotations"] = _without(metadata.get("annotations"), _CONTROLLERS)
    found = {**{key: value for key, value in obj.items() if key != "status"}, "metadata": metadata}
    if obj["kind"] == "Service":
        found["spec"] = _without(obj["spec"], ("clusterIP", "clusterIPs"))
    if obj["kind"] == "Job":
        metadata["labels"] = _without(metadata.get("labels"), _JOB_LABELS)
        found["spec"] = _without(obj["spec"], ("selector",))
        labels = _without(obj["spec"]["template"]["metadata"].get("labels"), _JOB_LABELS)
        found["spec"]["template"] = {**obj["spec"]["template"], "metadata": {"labels": labels}}
    return found


def _without(fields: Mapping[str, Any] | None, names: tuple[str, ...]) -> dict[str, Any]:
    return {key: value for key, value in (fields or {}).items() if key not in names}
