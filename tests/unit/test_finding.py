from __future__ import annotations

import pytest

from k8s_step import finding, podfailures
from k8s_step.finding import advice


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("registry.example/web:1: not found", "no such image or tag"),
        ("manifest unknown", "no such image or tag"),
        ("pull access denied, repository does not exist or may require authorization", "imagePullSecrets"),
        ("401 Unauthorized", "imagePullSecrets"),
        ("429 Too Many Requests - toomanyrequests: denied", "limits how often"),
        ("503 Service Unavailable", "the node cannot get the image"),
    ],
)
@pytest.mark.parametrize("reason", ["ErrImagePull", "ImagePullBackOff"])
def test_advice_on_images(reason: str, message: str, expected: str) -> None:
    assert expected in advice(reason, message)


@pytest.mark.parametrize("reason", [*podfailures._WAITING, "OOMKilled", "ContainersNotReady", "Unschedulable"])
def test_every_reason_of_the_table_has_advice(reason: str) -> None:
    assert advice(reason, "")


def test_no_advice_is_better_than_a_guess() -> None:
    assert advice("SomethingNew", "x") == ""


def test_reasons_are_spelled_as_kubernetes_spells_them() -> None:
    assert all(reason[0].isupper() and reason.isalnum() for reason in finding._ADVICE)
