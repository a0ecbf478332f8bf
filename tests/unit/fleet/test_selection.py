from __future__ import annotations

import pytest

from k8s_step.errors import InputError
from k8s_step.fleet.selection import clusters_of
from k8s_step.inputs import Inputs


def test_one_context_is_a_run_on_one_cluster() -> None:
    assert clusters_of(Inputs(contexts=("eu",), kubeconfigs=("a.yaml",)), {}) is None


def test_several_contexts_of_one_kubeconfig() -> None:
    found = clusters_of(Inputs(contexts=("eu", "us"), kubeconfigs=("a.yaml",), server=None), {})
    assert found is not None
    assert [(one.name, one.inputs.context, one.inputs.kubeconfig) for one in found] == [
        ("eu", "eu", "a.yaml"),
        ("us", "us", "a.yaml"),
    ]


@pytest.mark.parametrize(
    ("paths", "names"),
    [(("c/eu.yaml", "c/us.yaml"), ["eu", "us"]), (("eu/config", "us/config"), ["eu/config", "us/config"])],
)
def test_several_kubeconfigs(paths: tuple[str, ...], names: list[str]) -> None:
    found = clusters_of(Inputs(kubeconfigs=paths), {})
    assert found is not None
    assert [one.name for one in found] == names
    assert [one.inputs.kubeconfigs for one in found] == [(path,) for path in paths]


@pytest.mark.parametrize(
    ("inputs", "told"),
    [
        (Inputs(contexts=("eu", "eu")), "--context: eu is named twice"),
        (Inputs(contexts=("eu", "us"), server="https://x"), "--server: that names one cluster"),
        (Inputs(contexts=("eu", "us"), gke_cluster="x"), "--gke-cluster: that names one cluster"),
        (Inputs(contexts=("eu",), kubeconfigs=("a", "b")), "--context: several kubeconfigs and a context"),
        (Inputs(contexts=("eu",), clusters_file="c"), "--context: the clusters file names each cluster"),
        (Inputs(waves="eu"), "--waves: there is one cluster, and no other is named"),
        (Inputs(shard="1/2"), "--shard: there is one cluster, and no other is named"),
    ],
)
def test_contradictions(inputs: Inputs, told: str) -> None:
    with pytest.raises(InputError) as refused:
        clusters_of(inputs, {})
    assert str(refused.value).startswith(told)
