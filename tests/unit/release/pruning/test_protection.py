"""Which members of a set stay, and why."""

from __future__ import annotations

from typing import Any

import pytest

from k8s_step.errors import InputError
from k8s_step.objects.metadata import PRUNE
from k8s_step.release.pruning.protection import may_be_pruned, reason_to_keep


def made(kind: str = "ConfigMap", **annotations: Any) -> dict[str, Any]:
    return {"kind": kind, "metadata": {"name": "a", "annotations": annotations}}


def owned(uid: str, *, controller: bool = True) -> dict[str, Any]:
    owner = {"kind": "Shop", "name": "web", "uid": uid, "controller": controller}
    return {"kind": "ConfigMap", "metadata": {"name": "a", "ownerReferences": [owner]}}


def reason(obj: dict[str, Any], *, with_data: bool = False) -> str:
    return reason_to_keep(obj, "uid-of-parent", with_data=with_data)


@pytest.mark.parametrize("value,wanted", [("true", True), ("", True), ("false", False)])
def test_the_annotation_is_read(value: str, wanted: bool) -> None:
    assert may_be_pruned(made(**{PRUNE: value})) is wanted
    assert may_be_pruned(made()) is True


@pytest.mark.parametrize("value", ["no", "disabled", False])
def test_an_annotation_that_is_not_known(value: Any) -> None:
    with pytest.raises(InputError, match="neither true nor false"):
        may_be_pruned(made(**{PRUNE: value}))


@pytest.mark.parametrize(
    "name,value,words",
    [
        (PRUNE, "false", "k8s-step/prune is false"),
        (PRUNE, "nonsense", "k8s-step/prune is nonsense"),
        ("helm.sh/resource-policy", "keep", "helm.sh/resource-policy is keep"),
        ("argocd.argoproj.io/sync-options", "Prune=false", "argocd.argoproj.io/sync-options has Prune=false"),
        (
            "argocd.argoproj.io/sync-options",
            "Replace=true, Prune=confirm",
            "argocd.argoproj.io/sync-options has Prune=",
        ),
        ("kustomize.toolkit.fluxcd.io/prune", "disabled", "kustomize.toolkit.fluxcd.io/prune is disabled"),
    ],
)
def test_opt_outs(name: str, value: str, words: str) -> None:
    assert reason(made(**{name: value})).startswith(words)
    assert reason(made(**{name: value}), with_data=True).startswith(words)


@pytest.mark.parametrize(
    "name,value",
    [
        (PRUNE, "true"),
        ("helm.sh/resource-policy", "drop"),
        ("argocd.argoproj.io/sync-options", "Prune=true,NoPrune=false"),
        ("kustomize.toolkit.fluxcd.io/prune", "enabled"),
    ],
)
def test_no_opt_outs(name: str, value: str) -> None:
    assert reason(made(**{name: value})) == ""


def test_what_a_controller_owns() -> None:
    assert reason(owned("another")) == "Shop web controls it"
    assert reason(owned("another"), with_data=True) == "Shop web controls it"
    assert reason(owned("uid-of-parent")) == ""
    assert reason(owned("another", controller=False)) == ""
    assert reason_to_keep(owned(""), "", with_data=False) == "Shop web controls it"


@pytest.mark.parametrize("kind", ["Namespace", "CustomResourceDefinition", "PersistentVolume", "PersistentVolumeClaim"])
def test_what_holds_data(kind: str) -> None:
    assert reason(made(kind)).endswith("; --prune-data deletes it")
    assert reason(made(kind), with_data=True) == ""


@pytest.mark.parametrize(
    "policy,stays", [({"whenDeleted": "Delete"}, True), ({"whenDeleted": "Retain"}, False), (None, False)]
)
def test_a_stateful_set_that_deletes_its_claims(policy: Any, stays: bool) -> None:
    obj = {**made("StatefulSet"), "spec": {"persistentVolumeClaimRetentionPolicy": policy}}
    assert bool(reason(obj)) is stays
    assert reason(obj, with_data=True) == ""
