"""Hands the field ``spec.replicas`` of one object over to its autoscaler, without a change of its value.

An apply that no longer names a field removes it where nobody else owns it: a Deployment would fall back to one pod.
Source: "Transferring ownership" in "Server-Side Apply" of Kubernetes' documentation, which names the manager so.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace

from k8s_step.api.client import Client
from k8s_step.api.request import Request
from k8s_step.errors import ConflictError
from k8s_step.objects.body import PatchType, encode
from k8s_step.objects.metadata import Object, metadata_of
from k8s_step.operations.plan import ApplyOptions, Planned, Seen

MANAGER = "handover-to-hpa"


def handed_over(client: Client, seen: Seen, replicas: int, options: ApplyOptions) -> Seen:
    """Make ``MANAGER`` an owner of the present number of replicas, which the next scaling takes from it.

    Where somebody has scaled it meanwhile, the number is theirs already. A dry run sends nothing, and keeps the number
    in the manifest instead. Raises the :class:`ApiError` family.
    """
    planned = seen.planned
    if options.dry_run:
        spec = {**planned.object.get("spec", {}), "replicas": replicas}
        return replace(seen, planned=replace(planned, object={**planned.object, "spec": spec}))
    query = options._replace(field_manager=MANAGER, force=False).query
    body = encode(_replicas_alone(planned, replicas))
    with contextlib.suppress(ConflictError):  # only with another number than this one
        client.send(Request("PATCH", planned.path, query, body, PatchType.APPLY.value, where=planned.where))
    return seen


def _replicas_alone(planned: Planned, replicas: int) -> Object:
    metadata = {key: value for key, value in metadata_of(planned.object).items() if key in ("name", "namespace")}
    identity = {"apiVersion": planned.reference.api_version, "kind": planned.reference.kind}
    return {**identity, "metadata": metadata, "spec": {"replicas": replicas}}
