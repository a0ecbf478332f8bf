"""Manifests out of the real kustomize, kubectl and Helm: built by the step itself (``-k``), or piped in."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from k8s_step.commands import COMMANDS
from tests import runner
from tests.artifacts import tools
from tests.conftest import Kubectl, Outcome, Step
from tests.controlplane.cluster import Cluster
from tests.docs.tables import ROOT
from tests.integration.objects import deployment, write
from tests.integration.outcomes import actions

PASSWORD = "hunter2-of-the-overlay"
PROGRAMS = {"kustomize build": tools.kustomize, "kubectl kustomize": tools.kubectl}
BUILD_FIRST = pytest.mark.timeout(1200)  # cold, the program is built first


@pytest.fixture
def overlay(tmp_path: Path) -> Path:
    """A base with a Deployment, and an overlay with a generated Secret and ConfigMap, a prefix and another image."""
    base, overlay = tmp_path / "base", tmp_path / "overlays" / "prod"
    for folder in (base, overlay):
        folder.mkdir(parents=True)
    release = deployment("web", "shop/web:1")
    release["spec"]["template"]["spec"]["containers"][0]["envFrom"] = [
        {"secretRef": {"name": "db"}},
        {"configMapRef": {"name": "settings"}},
    ]
    write(base / "web.yaml", release)
    (base / "kustomization.yaml").write_text("resources: [web.yaml]\n")
    said = {
        "resources": ["../../base"],
        "namePrefix": "prod-",
        "images": [{"name": "shop/web", "newTag": "2"}],
        "configMapGenerator": [{"name": "settings", "literals": ["TONE=${TONE}"]}],
        "secretGenerator": [{"name": "db", "literals": [f"PASSWORD={PASSWORD}"]}],
    }
    (overlay / "kustomization.yaml").write_text(yaml.safe_dump(said))
    return overlay


def alone(tmp_path: Path, program: Path) -> str:
    """A PATH with that program alone."""
    folder = tmp_path / "only"
    if not folder.exists():
        folder.mkdir()
        (folder / program.name).symlink_to(program)
    return str(folder)


@BUILD_FIRST
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_kustomization_by_its_folder(
    step: Step, namespace: str, overlay: Path, tmp_path: Path, kubectl: Kubectl, program: str
) -> None:
    env = {"PATH": alone(tmp_path, PROGRAMS[program]()), "TONE": "kind"}

    def run(verb: str, *more: str) -> Outcome:
        outcome = step(verb, "-k", str(overlay), "-n", namespace, *more, env=env, report=True)
        assert PASSWORD not in outcome.text
        return outcome

    assert run("diff", "--exit-code").code == 1
    first = run("apply", "--diff")
    assert first.code == 0, first.text
    assert f"-k {overlay}: {program}" in first.text
    assert first.report is not None
    assert {entry["file"] for entry in first.report["objects"]} == {f"-k {overlay}"}
    assert set(actions(first).values()) == {"created"}
    live = json.loads(kubectl("-n", namespace, "get", "deploy,cm,secret", "-o", "json").stdout)["items"]
    by_kind = {(one["kind"], one["metadata"]["name"].rpartition("-")[0]): one for one in live}
    assert by_kind["ConfigMap", "prod-settings"]["data"] == {"TONE": "kind"}
    web = next(one for one in live if one["kind"] == "Deployment")
    assert web["metadata"]["name"] == "prod-web"
    container = web["spec"]["template"]["spec"]["containers"][0]
    assert container["image"] == "shop/web:2"
    assert container["envFrom"][0]["secretRef"]["name"].startswith("prod-db-")
    second = run("apply")
    assert set(actions(second).values()) == {"unchanged"}, second.text
    assert run("status").code == 0
    assert yaml.safe_load(run("permissions").stdout)["kind"] == "Role"
    gone = run("delete")
    assert gone.code == 0, gone.text
    assert json.loads(kubectl("-n", namespace, "get", "deploy", "-o", "json").stdout)["items"] == []


def test_what_the_server_refuses_is_named_with_its_folder_and_line(
    step: Step, namespace: str, overlay: Path, tmp_path: Path
) -> None:
    (overlay / "bad.yaml").write_text(
        "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [{port: 0}]}\n"
    )
    said = yaml.safe_load((overlay / "kustomization.yaml").read_text())
    said["resources"].append("bad.yaml")
    (overlay / "kustomization.yaml").write_text(yaml.safe_dump(said))
    env = {"PATH": alone(tmp_path, tools.kubectl()), "TONE": "kind"}
    outcome = step("apply", "-k", str(overlay), "-n", namespace, env=env, report=True)
    assert outcome.code == 4, outcome.text
    assert f"-k {overlay}:" in outcome.text and "service/" in outcome.text and "prod-web" in outcome.text
    built = subprocess.run([tools.kubectl(), "kustomize", overlay], capture_output=True, text=True, check=True)
    line = next(number for number, text in enumerate(built.stdout.splitlines(), 1) if "port: 0" in text)
    assert f"-k {overlay}:{line}" in outcome.text


def chart(folder: Path) -> Path:
    """A small chart as ``helm create`` lays it out."""
    (folder / "templates").mkdir(parents=True)
    (folder / "Chart.yaml").write_text("apiVersion: v2\nname: shop\nversion: 0.1.0\n")
    (folder / "values.yaml").write_text("tag: '1'\npassword: unset\n")
    release = deployment("{{ .Release.Name }}-web", "shop/web:{{ .Values.tag }}")
    release["metadata"].setdefault("labels", {})["app.kubernetes.io/managed-by"] = "{{ .Release.Service }}"
    write(folder / "templates" / "web.yaml", release)
    secret = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: {{ .Release.Name }}-db\nstringData:\n"
    (folder / "templates" / "db.yaml").write_text(f"{secret}  password: {{{{ .Values.password | quote }}}}\n")
    return folder


@BUILD_FIRST
def test_what_helm_template_prints_is_piped_in(step: Step, namespace: str, tmp_path: Path, kubectl: Kubectl) -> None:
    """``helm template shop CHART --set tag=2 | k8s-step apply -f -``"""
    line = [tools.helm(), "template", "shop", chart(tmp_path / "chart"), "--set", f"tag=2,password={PASSWORD}"]
    env = {**os.environ, "HOME": str(tmp_path), "HELM_NAMESPACE": namespace}
    printed = subprocess.run(line, env=env, capture_output=True, text=True, check=True, timeout=60).stdout
    assert PASSWORD in printed
    for expected in ("created", "unchanged"):
        outcome = step("apply", "-f", "-", "-n", namespace, "--diff", input=printed, report=True)
        assert outcome.code == 0, outcome.text
        assert PASSWORD not in outcome.text
        assert set(actions(outcome).values()) == {expected}
    web = json.loads(kubectl("-n", namespace, "get", "deploy", "shop-web", "-o", "json").stdout)
    assert web["spec"]["template"]["spec"]["containers"][0]["image"] == "shop/web:2"


@BUILD_FIRST
def test_what_helm_means_for_itself_is_left_out(step: Step, namespace: str, tmp_path: Path, kubectl: Kubectl) -> None:
    """A test, as ``helm create`` makes one, and a migration: ``helm template`` prints both among the rest."""
    folder = chart(tmp_path / "chart")
    (folder / "templates" / "hooks.yaml").write_text(HOOKS)
    env = {**os.environ, "HOME": str(tmp_path), "HELM_NAMESPACE": namespace}
    line = [tools.helm(), "template", "shop", folder, "--set", f"password={PASSWORD}"]
    printed = subprocess.run(line, env=env, capture_output=True, text=True, check=True, timeout=60).stdout
    assert "helm.sh/hook" in printed and "shop-test" in printed
    for expected in ("created", "unchanged"):
        outcome = step("apply", "-f", "-", "-n", namespace, input=printed, report=True)
        assert outcome.code == 0 and set(actions(outcome).values()) == {expected}, outcome.text
        assert "2 Helm hooks are left out: " in outcome.stderr and "pod/shop-test (test)" in outcome.stderr
        assert "job/shop-migrate (pre-install, pre-upgrade)" in outcome.stderr
    there = kubectl("-n", namespace, "get", "job,pod", "-o", "name").stdout
    assert "shop-test" not in there and "shop-migrate" not in there


HOOKS = """\
apiVersion: v1
kind: Pod
metadata:
  name: {{ .Release.Name }}-test
  annotations: {helm.sh/hook: test}
spec: {restartPolicy: Never, containers: [{name: try, image: busybox, command: [wget, web]}]}
---
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ .Release.Name }}-migrate
  annotations: {helm.sh/hook: "pre-install,pre-upgrade", helm.sh/hook-weight: "-5"}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: migrate, image: busybox}]}}}
"""


def test_what_kubectl_kustomize_prints_is_piped_in(step: Step, namespace: str, overlay: Path) -> None:
    """``kubectl kustomize DIR | k8s-step apply -f -``"""
    line = [tools.kubectl(), "kustomize", overlay]
    printed = subprocess.run(line, capture_output=True, text=True, check=True, timeout=60).stdout
    for expected in ("created", "unchanged"):
        outcome = step("apply", "-f", "-", "-n", namespace, input=printed, report=True, env={"TONE": "kind"})
        assert outcome.code == 0, outcome.text
        assert set(actions(outcome).values()) == {expected}


SWITCHING = (ROOT / "docs" / "switching.md").read_text(encoding="utf-8")


def section_of(heading: str) -> str:
    return SWITCHING[SWITCHING.index(f"\n## {heading}\n") :].removeprefix("\n## ").partition("\n## ")[0]


def lines_of(section: str) -> list[str]:
    """The shell blocks of a section: the line before, the line after, and what more there is."""
    return re.findall(r"```sh\n(.*?)```", section_of(section), re.S)


@pytest.fixture
def pipeline(played: Cluster, namespace: str, tmp_path: Path) -> Callable[..., None]:
    """Runs a line of the page as a pipeline would: with ``k8s/``, a kubeconfig, and programs on PATH."""
    (tmp_path / "k8s").mkdir()
    write(tmp_path / "k8s" / "web.yaml", deployment("web", "shop/web:1"))
    played.write_kubeconfig(tmp_path / "kubeconfig", context={"namespace": namespace}, name="production")

    def run(line: str, *programs: Path) -> None:
        folders = [*(str(program.parent) for program in programs), str(Path(sys.executable).parent), os.environ["PATH"]]
        env = {"PATH": os.pathsep.join(folders), "HOME": str(tmp_path), "KUBECONFIG": str(tmp_path / "kubeconfig")}
        command = ["bash", "-e", "-o", "pipefail", "-c", line.replace("-n shop", f"-n {namespace}")]
        answer = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120)
        assert answer.returncode == 0, f"{line}\n{answer.stdout}{answer.stderr}"

    return run


@BUILD_FIRST
@pytest.mark.parametrize(
    ("section", "programs"),
    [
        ("kubectl apply and rollout status", ("kubectl",)),
        ("helm upgrade --wait", ("helm",)),
        ("kustomize", ("kubectl", "kustomize")),
    ],
)
def test_the_lines_of_switching_run_as_written(
    pipeline: Callable[..., None], tmp_path: Path, overlay: Path, section: str, programs: tuple[str, ...]
) -> None:
    """The line before, by the tool itself; then the line after takes over, and changes nothing that matters."""
    kustomization = overlay / "kustomization.yaml"
    kustomization.write_text(kustomization.read_text().replace("${TONE}", "kind"))
    chart(tmp_path / "charts" / "shop")
    for line in lines_of(section):
        pipeline(line, *(getattr(tools, name)() for name in programs))


def test_the_line_after_krane_runs_as_written(
    pipeline: Callable[..., None], namespace: str, tmp_path: Path, kubectl: Kubectl
) -> None:
    """krane has sent it with ``kubectl apply``; a template's value comes from ``--var`` now."""
    _, after = lines_of("krane")
    pipeline("kubectl apply -f k8s/ -n shop", tools.kubectl())
    (tmp_path / "config" / "deploy").mkdir(parents=True)
    write(tmp_path / "config" / "deploy" / "web.yaml", deployment("web", "shop/web:${tag}"))
    pipeline(after)
    assert image_of_web(kubectl, namespace) == "shop/web:1.5.0"


def test_the_line_after_kapp_runs_as_written(
    pipeline: Callable[..., None], namespace: str, tmp_path: Path, kubectl: Kubectl
) -> None:
    """What kapp leaves behind; the manifests have its label, which can't change, and a new image."""
    _, after = lines_of("kapp")
    web = labelled(deployment("web", "shop/web:1"), "kapp.k14s.io/app", "1795803437427452153")
    theirs = json.loads(json.dumps(web))
    theirs["metadata"]["labels"] = {"kapp.k14s.io/app": "1795803437427452153"}
    theirs["spec"]["template"]["metadata"]["labels"]["kapp.k14s.io/association"] = "v1.58709037a068491f"
    theirs["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "DROPPED", "value": "1"}]
    kubectl("-n", namespace, "create", "--field-manager=kapp", "-f", "-", input=json.dumps(theirs))
    web["spec"]["template"]["spec"]["containers"][0]["image"] = "shop/web:2"
    write(tmp_path / "k8s" / "web.yaml", web)
    pipeline(after)
    live = json.loads(kubectl("-n", namespace, "get", "deploy", "web", "-o", "json").stdout)
    assert image_of_web(kubectl, namespace) == "shop/web:2"
    assert "env" not in live["spec"]["template"]["spec"]["containers"][0]
    assert "kapp.k14s.io/app" not in live["metadata"].get("labels", {}), "kapp delete would find it"


def test_the_step_after_azures_runs_as_written(
    step: Step, pipeline: Callable[..., None], namespace: str, tmp_path: Path, kubectl: Kubectl
) -> None:
    """But for the cluster's name (``tests/clouds`` has the login); kubectl has sent it, as the action does."""
    blocks = re.findall(r"```yaml\n(.*?)```", section_of("Azure/k8s-deploy"), re.S)
    given = {name: value for name, value in yaml.safe_load(blocks[1])[0]["with"].items() if name[0] != "a"}
    name = "registry.example.com/shop/web"
    (tmp_path / "k8s" / "deeper").mkdir()
    write(tmp_path / "k8s" / "deeper" / "web.yaml", deployment("web", name))
    (tmp_path / "k8s" / "web.yaml").unlink()
    pipeline("kubectl apply -R -f k8s/ -n shop", tools.kubectl())
    said = {key.replace("-", "_"): runner.expanded(value, {"github.sha": "c0ffee"}) for key, value in given.items()}
    files = tmp_path / "files"
    files.mkdir()
    env = runner.environment(tmp_path, files) | runner.inputs(**said | {"namespace": namespace})
    outcome = step(env=env | {"KUBECONFIG": str(tmp_path / "kubeconfig")}, cwd=tmp_path)
    assert outcome.code == 0, outcome.text
    assert image_of_web(kubectl, namespace) == f"{name}:c0ffee"


def image_of_web(kubectl: Kubectl, namespace: str) -> str:
    return kubectl("-n", namespace, "get", "deploy", "web", "-o", "jsonpath={..containers[0].image}").stdout


def labelled(workload: dict[str, Any], label: str, value: str) -> dict[str, Any]:
    """The workload with a label in its selector and on its pods."""
    workload["spec"]["selector"]["matchLabels"][label] = value
    workload["spec"]["template"]["metadata"]["labels"][label] = value
    return workload


# --- without a cluster ------------------------------------------------------------------------------------------------


Render = Callable[..., Outcome]


@pytest.fixture
def render(step: Step, overlay: Path, tmp_path: Path) -> Render:
    def run(*more: str, **env: str) -> Outcome:
        path = alone(tmp_path, tools.kubectl())
        return step("render", "-k", str(overlay), *more, env={"PATH": path, **env}, report=True)

    return run


def test_its_templates_are_filled_in_as_a_files_are(render: Render, overlay: Path) -> None:
    assert "TONE: kind" in render(TONE="kind").stdout
    assert "TONE: ${TONE}" in render("--no-template").stdout
    missing = render()
    assert missing.code == 2
    assert f"-k {overlay}:3: configmap/prod-settings-" in missing.text
    assert "TONE has no value" in missing.text


def test_a_kustomization_that_fails_is_told_in_its_own_words(render: Render, overlay: Path) -> None:
    """It quotes what it was given, secrets too."""
    said = yaml.safe_load((overlay / "kustomization.yaml").read_text())
    said["secretGenerator"][0]["literals"] = [PASSWORD]
    (overlay / "kustomization.yaml").write_text(yaml.safe_dump(said))
    outcome = render(TONE="kind")
    assert outcome.code == 2
    assert PASSWORD not in outcome.text + json.dumps(outcome.report)
    assert f"error: -k {overlay}: kubectl kustomize failed with exit code 1:\n  | " in outcome.stderr
    assert "invalid literal source ***, expected key=value" in outcome.text
    assert outcome.report is not None and outcome.report["errors"][0]["where"] == f"-k {overlay}"


def test_its_warnings_are_passed_on(render: Render, overlay: Path) -> None:
    said = yaml.safe_load((overlay / "kustomization.yaml").read_text())
    (overlay / "kustomization.yaml").write_text(yaml.safe_dump({**said, "commonLabels": {"team": "shop"}}))
    outcome = render(TONE="kind")
    assert outcome.code == 0
    assert f"warning: -k {overlay}: " in outcome.stderr and "'commonLabels' is deprecated" in outcome.stderr


def test_without_either_program_there_is_a_pipe(step: Step, overlay: Path, tmp_path: Path) -> None:
    outcome = step("apply", "-k", str(overlay), env={"PATH": str(tmp_path), "KUBECONFIG": None})
    assert outcome.code == 2
    assert "neither kustomize nor kubectl is on PATH" in outcome.text
    assert f"kubectl kustomize {overlay} | k8s-step apply -f -" in outcome.text


def test_every_verb_that_takes_manifests_takes_a_kustomization() -> None:
    options = {command.name: {option.name for option in command.options} for command in COMMANDS}
    with_files = {name for name, names in options.items() if "recursive" in names}
    assert {"apply", "diff", "render", "delete", "status", "create", "replace", "permissions", "run"} == with_files
    assert all("kustomize" in options[name] for name in with_files)
