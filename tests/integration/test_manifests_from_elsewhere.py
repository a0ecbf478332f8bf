"""Manifests that other tools wrote: what Helm means for itself, and what a cluster has exported."""

from __future__ import annotations

from pathlib import Path

import pytest

from k8s_step.objects.kinds.retired import RETIRED
from tests.conftest import Kubectl, Outcome, Step
from tests.controlplane.cluster import Cluster
from tests.integration.objects import Object, config_map, deployment, obj, write
from tests.integration.outcomes import actions, statuses

# --- helm template -------------------------------------------------------------------------------------------------


def hook(made: Object, *events: str) -> Object:
    return {**made, "metadata": {**made["metadata"], "annotations": {"helm.sh/hook": ",".join(events)}}}


def pod(name: str) -> Object:
    containers = [{"name": "try", "image": "busybox:1.36", "command": ["wget", "web"]}]
    return obj("v1", "Pod", name, spec={"restartPolicy": "Never", "containers": containers})


def definition(name: str) -> Object:
    schema = {"openAPIV3Schema": {"type": "object"}}
    versions = [{"name": "v1", "served": True, "storage": True, "schema": schema}]
    names = {"kind": name.capitalize(), "plural": f"{name}s", "singular": name}
    spec = {"group": "hooks.example", "names": names, "scope": "Namespaced", "versions": versions}
    return obj("apiextensions.k8s.io/v1", "CustomResourceDefinition", f"{name}s.hooks.example", spec=spec)


@pytest.fixture
def chart(tmp_path: Path) -> str:
    """What ``helm template`` prints of a chart with a test, as ``helm create`` makes one, and with a migration."""
    return write(
        tmp_path / "release.yaml",
        config_map(tone="low"),
        hook(config_map("before"), "pre-install", "pre-upgrade"),
        deployment("web"),
        hook(pod("web-test-connection"), "test"),
    )


LEFT_OUT = "2 Helm hooks are left out: configmap/before (pre-install, pre-upgrade), pod/web-test-connection (test)"


def test_hooks_are_named_and_not_applied(chart: str, step: Step, kubectl: Kubectl, namespace: str) -> None:
    first = step("apply", "-f", chart, "-n", namespace, report=True)
    assert first.code == 0, first.text
    assert LEFT_OUT in first.stderr and first.stderr.count("Helm hook") == 1
    assert actions(first) == {"ConfigMap/settings": "created", "Deployment/web": "created"}
    again = step("apply", "-f", chart, "-n", namespace, report=True)
    assert (again.code, set(actions(again).values())) == (0, {"unchanged"}), again.text
    there = kubectl("-n", namespace, "get", "pod,cm", "-o", "name").stdout.split()
    assert "pod/web-test-connection" not in there and "configmap/before" not in there


def test_hooks_that_are_asked_for_are_applied_like_anything_else(
    chart: str, step: Step, kubectl: Kubectl, namespace: str
) -> None:
    outcome = step("apply", "-f", chart, "-n", namespace, "--helm-hooks", "pre-upgrade", report=True)
    assert outcome.code == 0, outcome.text
    assert list(actions(outcome)) == ["ConfigMap/settings", "ConfigMap/before", "Deployment/web"]
    assert "1 Helm hook is left out: pod/web-test-connection (test)" in outcome.stderr


@pytest.mark.parametrize("verb", ["diff", "render", "permissions", "create", "replace", "status", "delete"])
def test_every_verb_leaves_them_out(
    verb: str, chart: str, step: Step, kubectl: Kubectl, namespace: str, tmp_path: Path
) -> None:
    if verb not in ("create", "render", "permissions"):
        assert step("apply", "-f", chart, "-n", namespace).code == 0
    kubectl("-n", namespace, "create", "cm", "before")
    outcome = step(verb, "-f", chart, "-n", namespace, report=True)
    assert outcome.code == 0, outcome.text
    assert LEFT_OUT in outcome.stderr and "web-test-connection" not in outcome.stdout
    assert list(statuses(outcome)) == ["ConfigMap/settings", "Deployment/web"]
    assert kubectl("-n", namespace, "get", "cm", "before").returncode == 0


def test_run_takes_a_hook_for_the_job_it_is(step: Step, namespace: str, tmp_path: Path) -> None:
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "migrate", "image": "busybox:1.36"}]}}
    job = obj("batch/v1", "Job", "migrate", spec={"template": template})
    path = write(tmp_path / "job.yaml", hook(job, "pre-upgrade"))
    outcome = step("run", "-f", path, "-n", namespace, "--dry-run")
    assert outcome.code == 0 and "Helm hook" not in outcome.stderr, outcome.text


def test_definitions_of_helm_2_are_applied_and_nothing_but_hooks_is_bad_input(
    step: Step, namespace: str, tmp_path: Path
) -> None:
    crd = write(tmp_path / "crd.yaml", hook(definition("anchor"), "crd-install"))
    assert step("apply", "--dry-run", "-f", crd).code == 0
    only = write(tmp_path / "only.yaml", hook(pod("try"), "test"))
    outcome: Outcome = step("apply", "-f", only, "-n", namespace)
    assert outcome.code == 2 and f"{only}:1: nothing but Helm hooks: pod/try (test)" in outcome.stderr, outcome.text


# --- exported from a cluster ---------------------------------------------------------------------------------------


@pytest.fixture
def exported(kubectl: Kubectl, namespace: str, tmp_path: Path) -> str:
    """What ``kubectl get -o yaml`` prints of what ``kubectl apply`` has made."""
    path = write(tmp_path / "before.yaml", deployment("web"), config_map(tone="low"))
    kubectl("-n", namespace, "apply", "--server-side", "-f", path)
    kubectl("-n", namespace, "rollout", "status", "deployment/web", "--timeout", "60s")
    what = ("deployment/web", "configmap/settings", "-o", "yaml", "--show-managed-fields")
    (tmp_path / "exported.yaml").write_text(kubectl("-n", namespace, "get", *what).stdout)
    return str(tmp_path / "exported.yaml")


EXPORTED = "note: 2 manifests were exported from a cluster"
LEFT = "left out managedFields, uid, creationTimestamp, resourceVersion, generation, deployment.kubernetes.io/revision"


def test_an_exported_manifest_is_applied_without_what_the_server_wrote(
    exported: str, step: Step, kubectl: Kubectl, namespace: str
) -> None:
    kubectl("-n", namespace, "annotate", "cm/settings", "since=then")  # its resourceVersion is another one since
    for _ in range(2):
        outcome = step("apply", "-f", exported, "-n", namespace, report=True)
        assert outcome.code == 0, outcome.text
        assert outcome.stderr.count(EXPORTED) == 1 and LEFT in outcome.stderr
    assert set(actions(outcome).values()) == {"unchanged"}
    kubectl("-n", namespace, "delete", "-f", exported)
    again = step("create", "-f", exported, "-n", namespace, report=True)
    assert (again.code, set(actions(again).values())) == (0, {"created"}), again.text


@pytest.mark.parametrize("verb", ["render", "diff"])
def test_what_is_shown_of_an_export_is_what_would_be_sent(verb: str, exported: str, step: Step, namespace: str) -> None:
    outcome = step(verb, "-f", exported, "-n", namespace)
    assert outcome.code == 0 and EXPORTED in outcome.stderr, outcome.text
    for written in ("managedFields", "uid", "resourceVersion", "creationTimestamp", "generation", "status:"):
        assert written not in outcome.stdout


def test_an_export_that_is_replaced_keeps_its_resource_version(
    exported: str, step: Step, kubectl: Kubectl, namespace: str
) -> None:
    kubectl("-n", namespace, "annotate", "cm/settings", "since=then")
    outcome = step("replace", "-f", exported, "-n", namespace)
    assert outcome.code == 4 and "exported from a cluster" not in outcome.stderr, outcome.text
    assert "configmap/" in outcome.stderr and "resourceVersion" in outcome.stderr


@pytest.mark.parametrize("verb", ["status", "delete"])
def test_verbs_that_send_no_manifest_say_nothing_of_it(verb: str, exported: str, step: Step, namespace: str) -> None:
    outcome = step(verb, "-f", exported, "-n", namespace)
    assert outcome.code == 0 and "exported" not in outcome.stderr.replace(exported, ""), outcome.text


# --- versions that are gone ----------------------------------------------------------------------------------------


def served(cluster: Cluster, api_version: str) -> set[str]:
    try:
        listed = cluster.get(f"/apis/{api_version}")
    except Exception as error:
        assert "404" in str(error), error
        return set()
    return {one["kind"] for one in listed["resources"] if "/" not in one["name"]}


@pytest.mark.parametrize("api_version", RETIRED)
def test_the_real_server_serves_what_is_named_and_not_what_is_gone(api_version: str, cluster: Cluster) -> None:
    gone = served(cluster, api_version)
    for kind, found in RETIRED[api_version].items():
        assert kind not in gone and not (kind == "*" and gone)
        if found.today and kind != "*":
            assert kind in served(cluster, found.today)
        assert not found.today or served(cluster, found.today)


def test_a_version_that_is_gone_is_bad_input_with_todays_name(step: Step, namespace: str, tmp_path: Path) -> None:
    path = write(
        tmp_path / "old.yaml",
        obj("extensions/v1beta1", "Ingress", "web"),
        obj("policy/v1beta1", "PodDisruptionBudget", "web"),
    )
    outcome = step("apply", "-f", path, "-n", namespace)
    assert outcome.code == 2, outcome.text
    assert f"{path}:1: " in outcome.stderr and "use apiVersion networking.k8s.io/v1" in outcome.stderr
    assert f"{path}:6: " in outcome.stderr and "use apiVersion policy/v1; an empty spec.selector" in outcome.stderr


def test_a_kind_in_the_wrong_group_is_told_where_it_is(step: Step, namespace: str, tmp_path: Path) -> None:
    objects = [obj("v1", "Deployment", "a"), obj("app/v1", "Deployment", "b"), obj("apps/v1", "Deploymnt", "c")]
    path = write(tmp_path / "wrong.yaml", *objects)
    outcome = step("apply", "-f", path, "-n", namespace)
    assert outcome.code == 2, outcome.text
    first, second, third = (line for line in outcome.stderr.splitlines() if line.startswith("error: "))
    assert "the server serves no kind Deployment in v1 (Kubernetes' own Deployment is in apps/v1)" in first
    assert "installed? Else Kubernetes' own Deployment is in apps/v1" in second
    assert "close to it: Deployment" in third


# --- values of another type ----------------------------------------------------------------------------------------

TYPES = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: settings
  labels:
    commit: 12345678
data:
  sha: 6063e25
  given: ${SHA}
  fine: "6063e25"
  debug: yes
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  replicas: "2"
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: app
        image: busybox
        env:
        - name: PORT
          value: 8080
"""
NUMBER, WORD = "(put it in quotes: without them it is a number to YAML", "(put it in quotes: yes, no, on and off"


def test_a_number_where_text_is_wanted_is_told_with_its_line_and_quotes(
    step: Step, namespace: str, tmp_path: Path
) -> None:
    (tmp_path / "types.yaml").write_text(TYPES)
    line = ("-f", "types.yaml", "-n", namespace, "--var", "SHA=12e45")
    outcome = step("apply", *line, cwd=tmp_path)
    assert outcome.code == 4, outcome.text
    told = {text.split(":")[2]: text for text in outcome.stderr.splitlines() if "types.yaml:" in text}
    assert sorted(told, key=int) == ["6", "8", "9", "11", "18", "28"]
    assert all(NUMBER in told[number] for number in ("6", "8", "9", "28"))
    assert WORD in told["11"] and "(write it without quotes)" in told["18"]
    assert "got 12345678" in told["6"] and "got 8080" in told["28"]


@pytest.mark.parametrize(
    ("broken", "line", "field"),
    [("sha: 6063e25", 8, "data[sha]"), ("value: 8080", 28, "spec.template.spec.containers[0].env[0].value")],
)
def test_create_names_the_value_too(
    broken: str, line: int, field: str, step: Step, namespace: str, tmp_path: Path
) -> None:
    mended = TYPES.replace("12345678", "'1'").replace("${SHA}", "'1'").replace("debug: yes", "debug: ''")
    mended = mended.replace('"2"', "2")
    for other in {"sha: 6063e25", "value: 8080"} - {broken}:
        mended = mended.replace(other, f"{other.partition(' ')[0]} '1'")
    (tmp_path / "types.yaml").write_text(mended)
    outcome = step("create", "-f", "types.yaml", "-n", namespace, cwd=tmp_path)
    assert outcome.code == 4, outcome.text
    assert f"types.yaml:{line}: " in outcome.stderr and f"{field}: cannot unmarshal number" in outcome.stderr
    assert NUMBER in outcome.stderr


@pytest.mark.parametrize("patch_type", ["merge", "strategic", "apply"])
@pytest.mark.parametrize("value", ["6063e25", "yes"])
def test_a_patch_gets_the_same_advice(
    patch_type: str, value: str, step: Step, kubectl: Kubectl, namespace: str
) -> None:
    kubectl("-n", namespace, "create", "cm", "settings")
    line = ("patch", "cm/settings", "--type", patch_type, "-p", f"{{data: {{x: {value}}}}}", "-n", namespace)
    outcome = step(*line)
    assert outcome.code == 4 and "(put it in quotes: " in outcome.stderr, outcome.text
