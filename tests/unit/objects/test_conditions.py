from __future__ import annotations

from typing import Any

import pytest

from k8s_step.objects.conditions import Condition, condition, conditions, number


@pytest.mark.parametrize(
    "found", [None, "Ready", {"type": "Ready"}, [None, "Ready", 1, {"status": "True"}], [{"type": ["Ready"]}]]
)
def test_none_of_this_type(found: Any) -> None:
    assert condition({"status": {"conditions": found}}, "Ready") == Condition("Ready", "")
    assert condition({"status": "fine"}, "Ready") == Condition("Ready", "")
    assert not condition({}, "Ready").is_true


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (True, "True"),
        (False, "False"),
        ("true", "True"),
        ("FALSE", "False"),
        ("unknown", "Unknown"),
        ("Degraded", "Degraded"),
        (None, ""),
        (1, "1"),
    ],
)
def test_a_status_in_any_form(written: Any, read: str) -> None:
    found = condition({"status": {"conditions": [{"type": "Ready", "status": written}]}}, "Ready")
    assert (found.status, found.is_true) == (read, read == "True")


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ({"message": "no such zone", "reason": "NoZone"}, "no such zone"),
        ({"reason": "NoZone"}, "Ready is False: NoZone"),
        ({"message": None, "reason": None}, "Ready is False"),
    ],
)
def test_what_it_tells(written: dict[str, Any], told: str) -> None:
    assert (
        condition({"status": {"conditions": [{"type": "Ready", "status": "False", **written}]}}, "Ready").told == told
    )


def test_those_of_parents_ancestors_and_listeners_are_read_too() -> None:
    def made(kind: str) -> dict[str, Any]:
        return {"type": kind, "status": "False", "message": "no"}

    parents = [{"parentRef": {"name": "public"}, "conditions": [made("Accepted")]}, {"parentRef": 1}, None]
    listeners = [{"name": "https", "conditions": [made("Programmed")]}]
    ancestors = [{"ancestorRef": {"name": "internal"}, "conditions": [made("ResolvedRefs")]}]
    nested = {"parents": parents, "listeners": listeners, "ancestors": ancestors}
    found = conditions({"status": {"conditions": [made("Ready")], **nested}})
    assert [(one.type, one.told) for one in found] == [
        ("Ready", "no"),
        ("Accepted", "public: no"),
        ("ResolvedRefs", "internal: no"),
        ("Programmed", "https: no"),
    ]


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (3, 3),
        ("3", 3),
        ("-3", None),
        ("58b949649c", None),
        (True, None),
        (2.5, None),
        (None, None),
        ("\u0663", None),
        ("9" * 19, int("9" * 19)),
        ("9" * 20, None),
        ("9" * 5000, None),
    ],
)
def test_number(value: Any, read: int | None) -> None:
    assert number(value) == read


@pytest.mark.parametrize(
    ("generation", "own", "whole", "is_stale", "is_unversioned"),
    [
        (2, 2, None, False, False),
        (2, 1, 2, True, False),
        (2, None, 2, False, False),
        (2, None, None, False, True),
        (1, None, None, False, False),
        (None, 1, None, False, False),
        (None, None, None, False, False),
    ],
)
def test_of_which_generation_it_is(generation: Any, own: Any, whole: Any, is_stale: bool, is_unversioned: bool) -> None:
    entry = {"type": "Ready", "status": "True", "observedGeneration": own}
    made = {"metadata": {"generation": generation}, "status": {"observedGeneration": whole, "conditions": [entry]}}
    found = condition(made, "Ready")
    assert (found.is_stale(made), found.is_unversioned(made)) == (is_stale, is_unversioned)
