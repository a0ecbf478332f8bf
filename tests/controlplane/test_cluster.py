"""The cluster around the tests: its tokens and kubeconfigs, its end, and what is said where it can't be had."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import yaml

from tests.conftest import LOUD, Kubectl, poll
from tests.controlplane import build
from tests.controlplane.cluster import ROOT, Cluster

READ_PODS = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}]


def _alive(pid: int) -> bool:
    """Whether the process runs; one that has ended and that nobody has waited for yet doesn't."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_is_the_pinned_release_with_rbac(cluster: Cluster, owned: Cluster) -> None:
    assert cluster.get("/version")["gitVersion"] == build.KUBERNETES
    assert cluster.request("GET", "/api/v1/pods", token="no-such-token").code == 401


def test_a_token_may_do_what_its_rules_say_and_no_more(cluster: Cluster, namespace: str) -> None:
    token = cluster.token(namespace, "reader", rules=READ_PODS)
    pods = f"/api/v1/namespaces/{namespace}/pods"
    assert cluster.request("GET", pods, token=token).code == 200
    assert cluster.request("POST", pods, {}, token=token).code == 403
    assert cluster.request("GET", "/api/v1/namespaces/kube-system/pods", token=token).code == 403
    assert cluster.request("GET", f"/api/v1/namespaces/{namespace}/secrets", token=token).code == 403


def test_a_token_with_cluster_rules(cluster: Cluster, namespace: str) -> None:
    rules = [{"apiGroups": [""], "resources": ["namespaces"], "verbs": ["list"]}]
    token = cluster.token(namespace, "lister", cluster_rules=rules)
    assert cluster.request("GET", "/api/v1/namespaces", token=token).code == 200
    assert cluster.request("GET", "/api/v1/nodes", token=token).code == 403


def test_kubeconfigs_of_every_kind(cluster: Cluster, owned: Cluster, kubectl: Kubectl, tmp_path: Path) -> None:
    files = cluster.write_kubeconfig(tmp_path / "files", user=cluster.certificate_files())
    token = cluster.token("default", "anybody")
    with_token = cluster.write_kubeconfig(tmp_path / "token", user={"token": token}, context={"namespace": "default"})
    whoami = ("auth", "whoami", "-o", "jsonpath={.status.userInfo.username}")
    assert kubectl(*whoami).stdout == "admin"
    assert kubectl(f"--kubeconfig={files}", *whoami).stdout == "admin"
    assert kubectl(f"--kubeconfig={with_token}", *whoami).stdout == "system:serviceaccount:default:anybody"
    assert yaml.safe_load(with_token.read_text())["contexts"][0]["context"]["namespace"] == "default"
    assert with_token.stat().st_mode & 0o077 == 0


def test_namespaces_are_fresh_and_have_their_service_account(cluster: Cluster, namespace: str) -> None:
    assert cluster.get(f"/api/v1/namespaces/{namespace}/serviceaccounts/default")["metadata"]["name"] == "default"
    assert cluster.get(f"/api/v1/namespaces/{namespace}/pods")["items"] == []


_USER = """
import json, sys, time
from pathlib import Path
from tests.controlplane import build, cluster
started = cluster.start(Path(sys.argv[1]) / "cluster", build.find())
print(json.dumps([started.supervisor, *started.processes.values()]), flush=True)
time.sleep(600)
"""


def test_nothing_is_left_when_its_user_is_killed(owned: Cluster, tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", _USER, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE) as user:
        try:
            assert user.stdout
            pids = yaml.safe_load(user.stdout.readline())
            assert len(pids) == 6
            assert all(map(_alive, pids))
        finally:
            user.kill()
    poll(lambda: not any(map(_alive, pids)), "the cluster's processes to end", 10)
    poll(lambda: not (tmp_path / "cluster").exists(), "its folder to be gone", 10)


def test_nothing_is_left_when_the_supervisor_is_killed(owned: Cluster, tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", _USER, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE) as user:
        try:
            assert user.stdout
            supervisor, *servers = yaml.safe_load(user.stdout.readline())
            os.kill(supervisor, signal.SIGKILL)
            poll(lambda: not any(map(_alive, servers)), "the servers to end", 10)
        finally:
            user.kill()


def test_make_cluster_prints_the_export_line_and_stops(owned: Cluster, kubectl: Kubectl) -> None:
    command = [sys.executable, "-m", "tests.controlplane"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            export = process.stdout.readline().strip()
            assert export.startswith("export KUBECONFIG=")
            path = Path(export.partition("=")[2])
            nodes = kubectl(f"--kubeconfig={path}", "get", "nodes", "-o", "name").stdout.split()
            assert len(nodes) == 3
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 0
        finally:
            process.kill()
        assert not path.exists()


def _pytest(tmp_path: Path, *args: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {"PATH": str(tmp_path), "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--rootdir", str(ROOT), "-q", *args]
    return subprocess.run(
        command, cwd=ROOT, env={**clean, **environment}, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.parametrize("workers", [[], ["-n2"]])
def test_where_it_cannot_be_built_one_loud_line_says_so(tmp_path: Path, workers: list[str]) -> None:
    node = "tests/controlplane/test_cluster.py::test_a_token_may_do_what_its_rules_say_and_no_more"
    empty = {"K8S_STEP_TEST_CACHE": str(tmp_path / "cache"), "PIP_NO_INDEX": "1"}
    answer = _pytest(tmp_path, node, *workers, **empty)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "1 skipped" in answer.stdout
    loud = [line for line in answer.stdout.splitlines() if line.startswith(LOUD)]
    assert len(loud) == 1
    assert "no go on PATH" in loud[0]
    assert "could not be installed" in loud[0]


def test_a_cluster_that_is_there_already_is_used(owned: Cluster, tmp_path: Path) -> None:
    node = "tests/controlplane/test_cluster.py::test_a_token_may_do_what_its_rules_say_and_no_more"
    given = {"K8S_STEP_TEST_KUBECONFIG": str(owned.kubeconfig), "K8S_STEP_TEST_CACHE": str(tmp_path / "cache")}
    answer = _pytest(
        tmp_path, node, "tests/controlplane/test_cluster.py::test_is_the_pinned_release_with_rbac", **given
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "1 passed, 1 skipped" in answer.stdout
    assert "isn't ours to look into" in answer.stdout
    assert not (tmp_path / "cache").exists()


def test_workers_share_one_cluster(owned: Cluster, tmp_path: Path) -> None:
    """Two workers, each told to write down the server it sees."""
    (tmp_path / "conftest.py").write_text("from tests.conftest import *\nfrom tests.conftest import cluster, owned\n")
    (tmp_path / "test_share.py").write_text(
        textwrap.dedent(
            f"""
            import os, pathlib, pytest
            @pytest.mark.parametrize("number", range(2))
            def test_share(cluster, number, worker_id):
                path = pathlib.Path({str(tmp_path)!r})
                (path / f"seen-{{worker_id}}").write_text(f"{{cluster.server}} {{cluster.supervisor}}")
            """
        )
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "-n2", str(tmp_path), "--rootdir"]
    answer = subprocess.run(
        [*command, str(tmp_path)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    seen = [path.read_text() for path in tmp_path.glob("seen-*")]
    assert len(seen) == 2
    assert len(set(seen)) == 1
    supervisor = int(seen[0].split()[1])
    poll(lambda: not _alive(supervisor), "the cluster to end with the run", 10)
