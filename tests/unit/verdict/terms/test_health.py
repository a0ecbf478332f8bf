"""Health checks in CEL, in the forms that Flux's users write them in."""

from __future__ import annotations

from typing import Any

import pytest

from k8s_step.errors import InputErrors

pytest.importorskip("celpy", reason="the extra cel is not installed")

from k8s_step.verdict.states import Readiness
from k8s_step.verdict.terms.health import checks
from k8s_step.verdict.terms.rules import Rule, own_rule

READY = "status.conditions.filter(e, e.type == 'Ready').all(e, e.status == 'True')"
STALLED = "status.conditions.exists(e, e.type == 'Stalled' && e.observedGeneration == metadata.generation)"


def place(field: str) -> str:
    return f"health.yaml:{field}"


def store(**status: Any) -> dict[str, Any]:
    metadata = {"name": "web", "generation": 2}
    return {"apiVersion": "shop.acme.com/v1", "kind": "Store", "metadata": metadata, "spec": {}, "status": status}


def judged(obj: dict[str, Any], **expressions: str) -> Readiness:
    entry = {"apiVersion": "shop.acme.com/v1beta1", "kind": "Store", **expressions}
    check = checks([(entry, place)]).of(obj)
    assert check is not None
    return check.readiness(obj)


def ready(status: str, **more: Any) -> dict[str, Any]:
    return {"type": "Ready", "status": status, "message": f"ready is {status}", **more}


@pytest.mark.parametrize(
    ("expression", "is_met"),
    [
        (READY, True),
        (STALLED, False),
        ("status.conditions.exists_one(e, e.type == 'Ready') && size(status.conditions) == 1", True),
        ("has(status.phase) && status.phase in ['Open', 'Sold']", True),
        ("!has(status.missing) || status.missing.deep", True),
        ("status.phase.matches('^Op') ? status.count >= spec.replicas : false", True),
        ("status.conditions.map(e, e.type) == ['Ready']", True),
        ("metadata.labels['app'] == 'web' && status.nothing == null", True),
        ("status.big == 9007199254740993 && status.ratio > 0.5", True),
        ("int(status.text) == 3 && status.phase.startsWith('O')", True),
    ],
)
def test_expressions(expression: str, is_met: bool) -> None:
    numbers = {"count": 3, "big": 9007199254740993, "ratio": 0.75, "text": "3", "nothing": None}
    obj = store(conditions=[ready("True")], phase="Open", **numbers)
    obj["spec"]["replicas"], obj["metadata"]["labels"] = 3, {"app": "web"}
    found = judged(obj, current=expression)
    assert str(found.state) == ("current" if is_met else "in progress"), found.message


def test_in_progress_comes_before_failed_and_that_before_current() -> None:
    every = {"inProgress": "status.a", "failed": "status.b", "current": "status.c"}
    for a, b, c, state in (
        (1, 1, 1, "in progress"),
        (0, 1, 1, "failed"),
        (0, 0, 1, "current"),
        (0, 0, 0, "in progress"),
    ):
        obj = store(a=bool(a), b=bool(b), c=bool(c))
        assert str(judged(obj, **every).state) == state


def test_a_failure_is_told_in_the_object_s_own_words() -> None:
    found = judged(store(conditions=[ready("False")]), failed="status.conditions[0].status == 'False'", current="false")
    assert (found.reason, found.message) == (
        "HealthCheck",
        "ready is False (failed: status.conditions[0].status == 'False')",
    )


def test_a_generation_behind_is_never_judged() -> None:
    assert (
        str(judged(store(observedGeneration=1, phase="Open"), current="status.phase == 'Open'").state) == "in progress"
    )
    assert judged(store(phase="Open"), current="status.phase == 'Open'").unversioned
    assert judged(store(phase="Shut"), failed="status.phase == 'Shut'", current="false").unversioned
    assert not judged(store(phase="Shut", observedGeneration=2), failed="true", current="false").unversioned


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        ("status.phase == 'Open'", "health.yaml:current: no such member"),
        ("status.conditions[3].type == 'x'", "health.yaml:current"),
        ("'Open'", "health.yaml:current: 'Open' gives neither true nor false"),
        ("nonsense(status)", "health.yaml:current"),
    ],
)
def test_no_answer_is_no_verdict(expression: str, told: str) -> None:
    found = judged(store(), current=expression)
    assert str(found.state) == "in progress" and told in found.message and "\n" not in found.message


def test_what_is_being_deleted_is_terminating() -> None:
    obj = store()
    obj["metadata"]["deletionTimestamp"] = "2026-11-22T10:00:00Z"
    assert str(judged(obj, current="true").state) == "terminating"


def test_a_built_in_kind_must_be_current_as_ever() -> None:
    check = checks([({"apiVersion": "apps/v1", "current": "true"}, place)]).checks[0]
    obj = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"generation": 1}, "spec": {"replicas": 1}}
    assert str(check.readiness(obj).state) == "in progress"


def test_a_kind_s_own_check_comes_before_that_of_its_group() -> None:
    group = {"apiVersion": "shop.acme.com/v9", "current": "true"}
    own = {**group, "kind": "Store", "current": "false"}
    found = checks([(group, place), (own, place)])
    assert found.of(store()) is found.checks[1]
    assert found.of({**store(), "kind": "Till"}) is found.checks[0]
    assert found.of({**store(), "apiVersion": "other.acme.com/v1"}) is None


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        (
            {"apiVersion": "a/v1", "current": "status.phase =="},
            "health.yaml:current: 'status.phase ==' is no CEL expression",
        ),
        (
            {"apiVersion": "a/v1", "current": "true", "failed": "has("},
            "health.yaml:failed: 'has(' is no CEL expression",
        ),
        ({"apiVersion": "a/v1", "current": True}, "health.yaml:current: True is no CEL expression (put it in quotes)"),
        ({"apiVersion": "a/v1", "kind": "A"}, "health.yaml:: the health check has no current"),
        ({"kind": "A", "current": "true"}, "health.yaml:: the health check has no apiVersion"),
        ({"apiVersion": "a/v1", "curent": "true"}, "health.yaml:curent: curent is no field of it"),
    ],
)
def test_a_mistake_is_one_line_with_its_place(entry: dict[str, Any], told: str) -> None:
    with pytest.raises(InputErrors) as caught:
        checks([(entry, place)])
    (error,) = caught.value.errors
    assert str(error).startswith(told) and "\n" not in str(error)


def test_two_checks_for_one_kind() -> None:
    entry = {"apiVersion": "a/v1", "kind": "A", "current": "true"}
    with pytest.raises(InputErrors, match="a second check for A"):
        checks([(entry, place), ({**entry, "apiVersion": "a/v2"}, place)])


def test_an_object_s_own_rule_and_its_check_are_both_needed() -> None:
    check = checks([({"apiVersion": "shop.acme.com/v1", "current": "status.phase == 'Open'"}, place)]).checks[0]
    obj = store(phase="Open", ip="")
    obj["metadata"]["annotations"] = {"k8s-step/wait-for": "condition=Ready"}
    rule = own_rule(obj).joined_by(Rule(health=check))
    assert str(rule.readiness(obj).state) == "in progress"
    obj["status"]["conditions"] = [ready("True")]
    assert str(rule.readiness(obj).state) == "current"
    obj["status"]["phase"] = "New"
    assert str(rule.readiness(obj).state) == "in progress"
