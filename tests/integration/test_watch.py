"""``watch`` against the real control plane: each change is told once, as it happened, whatever came in between."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.conftest import Kubectl, Outcome, Running, Step, poll
from tests.controlplane.cluster import Cluster
from tests.integration.deeds import Deeds, events, names
from tests.integration.objects import custom, definition, pod


@pytest.fixture
def deeds(cluster: Cluster, namespace: str) -> Deeds:
    return Deeds(cluster, namespace)


def ended(running: Running, code: int = 143) -> str:
    """Cancel it; what it said."""
    running.signal(signal.SIGTERM if code == 143 else signal.SIGINT)
    outcome = running.wait()
    assert outcome.code == code, outcome.text
    return outcome.stderr


def test_each_change_is_told_once_and_in_order(step: Step, namespace: str, deeds: Deeds) -> None:
    deeds.create("there")
    running = step.start("watch", "cm", "-n", namespace)
    poll(lambda: deeds.are_told_by(running), "what is there")
    for number in range(5):
        deeds.create(f"map-{number}")
        deeds.change(f"map-{number}")
        deeds.change("there")
    deeds.delete("map-0")
    deeds.create("map-0")
    poll(lambda: deeds.are_told_by(running), "all changes")
    assert "cancelled" in ended(running)


@pytest.mark.parametrize("code", [130, 143], ids=["Ctrl-C", "SIGTERM"])
def test_a_signal_ends_it_cleanly(code: int, step: Step, namespace: str) -> None:
    running = step.start("watch", "cm", "-n", namespace, report=True)
    poll(lambda: events(running), "the first event")
    running.signal(signal.SIGINT if code == 130 else signal.SIGTERM)
    outcome = running.wait(30)
    assert outcome.code == code and outcome.report is not None
    assert outcome.report["result"] == "cancelled" and "Traceback" not in outcome.text


def test_it_ends_when_its_time_is_up(step: Step, namespace: str, deeds: Deeds) -> None:
    deeds.create("there")
    words = ("watch", "cm", "-n", namespace, "--timeout", "10m", "-o", "name")
    outcome = step.timed_out(*words, after="configmap/there")
    assert lines(outcome) == ["configmap/kube-root-ca.crt", "configmap/there"]
    assert "succeeded: 2 events" in outcome.stderr


def test_what_is_there_can_be_left_out(step: Step, namespace: str, deeds: Deeds) -> None:
    deeds.create("there")
    running = step.start("watch", "cm", "-n", namespace, "--only-new", "--log-format", "json")
    running.wait_for("connected")
    poll(lambda: watches(deeds, running), "a change that comes after the list")
    assert all(kind == "MODIFIED" for kind, _ in names(running))
    ended(running)


def watches(deeds: Deeds, running: Running) -> bool:
    """Change until a change is told: before, the list may not have been read."""
    deeds.change("there")
    return bool(names(running))


def test_objects_are_chosen_by_labels_fields_and_names(step: Step, namespace: str, deeds: Deeds) -> None:
    deeds.create("web", app="web")
    deeds.create("api", app="api")
    rest = ("-n", namespace, "--timeout", "0s", "-o", "name")
    assert lines(step("watch", "cm", "-l", "app=web", *rest)) == ["configmap/web"]
    assert lines(step("watch", "cm", "--field-selector", "metadata.name=api", *rest)) == ["configmap/api"]
    assert lines(step("watch", "cm/api", "cm/web", *rest)) == ["configmap/api", "configmap/web"]


def lines(outcome: Outcome) -> list[str]:
    assert outcome.code == 0, outcome.text
    return sorted(outcome.stdout.splitlines())


def test_an_object_that_no_longer_matches_is_deleted_from_the_watch(
    step: Step, namespace: str, deeds: Deeds, kubectl: Kubectl
) -> None:
    deeds.create("web", app="web")
    running = step.start("watch", "cm", "-n", namespace, "-l", "app=web")
    poll(lambda: names(running) == [("ADDED", "web")], "the object")
    kubectl("-n", namespace, "label", "cm/web", "app=other", "--overwrite")
    kubectl("-n", namespace, "label", "cm/web", "app=web", "--overwrite")
    poll(lambda: names(running)[1:] == [("DELETED", "web"), ("ADDED", "web")], "its leaving and coming back")
    ended(running)


def test_several_kinds_and_namespaces_at_once(step: Step, cluster: Cluster, namespace: str, kubectl: Kubectl) -> None:
    other = cluster.namespace(f"{namespace[:20]}-other")
    running = step.start("watch", "cm,secrets", "-n", f"{namespace},{other}", "-o", "name")
    poll(lambda: running.stdout.count("configmap/kube-root-ca.crt") == 2, "what is in both")
    kubectl("-n", namespace, "create", "secret", "generic", "one", "--from-literal=password=hunter2-and-more")
    kubectl("-n", other, "create", "configmap", "two")
    poll(lambda: {"secret/one", "configmap/two"} <= set(running.stdout.split()), "both")
    ended(running)
    cluster.leave_namespace(other)


def test_all_namespaces(step: Step, namespace: str, deeds: Deeds) -> None:
    deeds.create("far", app=namespace)
    outcome = step("watch", "cm", "-A", "-l", f"app={namespace}", "--timeout", "0", "-o", "table")
    rows = [line.split() for line in outcome.stdout.splitlines()]
    assert [rows[0], rows[1][:3]] == [["NAMESPACE", "NAME", "DATA", "AGE"], [namespace, "far", "1"]], outcome.text


def test_a_forbidden_namespace_hides_no_other(step: Step, cluster: Cluster, namespace: str, deeds: Deeds) -> None:
    deeds.create("there")
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list", "watch"]}]
    token = cluster.token(namespace, rules=rules)
    env = {"KUBECONFIG": None, "K8S_API": cluster.server, "K8S_CA": str(cluster.ca), "K8S_TOKEN": token}
    running = step.start("watch", "cm", "-n", f"{namespace},kube-system", "--timeout", "10m", env=env, own_clock=True)
    poll(lambda: deeds.are_told_by(running), "what is in the other")
    running.wait_for("configmaps in kube-system")
    deeds.change("there")
    poll(lambda: deeds.are_told_by(running), "the change")
    running.time_passes()
    outcome = running.wait()
    assert outcome.code == 4 and "it takes the verbs list and watch" in outcome.stderr, outcome.text


def test_where_all_is_forbidden_it_ends_at_once(step: Step, cluster: Cluster, namespace: str) -> None:
    token = cluster.token(namespace)
    env = {"KUBECONFIG": None, "K8S_API": cluster.server, "K8S_CA": str(cluster.ca), "K8S_TOKEN": token}
    outcome = step("watch", "cm", "-n", namespace, env=env)
    assert outcome.code == 4 and "forbidden" in outcome.stderr, outcome.text


def test_no_server_no_watch(step: Step) -> None:
    env = {"K8S_API": "http://127.0.0.1:9"}
    assert step("watch", "cm", env=env).code == 5


def test_secrets_are_masked(step: Step, namespace: str, kubectl: Kubectl) -> None:
    kubectl("-n", namespace, "create", "secret", "generic", "db", "--from-literal=password=hunter2-and-more")
    outcome = step("watch", "secret/db", "-n", namespace, "--timeout", "0")
    assert json.loads(outcome.stdout)["object"]["data"] == {"password": "***"}
    assert "the values of Secrets are masked here" in outcome.stderr


def test_rows_are_those_of_kubectl(
    step: Step, namespace: str, cluster: Cluster, kubectl: Kubectl, tmp_path: Path
) -> None:
    words = ["pods", "-n", namespace, "-l", "app=web"]
    create_pod(cluster, namespace, "first")
    pods = f"/api/v1/namespaces/{namespace}/pods"
    poll(lambda: cluster.get(f"{pods}/first")["status"].get("phase") == "Running", "the first pod")
    ours = step.start("watch", *words, "-o", "table")
    with KubectlWatch(cluster, words, tmp_path) as theirs:
        poll(lambda: "first" in ours.stdout and "first" in theirs.text, "both to watch")
        create_pod(cluster, namespace, "second")
        poll(lambda: cluster.get(f"{pods}/second")["status"].get("phase") == "Running", "the second pod")
        kubectl("-n", namespace, "delete", "pod", "second")
        create_pod(cluster, namespace, "third")
        poll(lambda: "third" in ours.stdout and "third" in theirs.text, "both to tell all")
        rows = [rows_until(text, "third") for text in (ours.stdout, theirs.text)]
    ended(ours)
    assert rows[0] == rows[1] and ["second", "1/1", "Terminating", "0"] in rows[0]
    assert rows[0][0] == ["NAME", "READY", "STATUS", "RESTARTS"]


def rows_until(text: str, name: str) -> list[list[str]]:
    """The first four cells of each row before those of ``name``."""
    rows = [line.split()[:4] for line in text.splitlines()]
    return rows[: [row[0] for row in rows].index(name)]


def create_pod(cluster: Cluster, namespace: str, name: str) -> None:
    made = pod(name, "shop/web:1")
    made["metadata"]["labels"] = {"app": "web"}
    cluster.create(f"/api/v1/namespaces/{namespace}/pods", made)


class KubectlWatch:
    """``kubectl get --watch`` in the background; ``text`` is what it has printed."""

    def __init__(self, cluster: Cluster, words: Sequence[str], folder: Path) -> None:
        self._path = folder / "kubectl"
        kubectl = Path(sys.executable).with_name("kubectl")
        self._command = [str(kubectl), f"--kubeconfig={cluster.kubeconfig}", "get", "--watch", *words]

    def __enter__(self) -> KubectlWatch:
        with self._path.open("wb") as out:
            self._process = subprocess.Popen(self._command, stdout=out)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    @property
    def text(self) -> str:
        return self._path.read_text()


def test_custom_resources_as_a_table(step: Step, namespace: str, kubectl: Kubectl) -> None:
    group = f"{namespace[:7]}.example.com"
    kubectl("create", "-f", "-", input=json.dumps(definition(group)))
    kubectl("wait", "--for=condition=Established", f"crd/widgets.{group}")
    try:
        running = step.start("watch", f"widgets.{group}", "-n", namespace, "-o", "table")
        running.wait_for("namespace")
        kubectl("-n", namespace, "create", "-f", "-", input=json.dumps(custom(group, "one")))
        poll(lambda: "one" in running.stdout, "the object")
        assert running.stdout.split()[:2] == ["NAME", "AGE"]
        ended(running)
    finally:
        kubectl("delete", "crd", f"widgets.{group}", "--wait=false")


def test_it_ends_with_its_reader(cluster: Cluster, namespace: str, deeds: Deeds) -> None:
    """Even where nothing more happens that it could fail to write."""
    deeds.create("there")
    command = [sys.executable, "-m", "k8s_step", "watch", "cm", "-n", namespace, "-o", "name"]
    environ = {"PATH": os.environ["PATH"], "KUBECONFIG": str(cluster.kubeconfig)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, env=environ, text=True, **pipes) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline().startswith("configmap/")
        process.stdout.close()
        said = process.stderr.read()
        assert process.wait(60) == 0, said
    assert "Traceback" not in said and "Broken pipe" not in said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "nothing to do: what is to be watched?"),
        (("cm/web", "-l", "app=web"), "an object is named and a selector given as well"),
        (("cm/web", "-A"), "--all-namespaces: an object is named"),
        (("cm", "-l", "a b"), "is no label's key"),
        (("cm", "-o", "yaml"), "'yaml' is none of jsonl, table, wide, name"),
        (("cm", "-n", ",".join(f"n{number}" for number in range(101))), "101 watches are too many"),
    ],
)
def test_words_that_make_no_sense(words: tuple[str, ...], message: str, step: Step, cluster: Cluster) -> None:
    outcome = step("watch", *words)
    assert outcome.code == 2 and message in outcome.stderr, outcome.text


def test_an_unknown_kind(step: Step, cluster: Cluster) -> None:
    assert step("watch", "nosuchkind").code in (2, 4)
