"""The workflows, run as GitHub's runner runs them.

What is written in them is what runs; only names that a real pipeline has elsewhere (servers, namespaces) differ.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from tests.artifacts.github import Job
from tests.artifacts.shells import images, listed
from tests.artifacts.test_lint import EXAMPLES
from tests.conftest import Kubectl, Step
from tests.controlplane.cluster import Cluster
from tests.docs.tables import ROOT
from tests.unit.loopback import Exchange, Loopback

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


def test_github_ships_everywhere_in_shares(
    step: Step, cluster: Cluster, namespace: str, workspace: Path, issuer: Callable[[], dict[str, str]]
) -> None:
    """Three jobs for two clusters: one has nothing to do."""
    listed(workspace / "clusters.yaml", cluster, namespace)
    workflow = (EXAMPLES / "github-matrix.yml").read_text()
    job = Job(step, workspace, {**CONTEXT, "strategy.job-total": "3"})
    for shard in "123":
        job.context["matrix.shard"] = shard
        job.run(workflow, "ship", env=issuer())
    job.run(workflow, "result")
    report = json.loads((workspace / "k8s-step.json").read_text())
    assert [(one["name"], one["result"]) for one in report["clusters"]] == [("eu", "succeeded"), ("us", "succeeded")]


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
