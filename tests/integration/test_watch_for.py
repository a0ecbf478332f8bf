"""``watch --for`` and ``--until`` wait as ``kubectl wait`` does, and say more where it does not come."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from tests.conftest import Kubectl, Step
from tests.controlplane.cluster import Cluster
from tests.integration.objects import config_map, deployment, job, pod
from tests.integration.outcomes import statuses, the_failure

pytestmark = pytest.mark.usefixtures("played")


def create(kubectl: Kubectl, namespace: str, *objects: dict[str, Any]) -> None:
    kubectl("-n", namespace, "create", "-f", "-", input=yaml.safe_dump_all(objects))


@pytest.fixture
def shop(cluster: Cluster, namespace: str, kubectl: Kubectl) -> str:
    """A namespace with a Deployment that is available, a Job that is complete, and a ConfigMap."""
    create(
        kubectl, namespace, deployment("web", "shop/web:1"), job("done", "job-ok"), config_map("settings", key="1=2")
    )
    kubectl("-n", namespace, "wait", "deploy/web", "job/done", "--for=create", "--timeout=60s")
    kubectl("-n", namespace, "wait", "deploy/web", "--for=condition=Available", "--timeout=60s")
    kubectl("-n", namespace, "wait", "job/done", "--for=condition=Complete", "--timeout=60s")
    return namespace


ANSWERS: dict[str, tuple[str, ...]] = {
    "condition": ("deploy/web", "--for=condition=Available"),
    "another case": ("deploy/web", "--for=condition=available=TRUE"),
    "two conditions": ("deploy/web", "--for=condition=Available", "--for=condition=Progressing"),
    "a condition that is False": ("deploy/web", "--for=condition=Available=False"),
    "no such condition": ("deploy/web", "--for=condition=Ready"),
    "one of two": ("deploy/web", "--for=condition=Available", "--for=condition=Ready"),
    "a value": ("deploy/web", "--for=jsonpath={.status.readyReplicas}=1"),
    "another value": ("deploy/web", "--for=jsonpath={.status.readyReplicas}=2"),
    "without braces": ("deploy/web", "--for=jsonpath=.spec.replicas=1"),
    "without a dot": ("deploy/web", "--for=jsonpath=spec.replicas='1'"),
    "any value": ("deploy/web", "--for=jsonpath={.status.replicas}"),
    "a field that is not set": ("deploy/web", "--for=jsonpath={.status.unavailableReplicas}"),
    "a filter": ("deploy/web", '--for=jsonpath={.status.conditions[?(@.type=="Available")].status}=True'),
    "an equals sign": ("cm/settings", "--for=jsonpath={.data.key}"),
    "created": ("cm/settings", "--for=create"),
    "not deleted": ("cm/settings", "--for=delete"),
    "deleted": ("cm/nothing", "--for=delete"),
    "not there": ("cm/nothing", "--for=condition=Ready"),
    "a selection": ("pods", "-l", "app=web", "--for=condition=Ready"),
    "an empty selection": ("pods", "-l", "app=nothing", "--for=condition=Ready"),
    "an empty selection is deleted": ("pods", "-l", "app=nothing", "--for=delete"),
    "a job": ("job/done", "--for=condition=Complete"),
    "an object": ("deploy/web", "--for=jsonpath={.spec.template}=1"),
    "two values": ("deploy/web", "--for=jsonpath={.status.conditions[*].type}=Available"),
    "no path": ("deploy/web", "--for=jsonpath={.spec[}=1"),
    "no value": ("deploy/web", "--for=jsonpath={.spec.replicas}="),
    "another word": ("deploy/web", "--for=ready"),
}


def test_the_answers_are_those_of_kubectl_wait(step: Step, shop: str, kubectl: Kubectl) -> None:
    """Without waiting: what holds now."""
    ours, theirs = {}, {}
    for name, words in ANSWERS.items():
        ours[name] = step("watch", *words, "-n", shop, "-o", "name", "--timeout", "0").code == 0
        timeout = "--timeout=1s" if "--for=create" in words else "--timeout=0"
        theirs[name] = kubectl("-n", shop, "wait", *words, timeout, check=False).returncode == 0
    assert ours == theirs


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("deploy/web", "--for=condition=Ready"), 3),
        (("cm/settings", "--for=delete"), 3),
        (("cm/nothing", "--for=create"), 3),
        (("cm/nothing", "--for=condition=Ready"), 4),
        (("pods", "-l", "app=nothing", "--for=condition=Ready"), 4),
        (("nothings/web", "--for=condition=Ready"), 2),
        (("deploy/web", "--for=jsonpath={.spec.template}=1"), 2),
        (("deploy/web", "--for=ready"), 2),
        (("deploy/web", "--until", "spec.replicas"), 2),
    ],
)
def test_exit_codes(words: tuple[str, ...], code: int, step: Step, shop: str) -> None:
    assert step("watch", *words, "-n", shop, "--timeout", "0").code == code


def test_it_waits_until_the_field_has_its_value(step: Step, namespace: str, kubectl: Kubectl) -> None:
    create(kubectl, namespace, config_map("settings", phase="new"))
    running = step.start("watch", "cm/settings", "-n", namespace, "--until", "data.phase=old|done", report=True)
    running.wait_for("data.phase is new")
    kubectl("-n", namespace, "patch", "cm/settings", "-p", '{"data": {"phase": "done"}}')
    outcome = running.wait()
    assert outcome.code == 0 and "configmap/settings: data.phase=old|done after" in outcome.stderr, outcome.text
    assert json.loads(outcome.stdout.splitlines()[-1])["object"]["data"] == {"phase": "done"}
    assert statuses(outcome) == {"ConfigMap/settings": "current"}


def test_it_waits_for_what_is_not_there_yet(step: Step, namespace: str, kubectl: Kubectl) -> None:
    words = ("pod/web", "-n", namespace, "--for", "create", "--for", "condition=Ready")
    running = step.start("watch", *words, "-o", "table")
    running.wait_for("create: it does not exist")
    create(kubectl, namespace, pod("web", "shop/web:1"))
    outcome = running.wait()
    assert outcome.code == 0 and "pod/web: condition=Ready after" in outcome.stderr, outcome.text


def test_it_waits_until_all_are_gone(step: Step, namespace: str, kubectl: Kubectl) -> None:
    create(kubectl, namespace, config_map("a"), config_map("b"))
    for name in ("a", "b"):
        kubectl("-n", namespace, "label", f"cm/{name}", "part=shop")
    running = step.start("watch", "cm", "-l", "part=shop", "-n", namespace, "--for", "delete", "-o", "name")
    running.wait_for("waiting for 2 objects")
    kubectl("-n", namespace, "delete", "cm", "a")
    running.wait_for("configmap/a: gone after")
    kubectl("-n", namespace, "delete", "cm", "b")
    outcome = running.wait()
    assert outcome.code == 0 and "configmap/b: gone after" in outcome.stderr, outcome.text


def test_an_object_that_fails_ends_it_with_the_reason(step: Step, namespace: str, kubectl: Kubectl) -> None:
    create(kubectl, namespace, pod("bad", "shop/crash:1"))
    outcome = step("watch", "pod/bad", "-n", namespace, "--for", "condition=Ready", "-o", "name", report=True)
    assert (outcome.code, the_failure(outcome)["reason"]) == (1, "CrashLoopBackOff"), outcome.text
    assert the_failure(outcome)["logs"] and statuses(outcome) == {"Pod/bad": "failed"}


def test_a_failure_that_is_waited_for_is_a_success(step: Step, namespace: str, kubectl: Kubectl) -> None:
    create(kubectl, namespace, job("bad", "job-fail"))
    outcome = step("watch", "job/bad", "-n", namespace, "--for", "condition=Failed", "-o", "name")
    assert outcome.code == 0, outcome.text


def test_an_object_that_is_deleted_meanwhile_has_failed(step: Step, namespace: str, kubectl: Kubectl) -> None:
    create(kubectl, namespace, config_map("settings"))
    running = step.start("watch", "cm/settings", "-n", namespace, "--until", "data.x=1")
    running.wait_for("data.x is not set")
    kubectl("-n", namespace, "delete", "cm/settings")
    outcome = running.wait()
    assert outcome.code == 1 and "Deleted" in outcome.stderr, outcome.text


def test_time_is_up_before_it_comes(step: Step, namespace: str, kubectl: Kubectl) -> None:
    create(kubectl, namespace, config_map("settings"))
    words = ("watch", "cm/settings", "-n", namespace, "--until", "data.x=1", "--timeout", "10m")
    outcome = step.timed_out(*words, after="data.x is not set", report=True)
    assert (outcome.code, statuses(outcome)) == (3, {"ConfigMap/settings": "in progress"}), outcome.text
