from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

from k8s_step.errors import StepError
from k8s_step.report.difference import Difference
from k8s_step.report.fleet.result import ClusterResult, ClustersResult, unfinished_clusters
from k8s_step.report.formats.github import GitHub
from k8s_step.report.formats.jsonlines import JsonLines
from k8s_step.report.formats.plain import Plain
from k8s_step.report.formats.shared import SharedLog
from k8s_step.report.output import Output
from k8s_step.report.wording import no_style
from k8s_step.surroundings import Surroundings
from tests.unit import releases
from tests.unit.releases import WEB

Write = Callable[[str], None]


class Told:
    def __init__(self, form: str = "plain") -> None:
        self.log: list[str] = []
        self.data: list[str] = []
        makers: dict[str, Callable[[str, Write], Output]] = {
            "plain": lambda name, write: Plain(self.log.append, write, cluster=name),
            "github": lambda name, write: GitHub(
                self.log.append, write, Surroundings(), is_there=lambda _: True, cluster=name
            ),
            "json": lambda name, write: JsonLines(self.log.append, write, name),
        }
        is_json = form == "json"
        self.shared = SharedLog(makers[form], self.log.append, self.data.append, no_style, None, as_json=is_json)


def merged() -> ClustersResult:
    clusters = (ClusterResult("eu", 1, releases.good()), ClusterResult("us", 2, None))
    return ClustersResult("apply", clusters, "2026-11-22T10:00:00Z", 30.0)


def test_each_line_names_its_cluster() -> None:
    told = Told()
    told.shared.of("eu").finished(releases.failed())
    lines = "\n".join(told.log).splitlines()
    assert len(lines) > 10 and all(line.startswith("[eu]") for line in lines)
    assert told.data == []


def test_data_is_held_back_until_the_cluster_s_next_step() -> None:
    told = Told()
    eu, us = told.shared.of("eu"), told.shared.of("us")
    found = Difference(WEB, "configured", ("-a", "+b"))
    eu.differs(found)
    us.differs(found)
    eu.notice("still checking")
    assert told.data == []
    us.acted(WEB, "configured")
    assert [text.splitlines()[0] for text in told.data] == [f"# [us] {found.title}"]
    eu.close()
    assert len(told.data) == 2


def test_a_thread_that_was_given_up_says_nothing_more() -> None:
    told = Told()
    eu = told.shared.of("eu")
    eu.close()
    eu.notice("late")
    assert told.log == []


def test_json_has_a_field() -> None:
    told = Told("json")
    told.shared.begun(unfinished_clusters("apply", ()), [["eu"], ["us"]])
    told.shared.of("eu").notice("hello")
    told.shared.finished(merged())
    begun, notice, finished = map(json.loads, told.log)
    assert (begun["event"], begun["waves"]) == ("clusters", [["eu"], ["us"]])
    assert (notice["event"], notice["cluster"]) == ("notice", "eu")
    assert finished["event"] == "finished" and len(finished["clusters"]) == 2


def test_the_end() -> None:
    told = Told()
    told.shared.wave(2, 2, ["us"])
    told.shared.not_begun(["us"], "eu failed")
    told.shared.finished(merged())
    assert told.log == [
        "wave 2 of 2: us",
        "not begun: us: eu failed",
        "succeeded: 2 clusters (1 succeeded; 1 not begun: us) in 30.0 s",
    ]
    assert [line.split()[:3] for line in told.data[0].splitlines()] == [
        ["CLUSTER", "WAVE", "RESULT"],
        ["eu", "1", "succeeded"],
        ["us", "2", "not"],
    ]


def test_on_github_only_evidence_is_folded() -> None:
    told = Told("github")
    us = told.shared.of("us")
    us.acted(WEB, "configured")
    us.following(1, 60.0)
    us.finished(replace(releases.failed(), objects=()))
    groups = [line for line in told.log if line.startswith("::group::")]
    assert groups == [f"::group::[us] Evidence: deployment.apps/{name}" for name in ("web", "api")]
    errors = [line for line in told.log if line.startswith("::error")]
    assert errors and all("title=us%3A " in line and "::[us] " in line for line in errors)


def test_an_error_of_no_cluster() -> None:
    told = Told()
    told.shared.error(StepError("TAG has no value"))
    assert told.log == ["error: TAG has no value"]
