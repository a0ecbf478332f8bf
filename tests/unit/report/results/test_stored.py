"""A result that is read back says what it said before, in every form."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from k8s_step.errors import ExitCode
from k8s_step.report.results.junit import to_junit
from k8s_step.report.results.result import Result, to_json
from k8s_step.report.results.stored import from_json
from k8s_step.report.wording import summary
from tests.unit import releases
from tests.unit.releases import EVERY_KIND


def again(result: Result) -> Result:
    return from_json(json.loads(json.dumps(to_json(result))))


@pytest.mark.parametrize("kind", sorted(EVERY_KIND.keys() - {"unfinished"}))
def test_all_of_it(kind: str) -> None:
    result = EVERY_KIND[kind]()
    read = again(result)
    assert to_json(read) == to_json(result)
    assert to_junit(read, ("file", "line")) == to_junit(result, ("file", "line"))
    assert summary(read) == summary(result)
    assert (read.changed, read.failed, read.unjudged) == (result.changed, result.failed, result.unjudged)


def test_a_dry_run_has_changed_nothing() -> None:
    result = replace(releases.good(), is_dry_run=True)
    for one in result.objects:
        one.is_tried = True
    read = again(result)
    assert not read.changed and read.objects[1].done == "would be configured"


def test_an_object_that_only_evidence_names() -> None:
    result = replace(releases.failed(), objects=())
    assert [one.reference.path for one in again(result).findings] == [one.reference.path for one in result.findings]


def test_a_rollback_that_failed_too() -> None:
    read = again(replace(releases.failed(), released=ExitCode.TIMED_OUT))
    assert read.released is ExitCode.TIMED_OUT
    assert summary(read).startswith("the rollback failed too")


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("exit_code", 99),
        ("exit_code", None),
        ("objects", {}),
        ("objects", [1]),
        ("seconds", "soon"),
        ("failures", None),
    ],
)
def test_what_is_no_result(member: str, value: object) -> None:
    with pytest.raises((LookupError, TypeError, ValueError)):
        from_json({**to_json(releases.good()), member: value})


@pytest.mark.parametrize("member", ["command", "objects", "message", "errors", "warnings", "dry_run"])
def test_a_member_that_is_missing(member: str) -> None:
    document = to_json(releases.good())
    del document[member]
    with pytest.raises(LookupError):
        from_json(document)
