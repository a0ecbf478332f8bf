"""The examples and our own workflow, run as their CI system runs them: its variables, its shell, its user.

What is written in the files is what runs; only names that a real pipeline has elsewhere (servers, namespaces) differ.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree as Xml

import pytest
import yaml

from tests import runner
from tests.artifacts import gitlab, jenkins, tools
from tests.artifacts.test_lint import EXAMPLES, GITLAB, JENKINS
from tests.conftest import Kubectl, Outcome, Step
from tests.controlplane.cluster import Cluster
from tests.docs.tables import ROOT
from tests.unit.loopback import Exchange, Loopback

UID = 12345
COOKIE = "JENKINS_SERVER_COOKIE=durable-{}"
Rules = list[dict[str, Any]]
pytestmark = pytest.mark.usefixtures("played")


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A checkout of a project that has the examples' manifests in ``k8s/``."""
    folder = tmp_path / "workspace"
    shutil.copytree(EXAMPLES / "k8s", folder / "k8s")
    return folder


@pytest.fixture
def rules(step: Step, namespace: str, workspace: Path) -> Rules:
    """What ``k8s-step permissions`` says that the manifests need."""
    outcome = step("permissions", "-f", "k8s/", "-n", namespace, env={"IMAGE": "shop/web:1"}, cwd=workspace)
    assert outcome.code == 0, outcome.text
    roles = [document for document in yaml.safe_load_all(outcome.stdout) if document["kind"] == "Role"]
    return [rule for role in roles for rule in role["rules"]]


@pytest.fixture
def token(cluster: Cluster, namespace: str, rules: Rules) -> str:
    return cluster.token(namespace, rules=rules)


def images(kubectl: Kubectl, namespace: str) -> dict[str, str]:
    """The image of each Deployment."""
    found = json.loads(kubectl("-n", namespace, "get", "deployments", "-o", "json").stdout)["items"]
    return {item["metadata"]["name"]: item["spec"]["template"]["spec"]["containers"][0]["image"] for item in found}


def cases(path: Path) -> int:
    """How many objects the JUnit report has; it must have been written by this job."""
    return len(Xml.parse(path).getroot().findall("testcase"))


def clean(**more: str) -> dict[str, str]:
    """What a container has: the image's ``k8s-step`` on the path, no kubeconfig."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return {"PATH": path, "LANG": "C.UTF-8", **more}


# ---------------------------------------------------------------------------------------------------- GitHub Actions


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
            env=clean(**common, **own),
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
    step: Step, cluster: Cluster, namespace: str, workspace: Path, kubectl: Kubectl
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
    cluster.write_kubeconfig(workspace / "kubeconfig.yaml")
    Job(step, workspace, CONTEXT).run(
        workflow, "kind", skip=["Make a namespace, and write the kubeconfig where a container action sees it"]
    )
    assert images(kubectl, namespace) == {"web": "nginxinc/nginx-unprivileged:pull-fail"}


# --------------------------------------------------------------------------------------------------------- GitLab CI


@pytest.fixture
def gitlab_job(cluster: Cluster, namespace: str, workspace: Path, token: str) -> Callable[..., dict[str, str]]:
    """Runs a job of the example; the variables that its dotenv report leaves for the jobs after it."""
    all_jobs = gitlab.jobs(GITLAB)
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
            shutil.rmtree(workspace / "k8s")
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
        reports = {kind: workspace / path for kind, path in job.reports.items()}
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


# ----------------------------------------------------------------------------------------------------------- Jenkins


class Agent:
    """A container that Jenkins has started under some uid: no home, no writable file but its workspace.

    The uid may read what root may, since the interpreter and the kubeconfigs of the tests are root's.
    """

    def __init__(self, workspace: Path) -> None:
        if os.geteuid() != 0 or not (shutil.which("setpriv") and shutil.which("unshare")):
            pytest.skip(f"{tools.LOUD}: no root, setpriv and unshare, which run Jenkins's steps as another user")
        os.chown(workspace, UID, UID)
        self.workspace = workspace
        self.running: list[subprocess.Popen[bytes]] = []

    def start(self, script: str, environ: Mapping[str, str], account: Path | None = None) -> subprocess.Popen[bytes]:
        """``sh -xe``, as Jenkins runs a ``sh`` step; what it says goes to ``log`` beside the workspace."""
        capability = "--inh-caps=-all,+dac_read_search"
        user = f"setpriv --reuid={UID} --regid={UID} --clear-groups {capability} --ambient-caps=+dac_read_search"
        mounted = "/run/secrets/kubernetes.io/serviceaccount"
        inside = [
            'mount --bind "$PWD" "$PWD"',
            'cd "$PWD"',
            *([f"mount -t tmpfs none /run && mkdir -p {mounted} && cp {account}/* {mounted}"] if account else []),
            "mount -o remount,bind,ro /",
            f'exec {user} --no-new-privs sh -xe -c "$0"',
        ]
        with (self.workspace.parent / "log").open("ab") as log:
            process = subprocess.Popen(
                ["unshare", "--mount", "sh", "-e", "-c", "\n".join(inside), script],
                env=clean(HOME="/", **environ),
                cwd=self.workspace,
                stdout=log,
                stderr=log,
            )
        self.running.append(process)
        return process

    @property
    def log(self) -> str:
        return (self.workspace.parent / "log").read_text(errors="replace")

    def processes(self, cookie: str) -> list[int]:
        """Those that have the cookie in their environment: this is how Jenkins finds what to end."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if cookie.encode() in (folder / "environ").read_bytes().split(b"\0"):
                    found.append(int(folder.name))
        return found


@pytest.fixture
def agent(workspace: Path) -> Iterator[Agent]:
    found = Agent(workspace)
    yield found
    for process in found.running:
        if process.poll() is None:
            process.kill()
            process.wait()


def bound(shell: jenkins.Shell, values: Mapping[str, str], folder: Path) -> dict[str, str]:
    """The variables of the credentials around a step: a text itself, or the path of a file only the agent reads."""
    variables = {}
    for kind, name, variable in shell.credentials:
        variables[variable] = values[name]
        if kind == "file":
            path = folder / name
            path.write_text(values[name])
            path.chmod(0o600)
            os.chown(path, UID, UID)
            variables[variable] = str(path)
    return variables


def stage_variables(pipeline: jenkins.Pipeline, stage: jenkins.Stage, **more: str) -> dict[str, str]:
    """Parameters are variables as well, booleans as words."""
    parameters = {
        name: {True: "true", False: "false"}.get(value, str(value)) for name, value in pipeline.parameters.items()
    }
    return {**parameters, **stage.environment, "JENKINS_URL": "https://ci.example/", "BUILD_NUMBER": "42", **more}


def read(tag: str) -> dict[str, jenkins.Pipeline]:
    return jenkins.read(JENKINS, {"TAG": tag, "PRODUCTION": True})


def published(stage: jenkins.Stage, workspace: Path) -> dict[str, Path]:
    """What the stage publishes, whatever came of it."""
    names = {call["name"]: call["arguments"][0] for call in stage.always}
    return {
        "junit": workspace / names["junit"]["testResults"],
        "report": workspace / names["archiveArtifacts"]["artifacts"],
    }


@pytest.mark.parametrize("number", [0, 1], ids=["token", "kubeconfig"])
def test_jenkins_under_another_uid(
    number: int, agent: Agent, cluster: Cluster, namespace: str, workspace: Path, kubectl: Kubectl, token: str
) -> None:
    pipeline = read("1.5.0")["Jenkinsfile"]
    stage = pipeline.stages[number]
    secret = {
        "k8s-api": cluster.server,
        "k8s-token": token,
        "k8s-ca": cluster.ca.read_text(),
        "k8s-production": cluster.write_kubeconfig(workspace.parent / "own", user={"token": token}).read_text(),
    }
    for shell in stage.shells:
        environ = stage_variables(pipeline, stage, K8S_NAMESPACE=namespace, **bound(shell, secret, workspace.parent))
        assert agent.start(shell.script, environ).wait(120) == 0, agent.log
    assert images(kubectl, namespace) == {"web": "registry.example.com/shop/web:1.5.0"}
    left = published(stage, workspace)
    assert cases(left["junit"]) == 2
    assert json.loads(left["report"].read_text())["result"] == "succeeded"
    assert left["report"].stat().st_uid == UID
    assert token not in agent.log + left["junit"].read_text() + left["report"].read_text()


def test_jenkins_abort_leaves_the_evidence(
    agent: Agent, cluster: Cluster, namespace: str, workspace: Path, token: str
) -> None:
    pipeline = read("never-ready")["Jenkinsfile"]
    stage = pipeline.stages[0]
    secret = {"k8s-api": cluster.server, "k8s-token": token, "k8s-ca": cluster.ca.read_text()}
    cookie = COOKIE.format(namespace)
    name, _, value = cookie.partition("=")
    environ = stage_variables(
        pipeline, stage, K8S_NAMESPACE=namespace, **bound(stage.shells[0], secret, workspace.parent), **{name: value}
    )
    process = agent.start(stage.shells[0].script, environ)
    until(lambda: "waiting for" in agent.log, agent)
    for number in agent.processes(cookie):
        os.kill(number, signal.SIGTERM)
    process.wait(60)
    until(lambda: not agent.processes(cookie), agent)
    left = published(stage, workspace)
    assert json.loads(left["report"].read_text())["result"] == "cancelled"
    assert cases(left["junit"]) == 2


def test_jenkins_in_a_pod(
    agent: Agent, cluster: Cluster, namespace: str, workspace: Path, kubectl: Kubectl, token: str, rules: Rules
) -> None:
    """The pod as the API server takes it, the steps with its service account mounted."""
    pipeline = read("1.5.0")["Jenkinsfile.kubernetes"]
    (stage,) = pipeline.stages
    pod = yaml.safe_load(stage.agent["calls"][0]["calls"][0]["arguments"][0])
    (container,) = pod["spec"]["containers"]
    taken = {**pod, "metadata": {"name": "agent"}, "spec": {**pod["spec"], "serviceAccountName": "ci"}}
    kubectl("-n", namespace, "apply", "--dry-run=server", "-f", "-", input=yaml.safe_dump(taken))
    account = workspace.parent / "account"
    account.mkdir()
    (account / "token").write_text(token)
    (account / "namespace").write_text(namespace)
    (account / "ca.crt").write_text(cluster.ca.read_text())
    host, _, port = cluster.server.removeprefix("https://").rpartition(":")
    inside = {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port, "K8S_NAMESPACE": namespace}
    for shell in stage.shells:
        assert shell.container == container["name"]
        assert agent.start(shell.script, stage_variables(pipeline, stage, **inside), account).wait(120) == 0, agent.log
    assert images(kubectl, namespace) == {"web": "registry.example.com/shop/web:1.5.0"}
    assert cases(published(stage, workspace)["junit"]) == 2
    assert "from the mounted service account" in agent.log


def until(seen: Callable[[], bool], agent: Agent) -> None:
    end = time.monotonic() + 60
    while not seen():
        assert time.monotonic() < end, agent.log
        time.sleep(0.02)
