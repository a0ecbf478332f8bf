"""The Python API against the real control plane."""

from __future__ import annotations

import doctest
import itertools
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

import k8s_step
from k8s_step import (
    Change,
    ConflictError,
    ForbiddenError,
    InputError,
    InvalidError,
    NotFoundError,
    PatchType,
    Progress,
    ReleaseOptions,
    Result,
    State,
    StoppedError,
    TimedOutError,
    UnauthorizedError,
    UnreachableError,
    UnsupportedMediaTypeError,
    release,
)
from tests.conftest import Outcome, Step, poll
from tests.controlplane.cluster import ROOT, Cluster
from tests.faults import proxy as faults
from tests.faults.proxy import Proxy
from tests.integration.objects import config_map, custom, definition, deployment, job, obj, write

MAPS = "/api/v1/namespaces/{}/configmaps"


def labelled(name: str, **data: str) -> dict[str, Any]:
    made = config_map(name, **data)
    made["metadata"]["labels"] = {"watched": "yes"}
    return made


@pytest.fixture
def api(cluster: Cluster, namespace: str) -> Iterator[k8s_step.Cluster]:
    """The API as admin, in a fresh namespace."""
    with k8s_step.Cluster.from_kubeconfig(cluster.kubeconfig, namespace=namespace) as made:
        yield made


# -- to a cluster


def test_an_address_and_a_token(cluster: Cluster, namespace: str) -> None:
    token = cluster.token(namespace, rules=[{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list"]}])
    with k8s_step.Cluster(cluster.server, token=token, ca=str(cluster.ca), namespace=namespace) as api:
        found = api.get("configmap", "kube-root-ca.crt")
        assert (found["kind"], found["apiVersion"]) == ("ConfigMap", "v1")
        assert repr(api) == f"Cluster({cluster.server!r}, namespace={namespace!r})"
        assert token not in repr(api) + str(vars(api))
        with pytest.raises(ForbiddenError) as refused:
            api.get("secret", "any")
    assert (refused.value.code, refused.value.reason) == (403, "Forbidden")
    assert refused.value.details == {"name": "any", "kind": "secrets"}
    assert "cannot get resource" in refused.value.status["message"]


def test_as_the_command_line_finds_it(cluster: Cluster, namespace: str) -> None:
    environ = {"K8S_KUBECONFIG": str(cluster.kubeconfig), "INPUT_NAMESPACE": "elsewhere", "K8S_HEADERS": "X-A: b"}
    with k8s_step.Cluster.from_environment(environ) as api:
        assert (api.server, api.namespace) == (cluster.server, "elsewhere")
        assert api.context
    with k8s_step.Cluster.from_environment({"KUBECONFIG": str(cluster.kubeconfig)}, namespace=namespace) as api:
        assert api.get("namespace", namespace)["status"]["phase"] == "Active"


def test_the_environment_is_left_alone(cluster: Cluster, namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything in it points to another place, and whoever asks for any of it is seen."""
    poison = {
        "KUBECONFIG": "/nowhere",
        "K8S_API": "https://127.0.0.1:9",
        "K8S_TOKEN": "poison",
        "K8S_NAMESPACE": "poison",
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "ALL_PROXY": "http://127.0.0.1:9",
        "REQUESTS_CA_BUNDLE": "/nowhere",
        "CURL_CA_BUNDLE": "/nowhere",
        "HOME": "/nowhere",
        "KUBERNETES_SERVICE_HOST": "127.0.0.1",
        "KUBERNETES_SERVICE_PORT": "9",
    }
    asked: list[str] = []

    class Watched(dict[str, str]):
        def __getitem__(self, name: str) -> str:
            asked.append(name)
            return super().__getitem__(name)

        def get(self, name: str, default: str | None = None) -> str | None:  # type: ignore[override]
            asked.append(name)
            return super().get(name, default)

    monkeypatch.setattr(os, "environ", Watched(poison))
    with k8s_step.Cluster.from_kubeconfig(cluster.kubeconfig, namespace=namespace) as api:
        api.apply(config_map("web", tone="loud"))
        assert [one["metadata"]["name"] for one in api.list("cm")] == ["kube-root-ca.crt", "web"]
        api.delete("cm", "web")
    assert asked == []


def test_nothing_of_the_process_is_touched(api: k8s_step.Cluster, capfd: pytest.CaptureFixture[str]) -> None:
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)]
    hook = sys.unraisablehook
    api.apply(config_map("web"))
    with pytest.raises(NotFoundError):
        api.get("configmap", "nothing")
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)] == before
    assert sys.unraisablehook is hook
    assert capfd.readouterr() == ("", "")


def test_who_is_unknown(cluster: Cluster) -> None:
    with (
        k8s_step.Cluster(cluster.server, token="no-such-token", ca=str(cluster.ca)) as api,
        pytest.raises(UnauthorizedError) as refused,
    ):
        api.get("pod", "web")
    assert "no-such-token" not in str(refused.value) + repr(refused.value)


def test_nobody_answers() -> None:
    with k8s_step.Cluster("http://127.0.0.1:9", request_timeout=5) as api, pytest.raises(UnreachableError):
        api.get("pod", "web")


def test_what_is_closed(api: k8s_step.Cluster) -> None:
    api.close()
    with pytest.raises(StoppedError):
        api.get("configmap", "kube-root-ca.crt")


# -- reading


def test_get(api: k8s_step.Cluster) -> None:
    api.apply(deployment("web", replicas=0))
    for kind in ("deployment", "Deployment", "deploy", "deployments.apps", "apps/v1/deployments"):
        assert api.get(kind, "web")["spec"]["replicas"] == 0
    assert api.get("deploy", "web")["metadata"]["managedFields"][0]["manager"] == "k8s-step"
    with pytest.raises(NotFoundError) as missing:
        api.get("deploy", "nothing")
    assert missing.value.reason == "NotFound"
    assert missing.value.details["name"] == "nothing"
    with pytest.raises(InputError, match="gadget"):
        api.get("gadget", "web")


def test_list_in_pages(api: k8s_step.Cluster, cluster: Cluster) -> None:
    for number in range(7):
        made = config_map(f"map-{number}")
        made["metadata"]["labels"] = {"parity": "even" if number % 2 == 0 else "odd"}
        api.apply(made)
    assert [one["metadata"]["name"] for one in api.list("cm", limit=2, selector="parity")] == [
        f"map-{number}" for number in range(7)
    ]
    assert len(list(api.list("configmaps", selector="parity in (odd)"))) == 3
    assert [one["kind"] for one in api.list("cm", fields="metadata.name=map-3")] == ["ConfigMap"]
    everywhere = {one["metadata"]["namespace"] for one in api.list("cm", all_namespaces=True, limit=50)}
    assert {api.namespace, "kube-system"} <= everywhere
    assert api.namespace in [one["metadata"]["name"] for one in api.list("namespaces")]
    with pytest.raises(InputError, match="selector="):
        api.list("cm", selector="parity in ()")


def test_an_unfinished_list_needs_no_care(api: k8s_step.Cluster) -> None:
    pages = api.list("cm", all_namespaces=True, limit=1)
    assert next(pages)["kind"] == "ConfigMap"
    assert next(pages)["kind"] == "ConfigMap"


# -- writing


def test_apply(api: k8s_step.Cluster, cluster: Cluster) -> None:
    assert api.apply(config_map("web", tone="loud"), dry_run=True).action == "created"
    made = api.apply(config_map("web", tone="loud"))
    assert (made.action, made.object["data"]) == ("created", {"tone": "loud"})
    assert api.apply(config_map("web", tone="loud")).action == "unchanged"
    assert api.apply(config_map("web", tone="low")).action == "configured"
    assert cluster.get(f"{MAPS.format(api.namespace)}/web")["data"] == {"tone": "low"}


def test_a_dry_run_says_what_an_apply_does(api: k8s_step.Cluster) -> None:
    """Which is no release: it neither runs a Job once more nor deletes what can't change."""
    runs = job("migrate", "shop/job-ok:1")
    runs["metadata"]["annotations"] = {"k8s-step/run": "always", "k8s-step/on-immutable": "recreate"}
    assert api.apply(runs).action == "created"
    assert [api.apply(runs, dry_run=dry_run).action for dry_run in (True, False)] == ["unchanged", "unchanged"]
    runs["spec"]["template"]["spec"]["containers"][0]["image"] = "shop/job-ok:2"
    for dry_run in (True, False):
        with pytest.raises(InvalidError, match="can't change"):
            api.apply(runs, dry_run=dry_run)


def test_the_namespace_of_an_object(api: k8s_step.Cluster, cluster: Cluster) -> None:
    """Its own, else the one that is asked for, else the connection's."""
    with k8s_step.Cluster.from_kubeconfig(cluster.kubeconfig, namespace="elsewhere") as other:
        assert other.apply(config_map("one", api.namespace)).object["metadata"]["namespace"] == api.namespace
        assert other.apply(config_map("two"), namespace=api.namespace).action == "created"
        with pytest.raises(NotFoundError, match="elsewhere"):
            other.apply(config_map("three"))
    assert {"one", "two"} <= {one["metadata"]["name"] for one in api.list("cm")}


def test_secret_values_are_in_no_repr(api: k8s_step.Cluster) -> None:
    made = api.apply(obj("v1", "Secret", "key", stringData={"password": "hunter2-hunter2"}))
    assert "hunter2" not in repr(made) and "aHVudGVyMi1o" not in repr(made)


def test_a_conflict_names_field_and_manager(api: k8s_step.Cluster, cluster: Cluster) -> None:
    api.apply(config_map("web", tone="loud"))
    with k8s_step.Cluster.from_kubeconfig(cluster.kubeconfig, namespace=api.namespace, field_manager="other") as other:
        with pytest.raises(ConflictError) as conflict:
            other.apply(config_map("web", tone="low"))
        (cause,) = conflict.value.causes
        assert (cause["reason"], cause["field"]) == ("FieldManagerConflict", ".data.tone")
        assert 'conflict with "k8s-step"' in cause["message"]
        assert conflict.value.reason == "Conflict"
        assert "force=True" in str(conflict.value)
        assert "--" not in str(conflict.value)
        assert other.apply(config_map("web", tone="low"), force=True).action == "configured"


def test_what_is_invalid(api: k8s_step.Cluster) -> None:
    with pytest.raises(InvalidError) as invalid:
        api.apply(obj("v1", "Service", "web", spec={"ports": [{"port": 0}]}))
    assert invalid.value.code == 422
    assert "spec.ports[0].port" in [cause["field"] for cause in invalid.value.causes]
    with pytest.raises(InvalidError, match="field not declared in schema"):
        api.apply(obj("v1", "ConfigMap", "web", dta={"a": "b"}))


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"kind": "ConfigMap", "metadata": {"name": "web"}}, "apiVersion is missing"),
        ({"apiVersion": "v1", "kind": "ConfigMap"}, "metadata is missing"),
        ({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": 7}}, "metadata.name is a number"),
        ({"apiVersion": "v1", "kind": "Gadget", "metadata": {"name": "web"}}, "no kind Gadget"),
        (config_map("web", "elsewhere"), "its namespace is elsewhere"),
    ],
    ids=["no apiVersion", "no metadata", "no name", "no such kind", "another namespace"],
)
def test_what_is_no_object(api: k8s_step.Cluster, wrong: dict[str, object], told: str) -> None:
    with pytest.raises(InputError, match=told) as mistake:
        api.apply(wrong, namespace=api.namespace)
    assert not str(mistake.value).startswith(":")


def test_patch(api: k8s_step.Cluster, cluster: Cluster) -> None:
    api.apply(deployment("web", replicas=0))
    assert api.patch("deploy", "web", {"spec": {"paused": True}}).action == "configured"
    assert api.patch("deploy", "web", {"spec": {"paused": True}}, type=PatchType.MERGE).action == "unchanged"
    operations = [{"op": "replace", "path": "/spec/paused", "value": False}]
    assert api.patch("deploy", "web", operations, type=PatchType.JSON).action == "configured"
    scaled = api.patch("deploy", "web", {"spec": {"replicas": 1}}, type=PatchType.MERGE, subresource="scale")
    assert scaled.object["kind"] == "Scale"
    assert api.patch("deploy", "web", {"spec": {"replicas": 2}}, dry_run=True).object["spec"]["replicas"] == 2
    assert api.get("deploy", "web")["spec"]["replicas"] == 1
    own = {"metadata": {"labels": {"a": "b"}}}
    assert api.patch("cm", "new", own, type=PatchType.APPLY).action == "created"
    with pytest.raises(NotFoundError):
        api.patch("deploy", "nothing", {"spec": {"paused": True}})


def test_patches_that_are_none(api: k8s_step.Cluster) -> None:
    with pytest.raises(InputError, match="list of operations"):
        api.patch("cm", "web", {"a": "b"}, type=PatchType.JSON)
    with pytest.raises(InputError, match="not a mapping"):
        api.patch("cm", "web", [{"op": "remove", "path": "/data"}])
    with pytest.raises(InputError, match=r"operation \[0\]"):
        api.patch("cm", "web", [{"op": "burn", "path": "/data"}], type=PatchType.JSON)


def test_custom_resources(api: k8s_step.Cluster, cluster: Cluster) -> None:
    made = definition("gadgets.example.com", "Gadget")
    api.apply(made)
    try:
        widget = custom("gadgets.example.com", "one", "Gadget", spec={"size": 3})
        for _ in range(600):
            try:
                assert api.apply(widget).action == "created"
                break
            except NotFoundError:  # not served yet
                continue
        assert api.get("gadget", "one")["spec"] == {"size": 3}
        with pytest.raises(UnsupportedMediaTypeError, match="type="):
            api.patch("gadget", "one", {"spec": {"size": 4}})
    finally:
        api.delete("crd", made["metadata"]["name"], wait=False)


def test_delete(api: k8s_step.Cluster, cluster: Cluster) -> None:
    api.apply(config_map("web"))
    api.delete("cm", "web", dry_run=True)
    assert api.get("cm", "web")
    api.delete("cm", "web")
    assert cluster.request("GET", f"{MAPS.format(api.namespace)}/web").code == 404
    with pytest.raises(NotFoundError) as missing:
        api.delete("cm", "web")
    assert "--" not in str(missing.value)
    api.delete("cm", "web", ignore_not_found=True)


def test_delete_waits_until_it_is_gone(api: k8s_step.Cluster) -> None:
    made = config_map("held")
    made["metadata"]["finalizers"] = ["test.k8s-step/held"]
    api.apply(made)
    with pytest.raises(TimedOutError, match=r"test\.k8s-step/held"):
        api.delete("cm", "held", timeout="5s")
    release = threading.Thread(
        target=api.patch,
        args=("cm", "held", {"metadata": {"finalizers": None}}),
        kwargs={"type": PatchType.MERGE},
    )
    release.start()
    api.delete("cm", "held", timeout=60, ignore_not_found=True)
    release.join()
    with pytest.raises(NotFoundError):
        api.get("cm", "held")


# -- watching


def told(changes: Iterator[Change], count: int) -> list[tuple[str, str, bool]]:
    found = [next(changes) for _ in range(count)]
    return [(one.type, one.object["metadata"]["name"], one.is_initial) for one in found]


def test_watch(api: k8s_step.Cluster) -> None:
    api.apply(labelled("one"))
    changes = api.watch("cm", selector="watched", timeout="2m")
    assert told(changes, 1) == [("ADDED", "one", True)]
    api.apply(labelled("two", tone="loud"))
    api.apply(labelled("two", tone="low"))
    api.delete("cm", "one")
    assert told(changes, 3) == [("ADDED", "two", False), ("MODIFIED", "two", False), ("DELETED", "one", False)]
    changes.close()  # type: ignore[attr-defined]


def test_watch_one(api: k8s_step.Cluster) -> None:
    api.apply(config_map("one"))
    changes = api.watch("configmap", "one", only_new=True, timeout="2m")
    poll(lambda: api.apply(config_map("two")), "another object")
    toggled = threading.Event()

    def change() -> None:
        for number in itertools.count():
            api.apply(config_map("one", number=str(number)))
            if toggled.wait(0.2):
                return

    changing = threading.Thread(target=change)
    changing.start()
    try:
        assert told(changes, 2) == [("MODIFIED", "one", False)] * 2
    finally:
        toggled.set()
        changing.join()


def test_a_watch_ends_in_time(api: k8s_step.Cluster) -> None:
    found = list(api.watch("cm", timeout=5))
    assert [one.object["metadata"]["name"] for one in found] == ["kube-root-ca.crt"]


def test_a_watch_that_is_left_leaves_no_thread(api: k8s_step.Cluster) -> None:
    before = threading.active_count()
    for _ in range(5):
        for _ in api.watch("cm", all_namespaces=True):
            break
    poll(lambda: threading.active_count() <= before, "the threads to end")


@pytest.mark.parametrize("fault", [faults.cut_watch(1), faults.gone_event(1)], ids=["cut", "410"])
def test_a_watch_outlives(fault: faults.Action, api: k8s_step.Cluster, proxy: Proxy) -> None:
    api.apply(labelled("one"))
    proxy.rule(faults.on("GET", "/configmaps$", watch=True), fault, times=2)
    with k8s_step.Cluster.from_kubeconfig(proxy.kubeconfig, namespace=api.namespace) as through:
        changes = through.watch("cm", selector="watched", timeout="2m")
        assert told(changes, 1) == [("ADDED", "one", True)]
        for name in ("two", "three", "four"):
            api.apply(labelled(name))
            assert told(changes, 1) == [("ADDED", name, False)]


def test_what_may_not_be_watched(cluster: Cluster, namespace: str) -> None:
    token = cluster.token(namespace, rules=[{"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]}])
    with k8s_step.Cluster(cluster.server, token=token, ca=str(cluster.ca), namespace=namespace) as api:
        with pytest.raises(ForbiddenError):
            next(api.watch("secrets"))
        assert list(api.watch("pods", timeout=1)) == []


def test_delete_by_uid(api: k8s_step.Cluster) -> None:
    first = api.apply(config_map("web")).object["metadata"]["uid"]
    api.delete("cm", "web", uid="another")
    assert api.get("cm", "web")
    api.delete("cm", "web", uid=first)
    api.delete("cm", "web", uid=first)
    with pytest.raises(NotFoundError):
        api.get("cm", "web")


# -- following


def test_a_good_rollout(api: k8s_step.Cluster, played: Cluster) -> None:
    api.apply(deployment("web", "app:1", replicas=2))
    verdict = api.follow("deployment/web", timeout="2m")
    assert (verdict.state, verdict.is_current, verdict.failures) == (State.CURRENT, True, ())
    (web,) = verdict.objects
    assert (web.kind, web.name, web.status, web.message) == ("Deployment", "web", "current", "2 of 2 pods ready")
    assert api.follow("deploy/web", f"cm/{'kube-root-ca.crt'}").is_current


def test_a_failing_image(api: k8s_step.Cluster, played: Cluster, capfd: pytest.CaptureFixture[str]) -> None:
    """The verdict and its evidence, and not a word on any stream."""
    api.apply(deployment("web", "shop/pull-fail:2"))
    told: list[Progress] = []
    verdict = api.follow("deployment/web", timeout=120, on_progress=told.append)
    assert (verdict.state, verdict.is_current) == (State.FAILED, False)
    assert (told[-1].object, told[-1].state) == (f"apps/v1/Deployment/{api.namespace}/web", State.FAILED)
    (failure,) = verdict.failures
    assert failure.object == f"apps/v1/Deployment/{api.namespace}/web"
    assert failure.reason in ("ErrImagePull", "ImagePullBackOff")
    assert "not found" in failure.message
    assert (failure.container, failure.image) == ("app", "shop/pull-fail:2")
    assert failure.pod and failure.pod.startswith("web-")
    assert any("not found" in line for line in failure.events)
    assert failure.advice and failure.check
    assert capfd.readouterr() == ("", "")


def test_no_time_left(api: k8s_step.Cluster, played: Cluster) -> None:
    api.apply(deployment("web", "shop/never-ready:2"))
    verdict = api.follow("deployment/web", timeout="3s")
    assert (verdict.state, verdict.is_current) == (State.IN_PROGRESS, False)
    (failure,) = verdict.failures
    assert failure.object.endswith("/Deployment/" + api.namespace + "/web")


def test_what_goes_while_it_is_followed(api: k8s_step.Cluster, played: Cluster) -> None:
    api.apply(deployment("web", "shop/never-ready:2"))
    deletion = threading.Thread(target=lambda: api.delete("deploy", "web", wait=False))

    def delete_once(_: Progress) -> None:
        if not deletion.ident:
            deletion.start()

    verdict = api.follow("deployment/web", timeout=120, on_progress=delete_once)
    deletion.join()
    assert verdict.state is State.NOT_FOUND


def test_what_cannot_be_followed(api: k8s_step.Cluster) -> None:
    with pytest.raises(NotFoundError) as missing:
        api.follow("deployment/web")
    assert missing.value.details["kind"] == "deployments"
    with pytest.raises(InputError, match="deployment/NAME"):
        api.follow("deployment")


# -- releasing


def of_the_command_line(outcome: Outcome) -> Result:
    assert outcome.report is not None
    return Result.of(outcome.report)


def timeless(result: Result) -> Result:
    """Without what differs from run to run: times, names of pods, and the order of what is done at once."""
    objects = sorted((replace(one, seconds=0.0) for one in result.objects), key=lambda one: (one.kind, one.name))
    evidence = {"pod": "", "node": "", "events": (), "reason": "", "message": ""}
    failures = tuple(replace(one, **evidence) for one in result.failures)
    told = replace(result, started="", seconds=0.0, objects=tuple(objects), failures=failures)
    return replace(told, context=None)


@pytest.mark.parametrize(
    ("image", "options", "words"),
    [
        ("app:1", {}, ()),
        ("app:1", {"dry_run": True}, ("--dry-run",)),
        ("app:1", {"wait": False, "preflight": False}, ("--no-wait", "--no-preflight")),
        (
            "shop/pull-fail:2",
            {"timeout": "2m", "rollback_on_failure": True},
            ("--timeout", "2m", "--rollback-on-failure"),
        ),
        ("shop/pull-fail:2", {"timeout": 120}, ("--timeout", "120")),
    ],
    ids=["good", "dry run", "not followed", "rolled back", "failed"],
)
def test_a_release_is_what_the_command_line_makes_of_it(
    cluster: Cluster,
    played: Cluster,
    namespace: str,
    step: Step,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    image: str,
    options: ReleaseOptions,
    words: tuple[str, ...],
) -> None:
    """Both begin with nothing there."""
    path = write(tmp_path / "shop.yaml", config_map(tone="${TONE}"), deployment("web", "${IMAGE}"))
    values = {"TONE": "loud", "IMAGE": image}
    vars = [word for name, value in values.items() for word in ("--var", f"{name}={value}")]
    expected = of_the_command_line(step("apply", "-f", path, "-n", namespace, *vars, *words, report=True))
    with k8s_step.Cluster.from_kubeconfig(cluster.kubeconfig, namespace=namespace) as api:
        for kind, name in (("deployment", "web"), ("configmap", "settings")):
            api.delete(kind, name, cascade="foreground", ignore_not_found=True)
        capfd.readouterr()
        result = release(path, api, variables=values, **options)
        assert capfd.readouterr() == ("", "")
    assert timeless(result) == timeless(expected)
    assert result.server == cluster.server


def test_a_release_that_is_refused(cluster: Cluster, namespace: str, step: Step, tmp_path: Path) -> None:
    token = cluster.token(namespace, rules=[{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}])
    path = write(tmp_path / "map.yaml", config_map(tone="loud"))
    env = {"K8S_API": cluster.server, "K8S_TOKEN": token, "K8S_CA": str(cluster.ca), "KUBECONFIG": None}
    expected = of_the_command_line(step("apply", "-f", path, "-n", namespace, env=env, report=True))
    with k8s_step.Cluster(cluster.server, token=token, ca=str(cluster.ca), namespace=namespace) as api:
        result = api.release([tmp_path / "map.yaml"])
        with pytest.raises(NotFoundError):
            api.get("configmap", "settings")
    assert (result.result, result.exit_code, result.succeeded) == ("refused", 4, False)
    assert timeless(result) == timeless(expected)
    assert "cannot patch" in result.objects[0].errors[0].message


def test_a_release_masks_what_its_secrets_hold(api: k8s_step.Cluster, tmp_path: Path) -> None:
    secret = obj("v1", "Secret", "key", data={"password": "correct-horse-battery"})
    result = api.release(write(tmp_path / "key.yaml", secret))
    assert result.result == "refused"
    assert "correct-horse-battery" not in repr(result)


def test_variables_of_the_environment_count_where_they_are_given(
    api: k8s_step.Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TONE", "of the process")
    path = write(tmp_path / "map.yaml", config_map(tone="${TONE}"))
    assert api.release(path).result == "invalid"
    assert api.release(path, environ={"TONE": "given"}).succeeded
    assert api.get("configmap", "settings")["data"] == {"tone": "given"}


def test_the_namespace_of_a_release(api: k8s_step.Cluster, tmp_path: Path) -> None:
    """The connection's is for objects that name none; one that is asked for, for all."""
    path = write(tmp_path / "maps.yaml", config_map("own", "default"), config_map("none"))
    result = api.release(path, dry_run=True)
    assert {one.name: one.namespace for one in result.objects} == {"own": "default", "none": api.namespace}
    assert api.release(path, namespace=api.namespace).result == "invalid"


def test_many_threads(api: k8s_step.Cluster) -> None:
    actions: list[str] = []
    threads = [
        threading.Thread(target=lambda number=number: actions.append(api.apply(config_map(f"map-{number}")).action))
        for number in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert actions == ["created"] * 20
    assert len(list(api.list("cm"))) == 21


def test_the_page(
    cluster: Cluster, played: Cluster, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What docs/python.md shows, in its order."""
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    for context in config["contexts"]:
        context["context"]["namespace"] = namespace
    (tmp_path / "config").write_text(yaml.safe_dump(config))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    monkeypatch.chdir(ROOT)
    page = ROOT / "docs" / "python.md"
    found = doctest.DocTestParser().get_doctest(page.read_text(), {}, page.name, str(page), 0)
    told: list[str] = []
    result = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(found, out=told.append)
    assert (result.failed, "".join(told)) == (0, "")
    assert result.attempted > 10


def test_a_program_of_its_own(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    """As a user runs it, without anything of the tests around."""
    program = (
        "from k8s_step import Cluster\n"
        f"with Cluster.from_environment({{'KUBECONFIG': {str(cluster.kubeconfig)!r}}}) as cluster:\n"
        f"    print(cluster.get('configmap', 'kube-root-ca.crt', namespace={namespace!r})['metadata']['name'])\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "kube-root-ca.crt\n", "")
