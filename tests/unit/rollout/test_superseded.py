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
