"""Selectors: what the API server takes goes through, what it doesn't is told before anything is sent."""

from __future__ import annotations

import pytest

from k8s_step.errors import InputError
from k8s_step.objects.selection import field_selector, label_selector


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
