from __future__ import annotations

import pytest

from k8s_step.errors import InputError
from k8s_step.fleet.member import Member
from k8s_step.fleet.shards import Shard
from k8s_step.inputs import Inputs


def shared_out(count: int, *waves: str) -> list[list[str]]:
    """Each shard's clusters, wave after wave, of clusters with names of one letter."""
    made = [[Member(name, Inputs()) for name in wave] for wave in waves]
    shards = [Shard(number, count).of(made) for number in range(1, count + 1)]
    return [["".join(one.name for one in wave) for wave in shard] for shard in shards]


def test_every_cluster_is_in_one_shard() -> None:
    assert shared_out(3, "abcdefgh") == [["adg"], ["beh"], ["cf"]]


def test_one_more_at_the_end_moves_no_other() -> None:
    assert shared_out(3, "abcdefghi") == [["adg"], ["beh"], ["cfi"]]


@pytest.mark.parametrize("count", [1, 2, 3, 7, 30])
def test_of_each_wave_and_of_all_sizes_differ_by_one_at_the_most(count: int) -> None:
    waves = ("abcd", "e", "", "fghijkl", "mn", "o", "p", "qrstuvwxyz")
    shards = shared_out(count, *waves)
    assert sorted("".join(map("".join, shards))) == sorted("".join(waves))
    for sizes in (
        *zip(*([len(wave) for wave in shard] for shard in shards), strict=True),
        [*map(len, map("".join, shards))],
    ):
        assert max(sizes) - min(sizes) <= 1


def test_more_shards_than_clusters() -> None:
    assert shared_out(3, "a", "b") == [["a", ""], ["", "b"], ["", ""]]


@pytest.mark.parametrize("text", ["3/10", " 3 / 10 ", "03/10"])
def test_a_shard_as_it_is_written(text: str) -> None:
    assert Shard.parse(text, "--shard") == Shard(3, 10)


@pytest.mark.parametrize("text", ["", "3", "0/10", "11/10", "3/0", "-1/10", "1.5/10", "3/10/2", "a/b", "/", "²/3"])
def test_what_is_no_shard(text: str) -> None:
    with pytest.raises(InputError) as refused:
        Shard.parse(text, "K8S_SHARD")
    told = str(refused.value)
    assert (
        told
        == f"K8S_SHARD: {text!r} is no share of the clusters (K/N takes the share K of N, with K from 1 to N: 3/10)"
    )


def test_what_the_log_says() -> None:
    assert Shard(3, 10).told(25) == "shard 3/10: 3 of 25 clusters"
    assert Shard(6, 10).told(25) == "shard 6/10: 2 of 25 clusters"
    assert Shard(3, 3).told(1) == "shard 3/3: 0 of 1 cluster, nothing to do"
