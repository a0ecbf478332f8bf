"""Issuers of ID tokens, and Google and Azure as the tests play them."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest

from k8s_step.redaction import Redactor
from tests.clouds import azure, google
from tests.clouds.azure import Azure
from tests.clouds.google import Google
from tests.clouds.hosts import Hosts
from tests.integration.issuers import GitHubJob, Issuers

SUBJECT = "repo:example/shop:environment:production"
CA = b"-----BEGIN CERTIFICATE-----\nQ0E=\n-----END CERTIFICATE-----\n"
USER_KUBECONFIG = f"""
apiVersion: v1
kind: Config
current-context: main
contexts: [{{name: main, context: {{cluster: main, user: main}}}}]
clusters:
  - name: main
    cluster:
      server: https://main.hcp.westeurope.azmk8s.io:443
      certificate-authority-data: {base64.b64encode(CA).decode()}
users:
  - name: main
    user:
      exec:
        apiVersion: client.authentication.k8s.io/v1beta1
        command: kubelogin
        args: [get-token, --environment, AzurePublicCloud, --server-id, {azure.SERVER}, --login, devicecode]
"""
CERTIFICATE_KUBECONFIG = f"""
apiVersion: v1
kind: Config
current-context: main-admin
contexts: [{{name: main-admin, context: {{cluster: main, user: admin}}}}]
clusters: [{{name: main, cluster: {{server: "https://main.hcp.westeurope.azmk8s.io:443"}}}}]
users:
  - name: admin
    user:
      client-certificate-data: {base64.b64encode(b"a certificate").decode()}
      client-key-data: {base64.b64encode(b"a s3cr3t key").decode()}
      token: s3cr3t-admin-token
"""


@pytest.fixture(scope="session")
def issuers() -> Iterator[Issuers]:
    with Issuers() as made:
        yield made


@pytest.fixture
def job(issuers: Issuers) -> Iterator[GitHubJob]:
    with GitHubJob(issuers, SUBJECT) as made:
        yield made


@pytest.fixture
def redactor() -> Redactor:
    return Redactor()


@pytest.fixture
def gcp(issuers: Issuers) -> Google:
    return Google(
        lambda subject, seconds: issuers.token("google", "gke", subject, seconds),
        issuers.verified,
        {"endpoint": "192.0.2.1", "status": "RUNNING", "masterAuth": {"clusterCaCertificate": _base64(CA)}},
        (SUBJECT,),
    )


@pytest.fixture
def entra(issuers: Issuers) -> Azure:
    return Azure(
        lambda audience, seconds: issuers.token("entra", audience, azure.CLIENT, seconds),
        issuers.verified,
        SUBJECT,
        USER_KUBECONFIG,
        CERTIFICATE_KUBECONFIG,
    )


@pytest.fixture
def hosts(gcp: Google, entra: Azure) -> Iterator[Hosts]:
    with Hosts({**gcp.hosts, **entra.hosts}) as made:
        yield made


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


__all__ = ["google"]
