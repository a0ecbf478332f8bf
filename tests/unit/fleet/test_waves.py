from __future__ import annotations

import pytest

from k8s_step.errors import InputError
from k8s_step.fleet.member import Member
from k8s_step.fleet.waves import in_waves, parse_waves
from k8s_step.inputs import Inputs

CLUSTERS = [Member(name, Inputs()) for name in ("eu", "us", "staging")]


@pytest.mark.parametrize(
    ("text", "waves"),
    [
        ("staging; eu, us", [["staging"], ["eu", "us"]]),
        ("staging;eu,us;", [["staging"], ["eu", "us"]]),
        ("\nstaging;\neu,\nus", [["staging"], ["eu", "us"]]),
        ("arn:aws:eks:eu-central-1:1:cluster/a; b c", [["arn:aws:eks:eu-central-1:1:cluster/a"], ["b c"]]),
    ],
)
def test_names_in_waves(text: str, waves: list[list[str]]) -> None:
    assert parse_waves(text, "--waves") == waves


def test_the_clusters_in_the_order_asked_for() -> None:
    waves = in_waves(CLUSTERS, "staging; us, eu", "--waves")
    assert [[one.name for one in wave] for wave in waves] == [["staging"], ["us", "eu"]]


def test_all_in_one_wave_unless_asked_for() -> None:
    assert in_waves(CLUSTERS, None, "--waves") == [CLUSTERS]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("staging; eu", "--waves: no wave has us"),
        ("staging; eu, us, asia", "--waves: there is no cluster asia (the clusters of this run: eu, us, staging)"),
        ("eu; eu, us, staging", "--waves: eu is named twice"),
        (";", "--waves: no wave has eu, us, staging"),
    ],
)
def test_each_cluster_is_in_one_wave(text: str, told: str) -> None:
    with pytest.raises(InputError) as refused:
        in_waves(CLUSTERS, text, "--waves")
    assert str(refused.value).startswith(told)
