"""``watch --exec``: a command for each event, and what becomes of it when the watch ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Step, poll
from tests.controlplane.cluster import Cluster
from tests.integration.deeds import Deeds
from tests.integration.objects import pod

EXAMPLE = Path(__file__).parents[2] / "examples" / "delete-failed-pods.sh"


@pytest.fixture
def deeds(cluster: Cluster, namespace: str) -> Deeds:
    return Deeds(cluster, namespace)


def test_a_command_runs_for_each_event_in_the_order_of_its_object(
    step: Step, namespace: str, deeds: Deeds, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    command = f'cat >> "{out}/$EVENT_NAME"; echo "$EVENT_TYPE $EVENT_OBJECT $EVENT_NAMESPACE" >> "{out}/order"'
    running = step.start("watch", "cm", "-n", namespace, "--only-new", "-o", "name", "--exec", command)
    running.wait_for("namespace")
    deeds.create("begin")
    poll(lambda: begun(deeds, out), "the first event")
    for name in ("a", "b"):
        deeds.create(name)
        deeds.change(name)
        deeds.delete(name)
    poll(lambda: (out / "order").read_text().count("DELETED") == 2, "all commands")
    running.signal(signal.SIGTERM)
    assert running.wait().code == 143
    for name in ("a", "b"):
        events = [json.loads(line) for line in (out / name).read_text().splitlines()]
        assert [one["type"] for one in events] == ["ADDED", "MODIFIED", "DELETED"]
        assert f"DELETED configmap/{name} {namespace}\n" in (out / "order").read_text()


def begun(deeds: Deeds, out: Path) -> bool:
    """Change until a change is passed on: what came before the list is not."""
    deeds.change("begin")
    return (out / "order").exists()


def test_failures_are_told_and_counted(step: Step, namespace: str, deeds: Deeds) -> None:
    deeds.create("web")
    command = 'echo looking; [ "$EVENT_NAME" != web ] || { echo "no such thing" >&2; exit 3; }'
    outcome = step("watch", "cm", "-n", namespace, "--timeout", "0", "-o", "name", "--exec", command)
    assert outcome.code == 1, outcome.text
    assert "configmap/web: looking" in outcome.stderr
    assert "configmap/web: --exec ended with exit code 3: no such thing" in outcome.stderr
    assert "--exec: 1 of 2 commands failed" in outcome.stderr
    assert "looking" not in outcome.stdout, "stdout holds the events alone"


def test_a_command_that_runs_on_is_ended_with_the_watch(
    step: Step, namespace: str, deeds: Deeds, tmp_path: Path
) -> None:
    deeds.create("web")
    command = f"sleep 600 & echo $! > {tmp_path}/pid; wait"
    running = step.start("watch", "cm/web", "-n", namespace, "--exec", command)
    poll(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip(), "the command")
    running.signal(signal.SIGTERM)
    outcome = running.wait()
    assert outcome.code == 143 and "1 command still ran, now ended" in outcome.stderr, outcome.text
    poll(lambda: not alive(int((tmp_path / "pid").read_text())), "its end")


def test_a_second_signal_leaves_no_command(step: Step, namespace: str, deeds: Deeds, tmp_path: Path) -> None:
    """Though the command heeds none, and nobody waits for it any more."""
    deeds.create("web")
    command = f"trap '' TERM INT; echo $$ > {tmp_path}/pid; while :; do sleep 1; done"
    running = step.start("watch", "cm/web", "-n", namespace, "--exec", command)
    poll(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip(), "the command")
    running.signal(signal.SIGINT)
    running.wait_for("now ended")
    running.signal(signal.SIGTERM)
    assert running.wait().code == 143
    poll(lambda: not alive(int((tmp_path / "pid").read_text())), "its end")


def alive(pid: int) -> bool:
    """A zombie that nobody has buried is not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_commands_are_waited_for_at_the_end(step: Step, namespace: str, deeds: Deeds, tmp_path: Path) -> None:
    deeds.create("web")
    command = f"sleep 2; echo done > {tmp_path}/done"
    outcome = step("watch", "cm/web", "-n", namespace, "--for", "create", "--exec", command)
    assert outcome.code == 0 and (tmp_path / "done").exists(), outcome.text


def test_the_environment_is_the_steps_own(step: Step, cluster: Cluster, namespace: str, deeds: Deeds) -> None:
    """A token given by flag is not in it; what tells this watch what to do is taken out."""
    deeds.create("web")
    token = cluster.token(namespace, rules=[{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["*"]}])
    env = {
        "K8S_OUTPUT": "name",
        "K8S_EXEC": "env | cut -d= -f1",
        "INPUT_OBJECT": "cm/web",
        "K8S_TIMEOUT": "0",
        "OWN": "ours",
    }
    where = ("--server", cluster.server, "--ca", str(cluster.ca), "--token", token, "-n", namespace)
    outcome = step("watch", *where, env={**env, "KUBECONFIG": None})
    assert outcome.code == 0, outcome.text
    told = {line.partition("configmap/web: ")[2].partition("=")[0] for line in outcome.stderr.splitlines()}
    assert {"OWN", "EVENT_TYPE", "EVENT_OBJECT", "EVENT_NAMESPACE", "EVENT_NAME"} <= told
    assert not {"K8S_OUTPUT", "K8S_EXEC", "INPUT_OBJECT", "K8S_TIMEOUT", "K8S_TOKEN"} & told


@pytest.mark.usefixtures("played")
def test_failed_pods_are_deleted_by_one_line_of_shell(cluster: Cluster, namespace: str) -> None:
    """``examples/delete-failed-pods.sh``, as it is."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environ = {"PATH": path, "KUBECONFIG": str(cluster.kubeconfig), "NAMESPACE": namespace, "HOME": "/nonexistent"}
    with subprocess.Popen(["sh", str(EXAMPLE)], env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            pods = f"/api/v1/namespaces/{namespace}/pods"
            for name, image in (("good", "shop/web:1"), ("bad", "job-fail"), ("worse", "job-fail")):
                cluster.create(pods, pod(name, image, "Never"))
            poll(lambda: [one["metadata"]["name"] for one in cluster.get(pods)["items"]] == ["good"], "their end", 120)
        finally:
            process.terminate()
            process.communicate(timeout=60)
    assert process.returncode == 143
