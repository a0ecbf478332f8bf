"""A kubeconfig's plug-in of a cloud that is not there: what the step does in its place, with its own arguments."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from k8s_step.clouds import CloudOptions
from k8s_step.clouds.lookup import without_plugin
from k8s_step.connection.identity.oidc import claims
from k8s_step.connection.settings import Connection, ExecPlugin, User
from k8s_step.errors import InputError, UnauthorizedError
from k8s_step.redaction import Redactor
from tests.clouds.azure import CLIENT, SECRET, SERVER, TENANT, Azure
from tests.clouds.google import Google
from tests.clouds.hosts import Hosts
from tests.integration.issuers import GitHubJob, Issuers
from tests.unit.clouds.conftest import SUBJECT

ADDRESS = "https://0123456789ABCDEF.gr7.eu-central-1.eks.amazonaws.com"
KEYS = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "s3cr3t-key"}


def way(
    command: str,
    *args: str,
    environ: dict[str, str] | None = None,
    env: tuple[tuple[str, str], ...] = (),
    cloud: CloudOptions | None = None,
    redactor: Redactor | None = None,
) -> Any:
    plugin = ExecPlugin("client.authentication.k8s.io/v1beta1", command, args, env, where="kubeconfig x: user y")
    found = Connection(ADDRESS, "kubeconfig x (context z)", user=User(exec_plugin=plugin))
    return without_plugin(
        found, cloud or CloudOptions(), {"PATH": "", "HOME": "/nowhere", **(environ or {})}, redactor or Redactor()
    )


def url_of(token: Any) -> dict[str, str]:
    """What an EKS token asks STS."""
    packed = token.current().authorization.removeprefix("Bearer k8s-aws-v1.")
    url = urlsplit(base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4)).decode())
    return {"host": url.netloc, **{name: values[0] for name, values in parse_qs(url.query).items()}}


@pytest.mark.parametrize(
    ("command", "args", "region"),
    [
        (
            "aws",
            ["--region", "us-east-1", "eks", "get-token", "--cluster-name", "shop", "--output", "json"],
            "us-east-1",
        ),
        ("aws", ["eks", "get-token", "--cluster-name=shop"], "eu-central-1"),
        ("/usr/local/bin/aws", ["eks", "get-token", "--cluster-id", "shop", "--region=cn-north-1"], "cn-north-1"),
        ("aws-iam-authenticator", ["token", "-i", "shop"], "eu-central-1"),
        ("aws-iam-authenticator", ["token", "--cluster-id", "shop", "--region", "us-west-2", "--cache"], "us-west-2"),
    ],
)
def test_eks(command: str, args: list[str], region: str) -> None:
    connection, token = way(command, *args, environ=KEYS)
    program = "aws eks get-token" if "aws-iam" not in command else "aws-iam-authenticator token"
    assert connection.origin == f"kubeconfig x (context z), in place of {program}, which is not installed"
    assert connection.user == User()
    said = url_of(token)
    suffix = ".cn" if region.startswith("cn-") else ""
    assert said["host"] == f"sts.{region}.amazonaws.com{suffix}"
    assert said["X-Amz-Credential"].startswith("AKIAEXAMPLE/") and f"/{region}/sts/" in said["X-Amz-Credential"]
    assert said["X-Amz-SignedHeaders"] == "host;x-k8s-aws-id"


def test_the_plugins_own_environment_counts() -> None:
    env = (("AWS_ACCESS_KEY_ID", "AKIAOTHER"), ("AWS_SECRET_ACCESS_KEY", "s3cr3t-other"), ("AWS_PROFILE", "x"))
    redactor = Redactor()
    _, token = way("aws", "eks", "get-token", "--cluster-name", "shop", env=env, environ=KEYS, redactor=redactor)
    assert url_of(token)["X-Amz-Credential"].startswith("AKIAOTHER/")
    assert redactor.mask("s3cr3t-other") == "***"


def test_a_role_of_the_arguments_is_assumed() -> None:
    """With the keys of the environment: a request to STS, which is not there."""

    def sts(exchange: Any) -> None:
        said = {name: values[0] for name, values in parse_qs(exchange.body.decode()).items()}
        assert (said["Action"], said["RoleArn"], said["RoleSessionName"]) == ("AssumeRole", "arn:role", "me")
        assert "Credential=AKIAEXAMPLE/" in exchange.header("Authorization")
        keys = (
            "<AccessKeyId>ASIA</AccessKeyId><SecretAccessKey>s3cr3t</SecretAccessKey><SessionToken>t/+=</SessionToken>"
        )
        exchange.reply(200, f"<a><Credentials>{keys}</Credentials></a>".encode())

    with Hosts({"sts.eu-central-1.amazonaws.com": sts}) as hosts:
        args = ("token", "-i", "shop", "-r", "arn:role", "-s", "me")
        _, token = way("aws-iam-authenticator", *args, environ={**KEYS, **hosts.environ})
        said = url_of(token)
    assert (said["X-Amz-Credential"].partition("/")[0], said["X-Amz-Security-Token"]) == ("ASIA", "t/+=")


def test_gke(hosts: Hosts, gcp: Google, tmp_path: Path) -> None:
    (tmp_path / "key.json").write_text(json.dumps(gcp.key_file()))
    environ = {**hosts.environ, "GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "key.json")}
    connection, token = way("gke-gcloud-auth-plugin", environ=environ)
    assert token.current().authorization == f"Bearer {gcp.given[0]}"
    assert "in place of gke-gcloud-auth-plugin, which" in connection.origin


class TestKubelogin:
    WORDS = ("get-token", "--server-id", SERVER, "--tenant-id", TENANT)

    def test_a_service_principal_by_its_arguments(self, hosts: Hosts, entra: Azure, redactor: Redactor) -> None:
        args = (*self.WORDS, "-l", "spn", "--client-id", CLIENT, "--client-secret", SECRET, "-e", "AzurePublicCloud")
        _, token = way("kubelogin", *args, environ=hosts.environ, redactor=redactor)
        assert token.current().authorization == f"Bearer {entra.given[0]}"
        assert claims(entra.given[0])["aud"] == SERVER and redactor.mask(SECRET) == "***"

    def test_workload_identity_by_a_file(self, hosts: Hosts, issuers: Issuers, tmp_path: Path) -> None:
        path = tmp_path / "token"
        path.write_text(issuers.token("cluster", "api://AzureADTokenExchange", SUBJECT))
        environ = {**hosts.environ, "AZURE_FEDERATED_TOKEN_FILE": str(path), "AZURE_CLIENT_ID": CLIENT}
        _, token = way(
            "kubelogin", *self.WORDS, "--login", "workloadidentity", "--client-id", "of-a-file", environ=environ
        )
        assert token.current().authorization

    def test_a_login_for_people_with_the_jobs_identity(self, hosts: Hosts, job: GitHubJob) -> None:
        """What ``az aks get-credentials`` writes names an application that people log in with."""
        environ = {**hosts.environ, **job.environ, "AZURE_CLIENT_ID": CLIENT}
        people = "80faf920-1908-4b52-b5ef-a8e7bedfc67a"
        _, token = way("kubelogin", *self.WORDS, "--login", "devicecode", "--client-id", people, environ=environ)
        assert token.current().authorization

    def test_terraforms_variables(self, hosts: Hosts, entra: Azure) -> None:
        environ = {**hosts.environ, "ARM_CLIENT_ID": CLIENT, "ARM_CLIENT_SECRET": SECRET, "ARM_TENANT_ID": TENANT}
        args = ("get-token", "--server-id", SERVER, "--login", "spn", "--use-azurerm-env-vars")
        assert way("kubelogin", *args, environ=environ)[1].current().authorization == f"Bearer {entra.given[0]}"

    @pytest.mark.parametrize(
        "named", [(), ("--client-id", "a-client"), ("--identity-resource-id", "/subscriptions/a-resource")]
    )
    def test_a_machine(self, named: tuple[str, ...], hosts: Hosts, entra: Azure, job: GitHubJob) -> None:
        """Asked for: the job's other ways do not count."""
        entra.identities = ("a-client", "/subscriptions/a-resource")
        args = ("get-token", "--server-id", SERVER, "--login", "msi", *named)
        _, token = way("kubelogin", *args, environ={**hosts.environ, **job.environ})
        assert token.current().authorization == f"Bearer {entra.given[0]}" and not job.given

    def test_a_machine_without_it(self, hosts: Hosts) -> None:
        args = ("get-token", "--server-id", SERVER, "--login", "msi", "--client-id", "a-client")
        with pytest.raises(UnauthorizedError) as caught:
            way("kubelogin", *args, environ=hosts.environ)[1].current()
        assert "invalid_request: Identity not found (has the machine the managed identity a-client?)" in str(
            caught.value
        )

    def test_legacy_tokens(self, hosts: Hosts, entra: Azure) -> None:
        args = (*self.WORDS, "--login", "spn", "--client-id", CLIENT, "--client-secret", SECRET, "--legacy")
        way("kubelogin", *args, environ=hosts.environ)[1].current()
        assert claims(entra.given[0])["aud"] == f"spn:{SERVER}"


@pytest.mark.parametrize(
    ("command", "args", "told"),
    [
        (
            "aws",
            ["eks", "get-token", "--cluster-name", "shop", "--profile", "prod"],
            "names the AWS profile prod, which",
        ),
        ("aws", ["eks", "get-token"], "no cluster is named: --cluster-name"),
        ("kubelogin", ["get-token", "--server-id", SERVER, "--login", "ropc"], "--login ropc"),
        ("kubelogin", ["get-token", "--login", "spn"], "no application is named: --server-id"),
    ],
)
def test_what_the_step_cannot_do_is_said(command: str, args: list[str], told: str) -> None:
    with pytest.raises(InputError) as caught:
        way(command, *args, environ=KEYS)
    assert str(caught.value).startswith("kubeconfig x: user y: ") and told in str(caught.value)


@pytest.mark.parametrize(
    ("command", "args"),
    [
        ("kubelogin", ["get-token", "--oidc-issuer-url=https://dex.example.com"]),
        ("aws", ["sso", "login"]),
        ("doctl", ["kubernetes", "cluster"]),
    ],
)
def test_other_programs_are_left_alone(command: str, args: list[str]) -> None:
    connection, token = way(command, *args)
    assert token is None and connection.user.exec_plugin is not None


def test_a_program_that_is_there_is_run(tmp_path: Path) -> None:
    program = tmp_path / "aws"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    args = ("eks", "get-token", "--cluster-name", "shop")
    connection, token = way("aws", *args, environ={"PATH": str(tmp_path)})
    assert token is None and connection.user.exec_plugin is not None
    assert way(str(program), *args)[1] is None


def test_a_token_in_the_kubeconfig_counts_first() -> None:
    plugin = ExecPlugin("client.authentication.k8s.io/v1", "aws", ("eks", "get-token"))
    found = Connection(ADDRESS, "x", user=User(token="t", exec_plugin=plugin))
    assert without_plugin(found, CloudOptions(), {"PATH": ""}, Redactor()) == (found, None)
