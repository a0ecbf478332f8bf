"""API versions that are gone: today's is named, and the reason where one has to do more than to rename it."""

from __future__ import annotations

import pytest

from k8s_step.objects.kinds.retired import advice, retired


@pytest.mark.parametrize(
    ("api_version", "kind", "today"),
    [
        ("extensions/v1beta1", "Deployment", "apps/v1"),
        ("extensions/v1beta1", "Ingress", "networking.k8s.io/v1"),
        ("apps/v1beta1", "StatefulSet", "apps/v1"),
        ("apps/v1beta2", "DaemonSet", "apps/v1"),
        ("networking.k8s.io/v1beta1", "Ingress", "networking.k8s.io/v1"),
        ("networking.k8s.io/v1beta1", "IngressClass", "networking.k8s.io/v1"),
        ("policy/v1beta1", "PodDisruptionBudget", "policy/v1"),
        ("batch/v1beta1", "CronJob", "batch/v1"),
        ("autoscaling/v2beta1", "HorizontalPodAutoscaler", "autoscaling/v2"),
        ("autoscaling/v2beta2", "HorizontalPodAutoscaler", "autoscaling/v2"),
        ("rbac.authorization.k8s.io/v1beta1", "ClusterRole", "rbac.authorization.k8s.io/v1"),
        ("apiextensions.k8s.io/v1beta1", "CustomResourceDefinition", "apiextensions.k8s.io/v1"),
        ("admissionregistration.k8s.io/v1beta1", "MutatingWebhookConfiguration", "admissionregistration.k8s.io/v1"),
        ("scheduling.k8s.io/v1beta1", "PriorityClass", "scheduling.k8s.io/v1"),
        ("storage.k8s.io/v1beta1", "StorageClass", "storage.k8s.io/v1"),
        ("coordination.k8s.io/v1beta1", "Lease", "coordination.k8s.io/v1"),
        ("certificates.k8s.io/v1beta1", "CertificateSigningRequest", "certificates.k8s.io/v1"),
        ("discovery.k8s.io/v1beta1", "EndpointSlice", "discovery.k8s.io/v1"),
        ("flowcontrol.apiserver.k8s.io/v1beta3", "FlowSchema", "flowcontrol.apiserver.k8s.io/v1"),
        ("node.k8s.io/v1beta1", "RuntimeClass", "node.k8s.io/v1"),
        ("apiregistration.k8s.io/v1beta1", "APIService", "apiregistration.k8s.io/v1"),
    ],
)
def test_todays_version_is_named(api_version: str, kind: str, today: str) -> None:
    assert f"removed it: use apiVersion {today}" in advice(api_version, kind)


@pytest.mark.parametrize("api_version", ["extensions/v1beta1", "policy/v1beta1"])
def test_what_has_no_heir_says_so(api_version: str) -> None:
    assert advice(api_version, "PodSecurityPolicy").endswith("labels on the Namespace")


@pytest.mark.parametrize(
    ("api_version", "kind"),
    [
        ("apps/v1", "Deployment"),
        ("networking.k8s.io/v1beta1", "IPAddress"),
        ("storage.k8s.io/v1beta1", "VolumeAttributesClass"),
        ("extensions/v1beta1", "Widget"),
        ("example.com/v1beta1", "Widget"),
    ],
)
def test_of_others_nothing_is_claimed(api_version: str, kind: str) -> None:
    assert retired(api_version, kind) is None and advice(api_version, kind) == ""
