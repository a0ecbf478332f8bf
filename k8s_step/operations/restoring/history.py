"""The revisions of a workload and how to go back to one: a Deployment's ReplicaSets, or ControllerRevisions.

Source: ``rollback.go`` and ``history.go`` of k8s.io/kubectl's ``polymorphichelpers``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from k8s_step.api.client import Client
from k8s_step.api.pages import Pager
from k8s_step.api.request import Request
from k8s_step.errors import InputError
from k8s_step.manifests.images import containers
from k8s_step.objects import conditions
from k8s_step.objects.body import PatchType
from k8s_step.objects.kinds.pods import controller_of
from k8s_step.objects.metadata import REVISION, TEMPLATE_HASH, Object, annotations_of, metadata_of, uid_of
from k8s_step.objects.ownership.lastapplied import LAST_APPLIED
from k8s_step.objects.resource import Resource, required
from k8s_step.objects.selection import Group, of_workload
from k8s_step.operations.plan import Planned
from k8s_step.verdict.revision import same_template

# ``annotationsToSkip`` of rollback.go: annotations about the Deployment itself, not about a revision.
_KEPT_ANNOTATIONS = (
    LAST_APPLIED,
    REVISION,
    "deployment.kubernetes.io/revision-history",
    "deployment.kubernetes.io/desired-replicas",
    "deployment.kubernetes.io/max-replicas",
    "deprecated.deployment.rollback.to",
)


@dataclass(frozen=True)
class Revision:
    """One revision. ``body``: the patch that restores it; ``template``: empty where the cluster keeps none."""

    number: int
    template: Object = field(repr=False)
    patch_type: PatchType
    body: Any = field(repr=False)

    @property
    def title(self) -> str:
        """``3 (shop/web:1)``."""
        if not self.template:
            return f"{self.number} (without a pod template)"
        images = ", ".join(str(one.get("image")) for one in containers({"spec": {"template": self.template}}))
        return f"{self.number} ({images})"

    def is_current(self, live: Object) -> bool:
        """Whether going back to it would change nothing."""
        return same_template(live, self.template)


def revisions(client: Client, planned: Planned, live: Object) -> list[Revision]:
    """The revisions of the workload that the cluster keeps, oldest first.

    The last one is the present, but for a moment after a change: the controller has not recorded that yet.
    """
    resource, read = _KEPT[planned.reference.kind]
    group = Group(resource, planned.reference.namespace, of_workload(live) or "")
    request = Request("GET", group.path, group.query, where=planned.where)
    items = Pager(client).whole(request).items
    own = [item for item in items if controller_of(item).get("uid") == uid_of(live)]
    found = (read(item, live) for item in own)
    return sorted((one for one in found if one.number), key=lambda revision: revision.number)


def chosen(found: Sequence[Revision], number: int | None, live: Object, where: str) -> Revision:
    """The revision of this number, or the one before the present. Raises :class:`InputError` with those there are."""
    there = f"there are {', '.join(revision.title for revision in found)}" if found else "none is kept"
    if number is None:
        matching, lack = _earlier(found, live)[-1:], "there is no earlier revision to go back to"
    else:
        matching, lack = [one for one in found if one.number == number], f"there is no revision {number}"
    if not matching:
        raise InputError(lack, where=where, hint=there)
    if not matching[0].template:
        message = f"revision {matching[0].number} is kept without a pod template, so nothing can go back to it"
        raise InputError(message, where=where, hint=f"name another one with --to-revision; {there}")
    return matching[0]


def _earlier(found: Sequence[Revision], live: Object) -> Sequence[Revision]:
    """The revisions before the present one, whether or not the controller has recorded that."""
    others = [one for one in found if not one.is_current(live)]
    return others if len(others) < len(found) or _is_unseen(live) else found[:-1]


def _is_unseen(live: Object) -> bool:
    """Whether the controller has not seen the last change yet."""
    seen = conditions.number(conditions.status(live).get("observedGeneration"))
    return (seen or 0) < (conditions.generation(live) or 0)


def _replica_set(replica_set: Object, live: Object) -> Revision:
    annotations = annotations_of(replica_set)
    template = _without_hash(_object(_object(replica_set.get("spec")).get("template")))
    kept = {key: value for key, value in annotations_of(live).items() if key in _KEPT_ANNOTATIONS}
    restored = {key: value for key, value in annotations.items() if key not in _KEPT_ANNOTATIONS}
    body = [
        {"op": "replace", "path": "/spec/template", "value": template},
        {"op": "add", "path": "/metadata/annotations", "value": {**kept, **restored}},
    ]
    return Revision(_number(annotations.get(REVISION)), template, PatchType.JSON, body)


def _number(value: Any) -> int:
    """A revision's number; 0 where the value is not a controller's."""
    return int(value) if str(value).isdecimal() else 0


def _object(value: Any) -> Object:
    return value if isinstance(value, Mapping) else {}


def _without_hash(template: Object) -> dict[str, Any]:
    if not template:
        return {}
    metadata = dict(metadata_of(template))
    metadata["labels"] = {key: value for key, value in (metadata.get("labels") or {}).items() if key != TEMPLATE_HASH}
    return {**template, "metadata": metadata}


def _controller_revision(revision: Object, _: Object) -> Revision:
    """Its data is a strategic merge patch that replaces the template, made by the controller."""
    data = _object(revision.get("data"))
    whole = _object(_object(data.get("spec")).get("template"))
    template = {key: value for key, value in whole.items() if key != "$patch"}
    return Revision(_number(revision.get("revision")), template, PatchType.STRATEGIC, data)


_REVISIONS = required("apps/v1", "ControllerRevision")
_KEPT: Mapping[str, tuple[Resource, Callable[[Object, Object], Revision]]] = {
    "Deployment": (required("apps/v1", "ReplicaSet"), _replica_set),
    "StatefulSet": (_REVISIONS, _controller_revision),
    "DaemonSet": (_REVISIONS, _controller_revision),
}
KINDS = tuple(_KEPT)
