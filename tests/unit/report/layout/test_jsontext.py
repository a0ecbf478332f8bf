"""JSON as kubectl lays it out."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from k8s_step.report.layout import jsontext

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(VALUES)
def test_what_json_makes_of_it(value: Any) -> None:
    assert jsontext.pretty(value) == json.dumps(value, indent=4, sort_keys=True, ensure_ascii=False)
    assert jsontext.pretty([[value]]) == f"[\n    [\n        {jsontext.pretty(value, 2)}\n    ]\n]"
