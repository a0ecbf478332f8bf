"""The PersistentVolumeClaims that a pod mounts, and the lines that describe one without a volume."""

from __future__ import annotations

from k8s_step.objects.metadata import Object, annotations_of

_CLASS = "volume.beta.kubernetes.io/storage-class"


def names(pod: Object) -> list[str]:
    """The names of the claims that the pod's volumes use, including those of ephemeral volumes."""
    found = []
    for volume in (pod.get("spec") or {}).get("volumes") or []:
        claim = volume.get("persistentVolumeClaim")
        if claim:
            found.append(str(claim.get("claimName", "")))
        elif volume.get("ephemeral"):  # ``VolumeClaimName`` of k8s.io/component-helpers
            found.append(f"{pod['metadata']['name']}-{volume.get('name')}")
    return found


def is_bound(claim: Object) -> bool:
    """Whether the claim has a volume."""
    return (claim.get("status") or {}).get("phase") == "Bound"


def storage_class(claim: Object) -> str:
    """The claim's storage class; empty where it names none.

    The old annotation counts first: ``GetPersistentVolumeClaimClass`` of k8s.io/component-helpers.
    """
    return str(annotations_of(claim).get(_CLASS) or (claim.get("spec") or {}).get("storageClassName") or "")


def claim_line(claim: Object) -> str:
    """``data: Pending, storage class fast, 1Gi``."""
    spec = claim.get("spec") or {}
    name = storage_class(claim)
    size = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
    parts = [str((claim.get("status") or {}).get("phase") or "Pending")]
    parts.append(f"storage class {name}" if name else "no storage class")
    parts += [str(size)] if size else []
    return f"{claim['metadata']['name']}: {', '.join(parts)}"


def missing_claim_line(name: str, namespace: str) -> str:
    """The line for a claim that does not exist."""
    return f"{name}: there is no claim of this name in namespace {namespace}"
