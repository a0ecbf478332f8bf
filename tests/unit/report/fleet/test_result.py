from __future__ import annotations

import re
from dataclasses import replace
from xml.etree import ElementTree as Xml

import pytest

from k8s_step.errors import ExitCode
from k8s_step.report.difference import Difference
from k8s_step.report.fleet.result import (
    ClusterResult,
    ClustersResult,
    summary,
    to_clusters_json,
    unfinished_clusters,
)
from k8s_step.report.formats.github import outputs
from k8s_step.report.formats.gitlab import to_dotenv
from k8s_step.report.results.junit import to_clusters_junit
from k8s_step.report.results.problem import Problem
from k8s_step.report.results.result import Result, to_json
from k8s_step.report.summary import to_clusters_markdown
from tests import junitschema
from tests.unit import releases


def merged(*results: Result | None, command: str = "apply") -> ClustersResult:
    names = ("eu", "us", "asia")
    clusters = (ClusterResult(names[at], at + 1, one) for at, one in enumerate(results))
    return ClustersResult(command, tuple(clusters), "2026-11-22T10:00:00Z", 30.0)


MIXED = merged(releases.good(), releases.failed(), None)


def test_each_cluster_has_its_whole_result() -> None:
    told = to_clusters_json(MIXED)
    assert (told["result"], told["exit_code"]) == ("failed", 1)
    eu, us, asia = told["clusters"]
    assert eu == {"name": "eu", "wave": 1, **to_json(releases.good())}
    assert us["failures"] and us["name"] == "us"
    assert asia == {"name": "asia", "wave": 3, "command": "apply", "result": "not_begun", "exit_code": None}


def test_an_unfinished_run_has_no_exit_code() -> None:
    told = to_clusters_json(unfinished_clusters("apply", (ClusterResult("eu"),)))
    assert (told["result"], told["exit_code"]) == ("unfinished", None)


def test_a_problem_of_no_cluster_is_bad_input() -> None:
    broken = replace(merged(None), problems=(Problem("TAG has no value", "web.yaml:3"),))
    assert broken.exit_code is ExitCode.INVALID
    assert summary(broken) == "nothing was sent"
    assert to_clusters_json(broken)["errors"][0]["where"] == "web.yaml:3"


def test_a_cancelled_run() -> None:
    assert replace(merged(releases.good()), cancelled=ExitCode.CANCELLED).word == "cancelled"


def test_the_summary_line() -> None:
    assert summary(MIXED) == "3 clusters (1 succeeded; 1 failed: us; 1 not begun: asia) in 30.0 s"


def test_junit_has_a_suite_a_cluster() -> None:
    text = to_clusters_junit(replace(MIXED, problems=(Problem("lost"),)))
    assert junitschema.mistakes(text) == []
    suites = Xml.fromstring(text).findall("testsuite")
    assert [suite.get("name") for suite in suites] == [
        "k8s-step apply",
        "k8s-step apply on eu, namespace shop",
        "k8s-step apply on us, namespace shop",
        "k8s-step apply on asia",
    ]
    assert [suite.get("skipped") for suite in suites][-1] == "1"


def test_later_steps_get_the_objects_after_their_cluster() -> None:
    assert "us deployment/shop/web" in outputs(MIXED, "")
    dotenv = dict(line.split("=", 1) for line in to_dotenv(MIXED, None).splitlines())
    assert dotenv["K8S_STEP_RESULT"] == "failed" and "us deployment/shop/web" in dotenv["K8S_STEP_FAILED"]


def test_the_page_shows_what_went_wrong_and_folds_the_rest() -> None:
    page = to_clusters_markdown(MIXED)
    assert page.startswith("### ❌ k8s-step apply: failed\n")
    assert "| <code>asia</code> | 3 | ⏭️\u00a0not\u00a0begun |  |  |" in page
    assert "### ❌ us: failed" in page
    assert "<details><summary>✅ eu: succeeded</summary>" in page
    assert page.index("### ❌ us") < page.index("✅ eu: succeeded</summary>")


def test_the_page_keeps_to_its_limit() -> None:
    assert len(to_clusters_markdown(MIXED, limit=900).encode()) <= 900


@pytest.mark.parametrize("is_good", [True, False])
def test_of_a_cluster_that_does_not_fit_as_much_is_shown_as_fits(is_good: bool) -> None:
    difference = Difference(releases.API, "configured", tuple("+" + "x" * 200 for _ in range(40)))
    (us,) = (one for one in MIXED.clusters if one.result and one.is_good is is_good)
    assert us.result is not None
    large = replace(us, result=replace(us.result, differences=(difference,) * 30))
    clusters = tuple(large if one.name == us.name else one for one in MIXED.clusters)
    page = to_clusters_markdown(replace(MIXED, clusters=clusters), limit=65_000)
    assert 50_000 < len(page.encode()) <= 65_000
    shown, left_out = page.count("xxx\n```"), int(re.search(r"\*(\d+) more did not fit", page)[1])
    assert shown and shown + left_out == 30
    assert "us: failed" in page and "eu: succeeded" in page
