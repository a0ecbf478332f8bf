"""A few runs of the chaos on the cluster that all tests share: no server is killed there, and each has its namespace.

``make chaos`` plays many more, and kills. These seeds are of runs whose verdict does not hang on who is faster.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.history import History
from tests.chaos.oracle import judge
from tests.chaos.plan import derive
from tests.chaos.run import play
from tests.controlplane.cluster import Cluster

SEEDS = (1, 3, 7, 8, 12, 14, 15, 17)


@pytest.fixture(scope="module")
def history(cluster: Cluster) -> Iterator[History]:
    made = History(cluster.etcd, "chaos-")
    yield made
    made.close()


@pytest.mark.usefixtures("played", "owned")
@pytest.mark.parametrize("seed", SEEDS)
def test_the_verdicts_of_a_run_are_true(seed: int, cluster: Cluster, history: History, tmp_path: Path) -> None:
    for record in play(derive(seed, deadly=False), cluster, history, tmp_path):
        assert judge(record) == [], record.ended.texts.get("stderr")


def test_a_seed_derives_the_same_plan_each_time() -> None:
    assert [str(derive(seed)) for seed in range(200)] == [str(derive(seed)) for seed in range(200)]


def test_nothing_deadly_is_done_to_a_shared_cluster() -> None:
    plans = [derive(seed, deadly=False) for seed in range(500)]
    acts = {act.what for plan in plans for stage in plan.stages for act in stage.acts}
    assert not {what for what in acts if what.startswith("kill") or what == "compact"}
