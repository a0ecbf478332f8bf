"""The API server's own words, recorded from a real one, taken apart field by field."""

from __future__ import annotations

from typing import Any

import pytest

from k8s_step.api.fielderrors import field_errors, type_advice
from k8s_step.errors import InvalidError

UNFIT = "failed to create typed patch object (/web; apps/v1, Kind=Deployment): "
HANDLED = 'Deployment in version "v1" cannot be handled as a Deployment: '


def found(message: str, *causes: dict[str, Any]) -> list[tuple[str, str]]:
    status = {"message": message, "details": {"causes": list(causes)}}
    return [(one.field, one.message) for one in field_errors(InvalidError(message, code=422, status=status))]


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        pytest.param(
            f"{UNFIT}.spec.replicass: field not declared in schema",
            [(".spec.replicass", ".spec.replicass: field not declared in schema")],
            id="unknown",
        ),
        pytest.param(
            f"{UNFIT}errors:\n"
            '  .spec.containers[name="app"].ports[containerPort=80,protocol="TCP"].foo: field not declared in schema\n'
            "  .spec.bar: field not declared in schema",
            [
                (
                    '.spec.containers[name="app"].ports[containerPort=80,protocol="TCP"].foo',
                    '.spec.containers[name="app"].ports[containerPort=80,protocol="TCP"].foo: '
                    "field not declared in schema",
                ),
                (".spec.bar", ".spec.bar: field not declared in schema"),
            ],
            id="several",
        ),
        pytest.param(
            f"{UNFIT}.data.a: expected string, got &value.valueUnstructured{{Value:1}}",
            [(".data.a", ".data.a: expected string, got 1")],
            id="type",
        ),
        pytest.param(
            f'{UNFIT}.spec.ports: duplicate entries for key [port=80,protocol="TCP"]',
            [(".spec.ports", '.spec.ports: duplicate entries for key [port=80,protocol="TCP"]')],
            id="duplicate",
        ),
        pytest.param(
            f'{HANDLED}strict decoding error: unknown field "spec.replicass", '
            'duplicate field "spec.template.spec.containers[0].image"',
            [
                ("spec.replicass", 'unknown field "spec.replicass"'),
                (
                    "spec.template.spec.containers[0].image",
                    'duplicate field "spec.template.spec.containers[0].image"',
                ),
            ],
            id="strict",
        ),
        pytest.param(
            f"{HANDLED}json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32",
            [
                (
                    "spec.replicas",
                    "cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32",
                )
            ],
            id="unmarshal",
        ),
        pytest.param("something else is wrong", [("", "something else is wrong")], id="no field"),
    ],
)
def test_messages(message: str, expected: list[tuple[str, str]]) -> None:
    assert found(message) == expected


def test_causes_each_once_and_without_the_ones_of_no_field() -> None:
    replicas = {"field": "spec.replicas", "message": "Invalid value: -1: must be greater than or equal to 0"}
    unsaid = {"field": "<nil>", "message": "Invalid value: null: some validation rules were not checked"}
    assert found("is invalid: […]", replicas, unsaid, replicas) == [
        ("spec.replicas", "spec.replicas: Invalid value: -1: must be greater than or equal to 0")
    ]


def test_conflicts_are_no_mistakes_in_a_field() -> None:
    conflict = {"field": ".spec.replicas", "reason": "FieldManagerConflict", "message": 'conflict with "kubectl"'}
    assert found("Apply failed with 1 conflict", conflict) == [("", "Apply failed with 1 conflict")]


def test_a_long_value_is_cut_and_what_is_wrong_with_it_is_not() -> None:
    template = '{"labels":{"a":"b: c"},"Spec":{"Volumes":null}}' * 5
    cause = {"field": "spec.template", "message": f"Invalid value: {template}: field is immutable"}
    assert found("is invalid", cause) == [("spec.template", "spec.template: Invalid value: …: field is immutable")]


def test_a_pods_update_is_told_without_the_whole_pod() -> None:
    said = "Forbidden: pod updates may not change fields other than `spec.containers[*].image`"
    cause = {"field": "spec", "message": f'{said}\n@@ -1,3 +1,3 @@\n- "Value": "s3cret"'}
    assert found("it is invalid", cause) == [("spec", f"spec: {said}")]


@pytest.mark.parametrize(
    ("message", "advice"),
    [
        (".data.sha: expected string, got 6.063e+28", "in quotes: without them it is a number"),
        (".data.port: expected string, got 8080", "in quotes: without them it is a number"),
        (".data.x: expected string, got -1", "in quotes: without them it is a number"),
        (".data.on: expected string, got true", "in quotes: yes, no, on and off"),
        ('.data.m: expected string, got map[string]interface {}{"a":1}', "a block that begins with |"),
        (".spec.replicas: expected numeric (int or float), got string", "without quotes"),
        (".spec.hostNetwork: expected boolean, got true", "without quotes"),
        ("cannot unmarshal number into Go struct field ConfigMap.data of type string", "a number to YAML"),
        ("cannot unmarshal bool into Go struct field ConfigMap.data of type string", "booleans to YAML"),
        ("cannot unmarshal string into Go struct field X.spec.replicas of type int32", "without quotes"),
        ("cannot unmarshal string into Go struct field X.spec.paused of type bool", "without quotes"),
        ("cannot convert int64 to string", "a number to YAML"),
        ("unrecognized type: string", "6063e25 is a number to YAML, and yes is a boolean"),
        ("spec.replicas: Invalid value: -1: must be greater than or equal to 0", ""),
        ('unknown field "spec.replica"', ""),
    ],
)
def test_a_value_of_another_type_gets_the_next_move(message: str, advice: str) -> None:
    found = type_advice(message)
    assert advice in found and bool(found) == bool(advice)


def test_a_boolean_in_quotes_is_shown_without_go() -> None:
    error = InvalidError(f"{UNFIT}.spec.hostNetwork: expected boolean, got &{{true}}", code=500)
    assert field_errors(error)[0].message == ".spec.hostNetwork: expected boolean, got true"
