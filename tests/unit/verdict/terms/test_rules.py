from __future__ import annotations

from typing import Any

import pytest

from k8s_step.errors import InputError
from k8s_step.verdict.states import State
from k8s_step.verdict.terms.rules import FAIL_ON, WAIT_FOR, Rule, own_rule


def shop(wait_for: str = "", fail_on: str = "", generation: int = 2, **status: Any) -> dict[str, Any]:
    notes = {name: text for name, text in ((WAIT_FOR, wait_for), (FAIL_ON, fail_on)) if text}
    metadata = {"name": "one", "namespace": "shop", "generation": generation, "annotations": notes}
    return {"apiVersion": "example.com/v1", "kind": "Shop", "metadata": metadata, "status": status}


def condition(kind: str, status: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, "status": status, **more}


READY = [condition("Ready", "True")]
OPEN = "jsonpath={.status.phase}=Open|Sold"


@pytest.mark.parametrize(
    ("obj", "state", "words"),
    [
        (shop(OPEN, observedGeneration=2, phase="Open"), State.CURRENT, OPEN),
        (shop(OPEN, observedGeneration=2, phase="Sold"), State.CURRENT, OPEN),
        (shop(OPEN, observedGeneration=2, phase="Shut"), State.IN_PROGRESS, "status.phase is Shut"),
        (shop(OPEN, observedGeneration=1, phase="Open"), State.IN_PROGRESS, "older generation"),
        (shop(OPEN), State.IN_PROGRESS, "status.phase is not set"),
        # The rule of a custom resource stands alone.
        (shop(OPEN, observedGeneration=2, phase="Open", conditions=[condition("Ready", "False")]), State.CURRENT, OPEN),
        (shop(OPEN, observedGeneration=2, conditions=READY), State.IN_PROGRESS, "is not set"),
        # Lines are all needed.
        (
            shop(f"condition=Ready\n{OPEN}", observedGeneration=2, conditions=READY, phase="Shut"),
            State.IN_PROGRESS,
            "is Shut",
        ),
        (
            shop(f"condition=Ready\n{OPEN}", observedGeneration=2, conditions=READY, phase="Open"),
            State.CURRENT,
            "Ready",
        ),
        # Whatever makes it fail comes first.
        (
            shop(
                OPEN, "condition=Broken", observedGeneration=2, phase="Open", conditions=[condition("Broken", "True")]
            ),
            State.FAILED,
            "fails on condition=Broken",
        ),
        (
            shop("", "condition=Broken", observedGeneration=1, conditions=[condition("Broken", "True")]),
            State.CURRENT,
            "",
        ),
        (shop("", "condition=Broken", observedGeneration=2, conditions=READY), State.CURRENT, ""),
    ],
)
def test_a_custom_resource(obj: dict[str, Any], state: State, words: str) -> None:
    found = own_rule(obj).readiness(obj)
    if obj["status"].get("observedGeneration") == 1 and not obj["metadata"]["annotations"].get(WAIT_FOR):
        assert found.state is not State.FAILED  # a stale condition fails nothing
        return
    assert found.state is state
    assert words in found.message


def test_the_reason_of_a_failure_is_the_conditions_type() -> None:
    obj = shop(
        "", "condition=Broken", observedGeneration=2, conditions=[condition("Broken", "True", message="no bread")]
    )
    found = own_rule(obj).readiness(obj)
    assert (found.state, found.reason) == (State.FAILED, "Broken")
    assert "no bread" in found.message


def test_a_built_in_kind_must_be_current_by_its_usual_rule_too() -> None:
    metadata = {"name": "web", "generation": 1, "annotations": {WAIT_FOR: "jsonpath={.status.readyReplicas}=2"}}
    spec = {"replicas": 2}
    status = {"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2}
    obj = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec, "status": status}
    rule = own_rule(obj)
    assert rule.readiness(obj).state is State.IN_PROGRESS
    available = [condition("Available", "True")]
    full = {**obj, "status": {**status, "availableReplicas": 2, "conditions": available}}
    assert rule.readiness(full).state is State.CURRENT
    more = {**full, "metadata": {**metadata, "annotations": {WAIT_FOR: "jsonpath={.status.readyReplicas}=3"}}}
    assert own_rule(more).readiness(more).state is State.IN_PROGRESS


def test_without_an_observed_generation_it_may_be_about_an_older_one() -> None:
    obj = shop(OPEN, phase="Open")
    assert own_rule(obj).readiness(obj).unversioned
    seen = shop(OPEN, phase="Open", observedGeneration=2)
    assert not own_rule(seen).readiness(seen).unversioned


@pytest.mark.parametrize(
    ("rule", "status", "is_unversioned"),
    [
        ("jsonpath={.status.phase}=Shut", {"phase": "Shut"}, True),
        ("jsonpath={.status.phase}=Shut", {"phase": "Shut", "observedGeneration": 2}, False),
        ("condition=Broken", {"conditions": [condition("Broken", "True")]}, True),
        ("condition=Broken", {"conditions": [condition("Broken", "True")], "observedGeneration": 2}, False),
        ("condition=Broken", {"conditions": [condition("Broken", "True", observedGeneration=2)]}, False),
    ],
)
def test_what_fails_it_may_be_about_an_older_generation_too(
    rule: str, status: dict[str, Any], is_unversioned: bool
) -> None:
    failed, current = (own_rule(made).readiness(made) for made in (shop("", rule, **status), shop(rule, **status)))
    assert (failed.state, failed.unversioned) == (State.FAILED, is_unversioned)
    assert (current.state, current.unversioned) == (State.CURRENT, is_unversioned)


def test_a_path_that_leads_to_several_values_is_told_and_ends_nothing() -> None:
    obj = shop("jsonpath={.status.items[*].a}=1", observedGeneration=2, items=[{"a": 1}, {"a": 1}])
    found = own_rule(obj).readiness(obj)
    assert found.state is State.IN_PROGRESS and "2 values" in found.message


def test_what_goes_is_going_whatever_its_rule_says() -> None:
    obj = shop(OPEN, observedGeneration=2, phase="Open")
    obj["metadata"]["deletionTimestamp"] = "2026-11-27T10:00:00Z"
    assert own_rule(obj).readiness(obj).state is State.TERMINATING


@pytest.mark.parametrize("text", ["Ready", "condition=", "jsonpath=", "delete", ""])
def test_a_line_that_cannot_be_read(text: str) -> None:
    obj = shop()
    obj["metadata"]["annotations"] = {WAIT_FOR: text}
    with pytest.raises(InputError):
        own_rule(obj)


def test_rules_are_joined() -> None:
    one, other = own_rule(shop(OPEN)), own_rule(shop("condition=Ready", "condition=Broken"))
    joined = one.joined_by(other)
    assert [each.text for each in joined.wait_for] == [OPEN, "condition=Ready"]
    assert [each.text for each in joined.fail_on] == ["condition=Broken"]
    assert not Rule() and one
