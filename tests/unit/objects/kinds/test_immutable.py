from __future__ import annotations

from typing import Any

import pytest

from k8s_step.objects.kinds.immutable import with_kept
from tests.unit.objects.kinds.test_portable import made

OURS = "k8s-step-sync"


def claim(**spec: Any) -> dict[str, Any]:
    return made("v1", "PersistentVolumeClaim", spec=spec)


def test_what_can_t_change_stays_as_it_is_there() -> None:
    wanted = claim(storageClassName="fast", volumeMode="Filesystem", resources={"requests": {"storage": "2Gi"}})
    live = claim(storageClassName="slow", volumeMode="Filesystem", resources={"requests": {"storage": "1Gi"}})
    live["status"] = {"phase": "Bound"}
    merged, kept = with_kept(wanted, live, OURS)
    assert kept == ("spec.storageClassName",)
    assert merged["spec"] == {**live["spec"], "resources": {"requests": {"storage": "2Gi"}}}
    assert wanted["spec"]["storageClassName"] == "fast"


def test_a_field_that_is_not_there_is_not_set() -> None:
    merged, kept = with_kept(claim(selector={"a": "b"}), claim(), OURS)
    assert (merged["spec"], kept) == ({}, ("spec.selector",))


def test_a_binding_keeps_its_role() -> None:
    wanted, live = (made("rbac.authorization.k8s.io/v1", "RoleBinding", roleRef={"name": name}) for name in ("a", "b"))
    merged, kept = with_kept(wanted, live, OURS)
    assert (merged["roleRef"], kept) == ({"name": "b"}, ("roleRef",))


def test_a_job_s_own_labels_are_no_difference_to_be_told() -> None:
    template = {"metadata": {"labels": {"controller-uid": "2"}}}
    merged, kept = with_kept(
        made("batch/v1", "Job", spec={"template": {"metadata": {}}}),
        made("batch/v1", "Job", spec={"template": template}),
        OURS,
    )
    assert (merged["spec"], kept) == ({"template": template}, ())


def test_kinds_without_such_fields_are_taken_whole() -> None:
    wanted = made("v1", "ConfigMap", data={"a": "1"})
    assert with_kept(wanted, made("v1", "ConfigMap", data={"a": "2"}), OURS) == (wanted, ())


def applied(fields: dict[str, Any]) -> dict[str, Any]:
    """Metadata of an object of which we have applied these fields."""
    return {"managedFields": [{"manager": OURS, "operation": "Apply", "apiVersion": "x/v1", "fieldsV1": fields}]}


def test_a_job_that_runs_something_else_is_told() -> None:
    def running(image: str, uid: str) -> dict[str, Any]:
        labels = {"controller-uid": uid, "app": "web"}
        return {"metadata": {"labels": labels}, "spec": {"containers": [{"image": image}]}}

    wanted = made("batch/v1", "Job", spec={"template": {**running("a:2", "1"), "metadata": {"labels": {"app": "web"}}}})
    live = made("batch/v1", "Job", spec={"template": running("a:1", "2")})
    merged, kept = with_kept(wanted, live, OURS)
    assert (merged["spec"], kept) == (live["spec"], ("spec.template",))


def test_what_was_copied_before_and_is_no_longer_there_stays() -> None:
    wanted = made("batch/v1", "Job", spec={})
    spec = {"backoffLimitPerIndex": 1, "managedBy": "example.com/x"}
    live = made("batch/v1", "Job", applied({"f:spec": {"f:backoffLimitPerIndex": {}}}), spec=spec)
    merged, kept = with_kept(wanted, live, OURS)
    assert (merged["spec"], kept) == ({"backoffLimitPerIndex": 1}, ("spec.backoffLimitPerIndex",))


@pytest.mark.parametrize("kind", ["ConfigMap", "Secret"])
def test_what_is_sealed_stays_so(kind: str) -> None:
    wanted = made("v1", kind, {"labels": {"new": "label"}}, data={"a": "2"}, binaryData={"b": "Mg=="})
    live = made("v1", kind, applied({"f:immutable": {}}), data={"a": "1"}, immutable=True)
    merged, kept = with_kept(wanted, live, OURS)
    assert merged == made("v1", kind, {"labels": {"new": "label"}}, data={"a": "1"}, immutable=True)
    assert kept == ("data", "binaryData", "immutable")


@pytest.mark.parametrize(
    ("phase", "wanted", "size"),
    [("Bound", "2Gi", "2Gi"), ("Bound", "512Mi", "1Gi"), ("Pending", "2Gi", "1Gi"), ("Pending", "1Gi", "1Gi")],
)
def test_a_claim_grows_where_it_may(phase: str, wanted: str, size: str) -> None:
    live = {**claim(resources={"requests": {"storage": "1Gi"}}), "status": {"phase": phase}}
    merged, kept = with_kept(claim(resources={"requests": {"storage": wanted}}), live, OURS)
    assert merged["spec"]["resources"]["requests"]["storage"] == size
    assert kept == (() if size == wanted else ("spec.resources",))


@pytest.mark.parametrize(
    ("own", "there", "kept"),
    [
        ({}, "10.0.0.7", ()),
        ({"clusterIP": "None", "clusterIPs": ["None"]}, "None", ()),
        ({}, "None", ("spec.clusterIP",)),
        ({"clusterIP": "None", "clusterIPs": ["None"]}, "10.0.0.7", ("spec.clusterIP",)),
    ],
)
def test_a_service_stays_headless_or_not(own: dict[str, Any], there: str, kept: tuple[str, ...]) -> None:
    merged, told = with_kept(made("v1", "Service", spec=own), made("v1", "Service", spec={"clusterIP": there}), OURS)
    assert told == kept
    assert merged["spec"] == ({"clusterIP": there} if kept else own)
