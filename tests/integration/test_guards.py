"""``--allow-namespace``, ``--allow-kind`` and ``--deny-kind``: what they forbid is told, and nothing is sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Kubectl, Step
from tests.faults.proxy import Proxy
from tests.integration.objects import config_map, custom, definition, deployment, obj, through, write

ROLE = obj("rbac.authorization.k8s.io/v1", "ClusterRole", "reader", rules=[])
SECRET = obj("v1", "Secret", "token", stringData={})


@pytest.mark.parametrize("verb", ["apply", "diff", "create", "replace", "delete"])
def test_no_request_is_sent(verb: str, step: Step, namespace: str, proxy: Proxy, tmp_path: Path) -> None:
    path = write(tmp_path / "release.yaml", config_map(namespace=namespace), config_map("other", "kube-system"), SECRET)
    guards = ("--allow-namespace", namespace, "--deny-kind", "secrets")
    outcome = step(verb, "-f", path, *guards, env=through(proxy, K8S_NAMESPACE=""))
    assert outcome.code == 2, outcome.text
    assert (
        f"release.yaml:8: configmap/kube-system/other: its namespace kube-system is none of {' '.join(guards[:2])}"
        in (outcome.stderr)
    )
    assert "release.yaml:15: secret/default/token: --deny-kind secrets forbids a Secret" in outcome.stderr
    assert proxy.requests == []


def test_what_is_allowed_goes_through(step: Step, namespace: str, tmp_path: Path) -> None:
    path = write(tmp_path / "release.yaml", config_map(), deployment("web"))
    guards = ("--allow-namespace", f"{namespace[:3]}*", "--allow-kind", "cm,deployments.apps")
    env = {"K8S_DENY_KIND": "secrets\nclusterroles"}
    outcome = step("apply", "-f", path, "-n", namespace, *guards, env=env)
    assert outcome.code == 0, outcome.text


def test_cluster_wide_kinds_must_be_named(step: Step, namespace: str, proxy: Proxy, tmp_path: Path) -> None:
    path = write(tmp_path / "release.yaml", ROLE)
    line = ("apply", "-f", path, "--dry-run", "--allow-namespace", namespace)
    outcome = step(*line, env=through(proxy))
    assert outcome.code == 2
    assert f"clusterrole/reader: a ClusterRole is cluster-wide, so --allow-namespace {namespace}" in outcome.stderr
    assert proxy.requests == []
    assert step(*line, "--allow-kind", "clusterroles").code == 0


def test_a_custom_kind_by_its_short_name(
    step: Step, kubectl: Kubectl, namespace: str, proxy: Proxy, tmp_path: Path
) -> None:
    group = f"{namespace}.example.com"
    crd = definition(group)
    crd["spec"]["names"]["shortNames"] = ["wdg"]
    kubectl("apply", "-f", write(tmp_path / "crd.yaml", crd))
    kubectl("wait", "--for=condition=Established", f"crd/{crd['metadata']['name']}", "--timeout=60s")
    path = write(tmp_path / "release.yaml", custom(group, "one"))
    for word in ("wdg", "Widget", f"widgets.{group}"):
        outcome = step("apply", "-f", path, "-n", namespace, "--deny-kind", word, env=through(proxy))
        assert outcome.code == 2, outcome.text
        assert f"--deny-kind {word} forbids a Widget" in outcome.stderr
    assert proxy.writes == []


@pytest.mark.parametrize(
    "words",
    [
        ("patch", "deployment/web", "-p", '{"spec": {"minReadySeconds": 1}}'),
        ("scale", "deployment/web", "--replicas", "2"),
        ("restart", "deployment/web"),
        ("undo", "deployment/web"),
        ("delete", "deployment/web"),
        ("delete", "deployments", "-l", "app=web"),
    ],
    ids=lambda words: " ".join(words[:3]),
)
def test_objects_that_are_named(words: tuple[str, ...], step: Step, namespace: str, proxy: Proxy) -> None:
    outcome = step(*words, "-n", namespace, "--allow-namespace", "shop", env=through(proxy))
    assert outcome.code == 2, outcome.text
    assert f"its namespace {namespace} is none of --allow-namespace shop" in outcome.stderr
    assert proxy.requests == []
