"""``replace`` against the real control plane: what kubectl replace makes, and never over somebody's head."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import Kubectl, Outcome, Step
from tests.controlplane.cluster import Cluster
from tests.faults.proxy import Proxy, cut_after, meanwhile, on
from tests.integration.objects import config_map, custom, definition, deployment, obj, pod, service, through, write
from tests.integration.outcomes import actions, statuses
from tests.integration.twins import bare, live


def labelled(made: dict[str, Any], **labels: str) -> dict[str, Any]:
    return {**made, "metadata": {**made["metadata"], "labels": labels}}


def replaced(made: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {**made, "spec": {**made["spec"], **spec}}


CHANGES = [
    pytest.param(config_map("one", a="1", b="2"), config_map("one", b="3", c="4"), id="ConfigMap"),
    pytest.param(labelled(config_map("one"), team="shop"), config_map("one"), id="a label is dropped"),
    pytest.param(
        obj("v1", "Secret", "one", stringData={"a": "first-value"}),
        obj("v1", "Secret", "one", stringData={"a": "other-value"}),
        id="Secret",
    ),
    pytest.param(deployment("one", replicas=2), deployment("one", "shop/web:2"), id="Deployment"),
    pytest.param(
        service("one"), replaced(service("one"), ports=[{"port": 81}]), id="Service, whose address stays what it was"
    ),
]


@pytest.mark.parametrize(("before", "after"), CHANGES)
def test_makes_what_kubectl_makes(
    before: dict[str, Any],
    after: dict[str, Any],
    step: Step,
    kubectl: Kubectl,
    namespace: str,
    twin: str,
    tmp_path: Path,
) -> None:
    word = f"{before['kind']}/one"
    for where in (namespace, twin):
        kubectl("create", "-n", where, "-f", write(tmp_path / "before.yaml", before))
    was = live(kubectl, namespace, word)
    path = write(tmp_path / "after.yaml", after)
    outcome = step("replace", "-f", path, "-n", namespace, report=True)
    assert (outcome.code, actions(outcome), statuses(outcome)) == (0, {word: "replaced"}, {word: "current"}), (
        outcome.text
    )
    kubectl("replace", "-n", twin, "-f", path)
    now = live(kubectl, namespace, word)
    assert bare(now) == bare(live(kubectl, twin, word))
    assert now["metadata"]["uid"] == was["metadata"]["uid"]
    assert now["spec"].get("clusterIP") == was["spec"].get("clusterIP") if "spec" in now else True
    assert "-value" not in outcome.text


def test_a_second_time_it_is_unchanged(step: Step, kubectl: Kubectl, namespace: str, tmp_path: Path) -> None:
    path = write(tmp_path / "release.yaml", config_map(tone="soft"), config_map("other", a="b"))
    kubectl("create", "-n", namespace, "-f", path)
    write(tmp_path / "release.yaml", config_map(tone="loud"), config_map("other", a="b"))
    first = step("replace", "-f", path, "-n", namespace, report=True)
    assert actions(first) == {"ConfigMap/settings": "replaced", "ConfigMap/other": "unchanged"}
    version = live(kubectl, namespace, "configmap/settings")["metadata"]["resourceVersion"]
    second = step("replace", "-f", path, "-n", namespace, report=True)
    assert actions(second) == {"ConfigMap/settings": "unchanged", "ConfigMap/other": "unchanged"}
    assert live(kubectl, namespace, "configmap/settings")["metadata"]["resourceVersion"] == version


@pytest.mark.parametrize(("data", "action"), [("loud", "replaced"), ("soft", "unchanged")])
def test_dry_run_changes_nothing(
    data: str, action: str, step: Step, kubectl: Kubectl, namespace: str, tmp_path: Path
) -> None:
    kubectl("create", "-n", namespace, "-f", write(tmp_path / "before.yaml", config_map(tone="soft")))
    before = live(kubectl, namespace, "configmap/settings")
    path = write(tmp_path / "release.yaml", config_map(tone=data))
    outcome = step("replace", "-f", path, "-n", namespace, "--dry-run", report=True)
    assert (outcome.code, actions(outcome)) == (0, {"ConfigMap/settings": action})
    assert live(kubectl, namespace, "configmap/settings") == before


# -- optimistic locking


@pytest.fixture
def pinned(kubectl: Kubectl, namespace: str, tmp_path: Path) -> Path:
    """A manifest as read from the server, with its resourceVersion, and edited since."""
    kubectl("create", "-n", namespace, "-f", write(tmp_path / "before.yaml", config_map(tone="soft", pitch="low")))
    read = live(kubectl, namespace, "configmap/settings")
    read["data"]["tone"] = "loud"
    path = tmp_path / "pinned.yaml"
    path.write_text(yaml.safe_dump(read))
    return path


def by_night_shift(kubectl: Kubectl, namespace: str, **data: str | None) -> None:
    body = json.dumps({"data": data})
    manager = "--field-manager=night-shift"
    kubectl("-n", namespace, "patch", "configmap", "settings", "--type", "merge", "-p", body, manager)


def test_a_manifest_of_the_present_version_goes_through(pinned: Path, step: Step, namespace: str) -> None:
    outcome = step("replace", "-f", str(pinned), "-n", namespace, report=True)
    assert (outcome.code, actions(outcome)) == (0, {"ConfigMap/settings": "replaced"}), outcome.text


def test_a_stale_manifest_is_told_who_changed_what_since(
    pinned: Path, step: Step, kubectl: Kubectl, namespace: str, proxy: Proxy
) -> None:
    by_night_shift(kubectl, namespace, tone="shrill", pitch=None)
    kubectl("-n", namespace, "label", "configmap", "settings", "team=night", "--field-manager=labeller")
    options = ("-n", namespace, "--retry-conflicts", "5")
    outcome = step("replace", "-f", str(pinned), *options, env=through(proxy), report=True)
    assert (outcome.code, actions(outcome)) == (4, {"ConfigMap/settings": "none"})
    version = yaml.safe_load(pinned.read_text())["metadata"]["resourceVersion"]
    said = outcome.stderr
    assert f"pinned.yaml:1: configmap/{namespace}/settings: it changed since resourceVersion {version}: " in said
    assert ".data.tone by night-shift (Update, " in said
    assert ".metadata.labels.team by labeller (Update, " in said
    assert ".data.pitch is gone" in said
    assert "take metadata.resourceVersion out of it" in said
    assert live(kubectl, namespace, "configmap/settings")["data"] == {"tone": "shrill"}
    assert len(proxy.writes) == 1, "a manifest that names its version is not tried again with another"

    ours = pinned.read_text()
    theirs = kubectl("replace", "-n", namespace, "-f", "-", input=ours, check=False)
    assert theirs.returncode == 1 and "has been modified" in theirs.stderr, "kubectl refuses it too"


def test_a_version_the_server_has_forgotten(pinned: Path, step: Step, kubectl: Kubectl, namespace: str) -> None:
    by_night_shift(kubectl, namespace, tone="shrill")
    made = yaml.safe_load(pinned.read_text())
    made["metadata"]["resourceVersion"] = "1"
    pinned.write_text(yaml.safe_dump(made))
    outcome = step("replace", "-f", str(pinned), "-n", namespace)
    assert outcome.code == 4
    assert "it is not as it was at resourceVersion 1; the last change was " in outcome.stderr
    assert ".data.tone by night-shift" in outcome.stderr


@pytest.mark.parametrize(
    ("races", "options", "code", "writes"),
    [
        pytest.param(1, (), 4, 1, id="once, and no retry was asked for"),
        pytest.param(1, ("--retry-conflicts", "1"), 0, 2, id="once, and once more"),
        pytest.param(2, ("--retry-conflicts", "1"), 4, 2, id="more often than retried"),
        pytest.param(2, ("--retry-conflicts", "3"), 0, 3, id="twice, and tried until it goes through"),
    ],
)
def test_a_change_in_the_middle(
    races: int,
    options: tuple[str, ...],
    code: int,
    writes: int,
    step: Step,
    kubectl: Kubectl,
    namespace: str,
    proxy: Proxy,
    tmp_path: Path,
) -> None:
    kubectl("create", "-n", namespace, "-f", write(tmp_path / "before.yaml", config_map(tone="soft")))
    tones = iter(["shrill", "squeaky"])
    act = meanwhile(lambda: by_night_shift(kubectl, namespace, tone=next(tones)))
    proxy.rule(on("PUT"), act, times=races)
    path = write(tmp_path / "release.yaml", config_map(tone="loud"))
    outcome = step("replace", "-f", path, "-n", namespace, *options, env=through(proxy), report=True)
    assert (outcome.code, len(proxy.writes)) == (code, writes), outcome.text
    tone = live(kubectl, namespace, "configmap/settings")["data"]["tone"]
    assert tone == ("loud" if code == 0 else {1: "shrill", 2: "squeaky"}[races])
    if code:
        assert ".data.tone by night-shift" in outcome.stderr and "--retry-conflicts N" in outcome.stderr


def told(*body: dict[str, Any]) -> list[tuple[str, ...]]:
    """The words for ``kubectl patch`` that write each of these statuses."""
    return [("--subresource=status", "--type=merge", "-p", json.dumps({"status": one})) for one in body]


def counted(*revision: str) -> list[tuple[str, ...]]:
    """The words for ``kubectl patch`` that write each of these revisions."""
    annotated = [{"metadata": {"annotations": {"deployment.kubernetes.io/revision": one}}} for one in revision]
    return [("--type=merge", "-p", json.dumps(one)) for one in annotated]


STATUSES = told({"conditions": [{"type": "Told", "status": "True"}]}, {"conditions": None})
CONTROLLERS = pytest.mark.parametrize("theirs", [STATUSES, counted("1", "2")], ids=["the status", "the revision"])


@CONTROLLERS
def test_what_a_controller_writes_in_the_middle_is_no_conflict(
    theirs: list[tuple[str, ...]], step: Step, kubectl: Kubectl, namespace: str, proxy: Proxy, tmp_path: Path
) -> None:
    """A PUT leaves the status as it is, so that it may be sent again, whoever has written that."""
    kubectl("create", "-n", namespace, "-f", write(tmp_path / "before.yaml", service("one")))
    words = iter(theirs)
    proxy.rule(on("PUT"), meanwhile(lambda: kubectl("-n", namespace, "patch", "service", "one", *next(words))), times=2)
    path = write(tmp_path / "release.yaml", labelled(service("one"), team="shop"))
    outcome = step("replace", "-f", path, "-n", namespace, env=through(proxy), report=True)
    assert (outcome.code, actions(outcome), len(proxy.writes)) == (0, {"Service/one": "replaced"}, 3), outcome.text
    assert live(kubectl, namespace, "service/one")["metadata"]["labels"] == {"team": "shop"}


@CONTROLLERS
def test_what_a_controller_writes_while_a_lost_answer_is_looked_into(
    theirs: list[tuple[str, ...]], step: Step, kubectl: Kubectl, namespace: str, proxy: Proxy, tmp_path: Path
) -> None:
    """The look compares by a dry run, which what was written since the read refuses: it is looked at once more."""
    kubectl("create", "-n", namespace, "-f", write(tmp_path / "before.yaml", service("one")))
    proxy.rule(
        on("PUT", query={"dryRun": "All"}),
        meanwhile(lambda: kubectl("-n", namespace, "patch", "service", "one", *theirs[0])),
    )
    proxy.rule(on("PUT"), cut_after())
    path = write(tmp_path / "release.yaml", labelled(service("one"), team="shop"))
    outcome = step("replace", "-f", path, "-n", namespace, env=through(proxy), report=True)
    assert (outcome.code, actions(outcome)) == (0, {"Service/one": "replaced"}), outcome.text


def test_a_status_that_never_rests_is_a_conflict_in_the_end(
    step: Step, kubectl: Kubectl, namespace: str, proxy: Proxy, tmp_path: Path
) -> None:
    kubectl("create", "-n", namespace, "-f", write(tmp_path / "before.yaml", service("one")))
    count = iter(range(100))

    def act() -> None:
        condition = {"type": "Told", "status": "True", "reason": f"R{next(count)}", "message": ""}
        (words,) = told({"conditions": [{**condition, "lastTransitionTime": "2026-11-26T10:00:00Z"}]})
        kubectl("-n", namespace, "patch", "service", "one", *words)

    proxy.rule(on("PUT"), meanwhile(act), times=None)
    path = write(tmp_path / "release.yaml", labelled(service("one"), team="shop"))
    outcome = step("replace", "-f", path, "-n", namespace, env=through(proxy))
    assert (outcome.code, len(proxy.writes)) == (4, 11), outcome.text
    assert ".status.conditions" in outcome.stderr


def test_a_status_that_is_no_subresource_is_a_field_like_any_other(
    step: Step, kubectl: Kubectl, namespace: str, proxy: Proxy, tmp_path: Path
) -> None:
    group = f"{namespace}.example.com"
    made = definition(group)
    del made["spec"]["versions"][0]["subresources"]
    kubectl("create", "-f", write(tmp_path / "crd.yaml", made))
    kubectl("wait", "--for", "condition=Established", f"crd/widgets.{group}")
    try:
        kubectl("create", "-n", namespace, "-f", write(tmp_path / "before.yaml", custom(group, "one", spec={"a": 1})))
        words = ("patch", f"widgets.{group}", "one", "--type=merge", "-p", '{"status": {"phase": "Busy"}}')
        proxy.rule(on("PUT"), meanwhile(lambda: kubectl("-n", namespace, *words)))
        path = write(tmp_path / "release.yaml", custom(group, "one", spec={"a": 2}))
        outcome = step("replace", "-f", path, "-n", namespace, env=through(proxy))
        assert (outcome.code, len(proxy.writes)) == (4, 1), outcome.text
        assert ".status.phase" in outcome.stderr
    finally:
        kubectl("delete", f"crd/widgets.{group}", check=False)


@pytest.mark.parametrize(
    ("made_anew", "words"), [(False, "it was deleted meanwhile"), (True, "it was deleted and created anew")]
)
def test_deleted_in_the_middle(
    made_anew: bool, words: str, step: Step, kubectl: Kubectl, namespace: str, proxy: Proxy, tmp_path: Path
) -> None:
    path = write(tmp_path / "release.yaml", config_map(tone="soft"))
    kubectl("create", "-n", namespace, "-f", path)

    def act() -> None:
        kubectl("-n", namespace, "delete", "configmap", "settings")
        if made_anew:
            kubectl("create", "-n", namespace, "configmap", "settings")

    proxy.rule(on("PUT"), meanwhile(act))
    outcome = step("replace", "-f", path, "-n", namespace, env=through(proxy))
    assert outcome.code == 4
    assert words in outcome.stderr, outcome.text


# -- refusals


def test_what_is_not_there_is_not_created(step: Step, kubectl: Kubectl, namespace: str, tmp_path: Path) -> None:
    outcome = step("replace", "-f", write(tmp_path / "release.yaml", config_map()), "-n", namespace)
    assert outcome.code == 4
    assert "it is not there (k8s-step create creates it, k8s-step apply creates or updates)" in outcome.stderr
    assert kubectl("-n", namespace, "get", "configmap", "settings", check=False).returncode == 1


def test_a_field_that_cannot_change(step: Step, kubectl: Kubectl, namespace: str, tmp_path: Path) -> None:
    kubectl("create", "-n", namespace, "-f", write(tmp_path / "before.yaml", deployment()))
    other = deployment()
    other["spec"]["selector"]["matchLabels"]["app"] = "other"
    other["spec"]["template"]["metadata"]["labels"]["app"] = "other"
    outcome = step("replace", "-f", write(tmp_path / "release.yaml", other), "-n", namespace)
    assert outcome.code == 4
    assert "spec.selector" in outcome.stderr and "field is immutable" in outcome.stderr
    assert "delete it and create it anew" in outcome.stderr


def test_a_pod_that_cannot_change(step: Step, kubectl: Kubectl, namespace: str, tmp_path: Path) -> None:
    path = write(tmp_path / "release.yaml", pod("one", "x/web"))
    kubectl("create", "-n", namespace, "-f", path)
    other = pod("one", "x/web")
    other["spec"]["containers"][0] |= {"name": "other", "env": [{"name": "A", "value": "s3cret-value"}]}
    outcome = step("replace", "-f", write(tmp_path / "release.yaml", other), "-n", namespace)
    assert outcome.code == 4
    assert "may not change fields other than" in outcome.stderr and "delete it and create it anew" in outcome.stderr
    assert "s3cret" not in outcome.text and len(outcome.stderr.splitlines()) < 6, "the server's diff is left out"


def test_a_token_that_may_not_read_is_told_the_way_out(
    step: Step, cluster: Cluster, kubectl: Kubectl, namespace: str, tmp_path: Path
) -> None:
    kubectl("create", "-n", namespace, "-f", write(tmp_path / "before.yaml", config_map(tone="soft")))
    token = cluster.token(namespace, rules=[{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["update"]}])
    env = {"KUBECONFIG": None, "K8S_API": cluster.server, "K8S_CA": str(cluster.ca), "K8S_TOKEN": token}

    def run(made: dict[str, Any]) -> Outcome:
        path = write(tmp_path / "release.yaml", made)
        return step("replace", "-f", path, "-n", namespace, env=env, report=True)

    made = config_map(tone="loud")
    refused = run(made)
    assert refused.code == 4 and "allow get, or name a metadata.resourceVersion" in refused.stderr
    version = live(kubectl, namespace, "configmap/settings")["metadata"]["resourceVersion"]
    made["metadata"]["resourceVersion"] = version
    assert actions(run(made)) == {"ConfigMap/settings": "replaced"}


def test_a_broken_release_is_followed_to_its_failure(
    step: Step, kubectl: Kubectl, namespace: str, tmp_path: Path
) -> None:
    kubectl("create", "-n", namespace, "-f", write(tmp_path / "before.yaml", deployment()))
    path = write(tmp_path / "release.yaml", deployment(image="shop/pull-fail:2"))
    outcome = step("replace", "-f", path, "-n", namespace, report=True)
    assert (outcome.code, statuses(outcome)) == (1, {"Deployment/web": "failed"}), outcome.text
