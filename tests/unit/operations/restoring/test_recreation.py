"""What may be deleted to be created anew, and how."""

from __future__ import annotations

from typing import Any

import pytest

from k8s_step.errors import ForbiddenError, InputError, InvalidError
from k8s_step.objects.address import Address
from k8s_step.objects.reference import Reference
from k8s_step.objects.resource import required
from k8s_step.operations.plan import ApplyOptions, Planned, Seen
from k8s_step.operations.restoring.recreation import (
    ON_IMMUTABLE,
    RUN,
    cascade_of,
    is_called_for,
    is_rerun,
    may_be_recreated,
    may_be_replaced,
    runs_always,
    try_out,
)

IMMUTABLE = {"field": "spec.selector", "message": "Invalid value: null: field is immutable"}
WRONG = {"field": "spec.replicas", "message": "Invalid value: -1: must be greater than or equal to 0"}


def annotated(kind: str, value: Any = "recreate") -> dict[str, Any]:
    return {"kind": kind, "metadata": {"name": "web", "annotations": {ON_IMMUTABLE: value}}}


def refused(*causes: dict[str, str]) -> InvalidError:
    return InvalidError("is invalid", code=422, status={"details": {"causes": list(causes)}})


def planned(obj: dict[str, Any]) -> Planned:
    return Planned(Address(required("apps/v1", "Deployment"), Reference("apps/v1", "Deployment", "shop", "web")), obj)


def test_the_annotation_allows_it() -> None:
    assert may_be_recreated(annotated("Deployment"))
    assert not may_be_recreated(annotated("Deployment", "")) and not may_be_recreated({"kind": "Deployment"})


@pytest.mark.parametrize("value", ["replace", "true", True])
def test_any_other_value_is_a_mistake(value: Any) -> None:
    with pytest.raises(InputError, match=r'is not known \("recreate" is\)'):
        may_be_recreated(annotated("Deployment", value))


@pytest.mark.parametrize("kind", ["Namespace", "PersistentVolumeClaim", "PersistentVolume", "CustomResourceDefinition"])
def test_what_holds_data_is_not_deleted(kind: str) -> None:
    with pytest.raises(InputError, match=f"a {kind} is not deleted to be created anew: "):
        may_be_recreated(annotated(kind))


@pytest.mark.parametrize(
    ("causes", "kind", "wanted"),
    [
        ((IMMUTABLE,), annotated("Deployment"), True),
        ((IMMUTABLE, WRONG), annotated("Deployment"), False),  # the new one would be refused as well
        ((WRONG,), annotated("Deployment"), False),
        ((IMMUTABLE,), {"kind": "Deployment"}, False),
    ],
)
def test_only_for_what_can_t_change(causes: tuple[dict[str, str], ...], kind: dict[str, Any], wanted: bool) -> None:
    assert is_called_for(refused(*causes), planned(kind)) is wanted


def stateful(selects: dict[str, str], labels: dict[str, str]) -> dict[str, Any]:
    template = {"metadata": {"labels": labels}}
    return {"kind": "StatefulSet", "spec": {"selector": {"matchLabels": selects}, "template": template}}


@pytest.mark.parametrize(
    ("old", "new", "cascade"),
    [
        ({"kind": "Deployment"}, {}, "background"),
        ({"kind": "Service"}, {}, "background"),
        ({"kind": "Job"}, {}, "foreground"),
        (stateful({"app": "db"}, {"app": "db", "tier": "x"}), stateful({"app": "db"}, {"app": "db"}), "orphan"),
        (stateful({"app": "db"}, {"app": "db"}), stateful({"app": "sql"}, {"app": "sql"}), "foreground"),
    ],
)
def test_how_it_is_deleted(old: dict[str, Any], new: dict[str, Any], cascade: str) -> None:
    assert cascade_of(old, new) == cascade


CONTROLLED = {"metadata": {"ownerReferences": [{"kind": "Shop", "name": "main", "controller": True}]}}
RETENTION = {"persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Delete"}}
CLAIMS = {"kind": "StatefulSet", "spec": {**stateful({"app": "db"}, {"app": "db"})["spec"], **RETENTION}}


@pytest.mark.parametrize(
    ("live", "new", "hint"),
    [
        (None, annotated("Deployment"), "allow get"),
        (CONTROLLED, annotated("Deployment"), "Shop main controls it"),
        (CLAIMS, stateful({"app": "sql"}, {"app": "sql"}), "its claims, and their data, would be deleted"),
    ],
)
def test_what_is_not_deleted_is_refused_before_any_request(live: Any, new: dict[str, Any], hint: str) -> None:
    nobody: Any = None
    with pytest.raises(InvalidError, match=r"spec.selector can't be changed in place") as caught:
        try_out(nobody, Seen(planned(new), live), refused(IMMUTABLE), ApplyOptions(dry_run=True))
    assert hint in str(caught.value)


def test_a_deletion_that_is_forbidden_is_found_by_its_dry_run() -> None:
    class Forbidding:
        def send(self, request: Any) -> Any:
            assert (request.method, request.query) == ("DELETE", (("dryRun", "All"),))
            raise ForbiddenError("cannot delete", code=403)

    client: Any = Forbidding()
    with pytest.raises(ForbiddenError):
        try_out(
            client, Seen(planned(annotated("Deployment")), {"kind": "Deployment"}), refused(IMMUTABLE), ApplyOptions()
        )


# -- Jobs that run at each release


def running(value: Any = "always", **spec: Any) -> dict[str, Any]:
    metadata = {"name": "migrate", "annotations": {RUN: value}}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}


def test_a_job_runs_at_each_release_where_it_says_so() -> None:
    assert runs_always(running()) and may_be_replaced(running())
    assert not runs_always(running("")) and not may_be_replaced({"kind": "Job"})


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (running("never"), r"'never' is not known \("),
        ({**running(), "kind": "CronJob"}, "only a Job of batch/v1 runs at each release, and this is a CronJob"),
        (running(suspend=True), "this Job is suspended, so it would never run"),
    ],
)
def test_what_does_not_run_is_a_mistake(made: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        runs_always(made)


def test_only_one_that_is_there_is_in_the_way() -> None:
    assert is_rerun(Seen(planned(running()), {"kind": "Job"}))
    assert not is_rerun(Seen(planned(running()), None, is_absent=True))
    assert not is_rerun(Seen(planned({"kind": "Job"}), {"kind": "Job"}))
