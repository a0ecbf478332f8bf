"""Which objects autoscalers target, by the manifests of a release alone."""

from __future__ import annotations

from typing import Any

import pytest

from k8s_step.release.autoscalers import _targets_of

ANY = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
WEB = ("apps", "Deployment", "shop", "web")


def scaler(api_version: str, of: str, **target: str) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": of, "spec": {"scaleTargetRef": target}}


@pytest.mark.parametrize(
    ("obj", "targets"),
    [
        (
            scaler("autoscaling/v2", "HorizontalPodAutoscaler", apiVersion="apps/v1", kind="Deployment", name="web"),
            {WEB},
        ),
        (
            scaler("autoscaling/v1", "HorizontalPodAutoscaler", apiVersion="apps/v1", kind="Deployment", name="web"),
            {WEB},
        ),
        (scaler("keda.sh/v1alpha1", "ScaledObject", name="web"), {WEB}),
        (
            scaler("keda.sh/v1alpha1", "ScaledObject", apiVersion="argoproj.io/v1alpha1", kind="Rollout", name="web"),
            {("argoproj.io", "Rollout", "shop", "web")},
        ),
        (scaler("example.com/v1", "HorizontalPodAutoscaler", name="web"), set()),
        ({"apiVersion": "apps/v1", "kind": "Deployment"}, set()),
    ],
)
def test_targets(obj: dict[str, Any], targets: set[tuple[str, ...]]) -> None:
    assert _targets_of([("shop", obj)]) == targets
