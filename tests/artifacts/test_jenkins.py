"""The Jenkinsfiles' ``sh`` steps, under another uid with no home and nothing writable but the workspace; an abort."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
import yaml

from tests.artifacts import jenkins, tools
from tests.artifacts.conftest import Rules
from tests.artifacts.shells import cases, clean, images, listed
from tests.artifacts.test_lint import JENKINS
from tests.conftest import Kubectl
from tests.controlplane.cluster import Cluster

UID = 12345
COOKIE = "JENKINS_SERVER_COOKIE=durable-{}"


@functools.cache
def can_be_another() -> bool:
    if os.geteuid() != 0 or not (shutil.which("unshare") and shutil.which("setpriv")):
        return False
    line = ["unshare", "--mount", "setpriv", f"--reuid={UID}", "true"]
    return subprocess.run(line, capture_output=True, timeout=60).returncode == 0


class Agent:
    """A container that Jenkins has started under some uid: no home, no writable file but its workspace.

    The uid may read what root may, since the interpreter and the kubeconfigs of the tests are root's.
    """

    def __init__(self, workspace: Path) -> None:
        if not can_be_another():
            pytest.skip(f"{tools.LOUD}: no root that may mount and setpriv, to run Jenkins's steps as another user")
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
                start_new_session=True,
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
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_the_agent_is_as_bare_as_it_should_be(agent: Agent) -> None:
    process = agent.start(
        'for path in /x /etc/x "$HOME/x" k8s/x; do if touch "$path"; then exit 1; fi; done; touch y', {}
    )
    assert process.wait(60) == 0, agent.log
    assert (agent.workspace / "y").stat().st_uid == UID


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


@functools.cache
def pipelines() -> dict[str, jenkins.Pipeline]:
    return jenkins.read(JENKINS, {"TAG": "1.5.0", "PRODUCTION": True})


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
    pipeline = pipelines()["Jenkinsfile"]
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


def test_jenkins_ships_everywhere_in_shares(
    agent: Agent, cluster: Cluster, namespace: str, workspace: Path, token: str
) -> None:
    """Five cells for two clusters, which are contexts of the one kubeconfig."""
    pipeline = pipelines()["Jenkinsfile.matrix"]
    share, result = pipeline.stages
    listed(workspace / "clusters.yaml", cluster, namespace, "test")
    given = cluster.write_kubeconfig(workspace.parent / "own", user={"token": token}).read_text()
    secret = {"k8s-everywhere": given}
    for shard in "12345":
        environ = stage_variables(pipeline, share, SHARD=shard, **bound(share.shells[0], secret, workspace.parent))
        assert agent.start(share.shells[0].script, environ).wait(120) == 0, agent.log
    assert agent.start(result.shells[0].script, stage_variables(pipeline, result)).wait(120) == 0, agent.log
    left = published(result, workspace)
    assert cases(left["junit"]) == 4
    report = json.loads(left["report"].read_text())
    assert [(one["name"], one["result"]) for one in report["clusters"]] == [("eu", "succeeded"), ("us", "succeeded")]


def test_jenkins_abort_leaves_the_evidence(
    agent: Agent, cluster: Cluster, namespace: str, workspace: Path, token: str
) -> None:
    pipeline = pipelines()["Jenkinsfile"]
    stage = pipeline.stages[0]
    secret = {"k8s-api": cluster.server, "k8s-token": token, "k8s-ca": cluster.ca.read_text()}
    cookie = COOKIE.format(namespace)
    name, _, value = cookie.partition("=")
    more = {"K8S_NAMESPACE": namespace, "IMAGE": "shop/web:never-ready", name: value}
    environ = stage_variables(pipeline, stage, **more, **bound(stage.shells[0], secret, workspace.parent))
    process = agent.start(stage.shells[0].script, environ)
    until(lambda: "waiting for" in agent.log, agent)
    for number in agent.processes(cookie):
        with contextlib.suppress(ProcessLookupError):
            os.kill(number, signal.SIGTERM)
    process.wait(120)
    until(lambda: not agent.processes(cookie), agent)
    left = published(stage, workspace)
    assert json.loads(left["report"].read_text())["result"] == "cancelled"
    assert cases(left["junit"]) == 3, "two objects, and the run itself, which is no success"


def test_jenkins_in_a_pod(
    agent: Agent, cluster: Cluster, namespace: str, workspace: Path, kubectl: Kubectl, token: str, rules: Rules
) -> None:
    """The pod as the API server takes it, the steps with its service account mounted."""
    pipeline = pipelines()["Jenkinsfile.kubernetes"]
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
    end = time.monotonic() + 120
    while not seen():
        assert time.monotonic() < end, agent.log
        time.sleep(0.02)
