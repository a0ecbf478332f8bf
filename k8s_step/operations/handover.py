"""Hands the field ``spec.replicas`` of one object over to its autoscaler, without a change of its value.

An apply that no longer names a field removes it where nobody else owns it: a Deployment would fall back to one pod.
Source: "Transferring ownership" in "Server-Side Apply" of Kubernetes' documentation, which names the manager so.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace

from k8s_step.api.client import Client
from k8s_step.api.request import Request
from k8s_step.errors import ConflictError, StepError
from k8s_step.objects.body import PatchType, encode
from k8s_step.objects.conditions import spec
from k8s_step.objects.metadata import Object, metadata_of
from k8s_step.operations.adopt import others_owning, would_go
from k8s_step.operations.plan import ApplyOptions, Planned, Seen

MANAGER = "handover-to-hpa"
_REPLICAS = ("f:spec", "f:replicas")


def is_about_replicas(error: ConflictError) -> bool:
    """Whether nothing but the number of replicas is another manager's."""
    return bool(error.conflicts) and all(one.get("field") == ".spec.replicas" for one in error.conflicts)


def would_fall(seen: Seen, options: ApplyOptions) -> bool:
    """Whether the number of replicas would go with our field: we own it, and nobody else does."""
    return would_go(seen, _REPLICAS, options.field_manager)


def anew(seen: Seen, options: ApplyOptions) -> Seen:
    """The object as one that is not there, to be created from its manifest.

    Where the manifest leaves the number of replicas to others, it is created with the present one: the pods may stay.
    """
    absent = replace(seen, live=None, is_absent=True, is_current=False, takeover=None, handover=None)
    is_theirs = seen.handover is not None or others_owning(seen, _REPLICAS, options.field_manager)
    if "replicas" in spec(seen.planned.object) or not is_theirs:
        return absent
    number = spec(seen.live or {})["replicas"]
    return replace(_with_number(absent, number), handover=number)


def handed_over(client: Client, seen: Seen, replicas: int, options: ApplyOptions) -> Seen:
    """Make ``MANAGER`` an owner of the present number of replicas, which the next scaling takes from it.

    Where somebody has scaled it meanwhile, the number is theirs already. A dry run sends nothing, and keeps the number
    in the manifest instead. Raises the :class:`ApiError` family.
    """
    if options.dry_run:
        return _with_number(seen, replicas)
    planned = seen.planned
    query = options._replace(field_manager=MANAGER, force=False).query
    body = encode(_replicas_alone(planned, replicas))
    with contextlib.suppress(ConflictError):  # only with another number than this one
        client.send(Request("PATCH", planned.path, query, body, PatchType.APPLY.value, where=planned.where))
    return seen


def handed_on(client: Client, seen: Seen, replicas: int, options: ApplyOptions) -> tuple[str, ...]:
    """As :func:`handed_over`, of an object that this run has just created with the number; a refusal is a warning."""
    try:
        handed_over(client, seen, replicas, options)
    except StepError as error:
        return (f"spec.replicas stays at {replicas} only as long as no release is applied: {error.message}",)
    return ()


def _with_number(seen: Seen, replicas: int) -> Seen:
    manifest = seen.planned.object
    manifest = {**manifest, "spec": {**spec(manifest), "replicas": replicas}}
    return replace(seen, planned=replace(seen.planned, object=manifest))


def _replicas_alone(planned: Planned, replicas: int) -> Object:
    metadata = {key: value for key, value in metadata_of(planned.object).items() if key in ("name", "namespace")}
    identity = {"apiVersion": planned.reference.api_version, "kind": planned.reference.kind}
    return {**identity, "metadata": metadata, "spec": {"replicas": replicas}}
