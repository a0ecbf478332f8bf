"""Whether a newer write takes this run's work away: only fields it owned, only in the pods' template."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from k8s_step.objects.reference import Reference
from k8s_step.objects.resource import required
from k8s_step.rollout.superseded import SupersededWrites
from k8s_step.verdict.states import State
from k8s_step.verdict.target import Target

Object = dict[str, Any]
OWNED = {
    "f:spec": {
        "f:replicas": {},
        "f:template": {
            "f:metadata": {"f:annotations": {"f:checksum": {}}},
            "f:spec": {"f:containers": {'k:{"name":"app"}': {".": {}, "f:name": {}, "f:image": {}}}},
        },
    }
}


def written() -> Object:
    entry = {"manager": "k8s-step", "operation": "Apply", "time": "2026-11-22T10:00:00Z", "fieldsV1": OWNED}
    spec = {"containers": [{"name": "app", "image": "shop/web:1", "imagePullPolicy": "Always"}]}
    template = {"metadata": {"annotations": {"checksum": "1"}}, "spec": spec}
    metadata = {"name": "web", "namespace": "shop", "uid": "1", "generation": 1, "managedFields": [entry]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata,
        "spec": {"replicas": 2, "template": template},
    }


def changed(path: tuple[str | int, ...], value: Any, fields: Object | None = None, manager: str = "night") -> Object:
    """A newer version in which ``manager`` has set what ``path`` leads to, and owns ``fields``."""
    made = copy.deepcopy(written())
    made["metadata"]["generation"] = 2
    at: Any = made
    for key in path[:-1]:
        at = at.setdefault(key, {}) if isinstance(at, dict) else at[key]
    at[path[-1]] = value
    entry = {"manager": manager, "operation": "Update", "time": "2026-11-22T10:00:05Z", "fieldsV1": fields or {}}
    made["metadata"]["managedFields"].append(entry)
    return made


CONTAINER = ("spec", "template", "spec", "containers", 0)
ANNOTATIONS = ("spec", "template", "metadata", "annotations")


def judged(now: Object, wrote: Object | None, notices: list[str]) -> Any:
    target = Target(Reference.to(now), required("apps/v1", "Deployment"), now, wrote=wrote)
    return SupersededWrites("k8s-step", notices.append).judge(target)


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (changed((*CONTAINER, "image"), "shop/web:9"), '.spec.template.spec.containers[name="app"].image'),
        (changed((*CONTAINER, "name"), "other"), '.spec.template.spec.containers[name="app"]'),
        (changed((*ANNOTATIONS, "checksum"), "2"), ".spec.template.metadata.annotations.checksum"),
        (changed(ANNOTATIONS, {}), ".spec.template.metadata.annotations.checksum"),
    ],
)
def test_our_fields_in_the_template(now: Object, words: str) -> None:
    notices: list[str] = []
    judgement = judged(now, written(), notices)
    assert (judgement.state, judgement.reason) == (State.FAILED, "Superseded")
    assert words in judgement.message
    assert notices == []


@pytest.mark.parametrize(
    "now",
    [
        changed((*CONTAINER, "imagePullPolicy"), "Never"),
        changed(
            (*ANNOTATIONS, "reloader"),
            "7",
            {"f:spec": {"f:template": {"f:metadata": {"f:annotations": {"f:reloader": {}}}}}},
        ),
    ],
)
def test_what_is_not_ours_is_told(now: Object) -> None:
    notices: list[str] = []
    assert judged(now, written(), notices) is None
    assert len(notices) == 1 and "deployment/shop/web" in notices[0]


def test_each_generation_is_told_once() -> None:
    notices: list[str] = []
    successions = SupersededWrites("k8s-step", notices.append)
    now = changed((*CONTAINER, "imagePullPolicy"), "Never")
    target = Target(Reference.to(now), required("apps/v1", "Deployment"), now, wrote=written())
    for _ in range(3):
        assert successions.judge(target) is None
    assert len(notices) == 1
    now["metadata"]["generation"] = 3
    successions.judge(target)
    assert len(notices) == 2


@pytest.mark.parametrize("now", [written(), changed(("spec", "replicas"), 5), changed(("spec", "paused"), True)])
def test_what_leaves_the_template_alone(now: Object) -> None:
    notices: list[str] = []
    assert judged(now, written(), notices) is None
    assert notices == []


def test_what_this_run_did_not_write_is_nobodys() -> None:
    notices: list[str] = []
    assert judged(changed((*CONTAINER, "image"), "shop/web:9"), None, notices) is None
    assert notices == []


def test_another_restart_is_no_other_release() -> None:
    """The annotation may be of this run's own manager: an earlier k8s-step restart."""
    path = (*ANNOTATIONS, "kubectl.kubernetes.io/restartedAt")
    fields = {"f:spec": {"f:template": {"f:metadata": {"f:annotations": {f"f:{path[-1]}": {}}}}}}
    before = changed(path, "10:00", fields, "k8s-step")
    now = changed(path, "11:00", fields, "k8s-step")
    now["metadata"]["generation"] = 3
    notices: list[str] = []
    assert judged(now, before, notices) is None
    assert len(notices) == 1 and "restartedAt" in notices[0]


def of_kind(kind: str, api_version: str, fields: Object, *, manager: str = "k8s-step", **parts: Any) -> Object:
    entry = {"manager": manager, "operation": "Apply", "time": "2026-11-22T10:00:00Z", "fieldsV1": fields}
    metadata = {"name": "one", "namespace": "shop", "uid": "1", "managedFields": [entry]}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **parts}


def judged_as(wrote: Object, now: Object) -> tuple[Any, list[str]]:
    notices: list[str] = []
    resource = required("v1", "ConfigMap")
    target = Target(Reference.to(now), resource, now, wrote=wrote)
    return SupersededWrites("k8s-step", notices.append).judge(target), notices


TONE = {"f:data": {"f:tone": {}}}
OTHERS = {
    "a ConfigMap's data": ("ConfigMap", "v1", TONE, {"data": {"tone": "a"}}, {"data": {"tone": "b"}}, ".data.tone"),
    "a key that is gone": ("ConfigMap", "v1", TONE, {"data": {"tone": "a"}}, {}, ".data.tone"),
    "a Secret's data": ("Secret", "v1", TONE, {"data": {"tone": "YQ=="}}, {"data": {"tone": "Yg=="}}, ".data.tone"),
    "a CronJob's schedule": (
        "CronJob",
        "batch/v1",
        {"f:spec": {"f:schedule": {}}},
        {"spec": {"schedule": "1 * * * *"}},
        {"spec": {"schedule": "2 * * * *"}},
        ".spec.schedule",
    ),
    "a Role's rules": (
        "Role",
        "rbac.authorization.k8s.io/v1",
        {"f:rules": {}},
        {"rules": [{"verbs": ["get"]}]},
        {"rules": [{"verbs": ["*"]}]},
        ".rules",
    ),
}


@pytest.mark.parametrize(("kind", "api_version", "fields", "before", "after", "words"), OTHERS.values(), ids=OTHERS)
def test_what_has_no_template_is_superseded_too(
    kind: str, api_version: str, fields: Object, before: Object, after: Object, words: str
) -> None:
    wrote = of_kind(kind, api_version, fields, **before)
    now = of_kind(kind, api_version, fields, manager="rival", **after)
    judgement, notices = judged_as(wrote, now)
    assert (judgement.state, judgement.reason, notices) == (State.FAILED, "Superseded", [])
    assert words in judgement.message


LEFT = {
    "the same data": ("ConfigMap", "v1", TONE, {"data": {"tone": "a"}}, {"data": {"tone": "a"}}),
    "a key of somebody's own": ("ConfigMap", "v1", TONE, {"data": {"tone": "a"}}, {"data": {"tone": "a", "b": "c"}}),
    "a Service's selector": (
        "Service",
        "v1",
        {"f:spec": {"f:selector": {}}},
        {"spec": {"selector": {"app": "a"}}},
        {"spec": {"selector": {"app": "a", "hash": "b"}}},
    ),
    "a custom resource": (
        "ConfigMap",
        "example.com/v1",
        TONE,
        {"data": {"tone": "a"}},
        {"data": {"tone": "b"}},
    ),
    "a field whose name begins alike": (
        "ConfigMap",
        "v1",
        {"f:database": {}},
        {"database": "a", "data": {"x": "1"}},
        {"database": "b"},
    ),
}


@pytest.mark.parametrize(("kind", "api_version", "fields", "before", "after"), LEFT.values(), ids=LEFT)
def test_what_controllers_and_others_may_write(
    kind: str, api_version: str, fields: Object, before: Object, after: Object
) -> None:
    wrote = of_kind(kind, api_version, fields, **before)
    assert judged_as(wrote, of_kind(kind, api_version, fields, manager="rival", **after)) == (None, [])
