"""The workflows, run as GitHub's runner runs them.

What is written in them is what runs; only names that a real pipeline has elsewhere (servers, namespaces) differ.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from k8s_step import __version__
from tests import runner
from tests.artifacts.shells import clean, images
from tests.artifacts.test_lint import EXAMPLES
from tests.conftest import Kubectl, Outcome, Step
from tests.controlplane.cluster import Cluster
from tests.docs.tables import ROOT
from tests.unit.loopback import Exchange, Loopback

RELEASE = ROOT / ".github" / "workflows" / "release.yml"


class Job:
    """A job on GitHub's runner: its steps share files and outputs, and stop at the first that fails."""

    def __init__(self, step: Step, workspace: Path, context: Mapping[str, str]) -> None:
        self.step = step
        self.workspace = workspace
        self.context = dict(context)
        self.ran: list[Outcome] = []

    def run(self, workflow: str, name: str, *, skip: Sequence[str] = (), env: Mapping[str, str] | None = None) -> None:
        """Run the steps that are the action or a script; ``skip`` names the others."""
        variables, steps = runner.job(workflow, name)
        for says in steps:
            common = {key: runner.expanded(value, self.context) for key, value in variables.items()} | dict(env or {})
            if says.get("uses") in ("./", "OWNER/k8s-step@v0.1.0"):
                self._act(says, common)
            elif says.get("name") not in skip and "run" in says:
                self._script(says, common)

    def _act(self, says: Mapping[str, Any], common: Mapping[str, str]) -> None:
        files = self.workspace.parent / f"runner-{len(self.ran)}"
        files.mkdir()
        given = {name.replace("-", "_"): runner.expanded(value, self.context) for name, value in says["with"].items()}
        environ = {"KUBECONFIG": None, **runner.environment(self.workspace, files), **common, **runner.inputs(**given)}
        outcome = self.step(env=environ, cwd=self.workspace)
        self.ran.append(outcome)
        assert outcome.code == 0 or says.get("continue-on-error"), outcome.text
        known = f"steps.{says.get('id', '')}"
        self.context[f"{known}.outcome"] = "failure" if outcome.code else "success"
        for name, value in runner.written((files / "set_output").read_text()).items():
            self.context[f"{known}.outputs.{name}"] = value

    def _script(self, says: Mapping[str, Any], common: Mapping[str, str]) -> None:
        own = {key: runner.expanded(value, self.context) for key, value in says.get("env", {}).items()}
        answer = subprocess.run(
            ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", says["run"]],
            env={**clean(), **common, **own},
            cwd=self.workspace,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert answer.returncode == 0, f"{says['run']}\n{own}\n{answer.stdout}{answer.stderr}"


CONTEXT = {"github.repository": "octo/shop", "github.sha": "c0ffee", "github.event_name": "push"}


@pytest.fixture
def issuer(token: str) -> Iterator[Callable[[], dict[str, str]]]:
    """GitHub's token service: gives the job that asks with its own secret an ID token for the audience it names."""

    def answer(exchange: Exchange) -> None:
        asked = parse_qs(urlsplit(exchange.target).query).get("audience")
        granted = asked == ["https://k8s.example.com"] and exchange.header("Authorization") == "Bearer of-this-job"
        exchange.reply(200 if granted else 403, {"value": token} if granted else {})

    with Loopback(answer) as server:
        url = f"{server.url}/token?api-version=2.0"
        yield lambda: {"ACTIONS_ID_TOKEN_REQUEST_URL": url, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "of-this-job"}


def test_github_pull_request(step: Step, workspace: Path) -> None:
    job = Job(step, workspace, CONTEXT)
    job.run((EXAMPLES / "github-workflow.yml").read_text(), "check")
    rendered = {item["kind"]: item for item in yaml.safe_load_all(job.ran[0].stdout)}
    assert (
        rendered["Deployment"]["spec"]["template"]["spec"]["containers"][0]["image"] == "ghcr.io/octo/shop/web:c0ffee"
    )


def test_github_ships_with_an_id_token(
    step: Step,
    cluster: Cluster,
    namespace: str,
    workspace: Path,
    kubectl: Kubectl,
    issuer: Callable[[], dict[str, str]],
) -> None:
    workflow = (EXAMPLES / "github-workflow.yml").read_text().replace("namespace: shop", f"namespace: {namespace}")
    job = Job(step, workspace, {**CONTEXT, "vars.K8S_API": cluster.server, "vars.K8S_CA": cluster.ca.read_text()})
    job.run(workflow, "ship", env=issuer())
    assert images(kubectl, namespace) == {"web": "ghcr.io/octo/shop/web:c0ffee"}
    assert job.context["steps.ship.outputs.result"] == "succeeded"
    assert json.loads((workspace / job.context["steps.ship.outputs.report"]).read_text())["exit_code"] == 0


def test_our_own_workflow_on_a_cluster(
    step: Step, played: Cluster, namespace: str, workspace: Path, kubectl: Kubectl
) -> None:
    """The image that does not exist is played by one whose name says so."""
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    for name, stand_in in {
        "namespace: shop": f"namespace: {namespace}",
        "deployment/shop/web": f"deployment/{namespace}/web",
        "no-such-tag": "pull-fail",
    }.items():
        assert name in workflow
        workflow = workflow.replace(name, stand_in)
    shutil.copytree(EXAMPLES, workspace / "examples")
    played.write_kubeconfig(workspace / "kubeconfig.yaml")
    Job(step, workspace, CONTEXT).run(
        workflow, "kind", skip=["Make a namespace, and write the kubeconfig where a container action sees it"]
    )
    assert images(kubectl, namespace) == {"web": "nginxinc/nginx-unprivileged:pull-fail"}


def test_release_is_of_the_packages_version_with_its_changes(step: Step, tmp_path: Path) -> None:
    """``gh`` is played by a program that notes what it is called with."""
    for name in ("CHANGELOG.md", "k8s_step/__init__.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    with (tmp_path / "CHANGELOG.md").open("a", encoding="utf-8") as changes:
        changes.write(f"\n## {__version__}9\n\n- Of another version.\n")
    (tmp_path / "gh").write_text('#!/bin/sh\necho "$@" > called\n')
    (tmp_path / "gh").chmod(0o755)
    given = {"PATH": f"{tmp_path}:{clean()['PATH']}", "GITHUB_REPOSITORY": "octo/k8s-step"}
    job = Job(step, tmp_path, {"github.token": "x", "needs.image.outputs.digest": "sha256:abc"})
    for name in ("image", "release"):
        job.run(RELEASE.read_text(), name, env={**given, "GITHUB_REF_NAME": f"v{__version__}"})
    assert (tmp_path / "called").read_text().startswith(f"release create v{__version__} --verify-tag")
    notes = (tmp_path / "notes.md").read_text()
    assert "`k8s-step apply`" in notes and "Of another version" not in notes
    assert f"ghcr.io/octo/k8s-step:{__version__}@sha256:abc" in notes
    with pytest.raises(AssertionError, match="grep"):
        job.run(RELEASE.read_text(), "image", env={**given, "GITHUB_REF_NAME": "v9.9.9"})
