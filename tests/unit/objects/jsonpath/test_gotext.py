"""Values as Go prints them."""

from __future__ import annotations

from typing import Any

import pytest

from k8s_step.objects.jsonpath import gotext


@pytest.mark.parametrize(
    ("value", "text", "as_json"),
    [
        (None, "<nil>", "null"),
        (True, "true", "true"),
        (3, "3", "3"),
        (2.0, "2", "2"),
        (0.0, "0", "0"),
        (-1.5, "-1.5", "-1.5"),
        (999999.0, "999999", "999999"),
        (1e6, "1e+06", "1000000"),
        (1234567.5, "1.2345675e+06", "1234567.5"),
        (1e20, "1e+20", "100000000000000000000"),
        (1e21, "1e+21", "1e+21"),
        (5e300, "5e+300", "5e+300"),
        (0.0001, "0.0001", "0.0001"),
        (0.00001, "1e-05", "0.00001"),
        (1e-7, "1e-07", "1e-7"),
        ("<é&>", "<é&>", '"\\u003cé\\u0026\\u003e"'),
        ({"b": [1, None], "a": {}}, "map[a:map[] b:[1 <nil>]]", '{"a":{},"b":[1,null]}'),
        ([], "[]", "[]"),
    ],
)
def test_as_go(value: Any, text: str, as_json: str) -> None:
    assert (gotext.sprint(value), gotext.as_json(value)) == (text, as_json)
