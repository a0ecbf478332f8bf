"""``create`` against the real control plane: what it makes is what ``kubectl create`` makes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import Kubectl, Step
from tests.controlplane.cluster import Cluster
from tests.faults.proxy import Proxy
from tests.integration.objects import config_map, deployment, job, obj, service, through, write
from tests.integration.outcomes import actions, objects, statuses, the_failure
from tests.integration.twins import bare, live

KINDS = [
    config_map("one", tone="loud", lines="a\nb: c\n---\n", unicode="Grüße 😀"),
    obj("v1", "Secret", "one", stringData={"password": "s3cret-value"}),
    service("one"),
    deployment("one"),
    job("one", "x/job-ok"),
    obj(
        "rbac.authorization.k8s.io/v1",
        "Role",
        "one",
        rules=[{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}],
    ),
    obj("networking.k8s.io/v1", "NetworkPolicy", "one", spec={"podSelector": {}}),
]


@pytest.mark.parametrize("form", ["yaml", "json"])
@pytest.mark.parametrize("made", KINDS, ids=[made["kind"] for made in KINDS])
def test_makes_what_kubectl_makes(
    made: dict[str, Any],
    form: str,
    step: Step,
    kubectl: Kubectl,
    namespace: str,
    twin: str,
    proxy: Proxy,
    tmp_path: Path,
) -> None:
    path = tmp_path / f"release.{form}"
    path.write_text(json.dumps(made) if form == "json" else yaml.safe_dump(made))
    outcome = step("create", "-f", str(path), "-n", namespace, env=through(proxy), report=True)
    assert (outcome.code, actions(outcome)) == (0, {f"{made['kind']}/one": "created"}), outcome.text
    kubectl("create", "-n", twin, "-f", str(path))
    word = f"{made['kind']}/one"
    assert bare(live(kubectl, namespace, word)) == bare(live(kubectl, twin, word))
    (post,) = proxy.writes
    assert (post.method, post.headers["Content-Type"]) == ("POST", f"application/{form}")
    assert "s3cret" not in outcome.text


def test_a_namespace_that_contradicts_is_refused_before_anything_is_sent(
    step: Step, namespace: str, proxy: Proxy, tmp_path: Path
) -> None:
    path = write(tmp_path / "release.yaml", config_map(), config_map("other", "elsewhere"))
    outcome = step("create", "-f", path, "-n", namespace, env=through(proxy))
    assert outcome.code == 2
    assert f"its namespace is elsewhere, but {namespace} was asked for" in outcome.stderr
    assert re.search(r"release\.yaml:[2-9]\d*: ", outcome.stderr)
    assert proxy.requests == []


def test_a_namespace_that_is_not_there(step: Step, cluster: Cluster, tmp_path: Path) -> None:
    outcome = step("create", "-f", write(tmp_path / "release.yaml", config_map()), "-n", "nobody-made-this")
    assert outcome.code == 4
    assert "there is no namespace nobody-made-this" in outcome.stderr


def test_what_is_there_already_is_left_alone_and_ends_the_run(
    step: Step, kubectl: Kubectl, namespace: str, tmp_path: Path
) -> None:
    kubectl("-n", namespace, "create", "configmap", "settings", "--from-literal=tone=theirs")
    path = write(tmp_path / "release.yaml", config_map(tone="ours"), config_map("other"), deployment())
    outcome = step("create", "-f", path, "-n", namespace, report=True)
    assert outcome.code == 4
    assert f"release.yaml:1: configmap/{namespace}/settings: it already exists" in outcome.stderr
    assert "k8s-step apply" in outcome.stderr and "k8s-step replace" in outcome.stderr
    assert actions(outcome) == {"ConfigMap/settings": "none", "ConfigMap/other": "created", "Deployment/web": "none"}
    assert live(kubectl, namespace, "configmap/settings")["data"] == {"tone": "theirs"}


def test_generate_name_makes_a_new_object_each_time(
    step: Step, kubectl: Kubectl, namespace: str, twin: str, tmp_path: Path
) -> None:
    made = job("x", "x/job-ok")
    made["metadata"] = {"generateName": "migrate-"}
    path = write(tmp_path / "release.yaml", made, made)
    outcomes = [step("create", "-f", path, "-n", namespace, report=True) for _ in range(2)]
    assert [outcome.code for outcome in outcomes] == [0, 0], outcomes[0].text
    names = [name.removeprefix("Job/") for outcome in outcomes for name in objects(outcome)]
    assert len(set(names)) == 4
    assert all(re.fullmatch(r"migrate-[bcdfghjklmnpqrstvwxz2456789]{5}", name) for name in names)
    assert all(f"created    job.batch/{name}" in outcomes[index // 2].text for index, name in enumerate(names))
    listed = json.loads(kubectl("-n", namespace, "get", "jobs", "-o", "json").stdout)["items"]
    assert sorted(one["metadata"]["name"] for one in listed) == sorted(names)

    theirs = json.loads(kubectl("-n", twin, "create", "-f", "-", "-o", "json", input=json.dumps(made)).stdout)
    ours = bare(live(kubectl, namespace, f"job/{names[0]}"))
    assert (ours["spec"], ours["metadata"]["generateName"]) == (bare(theirs)["spec"], "migrate-")


def test_a_long_generate_name_is_cut_as_the_server_cuts_it(step: Step, namespace: str, tmp_path: Path) -> None:
    made = config_map()
    made["metadata"] = {"generateName": "x" * 70}
    outcome = step("create", "-f", write(tmp_path / "release.yaml", made), "-n", namespace, report=True)
    (name,) = objects(outcome)
    assert re.fullmatch(r"ConfigMap/x{58}[a-z0-9]{5}", name)


def test_dry_run_asks_the_server_and_changes_nothing(
    step: Step, kubectl: Kubectl, namespace: str, tmp_path: Path
) -> None:
    fresh = f"{namespace[:40]}-fresh"
    path = write(
        tmp_path / "release.yaml",
        obj("v1", "Namespace", fresh),
        config_map(namespace=namespace),
        config_map("b", fresh),
    )
    outcome = step("create", "-f", path, "--dry-run", report=True)
    assert outcome.code == 0, outcome.text
    assert set(actions(outcome).values()) == {"created"}
    assert "not checked by the server" in outcome.stderr
    assert kubectl("get", "namespace", fresh, check=False).returncode == 1
    assert kubectl("-n", namespace, "get", "configmap", "settings", check=False).returncode == 1

    kubectl("-n", namespace, "create", "configmap", "settings")
    again = step("create", "-f", path, "--dry-run")
    assert again.code == 4
    assert "it already exists" in again.stderr


@pytest.mark.parametrize(
    ("image", "options", "code", "status"),
    [
        ("shop/web:1", (), 0, "current"),
        ("shop/pull-fail:1", (), 1, "failed"),
        ("shop/pull-fail:1", ("--no-wait",), 0, "in progress"),
        ("shop/never-ready:1", (), 3, "in progress"),
    ],
)
def test_is_followed_like_an_apply(
    image: str, options: tuple[str, ...], code: int, status: str, step: Step, namespace: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "release.yaml", deployment(image=image))
    line = ("create", "-f", path, "-n", namespace, *options)
    is_late = code == 3
    outcome = (
        step.timed_out(*line, after="1 running but not ready", report=True) if is_late else step(*line, report=True)
    )
    assert (outcome.code, statuses(outcome)) == (code, {"Deployment/web": status}), outcome.text
    if code == 1:
        assert the_failure(outcome)["reason"] in ("ErrImagePull", "ImagePullBackOff")


def test_an_unknown_field_is_refused_with_its_line(step: Step, namespace: str, tmp_path: Path) -> None:
    made = deployment()
    made["spec"]["template"]["spec"]["containers"][0]["imagePolicy"] = "Always"
    path = Path(write(tmp_path / "release.yaml", made))
    line = next(number for number, text in enumerate(path.read_text().splitlines(), 1) if "imagePolicy" in text)
    outcome = step("create", "-f", str(path), "-n", namespace)
    assert outcome.code == 4
    assert f"release.yaml:{line}:" in outcome.stderr and "imagePolicy" in outcome.stderr


def test_a_token_that_may_only_create_will_do(step: Step, cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["create"]}]
    token = cluster.token(namespace, rules=rules)
    path = write(tmp_path / "release.yaml", config_map())
    env = {"KUBECONFIG": None, "K8S_API": cluster.server, "K8S_CA": str(cluster.ca), "K8S_TOKEN": token}
    outcome = step("create", "-f", path, "-n", namespace, env=env, report=True)
    assert (outcome.code, actions(outcome)) == (0, {"ConfigMap/settings": "created"}), outcome.text
    refused = step("create", "-f", write(tmp_path / "secret.yaml", obj("v1", "Secret", "s")), "-n", namespace, env=env)
    assert refused.code == 4
    assert f"secret.yaml:1: secret/{namespace}/s" in refused.stderr and "cannot create" in refused.stderr
