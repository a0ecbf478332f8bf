"""What is said of a refusal: the manifest's line and the next move, from answers as the API server words them."""

from __future__ import annotations

from typing import Any

import pytest

from k8s_step.api.fielderrors import FieldError
from k8s_step.errors import ApiError, ApiErrors, ConflictError, InvalidError, NotFoundError
from k8s_step.objects.address import Address
from k8s_step.objects.reference import Reference
from k8s_step.objects.resource import Resource, required
from k8s_step.operations.explanations import _hint_of_a_patch, explain
from k8s_step.operations.plan import Planned

TYPED = "failed to create typed patch object (shop/web; apps/v1, Kind=Deployment): "
STRICT = 'Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: '
IMMUTABLE = "Invalid value: {…}: field is immutable"
LINES = {"": 10, "spec.replicass": 14, "data[password]": 12, "spec.template": 15, "spec.selector": 16}


def planned(kind: str = "Deployment", api_version: str = "apps/v1", **fields: Any) -> Planned:
    reference = Reference(api_version, kind, "shop", "web", "k8s/web.yaml", 10)
    made = {"apiVersion": api_version, "kind": kind, "metadata": {"name": "web"}, **fields}
    return Planned(Address(resource(api_version, kind), reference), made, lambda path: LINES.get(path.lstrip("."), 10))


def resource(api_version: str, kind: str) -> Resource:
    if api_version.startswith("example.com"):
        return Resource("example.com", "v1", kind, f"{kind.lower()}s", True)
    return required(api_version, kind)


def invalid(message: str, *causes: dict[str, str]) -> InvalidError:
    return InvalidError(message, code=422, status={"details": {"causes": list(causes)}})


def told(error: ApiError, one: Planned) -> list[tuple[str, str]]:
    """Each error as its place with its message, and its hint."""
    found = explain(error, one)
    errors = list(found.errors) if isinstance(found, ApiErrors) else [found]
    return [(f"{each.where}: {each.message}", each.hint or "") for each in errors]


SPELT = "is it spelt right, and in the right place?"
RECREATE = "the annotation k8s-step/on-immutable: recreate lets apply delete it and create it anew"
FIELDS: list[tuple[str, ApiError, str, str]] = [
    # the kind, what the server says, what is said of it, and the next move
    (
        "Deployment",
        invalid(f"{TYPED}.spec.replicass: field not declared in schema"),
        "k8s/web.yaml:14: deployment/shop/web: .spec.replicass: field not declared in schema",
        SPELT,
    ),
    (
        "Deployment",
        invalid(f'{STRICT}unknown field "spec.replicass"'),
        'k8s/web.yaml:14: deployment/shop/web: unknown field "spec.replicass"',
        SPELT,
    ),
    (
        "Deployment",
        invalid("is invalid", {"field": "spec.selector", "message": IMMUTABLE}),
        f"k8s/web.yaml:16: deployment/shop/web: spec.selector: {IMMUTABLE}",
        f"it can't change once the object is there: {RECREATE}; or give it another name",
    ),
    (
        "Job",
        invalid("is invalid", {"field": "spec.template", "message": IMMUTABLE}),
        f"k8s/web.yaml:15: job/shop/web: spec.template: {IMMUTABLE}",
        f"a Job's template can't change: {RECREATE}; with k8s-step/run: always it runs at each release",
    ),
    (
        "Deployment",
        invalid("is invalid", {"field": "spec.replicas", "message": "Invalid value: -1: must be greater than 0"}),
        "k8s/web.yaml:10: deployment/shop/web: spec.replicas: Invalid value: -1: must be greater than 0",
        "",
    ),
]


@pytest.mark.parametrize(("kind", "error", "said", "hint"), FIELDS)
def test_a_field_that_is_wrong(kind: str, error: ApiError, said: str, hint: str) -> None:
    assert told(error, planned(kind, "batch/v1" if kind == "Job" else "apps/v1")) == [(said, hint)]


@pytest.mark.parametrize(
    ("api_version", "kind", "hint"),
    [
        ("v1", "ConfigMap", "it is immutable: give the new one another name, and use that in its workloads"),
        ("v1", "Secret", "it is immutable: give the new one another name, and use that in its workloads"),
        ("v1", "PersistentVolumeClaim", "only its size may grow: make a claim of another name"),
        ("v1", "PersistentVolume", "it can't change once the object is there: give it another name"),
        ("v1", "Pod", f"let a Deployment replace its pods; or {RECREATE}"),
        ("apps/v1", "StatefulSet", f"{RECREATE}, its pods living on; or give it another name"),
    ],
)
@pytest.mark.parametrize(
    "message",
    [
        "Forbidden: field is immutable when `immutable` is set",
        "Forbidden: updates to statefulset spec for fields other than 'replicas' are forbidden",
        "Forbidden: pod updates may not change fields other than `spec.containers[*].image`",
        "Invalid value: may not be changed",
        "Invalid value: may not change once set",
    ],
)
def test_what_cannot_change_has_a_way_out_by_kind(message: str, api_version: str, kind: str, hint: str) -> None:
    ((_, said),) = told(invalid("is invalid", {"field": "data", "message": message}), planned(kind, api_version))
    assert said.startswith(hint)


def test_a_secret_that_is_not_encoded() -> None:
    error = InvalidError("illegal base64 data at input byte 4", code=400, status={})
    secret = planned("Secret", "v1", data={"password": "n\u00f6", "good": "YQ=="})
    said = "k8s/web.yaml:12: secret/shop/web: data.password: this is not base64"
    assert told(error, secret) == [(said, "text that is not encoded goes under stringData")]


NOT_FOUND: list[tuple[str, str, dict[str, Any], dict[str, Any], str, str]] = [
    # kind, the server's message, details, the manifest's fields, what is said, the next move
    (
        "Deployment",
        'namespaces "shop" not found',
        {"name": "shop"},
        {},
        "there is no namespace shop",
        "create it first (sync: --create-namespace), put a Namespace into the release, or name another (-n)",
    ),
    (
        "RoleBinding",
        'roles.rbac.authorization.k8s.io "reader" not found',
        {"name": "reader"},
        {"roleRef": {"kind": "Role", "name": "reader"}},
        "there is no Role reader to bind",
        "create it first",
    ),
    ("Deployment", 'priorityclasses "high" not found', {"name": "high"}, {}, 'priorityclasses "high" not found', ""),
    (
        "Widget",
        "the server could not find the requested resource",
        {},
        {},
        "the server does not serve widgets.example.com in example.com/v1",
        "is its CRD installed, and in this version?",
    ),
]


@pytest.mark.parametrize(("kind", "message", "details", "fields", "said", "hint"), NOT_FOUND)
def test_what_is_not_there(
    kind: str, message: str, details: dict[str, Any], fields: dict[str, Any], said: str, hint: str
) -> None:
    groups = {"Deployment": "apps/v1", "RoleBinding": "rbac.authorization.k8s.io/v1", "Widget": "example.com/v1"}
    ((found, next_move),) = told(
        NotFoundError(message, code=404, status={"details": details}), planned(kind, groups[kind], **fields)
    )
    assert found.endswith(f": {said}") and next_move == hint


def test_a_conflict_names_fields_and_managers() -> None:
    cause = {"reason": "FieldManagerConflict", "field": ".spec.replicas", "message": 'conflict with "kubectl"'}
    error = ConflictError("Apply failed", code=409, status={"details": {"causes": [cause]}})
    assert told(error, planned()) == [
        (
            'k8s/web.yaml:10: deployment/shop/web: .spec.replicas belongs to "kubectl"',
            "leave these fields out of the manifest, or take them over with --force-conflicts",
        )
    ]


def test_another_conflict_is_left_as_it_is() -> None:
    error = ConflictError("the object has been modified", code=409, status={})
    assert explain(error, planned()) is error


@pytest.mark.parametrize(
    ("message", "is_told"),
    [
        ("the patch does not fit the object: unknown patch type: merge", True),
        ("merging lists cannot yet be specified in the patch", True),
        ("unknown patch type: squash", False),
    ],
)
def test_a_directive_that_the_server_has_never_taken(message: str, is_told: bool) -> None:
    assert (_hint_of_a_patch(FieldError("", message)) is not None) is is_told
