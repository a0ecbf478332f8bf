"""Selectors: what the API server takes goes through, what it doesn't is told before anything is sent."""

from __future__ import annotations

from typing import Any

import pytest

from k8s_step.errors import InputError
from k8s_step.objects.selection import field_selector, label_selector, of_workload


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("app=web", "app=web"),
        ("app==web, tier != cache", "app==web,tier != cache"),
        ("app", "app"),
        ("!app", "!app"),
        ("app in (web, api),tier notin (cache)", "app in (web, api),tier notin (cache)"),
        ("app in(web)", "app in(web)"),
        ("app.kubernetes.io/name=web", "app.kubernetes.io/name=web"),
        ("app=", "app="),
        ("build>41,build<43", "build>41,build<43"),
    ],
)
def test_label_selectors(text: str, sent: str) -> None:
    assert label_selector(text, "-l") == sent


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (" ", "empty"),
        ("app=web,", "key is missing"),
        ("=web", "key is missing"),
        ("app=we b", "'we b'"),
        ("app=a=b", "'a=b'"),
        ("app~web", "'app~web'"),
        ("-app=web", "'-app'"),
        ("app in ()", "nothing within the brackets"),
        ("app in (web", "'app in (web'"),
        ("app in (web,b c)", "'b c'"),
        ("build>new", "no whole number"),
        ("App.Example.COM/name=web", "'App.Example.COM/name'"),
        (f"app={'x' * 64}", "no label's value"),
    ],
)
def test_what_is_no_label_selector(text: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        label_selector(text, "--selector")
    assert caught.value.where == "--selector"
    assert words in caught.value.message


@pytest.mark.parametrize("text", ["status.phase=Failed", "metadata.name!=a,status.phase==Running", r"spec.x=a\,b"])
def test_field_selectors(text: str) -> None:
    assert field_selector(text, "--field-selector") == text


@pytest.mark.parametrize("text", ["status.phase", "status.phase=Failed,", "=Failed", "a>1", "a=b=c"])
def test_what_is_no_field_selector(text: str) -> None:
    with pytest.raises(InputError, match="no field selector"):
        field_selector(text, "--field-selector")


SETS = [
    {"key": "app", "operator": "In", "values": ["web", "api"]},
    {"key": "tier", "operator": "NotIn", "values": ["cache"]},
    {"key": "track", "operator": "Exists"},
    {"key": "old", "operator": "DoesNotExist"},
]
SETS_SENT = "!old,app in (web,api),tier notin (cache),track"


@pytest.mark.parametrize(
    ("selector", "sent"),
    [
        ({"matchLabels": {"b": "2", "a": "1"}}, "a=1,b=2"),
        ({"matchExpressions": SETS}, SETS_SENT),
        ({"matchLabels": {"a": "1"}, "matchExpressions": SETS[2:3]}, "a=1,track"),
        ({"matchExpressions": [{"key": "a", "operator": "Like", "values": ["x"]}]}, None),
        ({"matchLabels": None}, None),
        ({}, None),
        (None, None),
    ],
)
def test_of_a_workload(selector: Any, sent: str | None) -> None:
    assert of_workload({"kind": "Deployment", "spec": {"selector": selector}}) == sent


def test_of_a_replication_controller() -> None:
    made = {"kind": "ReplicationController", "spec": {"selector": {"app": "rc", "matchLabels": "a-label-of-that-name"}}}
    assert of_workload(made) == "app=rc,matchLabels=a-label-of-that-name"


def test_of_what_has_no_spec() -> None:
    assert of_workload({"kind": "Deployment"}) is None
