"""What of an object must be masked."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from k8s_step.objects.kinds.secrets import values_of

ENCODED = base64.b64encode(b"hunter2").decode()


def found(**fields: Any) -> set[tuple[str, str]]:
    return {
        (value.text, value.label) for value in values_of([{"kind": "Secret", "metadata": {"name": "db"}, **fields}])
    }


@pytest.mark.parametrize(
    ("fields", "values"),
    [
        ({"data": {"PASSWORD": ENCODED}}, {ENCODED, "hunter2"}),
        ({"data": {"KEYSTORE": "/v8BgA=="}}, {"/v8BgA==", "\udcfe\udcff\x01\udc80"}),
        ({"data": {"PASSWORD": "not base64!"}}, {"not base64!"}),
        ({"stringData": {"PASSWORD": "hunter2"}}, {"hunter2"}),
        ({"stringData": {"PIN": 123456}}, {"123456"}),
        ({"stringData": {"PIN": None, "EMPTY": ""}}, set()),
        ({"stringData": {"a": {"b": ["hunter2", {"c": "hunter3"}]}}}, {"hunter2", "hunter3"}),
    ],
    ids=["base64", "binary", "not base64", "text", "a number", "nothing", "nested by mistake"],
)
def test_the_values_of_a_secret(fields: dict[str, Any], values: set[str]) -> None:
    assert {text for text, _ in found(**fields)} == values


def test_a_value_is_known_by_its_key_and_its_secret() -> None:
    assert found(stringData={"PASSWORD": "hunter2"}) == {("hunter2", "PASSWORD of secret/db")}
    assert found(stringData={"a": {"b": "hunter2"}}) == {("hunter2", "a of secret/db")}


def test_the_last_applied_annotation_holds_values_too() -> None:
    applied = json.dumps({"kind": "Secret", "stringData": {"PASSWORD": "hunter2"}})
    held = {"name": "db", "annotations": {"kubectl.kubernetes.io/last-applied-configuration": applied}}
    assert {text for text, _ in found(metadata=held)} == {"hunter2"}
    held["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": "{hunter2"}
    assert {text for text, _ in found(metadata=held)} == {"{hunter2"}, "cut off: all of it"


def test_only_secrets_hold_secrets() -> None:
    assert values_of([{"kind": "ConfigMap", "data": {"a": "hunter2"}}]) == []
