"""Kubeconfigs of the clouds' tools, where the program in them is not installed: the real API server decides."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.clouds.amazon import OTHER_ROLE, REGION, ROLE, USER, AccessEntry
from tests.clouds.azure import CLIENT, SECRET, SERVER, TENANT
from tests.clouds.google import ACCOUNT, PROVIDER
from tests.clouds.logins import GROUP, SUBJECT, World, allow, release
from tests.conftest import Kubectl, Outcome, Step
from tests.controlplane.cluster import Cluster, kubeconfig
from tests.integration.outcomes import statuses

Environ = Mapping[str, str | None]
PEOPLE = "80faf920-1908-4b52-b5ef-a8e7bedfc67a"  # the application that people log in with, as az writes it
KUBELOGIN = ("get-token", "--environment", "AzurePublicCloud", "--server-id", SERVER, "--tenant-id", TENANT)
UPDATE_KUBECONFIG = ("--region", REGION, "eks", "get-token", "--cluster-name", "shop", "--output", "json")


@dataclass(frozen=True)
class Case:
    """An ``exec`` of a kubeconfig, and the environment that the job has for it; ``whose`` is told in the first line."""

    cloud: str
    command: str
    args: Sequence[str]
    environ: Callable[[World, Path], Environ]
    program: str
    own: Callable[[World], Mapping[str, str]] = field(default=lambda _: {})


def by_keys(world: World, _: Path) -> Environ:
    return world.aws.keys


def by_job(world: World, _: Path) -> Environ:
    return world.job.environ


def by_key_file(world: World, folder: Path) -> Environ:
    path = folder / "key.json"
    path.write_text(json.dumps(world.gcp.key_file()))
    return {"GOOGLE_APPLICATION_CREDENTIALS": str(path)}


def by_googles_action(world: World, folder: Path) -> Environ:
    """What google-github-actions/auth writes into the workspace."""
    request = world.job.environ
    url = f"{request['ACTIONS_ID_TOKEN_REQUEST_URL']}&audience=https%3A%2F%2Fiam.googleapis.com%2F"
    account = f"https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{ACCOUNT}:generateAccessToken"
    written = {
        "universe_domain": "googleapis.com",
        "type": "external_account",
        "audience": f"//iam.googleapis.com/{PROVIDER}",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": "https://sts.googleapis.com/v1/token",
        "service_account_impersonation_url": account,
        "credential_source": {
            "url": url + PROVIDER.replace("/", "%2F"),
            "headers": {"Authorization": f"Bearer {request['ACTIONS_ID_TOKEN_REQUEST_TOKEN']}"},
            "format": {"type": "json", "subject_token_field_name": "value"},
        },
    }
    path = folder / "gha-creds-0123456789abcdef.json"
    path.write_text(json.dumps(written))
    return {"GOOGLE_APPLICATION_CREDENTIALS": str(path)}


def by_provider(world: World, _: Path) -> Environ:
    named = {"K8S_GCP_WORKLOAD_IDENTITY_PROVIDER": PROVIDER, "K8S_GCP_SERVICE_ACCOUNT": ACCOUNT}
    return {**world.job.environ, **named}


def by_machine(world: World, _: Path) -> Environ:
    return {}


def by_azure_job(world: World, _: Path) -> Environ:
    return {**world.job.environ, "AZURE_CLIENT_ID": CLIENT, "AZURE_TENANT_ID": TENANT}


def by_federated_file(world: World, folder: Path) -> Environ:
    path = folder / "azure-identity-token"
    path.write_text(world.issuers.token("github", "api://AzureADTokenExchange", SUBJECT))
    return {"AZURE_FEDERATED_TOKEN_FILE": str(path), "AZURE_CLIENT_ID": CLIENT}


def by_secret(world: World, _: Path) -> Environ:
    return {"AAD_SERVICE_PRINCIPAL_CLIENT_ID": CLIENT, "AAD_SERVICE_PRINCIPAL_CLIENT_SECRET": SECRET}


def nothing(world: World, _: Path) -> Environ:
    return {}


def by_profile(world: World, folder: Path) -> Environ:
    """As a Jenkins agent has it: keys in one file, a role that they may be in the other."""
    home = folder / "agent" / ".aws"
    home.mkdir(parents=True)
    keys = {name.lower(): value for name, value in world.aws.keys.items()}
    (home / "credentials").write_text("[base]\n" + "".join(f"{name} = {value}\n" for name, value in keys.items()))
    (home / "config").write_text(f"[profile prod]\nrole_arn = {ROLE}\nsource_profile = base\n")
    world.given.append(keys["aws_secret_access_key"])
    return {"HOME": str(home.parent)}


def named_profile(_: World) -> Mapping[str, str]:
    """What ``aws eks update-kubeconfig --profile prod`` writes."""
    return {"AWS_PROFILE": "prod"}


def own_keys(world: World) -> Mapping[str, str]:
    return world.aws.keys


CASES = {
    "aws-keys": Case("eks", "aws", UPDATE_KUBECONFIG, by_keys, "aws eks get-token"),
    "aws-role": Case("eks", "aws", (*UPDATE_KUBECONFIG, "--role-arn", ROLE), by_keys, "aws eks get-token"),
    "aws-role-by-job": Case("eks", "aws", (*UPDATE_KUBECONFIG, "--role-arn", ROLE), by_job, "aws eks get-token"),
    "aws-own-environment": Case("eks", "aws", UPDATE_KUBECONFIG, nothing, "aws eks get-token", own_keys),
    "aws-profile": Case("eks", "aws", UPDATE_KUBECONFIG, by_profile, "aws eks get-token", named_profile),
    "aws-profile-argument": Case(
        "eks", "aws", (*UPDATE_KUBECONFIG, "--profile", "prod"), by_profile, "aws eks get-token"
    ),
    "authenticator": Case(
        "eks",
        "aws-iam-authenticator",
        ("token", "-i", "shop", "-r", OTHER_ROLE, "--region", REGION),
        by_keys,
        "aws-iam-authenticator token",
    ),
    "gke-key": Case("gke", "gke-gcloud-auth-plugin", (), by_key_file, "gke-gcloud-auth-plugin"),
    "gke-action": Case("gke", "gke-gcloud-auth-plugin", (), by_googles_action, "gke-gcloud-auth-plugin"),
    "gke-provider": Case("gke", "gke-gcloud-auth-plugin", (), by_provider, "gke-gcloud-auth-plugin"),
    "gke-machine": Case("gke", "gke-gcloud-auth-plugin", (), by_machine, "gke-gcloud-auth-plugin"),
    "kubelogin-people": Case(
        "aks",
        "kubelogin",
        (*KUBELOGIN, "--login", "devicecode", "--client-id", PEOPLE),
        by_azure_job,
        "kubelogin get-token",
    ),
    "kubelogin-workload": Case(
        "aks", "kubelogin", (*KUBELOGIN, "--login", "workloadidentity"), by_federated_file, "kubelogin get-token"
    ),
    "kubelogin-secret": Case("aks", "kubelogin", (*KUBELOGIN, "-l", "spn"), by_secret, "kubelogin get-token"),
    "kubelogin-arguments": Case(
        "aks",
        "kubelogin",
        (*KUBELOGIN, "--login", "spn", "--client-id", CLIENT, "--client-secret", SECRET),
        nothing,
        "kubelogin get-token",
    ),
}


@pytest.fixture
def path_without(tmp_path: Path) -> Path:
    """A PATH that has openssl, which signs for Google's keys, and none of the clouds' programs."""
    folder = tmp_path / "bin"
    folder.mkdir()
    openssl = shutil.which("openssl")
    assert openssl
    (folder / "openssl").symlink_to(openssl)
    return folder


def written(folder: Path, cluster: Cluster, case: Case, world: World) -> str:
    """The kubeconfig as a file."""
    called: dict[str, Any] = {
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "command": case.command,
        "args": list(case.args),
        "env": [{"name": name, "value": value} for name, value in case.own(world).items()] or None,
        "installHint": "Install it for use with kubectl",
        "provideClusterInfo": True,
    }
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(kubeconfig(cluster.server, cluster.folder, user={"exec": called})))
    return str(path)


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in CASES.items()])
def test_the_step_stands_in(
    case: Case,
    step: Step,
    kubectl: Kubectl,
    cluster: Cluster,
    namespace: str,
    tmp_path: Path,
    path_without: Path,
    world: World,
) -> None:
    entry = AccessEntry(USER, (GROUP,))
    world.authenticator.entries.update({USER: entry, OTHER_ROLE: entry})
    login = world.login(case.cloud)
    path = release(tmp_path)
    allow(step, kubectl, namespace, path, login)
    environ = {
        "KUBECONFIG": written(tmp_path, cluster, case, world),
        "PATH": str(path_without),
        **login.environ,
        **case.environ(world, tmp_path),
    }
    outcome = step("apply", "-f", path, "-n", namespace, env=environ, report=True)
    step.knows(*world.secrets, SECRET)
    assert outcome.code == 0, outcome.text
    assert set(statuses(outcome).values()) == {"current"} and len(statuses(outcome)) == 3
    assert f", in place of {case.program}, which is not installed)" in first_line(outcome), outcome.text


def first_line(outcome: Outcome) -> str:
    """The first that is for people."""
    return next(line for line in outcome.stderr.splitlines() if not line.startswith("::add-mask::"))


def test_a_program_that_is_there_is_run(
    step: Step, kubectl: Kubectl, cluster: Cluster, namespace: str, tmp_path: Path, path_without: Path, world: World
) -> None:
    login = world.login("gke")
    path = release(tmp_path)
    allow(step, kubectl, namespace, path, login)
    token = world.gcp.token(ACCOUNT, 3600)
    status = {"token": token}
    answer = {"apiVersion": "client.authentication.k8s.io/v1beta1", "kind": "ExecCredential", "status": status}
    program = path_without / "gke-gcloud-auth-plugin"
    program.write_text(f"#!/bin/sh\necho '{json.dumps(answer)}'\n")
    program.chmod(0o755)
    case = CASES["gke-machine"]
    environ = {"KUBECONFIG": written(tmp_path, cluster, case, world), **login.environ}
    outcome = step(
        "apply", "-f", path, "-n", namespace, env={**environ, "PATH": f"{path_without}{os.pathsep}/bin"}, report=True
    )
    step.knows(token)
    assert outcome.code == 0 and "in place of" not in outcome.text, outcome.text
    assert world.gcp.given == []
