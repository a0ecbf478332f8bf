"""``merge-reports`` as CI systems call it, on the reports of runs that found no server; on those of a real one, see
``test_clusters.py``."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest

from tests import junitschema
from tests.conftest import Step
from tests.integration.planes import NOWHERE, side_by_side


@pytest.fixture
def reports(step: Step, tmp_path: Path) -> Path:
    """``1.json`` of two clusters that are away, ``2.json`` of a third, ``one.json`` of a run on one."""
    config = side_by_side(tmp_path / "config", "shop", eu=NOWHERE, us=NOWHERE, asia=NOWHERE)
    contexts = ("--context", "eu", "--context", "us", "--context", "asia")
    for name, words in {
        "1": (*contexts, "--shard", "1/2"),
        "2": (*contexts, "--shard", "2/2"),
        "one": ("--context", "eu"),
    }.items():
        path = str(tmp_path / f"{name}.json")
        words = ("status", "deployment/web", *words, "--timeout", "2s", "--report", path)
        assert step(*words, env={"KUBECONFIG": config}).code == 5
    return tmp_path


def test_one_result_of_both_jobs(step: Step, reports: Path) -> None:
    github = {name: str(reports / name) for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    junit = reports / "all.xml"
    words = ("merge-reports", "1.json", "2.json", "--junit", str(junit), "--report", "all.json")
    outcome = step(*words, cwd=reports, env={"GITHUB_ACTIONS": "true", **github})
    assert outcome.code == 5, outcome.text
    assert outcome.stdout.split()[:2] == ["CLUSTER", "RESULT"]
    assert "unreachable: 3 clusters (3 unreachable: eu, asia, us)" in outcome.stderr
    assert junitschema.mistakes(junit.read_text()) == []
    suites = Xml.parse(junit).getroot().findall("testsuite")
    assert [suite.get("name") for suite in suites] == [
        f"k8s-step status on {name}, namespace shop" for name in ("eu", "asia", "us")
    ]
    assert Path(github["GITHUB_OUTPUT"]).read_text().splitlines()[1] == "unreachable"
    assert "<code>asia</code>" in Path(github["GITHUB_STEP_SUMMARY"]).read_text()
    again = step("merge-reports", "all.json", cwd=reports, report=True)
    assert again.report == json.loads((reports / "all.json").read_text())


def test_a_report_that_is_missing_is_named_and_the_others_are_merged(step: Step, reports: Path) -> None:
    outcome = step("merge-reports", "1.json", "2.json", "3.json", cwd=reports, report=True)
    assert outcome.code == 2, outcome.text
    assert outcome.stderr.splitlines()[0] == "error: 3.json: the report can't be read: No such file or directory"
    assert outcome.report is not None
    assert [one["name"] for one in outcome.report["clusters"]] == ["eu", "asia", "us"]
    assert (outcome.report["exit_code"], outcome.report["errors"][0]["file"]) == (2, "3.json")


def test_the_same_cluster_twice(step: Step, reports: Path) -> None:
    twice = step("merge-reports", "1.json", "one.json", cwd=reports)
    assert twice.code == 2 and "one.json: 1.json tells of the cluster eu, too" in twice.stderr, twice.text
    named = step("merge-reports", "1.json", "2.json", "other=one.json", cwd=reports, report=True)
    assert named.code == 5 and named.report is not None, named.text
    assert [one["name"] for one in named.report["clusters"]] == ["eu", "asia", "us", "other"]


def test_the_action_names_files_by_a_pattern(step: Step, reports: Path) -> None:
    env = {"INPUT_COMMAND": "merge-reports", "INPUT_REPORTS": "[12].json\n", "INPUT_SERVER": "https://x"}
    outcome = step(cwd=reports, env=env)
    assert outcome.code == 5 and "3 clusters" in outcome.stderr, outcome.text
    assert "warning: merge-reports ignores the input server" in outcome.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "error: nothing to do: which reports are to be merged?"),
        (["none-*.json"], "error: none-*.json: the report can't be read: No such file or directory"),
        (["1.json", "--report", "./1.json"], "error: --report: ./1.json is among the reports that are read"),
        (["1.json", "--server", "https://x"], "error: no such option '--server'"),
    ],
)
def test_what_cannot_be_merged(step: Step, reports: Path, words: list[str], told: str) -> None:
    kept = (reports / "1.json").read_text()
    outcome = step("merge-reports", *words, cwd=reports)
    assert outcome.code == 2 and outcome.stderr.startswith(told), outcome.text
    assert (reports / "1.json").read_text() == kept
