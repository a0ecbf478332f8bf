"""The result file as data: nothing of it is left out, whatever a run came to."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from k8s_step.report.results.document import Result
from k8s_step.report.results.result import to_json
from tests.unit.releases import EVERY_KIND


def as_json(value: Any) -> Any:
    """In the file's spelling, without what it leaves out."""
    if isinstance(value, dict):
        return {_NAMES.get(name, name): as_json(each) for name, each in value.items() if each or name not in _LEFT_OUT}
    return [as_json(each) for each in value] if isinstance(value, list | tuple) else value


_NAMES = {"api_version": "apiVersion"}
_LEFT_OUT = ("rolled_back", "rollback_message", "rollback")


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_all_of_it(kind: str) -> None:
    document = to_json(EVERY_KIND[kind]())
    result = Result.of(document)
    assert as_json(asdict(result)) == as_json(document)
    assert result.succeeded is (document["result"] == "succeeded")
    hash(result)  # nothing in it can be changed


def test_what_a_newer_version_adds_is_passed_over() -> None:
    document = {**to_json(EVERY_KIND["failed"]()), "mood": "bad"}
    document["objects"][0]["colour"] = "red"
    assert Result.of(document).result == "failed"
