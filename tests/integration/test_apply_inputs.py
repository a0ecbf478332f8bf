"""The same release by flags, by a GitHub Action's inputs and by a Jenkins or GitLab job's variables."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from tests.conftest import Kubectl, Step
from tests.controlplane.cluster import Cluster
from tests.faults.proxy import Proxy
from tests.integration.objects import config_map, deployment, through, write
from tests.integration.outcomes import actions

CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata:"
WRITE = [
    {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "patch", "create"]},
    {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "list", "watch", "patch", "create"]},
]


def test_a_github_actions_inputs_alone(
    step: Step, cluster: Cluster, namespace: str, tmp_path: Path, kubectl: Kubectl
) -> None:
    release = deployment("web", "shop/web:${TAG}")
    release["spec"]["replicas"] = "${COPIES}"
    write(tmp_path / "one.yaml", release, config_map(tone="${TONE}"))
    (tmp_path / "two.yaml").write_text(f'{CONFIG_MAP}\n  name: other\ndata:\n  tag: "${{TAG}}"\n')
    inputs = {
        "INPUT_SERVER": cluster.server,
        "INPUT_TOKEN": cluster.token(namespace, rules=WRITE),
        "INPUT_CA": (cluster.ca or Path()).read_text(),
        "INPUT_NAMESPACE": namespace,
        "INPUT_FILENAME": "one.yaml\ntwo.yaml\n",
        "INPUT_VAR": "TAG=7\nTONE=a, b\nCOPIES=2\n",
        "INPUT_IMAGE": "shop/web=registry.example:5000/shop/web:8",
        "INPUT_FIELD-MANAGER": "the-action",
        "INPUT_REPORT": "report.json",
        "INPUT_TIMEOUT": "1m30s",
        # what an action.yml declares and the workflow leaves out arrives as an empty string
        "INPUT_CONTEXT": "",
        "INPUT_TOKEN-FILE": "",
        "INPUT_CONCURRENCY": "",
        "INPUT_DRY-RUN": "",
        "INPUT_WAIT": "true",
        "INPUT_COMMAND": "",
    }
    outcome = step(env={"KUBECONFIG": None, **inputs}, cwd=tmp_path)
    assert outcome.code == 0, outcome.text
    report = json.loads((tmp_path / "report.json").read_text())
    assert [entry["action"] for entry in report["objects"]] == ["created"] * 3
    live = json.loads(kubectl("-n", namespace, "get", "deploy,cm", "-o", "json", "--show-managed-fields").stdout)[
        "items"
    ]
    by_name = {one["metadata"]["name"]: one for one in live}
    assert by_name["settings"]["data"] == {"tone": "a, b"} and by_name["other"]["data"] == {"tag": "7"}
    assert by_name["web"]["spec"]["replicas"] == 2
    assert by_name["web"]["spec"]["template"]["spec"]["containers"][0]["image"] == "registry.example:5000/shop/web:8"
    assert by_name["settings"]["metadata"]["managedFields"][0]["manager"] == "the-action"


@pytest.mark.parametrize("form", ["path", "text", "base64"])
def test_a_jenkins_stages_variables_alone(
    form: str, step: Step, cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    path = cluster.ca or Path()
    forms = {"path": str(path), "text": path.read_text(), "base64": base64.b64encode(path.read_bytes()).decode()}
    (tmp_path / "release.yaml").write_text(f'{CONFIG_MAP}\n  name: settings\ndata:\n  build: "${{BUILD_NUMBER}}"\n')
    variables = {
        "K8S_API": cluster.server,
        "K8S_TOKEN": cluster.token(namespace, rules=WRITE),
        "K8S_CA": forms[form],
        "K8S_NAMESPACE": namespace,
        "K8S_FILENAME": "release.yaml",
        "K8S_REPORT": "report.json",
        "K8S_FORCE_CONFLICTS": "",
        "BUILD_NUMBER": "42",
    }
    outcome = step(env={"KUBECONFIG": None, **variables}, cwd=tmp_path)
    assert outcome.code == 0, outcome.text
    assert "K8S_API" in outcome.stderr.splitlines()[0], "the first line says where the cluster was found"
    assert variables["K8S_TOKEN"] not in outcome.text
    live = cluster.get(f"/api/v1/namespaces/{namespace}/configmaps/settings")
    assert live["data"] == {"build": "42"}


def test_the_order_of_flag_input_and_variable(step: Step, namespace: str, tmp_path: Path) -> None:
    path = write(tmp_path / "release.yaml", config_map(a="b"))
    environment = {"INPUT_NAMESPACE": "not-this-one", "K8S_NAMESPACE": "nor-this-one"}
    assert step("apply", "-f", path, "-n", namespace, env=environment).code == 0
    environment = {"INPUT_NAMESPACE": namespace, "K8S_NAMESPACE": "not-this-one"}
    outcome = step("apply", "-f", path, env=environment, report=True)
    assert (outcome.code, actions(outcome)) == (0, {"ConfigMap/settings": "unchanged"}), outcome.text


def test_a_token_file_and_lists_by_commas(step: Step, cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(cluster.token(namespace, rules=WRITE) + "\n")
    for name in ("one", "two", "three"):
        write(tmp_path / f"{name}.yaml", config_map(name, a="b"))
    variables = {
        "K8S_API": cluster.server,
        "K8S_TOKEN_FILE": "token",
        "K8S_CA": str(cluster.ca),
        "K8S_FILENAME": "one.yaml, two.yaml,three.yaml",
        "K8S_NAMESPACE": namespace,
    }
    outcome = step("apply", env={"KUBECONFIG": None, **variables}, cwd=tmp_path, report=True)
    assert outcome.code == 0, outcome.text
    assert list(actions(outcome)) == ["ConfigMap/one", "ConfigMap/two", "ConfigMap/three"]


@pytest.mark.parametrize("switch", ["INPUT_DRY-RUN", "K8S_DRY_RUN"])
def test_a_switch_by_variable(switch: str, step: Step, namespace: str, proxy: Proxy, tmp_path: Path) -> None:
    path = write(tmp_path / "release.yaml", config_map(a="b"))
    assert step("apply", "-f", path, "-n", namespace, env=through(proxy, **{switch: "true"})).code == 0
    assert proxy.writes == []
    assert step("apply", "-f", path, "-n", namespace, env=through(proxy, **{switch: "false"})).code == 0
    assert len(proxy.writes) == 1


def test_manifests_from_stdin_a_folder_and_a_glob(step: Step, namespace: str, tmp_path: Path) -> None:
    (tmp_path / "k8s" / "deeper").mkdir(parents=True)
    write(tmp_path / "k8s" / "one.yaml", config_map("one", a="b"))
    write(tmp_path / "k8s" / "deeper" / "two.yml", config_map("two", a="b"))
    (tmp_path / "three.json").write_text(json.dumps(config_map("three", a="b")))
    stdin = json.dumps(config_map("four", a="b"))
    outcome = step(
        "apply", "-f", "k8s", "-R", "-f", "th*.json", "-f", "-", "-n", namespace, input=stdin, cwd=tmp_path, report=True
    )
    assert outcome.code == 0, outcome.text
    assert sorted(actions(outcome)) == ["ConfigMap/four", "ConfigMap/one", "ConfigMap/three", "ConfigMap/two"]


def test_headers_of_ones_own(step: Step, namespace: str, proxy: Proxy, tmp_path: Path) -> None:
    path = write(tmp_path / "release.yaml", config_map(a="b"))
    environment = through(proxy, K8S_HEADERS="X-Pipeline: job-42\nX-Stage: deploy")
    assert step("apply", "-f", path, "-n", namespace, env=environment).code == 0
    sent = [{key.title(): value for key, value in request.headers.items()} for request in proxy.requests]
    assert sent and all((one["X-Pipeline"], one["X-Stage"]) == ("job-42", "deploy") for one in sent)


VENDORED = "${DS_PROMETHEUS} ${job:raw} ${request_uri} ${TAG[0]} $${A} ${HOSTNAME} ${"


def test_texts_that_are_no_templates_arrive_as_they_are_written(
    step: Step, cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    annotated = config_map("annotated", text=VENDORED)
    annotated["metadata"]["annotations"] = {"k8s-step/template": "false"}
    write(tmp_path / "web.yaml", annotated, config_map(tone="${TONE}"))
    (tmp_path / "dashboards").mkdir()
    write(tmp_path / "dashboards/grafana.yaml", config_map("in-a-file", text=VENDORED))
    line = ("apply", "-R", "-f", ".", "-n", namespace, "--var", "TONE=low")
    refused = step(*line, cwd=tmp_path, env={"HOSTNAME": "the-ci-container"})
    assert refused.code == 2 and "dashboards/grafana.yaml:6: HOSTNAME has no value" in refused.stderr, refused.text
    assert "the-ci-container" not in refused.text
    outcome = step(*line, "--no-template-file", "dashboards/*", cwd=tmp_path)
    assert outcome.code == 0, outcome.text
    texts = {
        name: cluster.get(f"/api/v1/namespaces/{namespace}/configmaps/{name}")["data"]
        for name in ("annotated", "in-a-file", "settings")
    }
    assert texts == {"annotated": {"text": VENDORED}, "in-a-file": {"text": VENDORED}, "settings": {"tone": "low"}}
    everything = step(*line, "--no-template", cwd=tmp_path)
    assert everything.code == 0, everything.text
    settings = cluster.get(f"/api/v1/namespaces/{namespace}/configmaps/settings")
    assert settings["data"] == {"tone": "${TONE}"}


def test_a_patch_that_is_no_template_is_sent_as_it_is_written(
    step: Step, cluster: Cluster, kubectl: Kubectl, namespace: str
) -> None:
    kubectl("-n", namespace, "create", "cm", "settings")
    line = ("patch", "cm/settings", "--type", "merge", "-p", "{data: {x: '${job:raw}'}}", "-n", namespace)
    refused = step(*line)
    assert refused.code == 2 and "--no-template" in refused.stderr, refused.text
    assert step(*line, "--no-template").code == 0
    live = cluster.get(f"/api/v1/namespaces/{namespace}/configmaps/settings")
    assert live["data"] == {"x": "${job:raw}"}


def test_a_variable_of_the_machine_is_taken_where_it_is_named(
    step: Step, cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "web.yaml", config_map(host="${HOSTNAME}", home="${HOME:-none}"))
    inputs = {"INPUT_FILENAME": path, "INPUT_NAMESPACE": namespace, "INPUT_VAR": "HOSTNAME\n", "HOSTNAME": "ci-1"}
    outcome = step(env=inputs)
    assert outcome.code == 0, outcome.text
    live = cluster.get(f"/api/v1/namespaces/{namespace}/configmaps/settings")
    assert live["data"] == {"host": "ci-1", "home": "none"}


def test_an_input_of_another_command_is_told(step: Step, namespace: str, tmp_path: Path) -> None:
    path = write(tmp_path / "web.yaml", config_map(a="b"))
    inputs = {"INPUT_FILENAME": path, "INPUT_NAMESPACE": namespace, "INPUT_REPLICAS": "3", "INPUT_RM": "false"}
    outcome = step(env={**inputs, "GITHUB_ACTIONS": "true"})
    assert outcome.code == 0, outcome.text
    assert "::warning title=k8s-step::apply ignores the input replicas, which is for scale" in outcome.stderr
    assert outcome.stderr.count("ignores the input") == 1


def test_an_image_that_no_manifest_uses_is_annotated_without_a_file(step: Step, namespace: str, tmp_path: Path) -> None:
    path = write(tmp_path / "web.yaml", deployment("web"))
    inputs = {"INPUT_FILENAME": path, "INPUT_NAMESPACE": namespace, "INPUT_IMAGE": "registry/x=registry/x:1"}
    outcome = step(env={**inputs, "GITHUB_ACTIONS": "true"})
    assert outcome.code == 2, outcome.text
    (line,) = [line for line in outcome.stderr.splitlines() if line.startswith("::error")]
    assert "file=" not in line and "line=" not in line and "registry/x" in line
