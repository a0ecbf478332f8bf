"""What differs between two versions of an object, of what a manifest may say."""

from __future__ import annotations

from typing import Any

import pytest

from k8s_step.restoring import differences


def made(metadata: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Thing", "metadata": metadata or {}, **fields}


@pytest.mark.parametrize(
    ("before", "after", "paths"),
    [
        (made(spec={"a": 1}), made(spec={"a": 1}), []),
        (made(spec={"a": 1}), made(spec={"a": 2}), [("spec", "a")]),
        (made(spec={"a": 1, "b": 1}), made(spec={"a": 1}), [("spec", "b")]),
        # What a missing map differs in is told field by field: each may be somebody else's.
        (made(), made({"labels": {"a": "1", "b": "2"}}), [("metadata", "labels", "a"), ("metadata", "labels", "b")]),
        (made(spec={"deep": {"er": {"a": 1}}}), made(), [("spec", "deep", "er", "a")]),
        (made(spec={}), made(spec={"volume": {}}), [("spec", "volume")]),
        (made(ports=[{"port": 80}]), made(ports=[{"port": 81}]), [("ports", 0, "port")]),
        (made(ports=[1]), made(ports=[1, 2]), [("ports",)]),
        # The server keeps the order of merged lists as it likes.
        (made(env=[{"name": "a"}, {"name": "b"}]), made(env=[{"name": "b"}, {"name": "a"}]), []),
        (made(status={"a": 1}), made(status={"a": 2}), []),
        (made({"resourceVersion": "1", "generation": 1}), made({"resourceVersion": "2", "generation": 2}), []),
        (
            made({"annotations": {"deprecated.daemonset.template.generation": "1"}}),
            made({"annotations": {"deprecated.daemonset.template.generation": "2"}}),
            [],
        ),
    ],
)
def test_differences(before: dict[str, Any], after: dict[str, Any], paths: list[tuple[str | int, ...]]) -> None:
    assert [path for path, *_ in differences(before, after)] == paths
    assert sorted(map(str, (path for path, *_ in differences(after, before)))) == sorted(map(str, paths))
