"""Tables, laid out as kubectl does."""

from __future__ import annotations

from typing import Any

import pytest

from k8s_step.operations import get
from k8s_step.report.layout.table import Shape, lines

COLUMNS = [
    {"name": "Name", "format": "name", "priority": 0},
    {"name": "Ready", "format": "", "priority": 0},
    {"name": "Node", "format": "", "priority": 1},
]


def row(*cells: Any, namespace: str = "shop") -> dict[str, Any]:
    return {"cells": list(cells), "object": {"metadata": {"namespace": namespace}}}


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (Shape(), ["NAME                 READY", "web                  1/1", "a-much-longer-name   0/1"]),
        (
            Shape(wide=True),
            [
                "NAME                 READY   NODE",
                "web                  1/1     node-1",
                "a-much-longer-name   0/1     ",
            ],
        ),
        (
            Shape(namespaces=True, prefix="pod"),
            [
                "NAMESPACE   NAME                     READY",
                "shop        pod/web                  1/1",
                "shop        pod/a-much-longer-name   0/1",
            ],
        ),
    ],
    ids=["plain", "wide", "namespaces"],
)
def test_columns(shape: Shape, expected: list[str]) -> None:
    assert lines(COLUMNS, [row("web", "1/1", "node-1"), row("a-much-longer-name", "0/1", None)], shape) == expected


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, ""),
        ("", ""),
        (3, "3"),
        (1.5, "1.5"),
        (True, "true"),
        (["a", "b"], '["a", "b"]'),
        ("one\ntwo", "one..."),
        ("one\rtwo", "one..."),
        ("\x1b[31mred\tand blue", " [31mred and blue"),
        ("läuft", "läuft"),
    ],
)
def test_cells(value: Any, shown: str) -> None:
    assert lines([{"name": "State"}], [row(value)], Shape())[1] == shown


def test_short_rows_and_no_rows() -> None:
    assert lines(COLUMNS, [row("web")], Shape())[1] == "web    "
    assert lines(COLUMNS, [], Shape()) == ["NAME   READY"]


def test_a_server_that_makes_no_tables() -> None:
    objects = [{"metadata": {"name": "one", "namespace": "shop", "creationTimestamp": "2026-11-22T10:00:00Z"}}]
    made = lines(list(get.COLUMNS), [get.row_of(one) for one in objects], Shape(namespaces=True))
    assert made == ["NAMESPACE   NAME   CREATED AT", "shop        one    2026-11-22T10:00:00Z"]
