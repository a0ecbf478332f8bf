from __future__ import annotations

import base64
from typing import Any

import pytest

from k8s_step.errors import InputError
from k8s_step.objects.kinds.configuration import ROLL, digest, rolls, used_by

MAP, SECRET = ("ConfigMap", "a"), ("Secret", "b")


def workload(**spec: Any) -> dict[str, Any]:
    return {"kind": "Deployment", "spec": {"template": {"spec": spec}}}


def env(**source: Any) -> dict[str, Any]:
    return {"name": "X", "valueFrom": source}


@pytest.mark.parametrize(
    ("obj", "names"),
    [
        (workload(volumes=[{"configMap": {"name": "a"}}, {"secret": {"secretName": "b"}}]), [MAP, SECRET]),
        (
            workload(volumes=[{"projected": {"sources": [{"configMap": {"name": "a"}}, {"secret": {"name": "b"}}]}}]),
            [MAP, SECRET],
        ),
        (
            workload(containers=[{"envFrom": [{"configMapRef": {"name": "a"}}, {"secretRef": {"name": "b"}}]}]),
            [MAP, SECRET],
        ),
        (
            workload(
                initContainers=[{"env": [env(configMapKeyRef={"name": "a", "key": "k"})]}],
                containers=[{"env": [env(secretKeyRef={"name": "b", "key": "k"}), {"name": "Y", "value": "z"}]}],
            ),
            [MAP, SECRET],
        ),
        (workload(volumes=[{"emptyDir": {}}, {"projected": {"sources": [{"downwardAPI": {}}]}}], containers=[{}]), []),
        ({"kind": "Deployment", "spec": None}, []),
        ({"kind": "Deployment"}, []),
    ],
)
def test_what_pods_use(obj: dict[str, Any], names: list[tuple[str, str]]) -> None:
    assert used_by(obj) == names


def test_the_digest_is_of_what_pods_see() -> None:
    data = base64.b64encode(b"hunter2").decode()
    as_written = digest([(SECRET, {"stringData": {"password": "hunter2"}})])
    as_kept = digest([(SECRET, {"data": {"password": data}, "metadata": {"resourceVersion": "7"}, "type": "Opaque"})])
    assert as_written == as_kept
    assert len(as_kept) == 32
    others = [
        digest([(SECRET, {"data": {"password": "b3RoZXI="}})]),
        digest([(SECRET, {"data": {"other": data}})]),
        digest([(("Secret", "c"), {"data": {"password": data}})]),
        digest([(SECRET, None)]),
        digest([(SECRET, {})]),
        digest([]),
        digest([(SECRET, {"data": {"password": data}}), (MAP, {"data": {}})]),
    ]
    assert len({as_kept, *others}) == 1 + len(others)


def test_the_digest_does_not_depend_on_the_order() -> None:
    parts = [(SECRET, {"data": {"x": "eQ==", "z": "eQ=="}}), (MAP, {"data": {"a": "1"}})]
    turned = [(MAP, {"data": {"a": "1"}}), (SECRET, {"data": {"z": "eQ==", "x": "eQ=="}})]
    assert digest(parts) == digest(turned)


@pytest.mark.parametrize(("value", "expected"), [("true", True), ("false", False)])
def test_the_annotation(value: str, expected: bool) -> None:
    assert rolls({"metadata": {"annotations": {ROLL: value}}}) is expected
    assert rolls({"metadata": {}}) is False


@pytest.mark.parametrize("value", ["yes", True, ""])
def test_other_words_are_refused(value: Any) -> None:
    with pytest.raises(InputError, match="neither"):
        rolls({"metadata": {"annotations": {ROLL: value}}})
