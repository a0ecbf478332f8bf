from __future__ import annotations

from pathlib import Path

import pytest

from k8s_step.errors import StepError
from k8s_step.report.results.problem import Place, Problem, place_of
from tests.unit.releases import WEB


@pytest.mark.parametrize(
    ("where", "place"),
    [
        ("k8s/web.yaml:12", Place("k8s/web.yaml", 12, "")),
        ("k8s/web.yaml:12:7", Place("k8s/web.yaml", 12, "")),
        ("k8s/web.yaml:12: deployment/shop/web", Place("k8s/web.yaml", 12, "deployment/shop/web")),
        ("my files/a b.yaml:3", Place("my files/a b.yaml", 3, "")),
        ("deployment/shop/web", None),
        ("https://k8s.example:6443", None),
        ("--image web=registry.example/shop/web:2", None),
        ("--timeout", None),
        ("", None),
    ],
)
def test_places(where: str, place: Place | None) -> None:
    assert place_of(where) == place


def test_what_names_no_line_is_at_its_objects() -> None:
    error = StepError("m", where="deployment/shop/web", hint="h")
    assert Problem.of(error, WEB) == Problem("m", "deployment/shop/web", "h", "k8s/shop.yaml", 12)
    assert Problem.of(error) == Problem("m", "deployment/shop/web", "h")
    assert str(Problem.of(error, WEB)) == str(error)


def test_a_file_by_another_name() -> None:
    problem = Problem.of(StepError("m", where="/w/k8s/web.yaml:12: pod/web"), WEB).at("k8s/web.yaml")
    assert (problem.file, str(problem)) == ("k8s/web.yaml", "k8s/web.yaml:12: pod/web: m")


@pytest.mark.parametrize("where", ["proxy.example:3128", "deployment/web:2", "none.yaml:3"])
def test_what_is_no_file_has_no_line(where: str) -> None:
    assert Problem.of(StepError("m", where=where)) == Problem("m", where)


def test_a_file_that_is_there_has_one(tmp_path: Path) -> None:
    (tmp_path / "web.yaml").touch()
    where = f"{tmp_path}/web.yaml:3"
    assert Problem.of(StepError("m", where=where)) == Problem("m", where, "", f"{tmp_path}/web.yaml", 3)
