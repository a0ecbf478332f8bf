"""The permissions that pruning needs besides those of the release, for each kind that the set has or will have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from k8s_step.errors import ForbiddenError
from k8s_step.inputs import Inputs
from k8s_step.objects.resource import Resource, builtin
from k8s_step.operations.plan import Planned
from k8s_step.operations.restoring.restore import KEPT
from k8s_step.release.permissions import Permission
from k8s_step.release.planning.session import Session
from k8s_step.release.pruning import parent as parents
from k8s_step.release.pruning.membership import of_plan
from k8s_step.release.pruning.parent import Parent

_MEMBERS = ("get", "list", "watch")  # read again after a conflict, found, and awaited until they are gone
_BRING_BACK = ("create", "patch")  # anew, and with the owners that its fields had


def needed_to_prune(inputs: Inputs, session: Session, plan: Sequence[Planned]) -> list[Permission]:
    """What pruning the set of these planned objects needs, each once; the members' names are not known in advance.

    The set's parent is read where this token may. Raises :class:`StepError` where this run may not keep the set.
    """
    unread = parents.find(inputs, session)
    try:
        parent = parents.read(unread, session.client, session.discovery)
    except ForbiddenError:
        parent = unread
    contents = parent.contents | of_plan(plan)
    served = session.discovery.serving((each.group, each.kind) for each in contents.kinds)
    resources = {
        *served.values(),
        *(one.resource for one in plan if (one.resource.group, one.resource.kind) not in served),
    }
    found = dict.fromkeys(_of_parent(parent))
    for each in sorted(resources):
        for namespace in sorted(contents.namespaces) if each.namespaced else [""]:
            found.update(dict.fromkeys(_of_members(each, namespace, inputs)))
    return list(found)


def _of_parent(parent: Parent) -> Iterator[Permission]:
    resource, reference = parent.address.resource, parent.address.reference
    for verb in ("get", "create", "patch"):
        yield Permission(reference.namespace, resource.group, resource.plural, verb, reference.name)
    if builtin(resource.api_version, resource.kind) is None:
        group, plural = "apiextensions.k8s.io", "customresourcedefinitions"
        yield Permission("", group, plural, "get", resource.full_name)


def _of_members(resource: Resource, namespace: str, inputs: Inputs) -> Iterator[Permission]:
    for verb in _MEMBERS:
        yield Permission(namespace, resource.group, resource.plural, verb)
    if resource.kind in KEPT and not inputs.prune_data:
        return
    for verb in ("delete", *(_BRING_BACK if inputs.rollback_on_failure else ())):
        yield Permission(namespace, resource.group, resource.plural, verb)
