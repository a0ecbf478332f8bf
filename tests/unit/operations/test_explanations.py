"""Refusals with the manifest's line: the value that Go only knows by its struct's field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from k8s_step.api.fielderrors import FieldError
from k8s_step.errors import ApiErrors, InvalidError, single
from k8s_step.manifests.documents import SourceText, parse
from k8s_step.objects.address import Address
from k8s_step.objects.reference import Reference
from k8s_step.objects.resource import Resource
from k8s_step.operations.explanations import explain, explain_invalid
from k8s_step.operations.plan import Planned

TEXT = """\
metadata:
  name: web
  labels: {a: text, b: 3}
spec:
  containers:
  - name: app
    env:
    - {name: A, value: text}
    - {name: B, value: yes}
    - {name: C, value: 8080}
data:
  first: yes
  second: 3
"""
HANDLED = 'Pod in version "v1" cannot be handled as a Pod: '


def planned() -> Planned:
    (document,) = parse(SourceText("web.yaml", TEXT))
    obj: Mapping[str, Any] = document.build()
    reference = Reference("v1", "Pod", "shop", "web", "web.yaml", 1)
    address = Address(Resource("", "v1", "Pod", "pods", True), reference)
    return Planned(address, obj, lambda path: document.line_of(obj, path))


@pytest.mark.parametrize(
    ("go", "field", "path", "line"),
    [
        ("number", "Pod.data", "data[second]", 13),
        ("bool", "Pod.data", "data[first]", 12),
        ("number", "ObjectMeta.metadata.labels", "metadata.labels[b]", 3),
        ("number", "EnvVar.spec.containers.env.value", "spec.containers[0].env[2].value", 10),
        ("bool", "EnvVar.spec.containers.env.value", "spec.containers[0].env[1].value", 9),
    ],
)
def test_the_value_of_the_wrong_type_is_found(go: str, field: str, path: str, line: int) -> None:
    message = f"cannot unmarshal {go} into Go struct field {field} of type string"
    (error,) = single(explain(InvalidError(f"{HANDLED}json: {message}", code=400), planned()))
    assert (error.where, error.message) == (f"web.yaml:{line}: pod/shop/web", f"{path}: {message}")
    assert error.hint and error.hint.startswith("put it in quotes")


def test_a_field_that_holds_no_such_value_is_told_as_the_server_has_it() -> None:
    message = "cannot unmarshal array into Go struct field Pod.data of type string"
    (error,) = single(explain(InvalidError(f"{HANDLED}json: {message}", code=400), planned()))
    assert (error.where, error.message) == ("web.yaml:11: pod/shop/web", message)


def test_more_errors_are_told_unless_the_same_field_of_the_same_line_is_known() -> None:
    """An apply and a creation write the path of a field in two ways."""
    causes = [{"field": ".metadata.labels.a", "message": "field not declared in schema"}]
    refused = InvalidError("no", code=422, status={"reason": "Invalid", "details": {"causes": causes}})
    fields = ("metadata.labels.a", "metadata.labels.b", "data.a")
    found = explain_invalid(refused, planned(), [FieldError(field, f'unknown field "{field}"') for field in fields])
    assert isinstance(found, ApiErrors)
    assert [error.message for error in found.errors[1:]] == [f'unknown field "{field}"' for field in fields[1:]]
