"""Which members of a set stay, though the release no longer holds them: pure, and each with its reason."""

from __future__ import annotations

from collections.abc import Mapping

from k8s_step.errors import InputError
from k8s_step.objects.kinds.endpoints import is_of_service
from k8s_step.objects.kinds.pods import controller_of
from k8s_step.objects.kinds.retention import claims_go_with
from k8s_step.objects.metadata import PRUNE, Object, annotations_of
from k8s_step.operations.restoring.restore import KEPT

_HELM, _ARGO, _FLUX = (
    "helm.sh/resource-policy",
    "argocd.argoproj.io/sync-options",
    "kustomize.toolkit.fluxcd.io/prune",
)
_WORDS: Mapping[str, bool] = {"true": True, "false": False}


def may_be_pruned(obj: Object) -> bool:
    """What the ``k8s-step/prune`` annotation says. Raises :class:`InputError` where that can't be read."""
    value = annotations_of(obj).get(PRUNE)
    if value is None or value == "":
        return True
    if value not in _WORDS:
        raise InputError(f"{value!r} is neither true nor false", where=PRUNE, hint='"false" keeps the object')
    return _WORDS[value]


def reason_to_keep(obj: Object, parent_uid: str, *, with_data: bool) -> str:
    """Why a member that the release no longer holds is not deleted; empty where it is.

    ``with_data``: what holds others' objects or data goes as well. An object that a controller owns is that
    controller's: it copies its own labels to what it makes, the set's among them.
    """
    return _opted_out(obj) or _owned(obj, parent_uid) or ("" if with_data else _holding(obj))


def _opted_out(obj: Object) -> str:
    annotations = annotations_of(obj)
    if annotations.get(PRUNE) not in (None, "", "true"):
        return f"{PRUNE} is {annotations[PRUNE]}"
    if annotations.get(_HELM) == "keep":
        return f"{_HELM} is keep"
    options = [part.strip() for part in str(annotations.get(_ARGO) or "").split(",")]
    if argo := next((part for part in options if part in ("Prune=false", "Prune=confirm")), ""):
        return f"{_ARGO} has {argo}"
    return f"{_FLUX} is disabled" if annotations.get(_FLUX) == "disabled" else ""


def _owned(obj: Object, parent_uid: str) -> str:
    if is_of_service(obj):
        return "it is kept for a Service, whose labels it repeats"
    owner = controller_of(obj)
    if not owner or (parent_uid and owner.get("uid") == parent_uid):
        return ""
    return f"{owner.get('kind')} {owner.get('name')} controls it"


def _holding(obj: Object) -> str:
    kind = str(obj.get("kind"))
    if kind in KEPT:
        return f"{KEPT[kind]}; --prune-data deletes it"
    if claims_go_with(obj):
        return "its claims, and their data, would go with it; --prune-data deletes it"
    return ""
