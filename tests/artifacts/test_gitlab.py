"""The GitLab example's jobs, under ``sh -e`` with GitLab's variables and an ID token, one after the other."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.artifacts import gitlab
from tests.artifacts.conftest import Rules
from tests.artifacts.shells import cases, clean, images, listed
from tests.artifacts.test_lint import GITLAB, GITLAB_MATRIX
from tests.conftest import Kubectl
from tests.controlplane.cluster import Cluster


@pytest.fixture
def gitlab_job(cluster: Cluster, namespace: str, workspace: Path, token: str) -> Callable[..., dict[str, str]]:
    """Runs a job of the example; the variables that its dotenv report leaves for the jobs after it."""
    all_jobs = {**gitlab.jobs(GITLAB), **gitlab.jobs(GITLAB_MATRIX)}
    given = {
        "CI": "true",
        "GITLAB_CI": "true",
        "CI_PROJECT_DIR": str(workspace),
        "CI_REGISTRY_IMAGE": "registry.example.com/shop",
        "CI_COMMIT_SHORT_SHA": "c0ffee12",
        "CI_COMMIT_REF_SLUG": "fix-cart",
        "CI_ENVIRONMENT_SLUG": "review-fix-cart-x1y2z3",
        "K8S_API": cluster.server,
        "K8S_CA": str(cluster.ca),
        "K8S_NAMESPACE": namespace,
    }

    def run(name: str, code: int = 0, **more: str) -> dict[str, str]:
        job = all_jobs[name]
        minted = dict.fromkeys(job.says.get("id_tokens", {}), token)
        said = job.variables({**given, "CI_JOB_NAME": name, **more})
        if said.get("GIT_STRATEGY") == "none":
            shutil.rmtree(workspace / "k8s", ignore_errors=True)
        reports = {kind: workspace / path for kind, path in job.reports.items()}
        for path in reports.values():
            path.unlink(missing_ok=True)
        answer = subprocess.run(
            ["sh", "-e"],
            input=job.script,
            env=clean(HOME="/", **said, **minted),
            cwd=workspace,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert answer.returncode == code, answer.stdout + answer.stderr
        left = {path.name: path.read_text() for path in reports.values()} | {"log": answer.stdout + answer.stderr}
        assert [name for name, text in left.items() if token in text] == []
        assert not reports or cases(reports["junit"])
        lines = left.get("k8s-step.env", "").splitlines()
        return {"log": left["log"], **dict(line.split("=", 1) for line in lines)}

    return run


def test_gitlab_review_app_comes_and_goes(
    gitlab_job: Callable[..., dict[str, str]], cluster: Cluster, namespace: str, kubectl: Kubectl, rules: Rules
) -> None:
    """Its Role has no names in it, and deletes."""
    cluster.token(namespace, rules=[any_name(rule) for rule in rules])
    assert gitlab_job("review")["K8S_STEP_RESULT"] == "succeeded"
    assert images(kubectl, namespace) == {"review-fix-cart-x1y2z3": "registry.example.com/shop/web:c0ffee12"}
    assert gitlab_job("stop review")["K8S_STEP_RESULT"] == "succeeded"
    left = kubectl("-n", namespace, "get", "deployments,services", "-o", "name").stdout
    assert "review-" not in left


def any_name(rule: dict[str, Any]) -> dict[str, Any]:
    verbs = [*rule["verbs"], "delete"] if "patch" in rule["verbs"] else rule["verbs"]
    return {"apiGroups": rule["apiGroups"], "resources": rule["resources"], "verbs": verbs}


def test_gitlab_production_and_back(
    gitlab_job: Callable[..., dict[str, str]], namespace: str, kubectl: Kubectl
) -> None:
    first = gitlab_job("production")
    assert "IMAGE" not in first and images(kubectl, namespace) == {"web": "registry.example.com/shop/web:c0ffee12"}
    said = gitlab_job("announce", **{name: value for name, value in first.items() if name != "log"})["log"]
    assert "production succeeded (exit code 0), changed " in said and f"deployment/{namespace}/web" in said
    gitlab_job("production", CI_COMMIT_SHORT_SHA="deadbeef")
    assert images(kubectl, namespace) == {"web": "registry.example.com/shop/web:deadbeef"}
    gitlab_job("undo production")
    assert images(kubectl, namespace) == {"web": "registry.example.com/shop/web:c0ffee12"}


def test_gitlab_failure_reaches_the_job(gitlab_job: Callable[..., dict[str, str]], namespace: str) -> None:
    left = gitlab_job("production", code=1, CI_COMMIT_SHORT_SHA="pull-fail")
    assert (left["K8S_STEP_RESULT"], left["K8S_STEP_FAILED"]) == ("failed", f"deployment/{namespace}/web")


def test_gitlab_ships_everywhere_in_shares(
    gitlab_job: Callable[..., dict[str, str]], cluster: Cluster, namespace: str, workspace: Path
) -> None:
    listed(workspace / "clusters.yaml", cluster, namespace)
    here = {"K8S_API": "", "K8S_CA": ""}
    for index in "12":
        gitlab_job("ship", CI_NODE_INDEX=index, CI_NODE_TOTAL="2", **here)
    second = (workspace / "shard-2.json").rename(workspace / "away")
    lost = gitlab_job("result", code=2, **here)
    assert "no report that can be read is of shard 2/2" in lost["log"]
    second.rename(workspace / "shard-2.json")
    left = gitlab_job("result", **here)
    assert left["K8S_STEP_RESULT"] == "succeeded"
    assert left["K8S_STEP_CHANGED"].startswith("eu ") and "2 clusters (2 succeeded)" in left["log"]
    assert gitlab.may_start(GITLAB_MATRIX, "result", {"ship": "failed"})


@pytest.mark.parametrize("state", ["success", "failed", "skipped", "manual"])
def test_gitlab_offers_the_way_back_whatever_became_of_production(state: str) -> None:
    """After a production that failed it is wanted most."""
    assert gitlab.may_start(GITLAB, "undo production", {"production": state})


@pytest.mark.parametrize(("state", "starts"), [("success", True), ("failed", True), ("manual", False)])
def test_gitlab_announces_once_production_has_ended(state: str, starts: bool) -> None:
    assert gitlab.may_start(GITLAB, "announce", {"production": state}) is starts


def test_gitlab_skips_what_needs_a_job_that_failed(tmp_path: Path) -> None:
    """As the way back once was: the model of GitLab above tells the two apart."""
    needing = tmp_path / "needing.yml"
    text = GITLAB.read_text(encoding="utf-8")
    needing.write_text(text.replace("  needs: []", "  needs: [production]"), encoding="utf-8")
    assert needing.read_text(encoding="utf-8") != text
    assert not gitlab.may_start(needing, "undo production", {"production": "failed"})


def test_gitlab_goes_back_after_a_production_that_failed(
    gitlab_job: Callable[..., dict[str, str]], namespace: str, kubectl: Kubectl
) -> None:
    gitlab_job("production")
    gitlab_job("production", code=1, CI_COMMIT_SHORT_SHA="pull-fail")
    assert images(kubectl, namespace) == {"web": "registry.example.com/shop/web:pull-fail"}
    assert gitlab_job("undo production")["K8S_STEP_RESULT"] == "succeeded"
    assert images(kubectl, namespace) == {"web": "registry.example.com/shop/web:c0ffee12"}
