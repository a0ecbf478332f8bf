"""Names for a Job's runs, what ``run`` takes, and how many logs are to be expected."""

from __future__ import annotations

import re
from itertools import islice
from typing import Any

import pytest

from k8s_step.release.jobs import has_several_logs, names


def job(name: str = "migrate", image: str = "shop/migrate:1", **spec: Any) -> dict[str, Any]:
    pod = {"containers": [{"name": "app", "image": image}]}
    return {"metadata": {"name": name}, "spec": {"template": {"spec": pod}, **spec}}


def test_its_own_name_then_one_that_tells_the_spec_then_chance() -> None:
    found = list(names(job(), lambda letters: letters[0]))
    assert found[0] == "migrate"
    assert re.fullmatch(r"migrate-[0-9a-f]{8}", found[1])
    assert found[2] == "migrate-bbbbb"
    assert len(found) <= 10


def test_the_same_spec_has_the_same_name_another_one_another() -> None:
    def second(made: dict[str, Any]) -> str:
        return list(islice(names(made), 2))[1]

    assert second(job()) == second(job())
    assert len({second(job()), second(job(image="shop/migrate:2")), second(job(backoffLimit=1))}) == 3


@pytest.mark.parametrize("own", ["a" * 63, "a" * 50 + "." + "b" * 12, "a" * 54 + "---" + "b"])
def test_no_name_is_longer_than_a_label_or_has_a_seam(own: str) -> None:
    for name in list(names(job(own)))[1:]:
        assert len(name) <= 63
        assert re.fullmatch(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", name)
        assert not re.search(r"[-.]-", name)


@pytest.mark.parametrize(
    ("jobs", "several"),
    [
        ([job()], False),
        ([job(), job("other")], True),
        ([job(completions=3)], True),
        ([job(parallelism=2)], True),
        ([job(completions=1, parallelism=1)], False),
        ([{"spec": {"template": {"spec": {"containers": [{}], "initContainers": [{}]}}}}], True),
        ([{"spec": {"template": {"spec": {"containers": [{}, {}]}}}}], True),
    ],
)
def test_several_logs(jobs: list[dict[str, Any]], several: bool) -> None:
    assert has_several_logs(jobs) is several
