from __future__ import annotations

from typing import Any

import pytest

from k8s_step.errors import InputErrors
from k8s_step.objects.reference import Reference
from k8s_step.verdict.components import Component, Health, causes, components, health
from tests.unit.samples import pod, running, waiting

API = Reference("", "Component", "", "api")


def test_the_name_ends_at_the_first_equals_sign() -> None:
    words = ["api=component=kube-apiserver", " dns = k8s-app in (kube-dns, coredns),tier!=x ", "x=app"]
    assert components(words, "--component") == [
        Component("api", "component=kube-apiserver"),
        Component("dns", "k8s-app in (kube-dns, coredns),tier!=x"),
        Component("x", "app"),
    ]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["api"], "--component: 'api' has no selector"),
        (["api="], "--component: 'api=' has no selector"),
        (["=app=web"], "--component: '' is no component's name"),
        (["a b=app=web"], "--component: 'a b' is no component's name"),
        (["api=app=a b"], "--component api: 'a b' is no label's value"),
        (["api=app", "api=web"], "--component: api is given twice"),
    ],
)
def test_a_word_that_can_not_be_read_is_named(words: list[str], told: str) -> None:
    with pytest.raises(InputErrors) as raised:
        components(words, "--component")
    assert told in str(raised.value.errors[0])


def test_all_words_that_are_wrong_are_told() -> None:
    with pytest.raises(InputErrors) as raised:
        components(["api", "dns=", "web=app=web"], "--component")
    assert len(raised.value.errors) == 2


READY = pod(running(ready=True, restarts=2), ready=True)


@pytest.mark.parametrize(
    ("pods", "found"),
    [
        ([], Health(0, 0, 0)),
        ([READY], Health(1, 1, 2)),
        ([READY, pod(waiting("CrashLoopBackOff", restarts=5))], Health(2, 1, 7)),
        ([pod(running(restarts=1), init=(waiting("x", restarts=3),))], Health(1, 0, 4)),
        ([{**READY, "metadata": {"name": "a", "deletionTimestamp": "2026-11-22T10:00:00Z"}}], Health(1, 0, 2)),
        ([pod(phase="Succeeded")], Health(0, 0, 0)),
        ([pod(phase="Failed", ready=True)], Health(1, 0, 0)),
        ([{"metadata": {"name": "new"}}], Health(1, 0, 0)),
    ],
    ids=["none", "ready", "one of two", "init containers count", "on its way out", "done", "failed", "no status yet"],
)
def test_what_counts_as_ready(pods: list[dict[str, Any]], found: Health) -> None:
    assert health(pods) == found


@pytest.mark.parametrize(
    ("found", "least", "good", "text"),
    [
        (Health(0, 0, 0), 1, False, "it has no pod"),
        (Health(1, 0, 0), 1, False, "0 of 1 pod is ready, 1 is wanted"),
        (Health(3, 2, 0), 3, False, "2 of 3 pods are ready, 3 are wanted"),
        (Health(3, 2, 0), 2, True, "2 of 3 pods are ready"),
        (Health(1, 1, 0), 1, True, "1 of 1 pod is ready"),
    ],
)
def test_whether_there_are_enough(found: Health, least: int, good: bool, text: str) -> None:
    assert (found.is_good(least), found.text(least)) == (good, text)


def test_one_finding_a_cause_with_the_first_pod_that_shows_it() -> None:
    bad = [pod(waiting("ImagePullBackOff", "not found"), name=f"web-{number}") for number in range(3)]
    other = pod(waiting("CreateContainerConfigError", "no secret"), name="web-9")
    found = causes(API, [READY, *bad, other])
    assert [(one.pod, one.reason, one.message, one.alike) for one in found] == [
        ("web-0", "ImagePullBackOff", "not found", 2),
        ("web-9", "CreateContainerConfigError", "no secret", 0),
    ]
    assert causes(API, [READY]) == []
