"""What is expected of an object, in kubectl's words: read, met, and told where it is not met."""

from __future__ import annotations

from typing import Any

import pytest

from k8s_step.errors import InputError, InputErrors
from k8s_step.verdict.terms.expectations import Expectation, parse, parse_field, parse_lines

WHERE = "--for"


def expectation(words: str) -> Expectation:
    return parse(words, WHERE)


def claim(phase: str, **metadata: Any) -> dict[str, Any]:
    return {"kind": "PersistentVolumeClaim", "metadata": {"name": "data", **metadata}, "status": {"phase": phase}}


def with_condition(kind: str = "Ready", status: Any = "True", **more: Any) -> dict[str, Any]:
    condition = {"type": kind, "status": status, **more}
    return {"metadata": {"name": "web", "generation": 3}, "status": {"conditions": [condition]}}


@pytest.mark.parametrize(
    ("words", "obj", "is_met"),
    [
        ("create", {}, True),
        ("create", None, False),
        ("Delete", None, True),
        ("delete", {}, False),
        ("condition=Ready", with_condition(), True),
        ("condition=ready", with_condition(status="true"), True),
        ("condition=Ready=FALSE", with_condition(status="False"), True),
        ("condition=Ready", with_condition(status="False"), False),
        ("condition=Ready", with_condition(status=True), True),
        ("condition=Ready", with_condition("Available"), False),
        ("condition=Ready", {"status": {}}, False),
        ("condition=Ready", {"status": {"conditions": "none"}}, False),
        ("condition=Ready", None, False),
        ("condition=Ready=False|Unknown", with_condition(status="Unknown"), True),
        ("jsonpath={.status.phase}=Bound", claim("Bound"), True),
        ("jsonpath={.status.phase}=Bound", claim("Pending"), False),
        ("jsonpath={.status.phase}=Bound", None, False),
        ("jsonpath=status.phase='Bound'", claim("Bound"), True),
        ("jsonpath=.status.phase=Lost|Bound", claim("Bound"), True),
        ("jsonpath={status.phase}=a|b", claim("a|b"), True),
        ("jsonpath={.status.phase}", claim("Pending"), True),
        ("jsonpath={.status.capacity}", claim("Pending"), False),
        ("jsonpath={.metadata.annotations.example\\.com/x}=1=2", claim("", annotations={"example.com/x": "1=2"}), True),
        ("jsonpath={.spec.replicas}=3", {"spec": {"replicas": 3}}, True),
        ("jsonpath={.spec.paused}=true", {"spec": {"paused": True}}, True),
        ("jsonpath={.spec.share}=0.5", {"spec": {"share": 0.5}}, True),
        ("jsonpath={.status.loadBalancer.ingress}", {"status": {"loadBalancer": {"ingress": [{"ip": "::1"}]}}}, True),
        ("jsonpath={.status.ingress[0].ip}=::1", {"status": {"ingress": [{"ip": "::1"}]}}, True),
        ('jsonpath={.status.conditions[?(@.type=="Ready")].status}=True', with_condition(), True),
        ("jsonpath={.status.conditions[?(@.type!='Ready')].status}=True", with_condition("Live"), True),
        ("jsonpath={.status.ingress[1].ip}", {"status": {"ingress": [{"ip": "::1"}]}}, False),
    ],
)
def test_an_expectation_is_met_as_kubectl_says(words: str, obj: dict[str, Any] | None, is_met: bool) -> None:
    assert expectation(words).is_met(obj) is is_met


@pytest.mark.parametrize(
    ("words", "obj", "told"),
    [
        ("condition=Ready", with_condition(observedGeneration=2), "condition Ready is of an older generation"),
        (
            "condition=Ready",
            {**with_condition(), "status": {**with_condition()["status"], "observedGeneration": 2}},
            "the controller has not yet seen generation 3",
        ),
        (
            "jsonpath={.status.phase}=Running",
            {"metadata": {"generation": 3}, "status": {"phase": "Running", "observedGeneration": 2}},
            "status.phase is of an older generation",
        ),
    ],
)
def test_the_status_of_an_older_generation_counts_for_nothing(words: str, obj: dict[str, Any], told: str) -> None:
    assert not expectation(words).is_met(obj)
    assert told in expectation(words).standing(obj)


def test_a_condition_of_the_present_generation_counts_whatever_the_status_says() -> None:
    obj = with_condition(observedGeneration=3)
    obj["status"]["observedGeneration"] = 2
    assert expectation("condition=Ready").is_met(obj)


def test_what_is_no_status_does_not_wait_for_the_controller() -> None:
    obj = {"metadata": {"generation": 3}, "spec": {"replicas": 2}, "status": {"observedGeneration": 2}}
    assert expectation("jsonpath={.spec.replicas}=2").is_met(obj)


@pytest.mark.parametrize(
    ("words", "obj", "told"),
    [
        (
            "condition=Ready",
            with_condition(status="False", reason="Why", message="so"),
            "condition Ready is False: Why: so",
        ),
        ("condition=Ready", {}, "it has no condition Ready"),
        ("condition=Ready", None, "it does not exist"),
        ("jsonpath={.status.phase}=Bound", claim("Pending"), "status.phase is Pending"),
        ("jsonpath={.status.phase}=Bound", {}, "status.phase is not set"),
        ("delete", {}, "it still exists"),
        ("create", None, "it does not exist"),
    ],
)
def test_a_message_says_how_an_object_falls_short(words: str, obj: dict[str, Any] | None, told: str) -> None:
    assert expectation(words).standing(obj) == told


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("", "'' is nothing to wait for"),
        ("ready", "'ready' is nothing to wait for"),
        ("condition", "is nothing to wait for"),
        ("condition=", "lacks the condition's type"),
        ("condition=Ready=", "lacks the condition's value"),
        ("jsonpath=", "has no path"),
        ("jsonpath={.status.phase}=", "lacks the value after the equals sign"),
        ("jsonpath={.status.phase", "is no path to a field"),
        ("jsonpath={.status[}=1", "is no JSONPath"),
    ],
)
def test_words_that_say_nothing_are_refused(words: str, told: str) -> None:
    with pytest.raises(InputError) as raised:
        expectation(words)
    assert str(raised.value).startswith("--for: ")
    assert told in str(raised.value)


def test_an_object_or_a_list_has_no_value_to_compare() -> None:
    with pytest.raises(InputError, match="not to one value"):
        expectation("jsonpath={.status}=1").is_met({"status": {"phase": "x"}})


def test_one_value_is_compared() -> None:
    with pytest.raises(InputError, match="leads to 2 values"):
        expectation("jsonpath={.spec.ports[*]}=1").is_met({"spec": {"ports": [1, 2]}})


def test_a_field_and_its_value() -> None:
    assert parse_field("status.phase=Running", "--until").is_met(claim("Running"))
    assert not parse_field("{.status.phase}=Running", "--until").is_met(claim("Pending"))
    with pytest.raises(InputError, match="has no value"):
        parse_field("status.phase", "--until")


def test_lines_are_expectations_of_an_object_that_exists() -> None:
    found = parse_lines("condition=Ready\n\n  jsonpath={.status.phase}=Running|Bound \n", "k8s-step/wait-for")
    assert [one.text for one in found] == ["condition=Ready", "jsonpath={.status.phase}=Running|Bound"]


def test_every_wrong_line_is_named() -> None:
    with pytest.raises(InputErrors) as raised:
        parse_lines("delete\ncondition=Ready\nx=y", "k8s-step/wait-for")
    assert [str(error).split(": ")[:2] for error in raised.value.errors] == [
        ["k8s-step/wait-for", "'delete' is nothing to wait for (condition=TYPE[=VALUE] or jsonpath={.PATH}[=VALUE])"],
        ["k8s-step/wait-for", "'x=y' is nothing to wait for (condition=TYPE[=VALUE] or jsonpath={.PATH}[=VALUE])"],
    ]
    with pytest.raises(InputError, match="names nothing to expect"):
        parse_lines(" \n", "k8s-step/wait-for")
