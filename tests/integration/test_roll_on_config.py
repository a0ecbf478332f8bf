"""A changed ConfigMap or Secret restarts the workloads that use it, and nothing else, on the real control plane."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.conftest import Kubectl, Step
from tests.controlplane.cluster import Cluster
from tests.integration.objects import config_map, deployment, obj, write

Object = dict[str, Any]


def reading(made: Object, *names: str) -> Object:
    """The workload, whose pods take these ConfigMaps into their environment."""
    container = made["spec"]["template"]["spec"]["containers"][0]
    container["envFrom"] = [{"configMapRef": {"name": name, "optional": True}} for name in names]
    return made


def generations(kubectl: Kubectl, namespace: str) -> dict[str, int]:
    items = json.loads(kubectl("get", "deployments", "-n", namespace, "-o", "json").stdout)["items"]
    return {item["metadata"]["name"]: item["metadata"]["generation"] for item in items}


def test_what_reads_it_is_restarted_and_nothing_else(
    step: Step, kubectl: Kubectl, namespace: str, tmp_path: Path
) -> None:
    def released(value: str, *words: str) -> str:
        objects = [reading(deployment("web"), "tone"), reading(deployment("api"), "other"), deployment("bare")]
        path = write(tmp_path / "a.yaml", config_map("tone", a=value), config_map("other", b="1"), *objects)
        outcome = step("apply", "-f", path, "-n", namespace, *words)
        assert outcome.code == 0, outcome.text
        return outcome.text

    released("1", "--roll-on-config")
    before = generations(kubectl, namespace)
    assert "5 unchanged" in released("1", "--roll-on-config")
    assert generations(kubectl, namespace) == before
    difference = step("diff", "-f", str(tmp_path / "a.yaml"), "-n", namespace, "--roll-on-config", "--exit-code")
    assert difference.code == 0, difference.text
    released("2", "--roll-on-config")
    after = generations(kubectl, namespace)
    assert {name for name in after if after[name] != before[name]} == {"web"}


def test_configuration_that_is_not_of_the_release_counts(
    step: Step, kubectl: Kubectl, namespace: str, tmp_path: Path
) -> None:
    web = reading(deployment("web"), "theirs")
    web["metadata"]["annotations"] = {"k8s-step/roll-on-config": "true"}
    path = write(tmp_path / "a.yaml", web)
    seen = []
    for value in (None, "1", "1", "2"):
        if value:
            kubectl("create", "configmap", "theirs", f"--from-literal=a={value}", "-n", namespace, check=False)
            kubectl(
                "patch",
                "configmap",
                "theirs",
                "-n",
                namespace,
                "--type=merge",
                "-p",
                json.dumps({"data": {"a": value}}),
            )
        outcome = step("apply", "-f", path, "-n", namespace)
        assert outcome.code == 0, outcome.text
        seen.append(generations(kubectl, namespace)["web"])
    assert [seen[at] != seen[at + 1] for at in range(3)] == [True, False, True]


def test_one_may_be_taken_out_and_a_secret_shows_nothing(
    step: Step, kubectl: Kubectl, namespace: str, tmp_path: Path
) -> None:
    out = reading(deployment("out"), "tone")
    out["metadata"]["annotations"] = {"k8s-step/roll-on-config": "false"}
    web = deployment("web")
    web["spec"]["template"]["spec"]["volumes"] = [{"name": "key", "secret": {"secretName": "key"}}]
    for value, tone in (("first-value", "1"), ("other-value", "2")):
        secret = obj("v1", "Secret", "key", stringData={"k": value})
        path = write(tmp_path / "a.yaml", secret, config_map("tone", a=tone), web, out)
        outcome = step("apply", "-f", path, "-n", namespace, "--roll-on-config", "--diff")
        assert outcome.code == 0, outcome.text
        assert value not in outcome.text
    assert generations(kubectl, namespace) == {"web": 2, "out": 1}


def test_a_secret_that_may_not_be_read_is_named(step: Step, cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    rules = [
        {"apiGroups": ["apps"], "resources": ["deployments", "replicasets"], "verbs": ["*"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["*"]},
    ]
    token = cluster.token(namespace, rules=rules)
    env = {"K8S_API": cluster.server, "K8S_TOKEN": token, "K8S_CA": str(cluster.ca), "KUBECONFIG": None}
    path = write(tmp_path / "a.yaml", reading(deployment("web"), "theirs"))
    outcome = step("apply", "-f", path, "-n", namespace, "--roll-on-config", env=env)
    assert outcome.code == 0, outcome.text
    assert f"configmap/{namespace}/theirs may not be read, so a change of it restarts nothing" in outcome.stderr


def test_another_word_is_an_input_error(step: Step, tmp_path: Path) -> None:
    web = deployment("web")
    web["metadata"]["annotations"] = {"k8s-step/roll-on-config": "yes"}
    outcome = step("render", "-f", write(tmp_path / "a.yaml", web))
    assert outcome.code == 2 and 'neither "true" nor "false"' in outcome.stderr, outcome.text
