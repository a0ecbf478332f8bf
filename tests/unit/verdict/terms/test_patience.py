"""Graces as users write them: on the command line, in variables, in an object's annotations."""

from __future__ import annotations

import math
from typing import Any

import pytest

from k8s_step.errors import InputError
from k8s_step.inputs import resolve
from k8s_step.options import APPLY
from k8s_step.verdict.terms.patience import FAIL_AFTER, TIMEOUT, USUAL, Patience, own_patience, own_timeout, parse


def annotated(**annotations: Any) -> dict[str, Any]:
    names = {"timeout": TIMEOUT, "fail_after": FAIL_AFTER}
    return {"metadata": {"annotations": {names[key]: value for key, value in annotations.items()}}}


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        (["ErrImagePull=2m"], Patience({"ErrImagePull": 120.0})),
        (["ImagePullBackOff=2m"], Patience({"ErrImagePull": 120.0})),
        (["registryunavailable = 90"], Patience({"ErrImagePull": 90.0})),
        (["ErrImagePull=1m", "ImagePullBackOff=2m"], Patience({"ErrImagePull": 120.0})),
        (["CrashLoopBackOff=5"], Patience({}, {"CrashLoopBackOff": 5})),
        (["CrashLoopBackOff=5s"], Patience({"CrashLoopBackOff": 5.0})),
        (["CrashLoopBackOff=5", "CrashLoopBackOff=1m"], Patience({"CrashLoopBackOff": 60.0})),
        (["OOMKilled=1", "FailedCreate=Never"], Patience({"FailedCreate": math.inf}, {"OOMKilled": 1})),
        ([], USUAL),
    ],
)
def test_parse(entries: list[str], expected: Patience) -> None:
    assert parse(entries, "--fail-after") == expected


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("ErrImagePull", "not written REASON=DURATION"),
        ("=2m", "no reason with a grace"),
        ("ErrImagePull=", "not written REASON=DURATION"),
        ("ErrImagePul=2m", "did you mean ErrImagePull?"),
        ("Nonsense=2m", "known are ErrImagePull"),
        ("ErrImagePull=soon", "'soon' is not a duration"),
        ("CrashLoopBackOff=-1", "'-1' is not a duration"),
    ],
)
def test_mistakes_name_where_and_the_way_out(entry: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        parse([entry], "--fail-after")
    assert words in str(caught.value) and "--fail-after" in str(caught.value)


def test_as_option_and_as_variable() -> None:
    flags = {"fail_after": ("ErrImagePull=2m", "CrashLoopBackOff=5,OOMKilled=1")}
    expected = Patience({"ErrImagePull": 120.0}, {"CrashLoopBackOff": 5, "OOMKilled": 1})
    assert resolve(APPLY, flags, {}).fail_after == expected
    for text in (
        "ErrImagePull=2m\nCrashLoopBackOff=5\nOOMKilled=1",
        "ErrImagePull=2m, CrashLoopBackOff=5 ,OOMKilled=1,",
    ):
        assert resolve(APPLY, {}, {"K8S_FAIL_AFTER": text}).fail_after == expected
    assert resolve(APPLY, {}, {}).fail_after is None


@pytest.mark.parametrize(
    "text", ["ErrImagePull=2m,OOMKilled=1", "ErrImagePull=2m OOMKilled=1", "ErrImagePull=2m\n OOMKilled=1\n"]
)
def test_as_annotation(text: str) -> None:
    assert own_patience(annotated(fail_after=text)) == Patience({"ErrImagePull": 120.0}, {"OOMKilled": 1})


@pytest.mark.parametrize(
    ("value", "seconds"), [("30m", 1800.0), ("90", 90.0), (90, 90.0), ("", None), (None, None), (" 5s ", 5.0)]
)
def test_an_objects_own_timeout(value: Any, seconds: float | None) -> None:
    assert own_timeout(annotated(timeout=value)) == seconds


@pytest.mark.parametrize("obj", [{}, {"metadata": None}, {"metadata": {"annotations": None}}])
def test_without_annotations(obj: Any) -> None:
    assert own_patience(obj) == USUAL
    assert own_timeout(obj) is None


def test_an_object_speaks_for_itself_and_for_no_other_reason() -> None:
    run = parse(["ErrImagePull=2m", "CrashLoopBackOff=5", "OOMKilled=1m"], "")
    own = parse(["CrashLoopBackOff=1m", "OOMKilled=3"], "")
    both = own.over(run)
    assert both == Patience({"ErrImagePull": 120.0, "CrashLoopBackOff": 60.0}, {"OOMKilled": 3})
    assert USUAL.over(run) == run and own.over(USUAL) == own
