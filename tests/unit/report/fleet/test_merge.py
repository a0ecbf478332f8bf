from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from k8s_step.errors import ExitCode, InputError, InputErrors
from k8s_step.report.fleet.merge import Report, found, merged
from k8s_step.report.fleet.result import ClusterResult, ClustersResult, summary, to_clusters_json
from k8s_step.report.formats.github import outputs
from k8s_step.report.formats.shared import table
from k8s_step.report.results.junit import to_clusters_junit
from k8s_step.report.results.problem import Problem
from k8s_step.report.results.result import SCHEMA, Result, to_json
from k8s_step.report.summary import to_clusters_markdown
from tests import junitschema
from tests.unit import releases

GOOD, BAD = releases.good(), releases.failed()
START = "2026-11-22T10:00:00Z"


def several(*clusters: ClusterResult, **more: Any) -> ClustersResult:
    return ClustersResult("apply", clusters, **{"started": START, "seconds": 30.0, **more})


def single(name: str, result: Result = GOOD, wave: int = 1) -> ClusterResult:
    return ClusterResult(name, wave, result)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def stored(path: str, result: Result | ClustersResult, /, **more: Any) -> Report:
    document = to_json(result) if isinstance(result, Result) else to_clusters_json(result)
    Path(path).write_text(json.dumps({"schema": SCHEMA, **document, **more}), encoding="utf-8")
    return Report(path)


def messages(result: ClustersResult) -> list[str]:
    return list(map(str, result.problems))


@pytest.mark.usefixtures("folder")
def test_shards_are_merged_to_what_one_run_would_have_told() -> None:
    clusters = [single("eu"), single("us", BAD), ClusterResult("asia", 2), single("test", GOOD, 2)]
    whole = several(*clusters)
    made = merged([stored("1.json", several(*clusters[0::2])), stored("2.json", several(*clusters[1::2]))])
    by_name = sorted(to_clusters_json(whole)["clusters"], key=lambda one: (one["wave"], one["name"]))
    assert sorted(to_clusters_json(made)["clusters"], key=lambda one: (one["wave"], one["name"])) == by_name
    assert [one.wave for one in made.clusters] == [1, 1, 2, 2]
    assert made.exit_code is whole.exit_code is ExitCode.FAILED
    assert summary(made).startswith("4 clusters (")
    assert junitschema.mistakes(to_clusters_junit(made)) == []
    assert merged([stored("all.json", made)]) == made


@pytest.mark.usefixtures("folder")
def test_runs_on_one_cluster_are_called_by_context_server_or_as_wished() -> None:
    nowhere = replace(GOOD, server=None, context=None)
    made = merged(
        [
            stored("a.json", GOOD),
            stored("b.json", replace(GOOD, context=None)),
            replace(stored("c.json", GOOD), name="asia"),
            stored("d.json", nowhere),
        ]
    )
    assert [one.name for one in made.clusters] == ["kind", "https://k8s.example:6443", "asia", "d.json"]
    assert made.exit_code is ExitCode.SUCCEEDED


@pytest.mark.usefixtures("folder")
def test_the_time_is_from_the_first_begin_to_the_last_end() -> None:
    late = several(single("us"), started="2026-11-22T10:01:00Z", seconds=15.0)
    made = merged([stored("1.json", late), stored("2.json", several(single("eu")))])
    assert (made.started, made.seconds) == (START, 75.0)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "bad.json: the report can't be read: No such file or directory"),
        ("", "bad.json: the report is no JSON, or a part of it alone"),
        ('{"schema": 1, "command": ', "bad.json: the report is no JSON, or a part of it alone"),
        ("[" * 200_000, "bad.json: the report is no JSON, or a part of it alone"),
        (b"\xff\xfe", "bad.json: the report is no JSON, or a part of it alone"),
        ("[]", "bad.json: this is no result file of k8s-step"),
        ('{"apiVersion": "v1"}', "bad.json: this is no result file of k8s-step"),
        ({"schema": 2}, "bad.json: its schema is 2, and this version reads 1"),
        ({"result": "unfinished", "exit_code": None}, "bad.json: its run has not come to its end"),
        ({"objects": {}}, "bad.json: the report is not as k8s-step writes it"),
        ({"started": "yesterday"}, "bad.json: the report is not as k8s-step writes it"),
        ({"shard": "x/y", "clusters": []}, "bad.json: the report is not as k8s-step writes it"),
        ({"clusters": [{"name": "eu"}]}, "bad.json: the report is not as k8s-step writes it"),
        ({"command": "diff"}, "bad.json: the report is of k8s-step diff, and good.json is of k8s-step apply"),
        ({"dry_run": True}, "bad.json: the report is of k8s-step apply --dry-run, and good.json is of k8s-step apply"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_a_file_that_cannot_be_taken_in_is_named(content: Any, told: str) -> None:
    good = stored("good.json", GOOD)
    if isinstance(content, dict):
        stored("bad.json", GOOD, **content)
    elif content is not None:
        Path("bad.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    made = merged([good, Report("bad.json")])
    assert [one.name for one in made.clusters] == ["kind"]
    assert made.exit_code is ExitCode.INVALID
    assert messages(made)[0].startswith(told)
    assert made.problems[0].file == "bad.json"


@pytest.mark.usefixtures("folder")
def test_a_killed_run_on_several_names_its_clusters() -> None:
    killed = several(ClusterResult("eu"), ClusterResult("us"), is_finished=False)
    made = merged([stored("good.json", GOOD), stored("killed.json", killed)])
    assert messages(made)[0].startswith("killed.json: its run (on eu, us) has not come to its end")


@pytest.mark.usefixtures("folder")
def test_a_shard_that_is_missing_is_told() -> None:
    shards = [stored(f"{number}.json", several(single(f"c{number}"), shard=f"{number}/4")) for number in (1, 2, 4)]
    made = merged(shards)
    assert messages(made) == ["no report that can be read is of shard 3/4 (did all jobs end?)"]
    assert (made.exit_code, made.shard, made.problems[0].file) == (ExitCode.INVALID, "", "")
    whole = merged([*shards, stored("3.json", several(shard="3/4"))])
    assert (whole.exit_code, len(whole.clusters)) == (ExitCode.SUCCEEDED, 3)


@pytest.mark.usefixtures("folder")
def test_nothing_can_be_taken_in() -> None:
    with pytest.raises(InputErrors) as refused:
        merged([Report("a.json"), Report("b.json")])
    assert [error.where for error in refused.value.errors] == ["a.json", "b.json"]


@pytest.mark.usefixtures("folder")
def test_a_cluster_that_two_files_tell_of() -> None:
    again = several(single("eu", BAD), single("us"))
    made = merged([stored("1.json", several(single("eu"))), stored("2.json", again)])
    assert [(one.name, one.word) for one in made.clusters] == [("eu", "succeeded"), ("us", "succeeded")]
    assert messages(made)[0].startswith("2.json: 1.json tells of the cluster eu, too")
    assert made.exit_code is ExitCode.INVALID


@pytest.mark.usefixtures("folder")
def test_what_concerned_no_cluster_is_kept() -> None:
    broken = several(single("us"), problems=(Problem("stdout is full"),), problem_code=ExitCode.FAILED)
    cancelled = several(single("asia"), cancelled=ExitCode.CANCELLED)
    made = merged([stored("1.json", several(single("eu"))), stored("2.json", broken)])
    assert (messages(made), made.exit_code) == (["stdout is full"], ExitCode.FAILED)
    assert merged([stored("3.json", cancelled), stored("2.json", broken)]).exit_code is ExitCode.CANCELLED


@pytest.mark.usefixtures("folder")
def test_a_difference_is_better_than_an_error() -> None:
    different = ClustersResult("diff", (single("eu", replace(BAD, command="diff")),), START, 1.0)
    away = ClustersResult(
        "diff", (single("us", replace(BAD, command="diff", exit_code=ExitCode.UNREACHABLE)),), START, 1.0
    )
    assert merged([stored("1.json", different)]).verdict == "different"
    assert merged([stored("1.json", different), stored("2.json", away)]).exit_code is ExitCode.UNREACHABLE


def test_the_files_that_are_meant(folder: Path) -> None:
    for name in ("b.json", "a.json", "eu=x.json"):
        (folder / name).touch()
    assert found(["*.json"]) == [Report("a.json"), Report("b.json"), Report("eu=x.json")]
    assert found(["b.json", "a.json", "./b.json"]) == [Report("b.json"), Report("a.json")]
    assert found(["us=a.json"]) == [Report("a.json", "us")]
    assert found(["eu=x.json"]) == [Report("eu=x.json")]
    assert found(["none-*.json"]) == [Report("none-*.json")]


@pytest.mark.usefixtures("folder")
def test_a_name_is_for_one_cluster() -> None:
    with pytest.raises(InputError, match="eu can't be one's name"):
        merged([replace(stored("1.json", several(single("us"))), name="eu")])


def spoilt(document: Any) -> Iterator[Any]:
    """The document with each of its parts in turn replaced by something else, or left out."""
    if isinstance(document, dict):
        for key, value in document.items():
            rest = {other: each for other, each in document.items() if other != key}
            yield rest
            for each in (*_ODD, *spoilt(value)):
                yield {**rest, key: each}
    elif isinstance(document, list):
        for at, value in enumerate(document):
            for each in (*_ODD, *spoilt(value)):
                yield [*document[:at], each, *document[at + 1 :]]


_ODD: tuple[Any, ...] = (None, float("inf"), "x", [None], {"x": 1})


@pytest.mark.usefixtures("folder")
def test_a_spoilt_report_is_merged_or_named() -> None:
    """Whatever is in it: a traceback is neither."""
    failed = replace(BAD, findings=BAD.findings[:1], objects=BAD.objects[1:2])
    refused = replace(releases.refused(), objects=releases.refused().objects[1:2])
    whole = several(single("eu", failed), ClusterResult("us"), problems=(Problem("lost", "x:1"),), shard="1/1")
    for one in (whole, failed, refused):
        document = to_clusters_json(one) if isinstance(one, ClustersResult) else to_json(one)
        for odd in spoilt({"schema": SCHEMA, **document}):
            Path("odd.json").write_text(json.dumps(odd), encoding="utf-8")
            try:
                made = merged([Report("odd.json")])
            except InputErrors as refusal:
                assert [error.where for error in refusal.errors] == ["odd.json"]
                continue
            json.dumps(to_clusters_json(made))
            to_clusters_junit(made, ("file", "line"))
            to_clusters_markdown(made)
            table(made.clusters)
            summary(made)
            outputs(made, "")
