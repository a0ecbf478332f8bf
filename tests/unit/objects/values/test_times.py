from __future__ import annotations

from typing import Any

import pytest

from k8s_step.objects.values.times import is_known, last_written, moment


def test_times_are_compared_whatever_their_zone() -> None:
    assert moment("2026-11-22T10:00:00Z") == moment("2026-11-22T12:00:00.000000+02:00")
    assert moment("2026-11-22T10:00:00Z") < moment("2026-11-22T10:00:00.5Z")


@pytest.mark.parametrize("told", [None, "", "soon", 5, "9999-99-99T00:00:00Z"])
def test_what_is_no_time_is_before_all_others(told: Any) -> None:
    assert moment(told) < moment("0002-01-01T00:00:00Z")
    assert not is_known(moment(told))


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"creationTimestamp": "2026-11-22T10:00:00Z"}, "2026-11-22T10:00:00Z"),
        (
            {
                "creationTimestamp": "2026-11-22T10:00:00Z",
                "managedFields": [
                    {"time": "2026-11-22T10:00:05Z"},
                    {"time": "2026-11-22T10:00:07Z", "subresource": "scale"},
                    {"time": "2026-11-22T10:00:09Z", "subresource": "status"},
                ],
            },
            "2026-11-22T10:00:07Z",
        ),
    ],
)
def test_when_somebody_last_wrote(metadata: dict[str, Any], expected: str) -> None:
    assert last_written({"metadata": metadata}) == moment(expected)
    assert not is_known(last_written({"metadata": None}))
