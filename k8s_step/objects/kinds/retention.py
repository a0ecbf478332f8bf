"""Which objects take the claims of their pods along when they are deleted."""

from __future__ import annotations

from k8s_step.objects.conditions import mapping
from k8s_step.objects.metadata import Object


def claims_go_with(obj: Object) -> bool:
    """Whether deleting the object deletes claims, and their data, also those that are older than the object.

    The controller makes a StatefulSet the owner of every claim that one of its pods uses, whoever made that claim.
    Kinds of operators, such as Prometheus, hand the same field on to their StatefulSet. Where it is deleted with the
    cascade ``orphan``, the garbage collector takes the owner off the claims, and they stay.
    Source: ``updateClaimOwnerRefForSetAndPod`` of kubernetes' ``pkg/controller/statefulset/stateful_set_utils.go``,
    ``orphanDependents`` of ``pkg/controller/garbagecollector/garbagecollector.go``.
    """
    policy = mapping(mapping(obj.get("spec")).get("persistentVolumeClaimRetentionPolicy"))
    return policy.get("whenDeleted") == "Delete"
