"""A cloud's cluster by name, with the job's identity and what docs/clouds.md asks for: the real API server decides."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from k8s_step.connection.identity.oidc import claims
from tests import leaks
from tests.clouds import azure
from tests.clouds.logins import Login, World, allow, release
from tests.conftest import Kubectl, Step
from tests.controlplane.cluster import Cluster
from tests.integration.outcomes import statuses


def test_github(step: Step, kubectl: Kubectl, namespace: str, tmp_path: Path, login: Login, world: World) -> None:
    """As an action, with the inputs of the example."""
    path = release(tmp_path)
    allow(step, kubectl, namespace, path, login)
    outcome = step(env=world.in_github(login, INPUT_FILENAME=path, INPUT_NAMESPACE=namespace), report=True)
    step.knows(*world.secrets)
    assert outcome.code == 0, outcome.text
    assert set(statuses(outcome).values()) == {"current"} and len(statuses(outcome)) == 3
    assert f"--{login.option} " in outcome.text and "by GitHub's ID token" in outcome.text
    assert login.given() and world.job.given


def test_gitlab(step: Step, kubectl: Kubectl, namespace: str, tmp_path: Path, login: Login, world: World) -> None:
    """With the variables of the example, and the audience that it gives the ID token."""
    world.gcp.provider = world.gcp.provider.replace("github", "gitlab")
    path = release(tmp_path)
    allow(step, kubectl, namespace, path, login)
    outcome = step("apply", "-f", path, "-n", namespace, env=world.in_gitlab(login), report=True)
    step.knows(*world.secrets)
    assert outcome.code == 0, outcome.text
    assert set(statuses(outcome).values()) == {"current"} and len(statuses(outcome)) == 3
    assert "by the CI's ID token" in outcome.text


def test_aks_as_its_admin(step: Step, namespace: str, tmp_path: Path, world: World) -> None:
    """By the certificate of the cluster's local account."""
    login = world.login("aks")
    environ = world.in_github(login, **{"INPUT_AKS-ADMIN": "true"})
    outcome = step("apply", "-f", release(tmp_path), "-n", namespace, env=environ, report=True)
    step.knows(*world.secrets, *leaks.in_text(world.entra.admin_kubeconfig or ""))
    assert outcome.code == 0, outcome.text
    assert [claims(token)["aud"] for token in world.entra.given] == ["https://management.azure.com"]


def test_aks_without_entra(step: Step, namespace: str, tmp_path: Path, world: World) -> None:
    """Such a cluster gives a certificate to whoever may ask for its kubeconfig."""
    world.entra.user_kubeconfig = world.entra.admin_kubeconfig or ""
    environ = world.in_github(world.login("aks"))
    outcome = step("apply", "-f", release(tmp_path), "-n", namespace, env=environ, report=True)
    step.knows(*world.secrets, *leaks.in_text(world.entra.user_kubeconfig))
    assert outcome.code == 0, outcome.text


def test_aks_as_the_machine(step: Step, kubectl: Kubectl, namespace: str, tmp_path: Path, world: World) -> None:
    """An agent on a virtual machine of Azure, with no ID token and no secret."""
    world.entra.identities = (azure.CLIENT,)
    login = world.login("aks")
    path = release(tmp_path)
    allow(step, kubectl, namespace, path, login)
    environ = {"KUBECONFIG": None, **login.environ, **login.inputs}
    outcome = step("apply", "-f", path, "-n", namespace, env=environ, report=True)
    step.knows(*world.secrets)
    assert outcome.code == 0 and f"as the machine's managed identity {azure.CLIENT}" in outcome.text, outcome.text


GKE_ENDPOINTS = {
    "private": {"privateClusterConfig": {"enablePrivateEndpoint": True, "privateEndpoint": "HOST"}},
    "dns": {"controlPlaneEndpointsConfig": {"dnsEndpointConfig": {"endpoint": "HOST", "allowExternalTraffic": True}}},
}


@pytest.mark.parametrize("kind", GKE_ENDPOINTS)
def test_gke_by_its_other_endpoints(
    kind: str, step: Step, kubectl: Kubectl, cluster: Cluster, namespace: str, tmp_path: Path, world: World
) -> None:
    """A cluster with no other one needs no ``--gke-endpoint``; the DNS endpoint's certificate is one of the web's."""
    host = world.gcp.cluster["endpoint"]
    world.gcp.cluster.update(json.loads(json.dumps(GKE_ENDPOINTS[kind]).replace("HOST", host)))
    login = world.login("gke")
    path = release(tmp_path)
    allow(step, kubectl, namespace, path, login)
    environ = world.in_github(login, **({"INPUT_GKE-ENDPOINT": "dns"} if kind == "dns" else {}))
    outcome = step("apply", "-f", path, "-n", namespace, env={**environ, "SSL_CERT_FILE": str(cluster.ca)}, report=True)
    step.knows(*world.secrets)
    assert outcome.code == 0, outcome.text
    assert kind == "private" or step("get", "pods", "-n", namespace, env=environ).code == 5, "a CA of nobody's"
