"""What annotations say of an object's place in a release."""

from __future__ import annotations

from typing import Any

import pytest

from k8s_step.errors import InputError
from k8s_step.release.order.annotations import DEPENDS_ON, WAVE, dependencies_of, wave_of, written


def annotated(name: str, value: Any) -> dict[str, Any]:
    return {"metadata": {"annotations": {name: value}}}


@pytest.mark.parametrize(("value", "number"), [("0", 0), ("3", 3), ("-2", -2), ("+1", 1), ("", 0), (" 4 ", 4)])
def test_a_wave_is_a_whole_number(value: str, number: int) -> None:
    assert wave_of(annotated(WAVE, value)) == number


def test_without_the_annotation_the_wave_is_0() -> None:
    assert wave_of({"metadata": {}}) == wave_of({}) == 0


@pytest.mark.parametrize("value", ["first", "1.5", "1e3", "0x1", "٣", "9999999999", "--1"])
def test_anything_else_is_no_wave(value: str) -> None:
    with pytest.raises(InputError, match="is not a whole number"):
        wave_of(annotated(WAVE, value))


def test_a_number_without_quotes_is_refused_with_the_remedy() -> None:
    with pytest.raises(InputError, match=r'k8s-step/wave: the value 5 is not text .put it in quotes: "5"'):
        wave_of(annotated(WAVE, 5))


def test_dependencies_as_cli_utils_writes_them() -> None:
    text = "apps/namespaces/shop/Deployment/api, /namespaces/shop/ConfigMap/settings,/Namespace/shop"
    found = dependencies_of(annotated(DEPENDS_ON, f"{text},/Namespace/shop"))
    assert found == [
        ("apps", "Deployment", "shop", "api"),
        ("", "ConfigMap", "shop", "settings"),
        ("", "Namespace", "", "shop"),
    ]
    assert [written(key) for key in found] == [word.strip() for word in text.split(",")]


def test_without_the_annotation_nothing_is_depended_on() -> None:
    assert dependencies_of({}) == dependencies_of(annotated(DEPENDS_ON, "")) == []


@pytest.mark.parametrize(
    "value",
    ["Deployment/api", "apps/v1/namespaces/shop/Deployment/api", "apps/ns/shop/Deployment/api", "a/B/c,", "apps//api"],
)
def test_anything_else_names_no_object(value: str) -> None:
    with pytest.raises(InputError, match="GROUP/namespaces/NAMESPACE/KIND/NAME"):
        dependencies_of(annotated(DEPENDS_ON, value))


def test_a_namespace_may_not_be_empty() -> None:
    with pytest.raises(InputError, match="leaves out a part"):
        dependencies_of(annotated(DEPENDS_ON, "apps/namespaces//Deployment/api"))
