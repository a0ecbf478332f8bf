"""``status``: the verdict without a write."""

from __future__ import annotations

import pytest

from tests.conftest import Kubectl, Step
from tests.faults.proxy import Proxy
from tests.integration.outcomes import failures, statuses

_DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, labels: {{app: {name}}}}}
spec:
  replicas: 2
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec: {{containers: [{{name: app, image: "shop/{image}"}}]}}
"""


def _deployed(kubectl: Kubectl, namespace: str, name: str, image: str) -> None:
    kubectl("apply", "-n", namespace, "-f", "-", input=_DEPLOYMENT.format(name=name, image=image))


@pytest.mark.parametrize("words", [("deployment/web",), ("deploy", "web"), ("deployments.apps/web",)])
def test_current_is_0_and_nothing_is_written(
    words: tuple[str, ...], step: Step, kubectl: Kubectl, namespace: str, proxy: Proxy
) -> None:
    _deployed(kubectl, namespace, "web", "web:1")
    outcome = step("status", *words, "-n", namespace, "--server", proxy.url, report=True)
    assert outcome.code == 0, outcome.text
    assert outcome.report["objects"][0]["status"] == "current"
    assert outcome.report["objects"][0]["action"] == "none"
    assert {request.method for request in proxy.requests} == {"GET"}


def test_failing_is_1_with_the_reason(step: Step, kubectl: Kubectl, namespace: str) -> None:
    _deployed(kubectl, namespace, "web", "pull-fail:1")
    outcome = step("status", "deploy/web", "-n", namespace, report=True)
    assert outcome.code == 1, outcome.text
    assert outcome.report["failures"][0]["image"] == "shop/pull-fail:1"
    assert outcome.report["failures"][0]["reason"] in ("ErrImagePull", "ImagePullBackOff")


def test_by_file(step: Step, kubectl: Kubectl, namespace: str, tmp_path) -> None:
    manifest = tmp_path / "web.yaml"
    manifest.write_text(_DEPLOYMENT.format(name="web", image="web:1"))
    _deployed(kubectl, namespace, "web", "web:1")
    assert step("status", "-f", str(manifest), "-n", namespace).code == 0


@pytest.mark.parametrize("kinds", ["deployments,statefulsets", "deploy", "apps/v1/deployments"])
def test_by_selector(kinds: str, step: Step, kubectl: Kubectl, namespace: str, proxy: Proxy) -> None:
    for name in ("web", "api", "other"):
        _deployed(kubectl, namespace, name, "pull-fail:1" if name == "other" else "web:1")
    command = ("status", kinds, "-n", namespace, "--server", proxy.url)
    outcome = step(*command, "-l", "app in (web,api)", report=True)
    assert outcome.code == 0, outcome.text
    assert statuses(outcome) == {"Deployment/web": "current", "Deployment/api": "current"}
    assert ("there are no statefulsets.apps" in outcome.stderr) == ("statefulsets" in kinds)
    assert {request.method for request in proxy.requests} == {"GET"}


def test_one_of_those_chosen_failing_is_1(step: Step, kubectl: Kubectl, namespace: str) -> None:
    for name, image in (("web", "web:1"), ("other", "pull-fail:1")):
        _deployed(kubectl, namespace, name, image)
    outcome = step("status", "deployments", "-l", "app", "-n", namespace, report=True)
    assert outcome.code == 1, outcome.text
    assert list(failures(outcome)) == ["Deployment/other"]


def test_nothing_chosen_is_4_never_green(step: Step, kubectl: Kubectl, namespace: str) -> None:
    _deployed(kubectl, namespace, "web", "web:1")
    outcome = step("status", "deploy,sts", "-l", "app=wbe", "-n", namespace)
    assert outcome.code == 4, outcome.text
    assert f"no deployments.apps in {namespace} with app=wbe, no statefulsets.apps" in outcome.stderr
    assert "the right selector" in outcome.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("deployment/web", "-l", "app=web"), "an object is named and a selector given as well"),
        (("-l", "app=web"), "none was named"),
        (("deploy", "-l", "app=web", "-f", "web.yaml"), "not among manifests"),
        (("deploy", "-l", "app=web,"), "a label's key is missing"),
        (("deplyo", "-l", "app=web"), "deploy"),
    ],
)
def test_a_selector_that_cannot_be_meant_is_2(words: tuple[str, ...], told: str, step: Step, namespace: str) -> None:
    outcome = step("status", *words, "-n", namespace)
    assert outcome.code == 2 and told in outcome.stderr, outcome.text


def test_what_is_not_there_is_4_and_named(step: Step, namespace: str) -> None:
    outcome = step("status", "deployment/nope", "-n", namespace)
    assert outcome.code == 4
    assert f"deployment/{namespace}/nope" in outcome.stderr


def test_no_object_is_2(step: Step, namespace: str) -> None:
    assert step("status", "-n", namespace).code == 2
