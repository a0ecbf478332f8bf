"""``permissions``: the Role it prints is enough for apply, verdict and evidence, and no rule of it is one too many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import Kubectl, Outcome, Step, poll
from tests.controlplane.cluster import Cluster
from tests.faults.proxy import Proxy
from tests.integration.objects import claim, config_map, custom, definition, deployment, job, obj, pod, service, write
from tests.integration.outcomes import actions, failures, statuses

RBAC = "rbac.authorization.k8s.io"
Rules = Sequence[Mapping[str, Any]]


def printed(outcome: Outcome) -> list[dict[str, Any]]:
    assert outcome.code == 0, outcome.text
    return list(yaml.safe_load_all(outcome.stdout))


def split(objects: list[dict[str, Any]], namespace: str) -> tuple[Rules, Rules]:
    """The rules of the namespace's Role, and those of the ClusterRole."""
    roles = {one["metadata"].get("namespace", ""): one["rules"] for one in objects}
    assert set(roles) <= {namespace, ""}
    return roles.get(namespace, []), roles.get("", [])


def as_runner(cluster: Cluster, token: str, server: str | None = None) -> dict[str, str | None]:
    environment: dict[str, str | None] = {"KUBECONFIG": None, "K8S_API": server or cluster.server, "K8S_TOKEN": token}
    return environment if server else {**environment, "K8S_CA": str(cluster.ca)}


def without_each(rules: Rules) -> list[tuple[str, list[dict[str, Any]]]]:
    """The rules with one verb less, for each verb of each; with what is missing then."""
    found = []
    for index, rule in enumerate(rules):
        for verb in rule["verbs"]:
            rest = [dict(one) for one in rules]
            rest[index]["verbs"] = [other for other in rule["verbs"] if other != verb]
            found.append((f"{verb} {rule['resources'][0]}", [one for one in rest if one["verbs"]]))
    return found


def release(bad: bool) -> list[dict[str, Any]]:
    return [
        config_map(a="b"),
        obj("v1", "Secret", "keys", stringData={"a": "correct-horse"}),
        service("web"),
        deployment("web"),
        deployment("api", "shop/crash:1" if bad else "shop/api:1"),
        obj("v1", "ServiceAccount", "runner"),
        obj(f"{RBAC}/v1", "Role", "reader", rules=[{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]),
        obj(
            f"{RBAC}/v1",
            "RoleBinding",
            "reader",
            roleRef={"apiGroup": RBAC, "kind": "Role", "name": "reader"},
            subjects=[{"kind": "ServiceAccount", "name": "runner", "namespace": "default"}],
        ),
    ]


@pytest.mark.usefixtures("played")
@pytest.mark.parametrize("bad", [False, True], ids=["good", "bad"])
def test_the_role_is_enough_for_the_verdict_and_its_evidence(
    bad: bool, step: Step, cluster: Cluster, namespace: str, proxy: Proxy, tmp_path: Path
) -> None:
    path = write(tmp_path / "release.yaml", *release(bad))
    rules, cluster_rules = split(printed(step("permissions", "-f", path, "-n", namespace)), namespace)
    assert not cluster_rules
    runner = as_runner(cluster, cluster.token(namespace, rules=rules), proxy.url)
    checked = step("permissions", "-f", path, "-n", namespace, "--check", env=runner)
    assert (checked.code, checked.stdout) == (0, ""), checked.text

    proxy.clear()
    outcome = step("apply", "-f", path, "-n", namespace, env=runner, report=True)
    assert outcome.code == (1 if bad else 0), outcome.text
    assert set(actions(outcome).values()) == {"created"}
    assert "may not" not in outcome.text
    if bad:
        failure = failures(outcome)["Deployment/api"]
        assert failure["reason"] == "CrashLoopBackOff" and failure["logs"] and failure["events"]
        assert not any("may not" in line for line in (*failure["events"], failure["logs_of"]))
    else:
        assert set(statuses(outcome).values()) == {"current"}
        again = step("apply", "-f", path, "-n", namespace, env=runner, report=True)
        assert (again.code, set(actions(again).values())) == (0, {"unchanged"}), again.text
    refused = [one.line for one in proxy.requests if one.code == 403 and not _is_of_all(one)]
    assert refused == []


def _is_of_all(request: Any) -> bool:
    """A list or watch of all Deployments, tried first and then done by name."""
    return bool(request.method == "GET" and request.path.endswith("/deployments"))


@pytest.mark.usefixtures("played")
def test_the_role_to_run_jobs_is_enough_for_logs_verdict_evidence_and_deletion(
    step: Step, cluster: Cluster, namespace: str, proxy: Proxy, tmp_path: Path
) -> None:
    generated = job("", "shop/job-ok:1")
    generated["metadata"] = {"generateName": "seed-"}
    jobs = [job("migrate", "shop/job-ok:1"), job("broken", "shop/job-fail:1"), generated]
    path = write(tmp_path / "jobs.yaml", *jobs)
    command = ("permissions", "-f", path, "-n", namespace, "--for", "run")
    rules, cluster_rules = split(printed(step(*command)), namespace)
    assert not cluster_rules
    assert not any("resourceNames" in rule for rule in rules), "each run has a name of its own"
    runner = as_runner(cluster, cluster.token(namespace, rules=rules), proxy.url)
    checked = step(*command, "--check", env=runner)
    assert (checked.code, checked.stdout) == (0, ""), checked.text

    proxy.clear()
    outcome = step("run", "-f", path, "-n", namespace, "--rm", env=runner, report=True)
    assert outcome.code == 1, outcome.text
    assert set(actions(outcome).values()) == {"created"} and "may not" not in outcome.text
    failure = failures(outcome)["Job/broken"]
    assert failure["reason"] == "BackoffLimitExceeded" and failure["logs"] and failure["events"]
    assert outcome.stderr.count("deleted job.batch/") == 3
    assert [one.line for one in proxy.requests if one.code == 403] == []

    for verb in ("create", "delete"):
        rest = dict(without_each(rules))[f"{verb} jobs"]
        token = cluster.token(namespace, f"without-{verb}", rules=rest)
        less = step(*command, "--check", env=as_runner(cluster, token))
        assert less.code == 4 and f"this token may not {verb} jobs.batch" in less.stderr, less.text


def test_only_jobs_can_be_run(step: Step, namespace: str, tmp_path: Path) -> None:
    path = write(tmp_path / "release.yaml", config_map(a="b"))
    outcome = step("permissions", "-f", path, "-n", namespace, "--for", "run")
    assert outcome.code == 2 and "this is a ConfigMap" in outcome.stderr


def test_no_verb_of_the_role_is_one_too_many(step: Step, cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    objects = [config_map(a="b"), deployment("web"), claim("disk", "unprovisioned")]
    path = write(tmp_path / "release.yaml", *objects)
    rules, cluster_rules = split(printed(step("permissions", "-f", path, "-n", namespace)), namespace)
    assert [rule["resources"] for rule in cluster_rules] == [["storageclasses"]]
    cases = without_each(rules)
    assert len(cases) == 20
    for number, (missing, rest) in enumerate(cases):
        token = cluster.token(namespace, f"less-{number}", rules=rest, cluster_rules=cluster_rules)
        outcome = step("permissions", "-f", path, "-n", namespace, "--check", env=as_runner(cluster, token))
        verb, resource = missing.split()
        plural, _, subresource = resource.partition("/")
        told = [line for line in outcome.stderr.splitlines() if line.startswith("error: ")]
        assert outcome.code == 4 and len(told) == 1, outcome.text
        assert f"namespace {namespace}: this token may not {verb} {plural}" in told[0] and subresource in told[0]


@pytest.mark.usefixtures("played")
@pytest.mark.parametrize(
    ("missing", "code", "told"),
    [
        ("create configmaps", 4, 'cannot create resource "configmaps"'),
        ("patch configmaps", 4, 'cannot patch resource "configmaps"'),
        ("list pods", 3, "may not list pods"),
        ("list replicasets", 3, "may not list replicasets"),
        ("get pods/log", 1, "may not get pods/log"),
        ("list events", 1, "may not list events"),
    ],
)
def test_what_goes_wrong_without_it(
    missing: str, code: int, told: str, step: Step, cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    image = {1: "shop/crash:1", 3: "shop/never-ready:1"}.get(code, "shop/web:1")
    path = write(tmp_path / "release.yaml", config_map(a="b"), deployment("web", image))
    rules, _ = split(printed(step("permissions", "-f", path, "-n", namespace)), namespace)
    rest = dict(without_each(rules))[missing]
    runner = as_runner(cluster, cluster.token(namespace, rules=rest))
    line = ("apply", "-f", path, "-n", namespace)
    outcome = step.timed_out(*line, after=told, env=runner) if code == 3 else step(*line, env=runner)
    assert outcome.code == code, outcome.text
    assert told in outcome.text


def test_the_roles_can_be_applied_and_are_then_enough(
    step: Step, cluster: Cluster, namespace: str, tmp_path: Path, kubectl: Kubectl
) -> None:
    """Also what is cluster-wide: a CustomResourceDefinition, its resource, a priority class, a claim."""
    group = f"{namespace[:7]}.example"
    priority = obj("scheduling.k8s.io/v1", "PriorityClass", f"high-{namespace}", value=10)
    objects = [definition(group), custom(group, "one", spec={"size": 1}), priority, job("once", "shop/job:1")]
    path = write(tmp_path / "release.yaml", *objects, pod("alone", "shop/web:1"))
    token = cluster.token(namespace, "runner")
    command = ("permissions", "-f", path, "-n", namespace, "--role-name", f"step-{namespace}")
    before = step(*command, "--check", env=as_runner(cluster, token))
    assert before.code == 4, before.text
    assert "cluster: this token may not get, list, watch, create, patch customresourcedefinitions" in before.stderr
    text = step(*command, "--service-account", f"{namespace}/runner").stdout
    kubectl("apply", "-f", "-", input=text)
    names = [f"{one['kind'].lower()}/{one['metadata']['name']}" for one in yaml.safe_load_all(text)]
    assert len(names) == 6, "a ClusterRole, Roles here and (for the events of what is cluster-wide) in default"
    poll(lambda: step(*command, "--check", env=as_runner(cluster, token)).code == 0, "the authorizer to see them")
    outcome = step("apply", "-f", path, "-n", namespace, env=as_runner(cluster, token), report=True)
    cluster_wide = [name for name in names if name.startswith("clusterrole")]
    kubectl("delete", *cluster_wide, f"crd/widgets.{group}", f"priorityclass/high-{namespace}", "--wait=false")
    kubectl("-n", "default", "delete", f"role/step-{namespace}", f"rolebinding/step-{namespace}")
    assert outcome.code == 0, outcome.text
    assert set(actions(outcome).values()) == {"created"}


@pytest.mark.parametrize("account", ["runner", "/runner", "ci/", "ci/a/b"])
def test_a_service_account_is_named_with_its_namespace(account: str, step: Step, tmp_path: Path) -> None:
    path = write(tmp_path / "release.yaml", config_map(a="b"))
    outcome = step("permissions", "-f", path, "--service-account", account)
    assert outcome.code == 2 and "NAMESPACE/NAME" in outcome.stderr
