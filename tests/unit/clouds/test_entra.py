"""Entra and AKS: what goes over the wire, kubeconfigs of all kinds, and what comes of a refusal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from k8s_step.clouds import CloudOptions
from k8s_step.clouds.entra import authority_of
from k8s_step.clouds.lookup import to_cluster
from k8s_step.connection.identity.oidc import claims
from k8s_step.connection.settings import ConnectionOptions
from k8s_step.errors import ExitCode, InputError, StepError, UnauthorizedError
from k8s_step.redaction import Redactor
from k8s_step.surroundings import System
from tests.clouds.azure import CLIENT, CLUSTER, SECRET, SERVER, TENANT, Azure
from tests.clouds.hosts import Hosts, form
from tests.integration.issuers import GitHubJob, Issuers
from tests.unit.clouds.conftest import CA, CERTIFICATE_KUBECONFIG, SUBJECT

AKS = CloudOptions(aks_cluster=CLUSTER, azure_client_id=CLIENT, azure_tenant_id=TENANT)
ADDRESS = "https://main.hcp.westeurope.azmk8s.io:443"
OF_SECRET = {"AZURE_CLIENT_SECRET": SECRET}
AUDIENCE = "api://AzureADTokenExchange"


def way(hosts: Hosts, cloud: CloudOptions, environ: dict[str, str], redactor: Redactor | None = None) -> Any:
    return to_cluster(cloud, ConnectionOptions(), {**hosts.environ, **environ}, redactor or Redactor())


def refused(hosts: Hosts, cloud: CloudOptions, environ: dict[str, str]) -> StepError:
    with pytest.raises(StepError) as caught:
        way(hosts, cloud, environ)[1].current()
    return caught.value


def test_by_github(hosts: Hosts, entra: Azure, job: GitHubJob, redactor: Redactor) -> None:
    connection, token = way(hosts, AKS, job.environ, redactor)
    assert (connection.server, connection.ca, connection.context) == (ADDRESS, CA, None)
    assert connection.origin == f"--aks-cluster main, as application {CLIENT} by GitHub's ID token"
    assert connection.user.exec_plugin is None
    assert token.current().authorization == f"Bearer {entra.given[1]}"
    assert [claims(given)["aud"] for given in entra.given] == ["https://management.azure.com", SERVER]
    assert len(job.given) == 2, "an ID token of its own for each"
    assert all(redactor.mask(secret) == "***" for secret in (*job.given, *entra.given))


def test_by_a_secret(hosts: Hosts, entra: Azure, redactor: Redactor) -> None:
    _, token = way(hosts, AKS, {"AZURE_CLIENT_SECRET": SECRET}, redactor)
    assert token.current().authorization == f"Bearer {entra.given[1]}"
    assert redactor.mask(SECRET) == "***"


def test_by_a_federated_token_file_read_anew_each_time(
    hosts: Hosts, entra: Azure, issuers: Issuers, tmp_path: Path
) -> None:
    path = tmp_path / "token"
    tokens = [issuers.token("cluster", AUDIENCE, SUBJECT) for _ in range(2)]
    path.write_text(tokens[0])
    _, token = way(hosts, AKS, {"AZURE_FEDERATED_TOKEN_FILE": str(path)})
    path.write_text(tokens[1])
    token.current()
    sent = [form(exchange)["client_assertion"] for exchange in hosts.asked("login.microsoftonline.com")]
    assert sent == tokens


def test_an_admin(hosts: Hosts, job: GitHubJob) -> None:
    admin = CloudOptions(aks_cluster=CLUSTER, aks_admin=True, azure_client_id=CLIENT, azure_tenant_id=TENANT)
    connection, token = way(hosts, admin, job.environ)
    assert (connection.user.client_key, connection.user.token, token) == (b"a s3cr3t key", "s3cr3t-admin-token", None)


def test_a_cluster_without_entra(hosts: Hosts, entra: Azure, job: GitHubJob) -> None:
    entra.user_kubeconfig = CERTIFICATE_KUBECONFIG
    connection, token = way(hosts, AKS, job.environ)
    assert (connection.user.client_key, token) == (b"a s3cr3t key", None)


def test_disabled_local_accounts(hosts: Hosts, entra: Azure, job: GitHubJob) -> None:
    entra.admin_kubeconfig = None
    admin = CloudOptions(aks_cluster=CLUSTER, aks_admin=True, azure_client_id=CLIENT, azure_tenant_id=TENANT)
    assert "local accounts are disabled: leave --aks-admin out" in str(refused(hosts, admin, job.environ))


def test_a_server_that_is_given_is_not_asked_for(hosts: Hosts, entra: Azure, job: GitHubJob) -> None:
    options = ConnectionOptions(server="https://k8s.example.com")
    connection, token = to_cluster(AKS, options, {**hosts.environ, **job.environ}, Redactor())
    assert connection.server == "https://k8s.example.com" and token is not None
    token.current()
    assert [claims(given)["aud"] for given in entra.given] == [SERVER]


@pytest.mark.parametrize(
    ("audience", "subject", "seconds", "told"),
    [
        ("https://other", SUBJECT, 300, [": AADSTS700212: ", f"must have the audience {AUDIENCE}", "https://other"]),
        (AUDIENCE, "repo:other/shop", 300, ["AADSTS700213", "subject 'repo:other/shop'", "has that subject"]),
        (AUDIENCE, SUBJECT, -300, ["AADSTS700024", "the ID token has ended"]),
    ],
)
def test_refused_id_tokens(
    hosts: Hosts, issuers: Issuers, audience: str, subject: str, seconds: float, told: list[str]
) -> None:
    token = issuers.token("gitlab", audience, subject, seconds)
    cloud = CloudOptions(aks_cluster=CLUSTER, azure_client_id=CLIENT, azure_tenant_id=TENANT, id_token=token)
    error = refused(hosts, cloud, {})
    assert isinstance(error, UnauthorizedError) and error.exit_code is ExitCode.REFUSED
    assert all(words in str(error) for words in ("--aks-cluster: Microsoft Entra refuses", *told)), str(error)
    assert token not in str(error)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"azure_client_id": "other"}, "AADSTS700016"),
        ({"azure_tenant_id": "other"}, "AADSTS90002"),
        ({"aks_cluster": f"{CLUSTER}2"}, "ResourceNotFound"),
    ],
)
def test_wrong_names(hosts: Hosts, change: dict[str, str], told: str) -> None:
    names = {"aks_cluster": CLUSTER, "azure_client_id": CLIENT, "azure_tenant_id": TENANT, **change}
    error = refused(hosts, CloudOptions(**names), {"AZURE_CLIENT_SECRET": SECRET})  # type: ignore[arg-type]
    assert told in str(error) and "?" in str(error)


def test_a_wrong_secret_and_a_missing_role(hosts: Hosts, entra: Azure) -> None:
    error = refused(hosts, AKS, {"AZURE_CLIENT_SECRET": "s3cr3t-and-wrong"})
    assert "invalid_client: AADSTS7000215" in str(error) and "s3cr3t" not in str(error)
    entra.may_list = False
    error = refused(hosts, AKS, {"AZURE_CLIENT_SECRET": SECRET})
    assert "AuthorizationFailed" in str(error) and "Azure Kubernetes Service Cluster User Role" in str(error)


@pytest.mark.parametrize(
    ("cloud", "environ", "told"),
    [
        (CloudOptions(aks_cluster="main"), {}, "no resource ID of an AKS cluster"),
        (CloudOptions(aks_cluster=CLUSTER), OF_SECRET, "--azure-client-id is not given, nor AZURE_CLIENT_ID"),
        (CloudOptions(aks_cluster=CLUSTER, azure_client_id=CLIENT), OF_SECRET, "nor AZURE_TENANT_ID"),
        (AKS, {"AZURE_FEDERATED_TOKEN_FILE": "/nowhere"}, "the token file /nowhere is not there"),
        (AKS, {"AZURE_FEDERATED_TOKEN_FILE": SECRET}, "AZURE_FEDERATED_TOKEN_FILE names no file"),
        (AKS, {"AZURE_FEDERATED_TOKEN_FILE": SECRET * 40}, "AZURE_FEDERATED_TOKEN_FILE names no file"),
        (AKS, {"AZURE_AUTHORITY_HOST": "http://login.example"}, "no https URL"),
    ],
)
def test_what_is_missing_is_said(hosts: Hosts, cloud: CloudOptions, environ: dict[str, str], told: str) -> None:
    error = refused(hosts, cloud, environ)
    assert isinstance(error, InputError) and told in str(error) and not hosts.exchanges
    assert SECRET not in str(error)


@pytest.mark.parametrize(
    ("system", "told"),
    [(System.OTHER, "in GitLab name one K8S_ID_TOKEN"), (System.GITHUB, "permissions: id-token: write")],
)
def test_nothing_anywhere_is_a_list_of_places(hosts: Hosts, system: System, told: str) -> None:
    error = refused(hosts, replace(AKS, system=system), {})
    assert isinstance(error, InputError)
    places = (
        "AZURE_CLIENT_SECRET and AZURE_FEDERATED_TOKEN_FILE are not set",
        told,
        "the machine's managed identity: ",
    )
    assert all(words in str(error) for words in (*places, "invalid_request: Identity not found")), str(error)


class TestMachine:
    def test_it_comes_last(self, hosts: Hosts, entra: Azure, redactor: Redactor) -> None:
        entra.identities = (CLIENT,)
        connection, token = way(hosts, AKS, {}, redactor)
        assert connection.origin == f"--aks-cluster main, as the machine's managed identity {CLIENT}"
        assert token.current().authorization == f"Bearer {entra.given[1]}"
        assert [claims(given)["aud"] for given in entra.given] == ["https://management.azure.com", SERVER]
        assert redactor.mask(entra.given[1]) == "***"
        assert not hosts.asked("login.microsoftonline.com")

    def test_it_is_not_asked_where_there_is_another_way(self, hosts: Hosts, entra: Azure) -> None:
        entra.identities = (CLIENT,)
        way(hosts, AKS, OF_SECRET)[1].current()
        assert not hosts.asked("169.254.169.254")

    def test_its_only_one(self, hosts: Hosts, entra: Azure) -> None:
        entra.identities = ("of the system",)
        connection, _ = way(hosts, CloudOptions(aks_cluster=CLUSTER), {})
        assert connection.origin == "--aks-cluster main, as the machine's managed identity"


@pytest.mark.parametrize("text", ["https://login.microsoftonline.us/", "login.microsoftonline.us"])
def test_authorities(text: str) -> None:
    assert authority_of(text, "test") == "login.microsoftonline.us"
