"""Planted false verdicts: records of a run that was right, each time with one thing turned into a lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from tests.chaos.oracle import RULES, judge
from tests.chaos.record import Asked, Conditions, Deed, Ended, Heard, Key, Record, State, Wanted

WEB = Key("Deployment", "shop", "web")
SETTINGS = Key("ConfigMap", "shop", "settings")
OTHER = Key("ConfigMap", "shop", "other")
POD = Key("Pod", "shop", "web-1")
SET = Key("ReplicaSet", "shop", "web-7")


def held(image: str) -> dict[str, Any]:
    return {"kind": "Deployment", "spec": {"replicas": 1, "template": {"spec": {"containers": [{"image": image}]}}}}


def web(generation: int, *, ready: bool, image: str = "web:2", **status: Any) -> dict[str, Any]:
    counts = {"replicas": 1, "updatedReplicas": 1, "availableReplicas": int(ready)}
    fields = [{"manager": "k8s-step", "operation": "Apply", "time": f"{generation}"}]
    return {
        **held(image),
        "metadata": {"name": "web", "uid": "u1", "generation": generation, "managedFields": fields},
        "status": {"observedGeneration": generation, **counts, **status},
    }


def settings(tone: str, name: str = "settings", manager: str = "k8s-step") -> dict[str, Any]:
    fields = [{"manager": manager, "operation": "Apply", "time": tone}]
    return {"kind": "ConfigMap", "metadata": {"name": name, "managedFields": fields}, "data": {"tone": tone}}


def pod(**state: Any) -> dict[str, Any]:
    metadata = {"name": "web-1", "ownerReferences": [{"uid": "u2"}]}
    return {"kind": "Pod", "metadata": metadata, "status": {"containerStatuses": [{"name": "app", "state": state}]}}


def replica_set() -> dict[str, Any]:
    return {"kind": "ReplicaSet", "metadata": {"uid": "u2", "ownerReferences": [{"uid": "u1"}]}}


BEFORE = (
    State(WEB, 10, 0, web(1, ready=True, image="web:1")),
    State(SETTINGS, 11, 0, settings("low")),
    State(OTHER, 12, 0, settings("as it was", "other", "somebody")),
    State(SET, 13, 0, replica_set()),
)
STATES = (
    *BEFORE,
    State(SETTINGS, 20, 101, settings("high")),
    State(WEB, 21, 102, web(2, ready=False)),
    State(POD, 22, 103, pod(waiting={"reason": "ContainerCreating"})),
    State(WEB, 23, 104, web(2, ready=True)),
)
BROKEN = (
    *STATES[:-2],
    State(POD, 22, 103, pod(waiting={"reason": "CrashLoopBackOff"})),
    State(WEB, 23, 104, web(2, ready=False)),
)
ASKED = (
    Asked(100.5, "PATCH", "/api/v1/namespaces/shop/configmaps/settings", False, 200),
    Asked(101.5, "PATCH", "/apis/apps/v1/namespaces/shop/deployments/web", False, 200),
    Asked(102.5, "GET", "/apis/apps/v1/namespaces/shop/deployments", False, 200),
)


def entry(key: Key, action: str, status: str = "current", **more: str) -> dict[str, str]:
    return {"kind": key.kind, "namespace": key.namespace, "name": key.name, "action": action, "status": status, **more}


def report(code: int, result: str, *objects: dict[str, str], **more: Any) -> dict[str, Any]:
    made = objects or (entry(WEB, "configured"), entry(SETTINGS, "configured"))
    return {"exit_code": code, "result": result, "objects": list(made), "failures": [], **more}


def record(
    code: int = 0,
    result: str = "succeeded",
    states: Sequence[State] = STATES,
    *objects: dict[str, str],
    heard: Sequence[Heard] = (),
    deeds: Sequence[Deed] = (),
    asked: Sequence[Asked] = ASKED,
    at: float = 105,
    timeout: float = 60,
    **more: Any,
) -> Record:
    ended = Ended(code, 100, at, {"stderr": "done"}, report(code, result, *objects, **more))
    wanted = (Wanted(WEB, held("web:2")), Wanted(SETTINGS, {"data": {"tone": "high"}}))
    conditions = Conditions("apply", timeout)
    return Record(conditions, wanted, 15, 40, tuple(states), tuple(asked), tuple(heard), tuple(deeds), ended)


def failed(states: Sequence[State] = BROKEN, **more: Any) -> Record:
    blame = {"object": "apps/v1/Deployment/shop/web", "reason": "CrashLoopBackOff"}
    return record(1, "failed", states, failures=[blame], **more)


def rolled_back(*more: State) -> Record:
    back = (entry(WEB, "configured", rolled_back="restored"), entry(SETTINGS, "configured", rolled_back="restored"))
    made = record(6, "rolled_back", (*BROKEN, *more), *back)
    return replace(made, conditions=Conditions("apply", 60, rollback=True))


GONE_BACK = (State(WEB, 30, 104.5, web(3, ready=True, image="web:1")), State(SETTINGS, 31, 104.6, settings("low")))
TERM = Deed(104, "signal-term")
RIVAL = Deed(103, "rival-update", SETTINGS, (24,))
EDITED = State(SETTINGS, 24, 103, settings("edited"))

RIGHT = {
    "green": record(),
    "green though it was unready for a moment": record(heard=[Heard(104.9, WEB, "MODIFIED", 21)]),
    "red": failed(),
    "red of a deleted object": record(1, "failed", (*STATES, State(WEB, 24, 104.5, None))),
    "timed out": record(3, "timed_out", BROKEN, timeout=5),
    "cancelled": record(143, "cancelled", deeds=[TERM]),
    "rolled back": rolled_back(*GONE_BACK),
    "refused": record(4, "refused", BEFORE, entry(WEB, "none"), asked=[replace(ASKED[0], code=409)]),
    "unreachable": record(5, "unreachable", BEFORE, entry(WEB, "none"), asked=(), at=140),
    "unknown": record(5, "unreachable", BEFORE, entry(WEB, "unknown"), asked=[replace(ASKED[1], code=None)], at=140),
    "a rival's own change": record(1, "failed", (*STATES, EDITED), deeds=[RIVAL]),
}


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_verdict_passes(name: str) -> None:
    assert judge(RIGHT[name]) == []


def text(words: str) -> Record:
    return replace(record(), ended=replace(record().ended, texts={"stderr": words}))


def without(key: Key) -> tuple[State, ...]:
    return tuple(one for one in STATES if one.key != key or one.revision < 15)


LATE = {"at": 130}
WRONG: dict[str, tuple[str, Record]] = {
    "green, never ready": ("true_green", record(states=BROKEN)),
    "green by the release before": ("true_green", record(states=without(WEB))),
    "green, one was never written": ("true_green", record(states=without(SETTINGS))),
    "green of another image": (
        "true_green",
        record(states=(*STATES[:-1], State(WEB, 23, 104, web(2, ready=True, image="web:3")))),
    ),
    "green of a generation nobody has looked at": (
        "true_green",
        record(states=(*STATES[:-1], State(WEB, 23, 104, web(2, ready=True, observedGeneration=1)))),
    ),
    "green, told that it was gone": (
        "true_green",
        record(states=(*STATES, State(WEB, 24, 104.5, None)), heard=[Heard(104.5, WEB, "DELETED", 24)], at=108),
    ),
    "green, told that it fell back": (
        "true_green",
        record(
            states=(*STATES, State(WEB, 24, 105, web(2, ready=False))), heard=[Heard(105, WEB, "MODIFIED", 24)], at=108
        ),
    ),
    "green long after it fell back": (
        "true_green",
        record(states=(*STATES, State(WEB, 24, 105, web(2, ready=False))), **LATE),
    ),
    "red, all is well": ("true_red", failed(STATES)),
    "red, another is to blame": (
        "true_red",
        failed((*STATES, State(SETTINGS, 25, 104.5, None)), deeds=[Deed(104.5, "rival-delete", SETTINGS)]),
    ),
    "timed out too early": ("true_timeout", record(3, "timed_out", BROKEN, timeout=60)),
    "timed out, all is well": ("true_timeout", record(3, "timed_out", timeout=25, **LATE)),
    "cancelled by nobody": ("true_cancel", record(143, "cancelled")),
    "cancelled by another signal": ("true_cancel", record(130, "cancelled", deeds=[TERM])),
    "went on though cancelled": ("true_cancel", record(deeds=[replace(TERM, at=100.5)])),
    "slow to cancel": ("true_cancel", record(143, "cancelled", deeds=[TERM], at=120)),
    "refused by nobody": ("true_refusal", record(4, "refused", BEFORE, entry(WEB, "none"))),
    "refused for a 429": (
        "true_refusal",
        record(4, "refused", BEFORE, entry(WEB, "none"), asked=[replace(ASKED[0], code=429)]),
    ),
    "unreachable too soon": ("true_unreachable", record(5, "unreachable", BEFORE, entry(WEB, "none"), asked=ASKED[2:])),
    "not rolled back": ("true_rollback", rolled_back()),
    "half rolled back": ("true_rollback", rolled_back(GONE_BACK[0])),
    "rolled back unasked": ("true_rollback", replace(rolled_back(*GONE_BACK), conditions=Conditions("apply", 60))),
    "written, reported unchanged": (
        "true_actions",
        record(0, "succeeded", STATES, entry(SETTINGS, "unchanged"), entry(WEB, "configured")),
    ),
    "written, reported none": ("true_actions", record(143, "cancelled", STATES, entry(SETTINGS, "none"), deeds=[TERM])),
    "reported created, was there": ("true_actions", record(0, "succeeded", STATES, entry(SETTINGS, "created"))),
    "reported configured, not written": (
        "true_actions",
        record(143, "cancelled", BEFORE, entry(WEB, "configured"), deeds=[TERM]),
    ),
    "reported deleted, is there": ("true_actions", record(0, "succeeded", STATES, entry(SETTINGS, "deleted"))),
    "unknown, though answered": ("true_actions", record(3, "timed_out", BROKEN, entry(WEB, "unknown"), timeout=5)),
    "a word of its own": ("true_actions", record(0, "succeeded", STATES, entry(WEB, "reconfigured"))),
    "touched what is not its": (
        "nothing_else",
        record(states=(*STATES, State(OTHER, 24, 103, settings("x", "other", "somebody")))),
    ),
    "half done": (
        "nothing_half_done",
        replace(failed(), conditions=Conditions("apply", 60, invalid=True)),
    ),
    "a hang": ("ended", replace(record(), ended=replace(record().ended, code=None))),
    "a bug": ("ended", record(70, "failed")),
    "bad input": ("ended", record(2, "invalid")),
    "a traceback": ("clean", text("Traceback (most recent call last):\n  File")),
    "a file left": ("clean", replace(record(), ended=replace(record().ended, left=("file x.tmp",)))),
    "a secret": ("secret", replace(text("it was hunter22!"), secrets=frozenset({"hunter22!"}))),
    "no report": ("reported", replace(record(), ended=replace(record().ended, report=None))),
    "a report of another code": ("reported", record(0, "failed")),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_false_verdict_is_caught(name: str) -> None:
    rule, lie = WRONG[name]
    assert rule in {violation.rule for violation in judge(lie)}, judge(lie)


def test_each_rule_has_its_lie() -> None:
    assert {rule.__name__ for rule in RULES} == {rule for rule, _ in WRONG.values()}
