"""``status``: the verdict without a write."""

from __future__ import annotations

import pytest

from tests.conftest import Kubectl, Step
from tests.faults.proxy import Proxy

_DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}}}
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


def test_what_is_not_there_is_4_and_named(step: Step, namespace: str) -> None:
    outcome = step("status", "deployment/nope", "-n", namespace)
    assert outcome.code == 4
    assert f"deployment/{namespace}/nope" in outcome.stderr


def test_no_object_is_2(step: Step, namespace: str) -> None:
    assert step("status", "-n", namespace).code == 2
