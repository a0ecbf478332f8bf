"""Scalars as kubectl sends them; the tables were read off go-yaml and kubectl themselves."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k8s_step.manifests.scalars import ScalarError, key, resolve, tagged

VALUES = {
    **dict.fromkeys(["yes", "on", "y", "Y", "True", "true", "TRUE", "On"], True),
    **dict.fromkeys(["no", "off", "n", "N", "False", "OFF"], False),
    **dict.fromkeys(["", "~", "null", "Null", "NULL"], None),
    "tRue": "tRue",
    "yEs": "yEs",
    "=": "=",
    "<<": "<<",
    "12:30:45": "12:30:45",
    "190:20": "190:20",
    "0755": 493,
    "0o755": 493,
    "08": 8,
    "0o8": "0o8",
    "0x1F": 31,
    "0X1f": 31,
    "-0x10": -16,
    "0x1FFFFFFFFFFFFFFFFF": "0x1FFFFFFFFFFFFFFFFF",
    "0b11": 3,
    "-0b11": -3,
    "0b12": "0b12",
    "0b-1": -1,
    "0777777777777777777777777777": 7.777777777777778e26,
    "1_000": 1000,
    "1__0_": 10,
    "+1": 1,
    "-0": 0,
    "1e3": 1000,
    "1.5e3": 1500,
    "1E400": "1E400",
    ".5": 0.5,
    ".7_4": 0.74,
    ".7_": ".7_",
    ".e3": ".e3",
    ".": ".",
    "-": "-",
    "1.": 1,
    "+.5": 0.5,
    "1.0": 1,
    "1.10": 1.1,
    "1.2.3": "1.2.3",
    "1e21": 1e21,
    "123456789012345678901": 123456789012345680000,
    "9223372036854775807": 9223372036854775807,
    "9223372036854775808": 9223372036854775808,
    "18446744073709551615": 18446744073709551615,
    "+18446744073709551615": 18446744073709552000,
    "-9223372036854775809": -9223372036854776000,
    "123456789012345678901234567890": 1.2345678901234568e29,
    "2001-01-01": "2001-01-01",
    "2001-1-1": "2001-1-1",
    "2001-12-14t21:59:43.10-05:00": "2001-12-14t21:59:43.10-05:00",
    "2001-13-01": "2001-13-01",
    "100m": "100m",
    "1Gi": "1Gi",
    "0x1p-2": "0x1p-2",
    "Infinity": "Infinity",
    "١": "١",
}

KEYS = {
    "1": "1",
    "0x10": "16",
    "1.5": "1.5",
    "true": "true",
    "yes": "true",
    "y": "true",
    "off": "false",
    "2001-01-01": "2001-01-01",
    "1e3": "1000",
    "1e5": "100000",
    "1e6": "1e+06",
    "1234567.0": "1.234567e+06",
    "1.23456789": "1.2345679",
    "16777217.0": "1.6777216e+07",
    "0.0001": "0.0001",
    "0.00001": "1e-05",
    "1e-50": "0",
    "-0.0": "-0",
    "123456789012345678901234567890": "1.2345679e+29",
    "a.b/c": "a.b/c",
}

STANDARD = "tag:yaml.org,2002:"
TAGGED = [
    (f"{STANDARD}str", "1", "1"),
    (f"{STANDARD}str", "yes", "yes"),
    (f"{STANDARD}int", "3", 3),
    (f"{STANDARD}float", "3", 3),
    (f"{STANDARD}float", "3.5", 3.5),
    (f"{STANDARD}bool", "on", True),
    (f"{STANDARD}null", "", None),
    (f"{STANDARD}binary", "aGk=", "hi"),
    (f"{STANDARD}binary", "aG\nk=", "hi"),
    (f"{STANDARD}timestamp", "2001-01-01", "2001-01-01"),
    (f"{STANDARD}set", "12", "12"),
    ("!foo", "12", "12"),
]


@pytest.mark.parametrize(("text", "value"), VALUES.items())
def test_an_unquoted_scalar_is_what_kubectl_sends(text, value):
    assert json.dumps(resolve(text)) == json.dumps(value)


@pytest.mark.parametrize("text", [".inf", "-.INF", "+.Inf", ".nan", ".NaN"])
def test_what_json_cannot_hold_is_refused(text):
    with pytest.raises(ScalarError, match="no JSON form"):
        resolve(text)


@pytest.mark.parametrize(("text", "expected"), KEYS.items())
def test_a_key_is_written_as_kubectl_writes_it(text, expected):
    assert key(text) == expected


@pytest.mark.parametrize("text", ["", "~", "null", "18446744073709551615", "1e60", ".inf"])
def test_a_key_that_is_no_text_is_refused(text):
    with pytest.raises(ScalarError):
        key(text)


@pytest.mark.parametrize(("tag", "text", "value"), TAGGED)
def test_a_tag_decides(tag, text, value):
    assert tagged(tag, text) == value


@pytest.mark.parametrize(
    ("kind", "text"),
    [("int", "x"), ("int", "1.5"), ("bool", "1"), ("null", "x"), ("float", "x"), ("timestamp", "1"), ("int", "yes")],
)
def test_a_value_unlike_its_tag_is_refused_without_repeating_it(kind, text):
    with pytest.raises(ScalarError, match=f"!!{kind}") as caught:
        tagged(STANDARD + kind, text)
    assert f" {text}" not in str(caught.value)


@pytest.mark.parametrize("text", ["a", "é", "/w=="])
def test_binary_that_json_cannot_carry_is_refused(text):
    with pytest.raises(ScalarError, match="!!binary"):
        tagged(f"{STANDARD}binary", text)


@given(st.integers(-(2**63), 2**64 - 1))
def test_integers_are_kept_exactly(number):
    assert resolve(str(number)) == number


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_keep_their_value(number):
    assert float(resolve(repr(number))) == number


@given(st.text())
def test_any_text_resolves_to_something_json_can_hold(text):
    try:
        value = resolve(text)
    except ScalarError:
        return
    assert value is None or isinstance(value, str | int) or math.isfinite(value)
    assert not isinstance(value, str) or value == text
