"""The facts of well-known kinds against each other and against strange objects; tests/rollouts holds recorded ones."""

from __future__ import annotations

from typing import Any

import pytest

from k8s_step.verdict.operators.facts import Facts, Failing, Phase, by_facts
from k8s_step.verdict.operators.table import _DOMAINS, _GROUPS, facts_of
from k8s_step.verdict.readiness import compute
from k8s_step.verdict.states import State

ROWS = [(group, kind.replace("*", "Anything")) for group, kinds in _GROUPS.items() for kind in kinds]
STRANGE: list[Any] = [None, "", "Failed", 7, True, [], {}, ["x"], {"x": 1}, [{"type": "Ready"}], [{"type": 5}]]
STRANGE += [{"x": {"state": []}}, {"x": {"state": {}}}]
SPEC = ("parentRefs", "strategy", "source", "analysis", "nodeSets")


def made(group: str, kind: str, **more: Any) -> dict[str, Any]:
    return {"apiVersion": f"{group}/v1", "kind": kind, "metadata": {"name": "x", "generation": 1}, **more}


@pytest.mark.parametrize(("group", "kind"), ROWS)
@pytest.mark.parametrize("field", ["conditions", "phase", "state", "health", "sync", "parents", "applied", "statuses"])
def test_strange_values_are_no_error(group: str, kind: str, field: str) -> None:
    for value in STRANGE:
        for spec in ({}, dict.fromkeys(SPEC, value)):
            compute(made(group, kind, spec=spec, status={field: value}))


@pytest.mark.parametrize(("group", "kind"), ROWS)
def test_a_generation_behind_is_never_current(group: str, kind: str) -> None:
    obj = made(group, kind, status={"observedGeneration": 1, "phase": "Healthy", "conditions": []})
    assert compute({**obj, "metadata": {"generation": 2}}).state is State.IN_PROGRESS


def test_a_group_of_its_own_row_is_not_looked_up_by_its_domain() -> None:
    assert facts_of(made("pkg.crossplane.io", "Anything")) is None
    assert facts_of(made("s3.aws.crossplane.io", "Bucket")) == _DOMAINS[".crossplane.io"]["*"]
    assert facts_of(made("notcrossplane.io", "Bucket")) is None
    assert facts_of(made("example.com", "Rollout")) is None


def judged(facts: Facts, spec: dict[str, Any] | None = None, **status: Any) -> tuple[str, str, float | None]:
    found = by_facts(made("a.com", "A", spec=spec or {}, status=status), facts)
    return str(found.state), found.message, found.grace


def test_a_phase_that_is_not_listed_is_in_progress() -> None:
    facts = Facts(phase=Phase("deep.er", ("Up",), final=("Dead",), failed=("Ill",), told="why"))
    assert judged(facts, deep={"er": "Up"}) == ("current", "Up", None)
    assert judged(facts, deep={"er": "Dead"}, why="old age") == ("failed", "Dead: old age", None)
    assert judged(facts, deep={"er": "Ill"}) == ("in progress", "it is Ill", 60.0)
    assert judged(facts, deep={"er": "New"}) == ("in progress", "it is New", None)
    assert judged(facts) == ("in progress", "waiting for its controller to set status.deep.er", None)
    assert judged(facts, {"suspend": True}, deep={"er": "Dead"}) == ("in progress", "it is Dead", None)


def test_facts_never_soften_what_the_common_rules_say() -> None:
    facts = Facts(phase=Phase(current=("Up",)))
    conditions = [{"type": "Ready", "status": "False", "message": "no"}]
    assert judged(facts, phase="Up", conditions=conditions) == ("in progress", "no", None)


@pytest.mark.parametrize(
    ("entry", "state"),
    [
        ({"reason": "Denied"}, "failed"),
        ({"reason": "Pending"}, "in progress"),
        ({"reason": "Denied", "observedGeneration": 0}, "in progress"),
    ],
)
def test_a_failing_condition_is_one_of_its_reasons_and_of_this_generation(entry: dict[str, Any], state: str) -> None:
    facts = Facts(awaits=("Ready",), failing=(Failing("Ready", reasons=("Denied",), final=True),))
    assert judged(facts, conditions=[{"type": "Ready", "status": "False", **entry}])[0] == state


def test_either_of_two_conditions_is_awaited() -> None:
    facts = Facts(awaits=("A|B", "C"))
    well = [{"type": kind, "status": "True"} for kind in ("B", "C")]
    assert judged(facts, conditions=well) == ("current", "a, c", None)
    assert judged(facts, conditions=well[1:])[1] == "waiting for its controller to set the condition A or B"
    old = [{**well[0], "observedGeneration": 0}, well[1]]
    assert judged(facts, conditions=old) == ("in progress", "B is of an older generation", None)
