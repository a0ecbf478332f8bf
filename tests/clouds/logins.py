"""The clouds' logins against the real control plane: what docs/clouds.md has a user write, and whom a cloud names."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.clouds import azure, google
from tests.clouds.amazon import SESSION, Amazon, Authenticator
from tests.clouds.azure import Azure
from tests.clouds.google import Google
from tests.clouds.hosts import Hosts
from tests.conftest import Kubectl, Step, poll
from tests.controlplane.cluster import ROOT, Cluster, kubeconfig
from tests.integration.issuers import GitHubJob, Issuers
from tests.integration.objects import config_map, deployment, service, write

SUBJECT = "repo:example/shop:environment:production"
OBJECT_ID = "99999999-aaaa-bbbb-cccc-dddddddddddd"  # of the application's service principal
GROUP = "deployers"
AUDIENCE = "gke"
CLOUDS = ("eks", "gke", "aks")


def documented(option: str) -> dict[str, str]:
    """The action's inputs in the example of docs/clouds.md, but for what is the job's own affair."""
    (found,) = [
        step["with"]
        for block in _examples()
        for job in (block.get("jobs") or {}).values()
        for step in job["steps"]
        if option in step.get("with", {})
    ]
    return {name: _real(value) for name, value in found.items() if name not in ("namespace", "filename")}


def documented_in_gitlab(variable: str) -> tuple[dict[str, str], str]:
    """The variables of the GitLab example, and the audience of its ID token."""
    (found,) = [job for block in _examples() for job in block.values() if variable in (job.get("variables") or {})]
    variables = {name: _real(value) for name, value in found["variables"].items()}
    return variables, found["id_tokens"]["K8S_ID_TOKEN"]["aud"]


def _examples() -> list[dict[str, Any]]:
    text = (ROOT / "docs" / "clouds.md").read_text(encoding="utf-8")
    return [yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```", text, re.M | re.S)]


def _real(value: str) -> str:
    """With the identifiers that the examples leave open."""
    given = {"${{ vars.AZURE_CLIENT_ID }}": azure.CLIENT, "${{ vars.AZURE_TENANT_ID }}": azure.TENANT}
    return given.get(value, value.replace("/subscriptions/…/", f"{azure.CLUSTER.partition('/resourceGroups')[0]}/"))


def authenticators(issuers: Issuers) -> list[dict[str, Any]]:
    """What makes the API server one of GKE and one of AKS: it takes Google's and Entra's tokens."""
    issuer = {"certificateAuthority": issuers.authority.certificate.decode()}
    of_google = {"url": issuers.url("google"), "audiences": [AUDIENCE], **issuer}
    of_entra = {"url": issuers.url("entra"), "audiences": [azure.SERVER], **issuer}
    names = {"username": {"claim": "sub", "prefix": ""}}
    ids = {"username": {"claim": "oid", "prefix": ""}, "groups": {"claim": "groups", "prefix": ""}}
    return [{"issuer": of_google, "claimMappings": names}, {"issuer": of_entra, "claimMappings": ids}]


def google_of(issuers: Issuers, cluster: Cluster) -> Google:
    """Google, with this cluster as GKE's."""
    assert cluster.ca
    described = {
        "status": "RUNNING",
        "endpoint": cluster.server.removeprefix("https://"),
        "masterAuth": {"clusterCaCertificate": _base64(cluster.ca)},
    }
    return Google(
        lambda subject, seconds: issuers.token("google", AUDIENCE, subject, seconds),
        issuers.verified,
        described,
        (SUBJECT,),
    )


def azure_of(issuers: Issuers, cluster: Cluster) -> Azure:
    """Azure, with this cluster as AKS's."""

    def token(audience: str, seconds: float) -> str:
        return issuers.token("entra", audience, azure.CLIENT, seconds, oid=OBJECT_ID, tid=azure.TENANT)

    people = ["get-token", "--environment", "AzurePublicCloud", "--server-id", azure.SERVER, "--login", "devicecode"]
    user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1beta1", "command": "kubelogin", "args": people}}
    texts = [yaml.safe_dump(kubeconfig(cluster.server, cluster.folder, **more)) for more in ({"user": user}, {})]
    return Azure(token, issuers.verified, SUBJECT, *texts)


def _base64(path: Path) -> str:
    found: str = kubeconfig("", path.parent)["clusters"][0]["cluster"]["certificate-authority-data"]
    return found


@dataclass(frozen=True)
class Login:
    """A cloud, ready for a job. ``environ`` sends the step to it; ``bound`` is how the documentation binds a Role.

    ``given`` tells the secrets that it gave so far.
    """

    option: str
    environ: Mapping[str, str] = field(repr=False)
    bound: str
    given: Callable[[], Sequence[str]] = field(repr=False)

    @property
    def inputs(self) -> dict[str, str]:
        """As GitHub's runner hands the documented example to the action."""
        return {f"INPUT_{name.upper()}": value for name, value in documented(self.option).items()}

    @property
    def variable(self) -> str:
        return f"K8S_{self.option.upper().replace('-', '_')}"


@dataclass(frozen=True)
class World:
    """The clouds, the issuers of ID tokens and a job of GitHub; ``given`` are further secrets that a test gave."""

    aws: Amazon
    authenticator: Authenticator
    gcp: Google
    entra: Azure
    hosts: Hosts
    issuers: Issuers
    job: GitHubJob
    given: list[str] = field(default_factory=list, repr=False)

    def login(self, cloud: str) -> Login:
        """The way into this cloud."""
        if cloud == "gke":
            return Login("gke-cluster", self.hosts.environ, f"--user={google.ACCOUNT}", lambda: self.gcp.given)
        if cloud == "aks":
            return Login("aks-cluster", self.hosts.environ, f"--user={OBJECT_ID}", lambda: self.entra.given)
        return Login("eks-cluster", self.aws.environ, f"--group={GROUP}", self._of_amazon)

    def _of_amazon(self) -> list[str]:
        return [*self.aws.sessions, *self.authenticator.tokens]

    def trust_nobody(self) -> None:
        """No cloud takes this repository's ID tokens any more."""
        self.aws.configure(roles={})
        self.gcp.subjects = ("repo:other/shop",)
        self.entra.subject = "repo:other/shop"

    @property
    def secrets(self) -> list[str]:
        """All that anybody has given so far."""
        return [*self.given, *self.job.given, *self._of_amazon(), *self.gcp.given, *self.entra.given]

    def in_github(self, login: Login, **more: str | None) -> dict[str, str | None]:
        """The environment of the action with the documented inputs."""
        return {"KUBECONFIG": None, **self.job.environ, **login.environ, **login.inputs, **more}

    def in_gitlab(self, login: Login, **changes: Any) -> dict[str, str | None]:
        """A job of GitLab with the documented variables; ``changes`` to its ID token."""
        variables, audience = documented_in_gitlab(login.variable)
        said: dict[str, Any] = {"name": "gitlab", "audience": audience, "subject": SUBJECT, **changes}
        token = self.issuers.token(**said)
        return {"KUBECONFIG": None, "GITLAB_CI": "true", **login.environ, **variables, "K8S_ID_TOKEN": token}


def allow(
    step: Step, kubectl: Kubectl, namespace: str, path: str, login: Login, target: str = "configmaps/settings"
) -> None:
    """The commands of docs/clouds.md: the Role for these manifests, bound to whom the cloud says the job is."""
    kubectl("apply", "-f", "-", input=step("permissions", "-f", path, "-n", namespace).stdout)
    kubectl("-n", namespace, "create", "rolebinding", "k8s-step", "--role=k8s-step", login.bound)
    who = login.bound.replace("--user=", "--as=").replace("--group=", f"--as={SESSION} --as-group=").split()
    words = ("-n", namespace, "auth", "can-i", "patch", target, *who)
    poll(lambda: kubectl(*words, check=False).returncode == 0, f"{login.bound} to be allowed")


def release(folder: Path) -> str:
    """Manifests of three kinds, one with a rollout to follow."""
    return write(folder / "release.yaml", config_map(a="b"), service("web"), deployment("web", replicas=2))
