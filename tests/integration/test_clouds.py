"""A cloud's cluster by name, with the job's identity and what docs/clouds.md asks for: the real API server decides."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clouds import azure
from tests.clouds.amazon import ROLE, SESSION, AccessEntry, Amazon, Authenticator
from tests.clouds.azure import Azure
from tests.clouds.google import Google
from tests.clouds.hosts import Hosts
from tests.conftest import Kubectl, Step, poll
from tests.controlplane.cluster import Cluster
from tests.integration import logins
from tests.integration.issuers import GitHubJob, Issuers
from tests.integration.logins import SUBJECT, Login, allow, documented_in_gitlab
from tests.integration.objects import config_map, deployment, service, write
from tests.integration.outcomes import statuses

CLOUDS = ["eks", "gke", "aks"]


@pytest.fixture(scope="module")
def issuers(owned: Cluster) -> Iterator[Issuers]:
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    with Issuers() as made, owned.trusting(*logins.authenticators(made)):

        def is_known(name: str, audience: str) -> bool:
            token = made.token(name, audience, "probe", oid="probe")
            path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
            return owned.request("POST", path, review, token=token).code == 201

        for name, audience in (("google", logins.AUDIENCE), ("entra", azure.SERVER)):
            poll(lambda n=name, a=audience: is_known(n, a), "the API server to know its issuers", seconds=90)
        yield made


@pytest.fixture(scope="module")
def moto(issuers: Issuers, owned: Cluster) -> Iterator[Amazon]:
    assert owned.ca
    trusted = [issuers.url("github"), issuers.url("gitlab")]
    with Amazon(issuers.public_key, trusted, owned.server, owned.ca.read_text()) as made:
        yield made


@pytest.fixture
def aws(moto: Amazon, owned: Cluster) -> Amazon:
    describers = [SESSION, SESSION.replace("/deploy/", "/other/")]
    settings = {"seconds": 3600, "status": "ACTIVE", "endpoint": owned.server, "describers": describers}
    moto.configure(roles={ROLE: {"subjects": [SUBJECT]}}, **settings)
    return moto


@pytest.fixture
def authenticator(aws: Amazon, owned: Cluster) -> Iterator[Authenticator]:
    with Authenticator(aws, {ROLE: AccessEntry(SESSION, (logins.GROUP,))}) as made, owned.reviewing(made.url):
        yield made


@pytest.fixture
def gcp(issuers: Issuers, owned: Cluster) -> Google:
    return logins.google_of(issuers, owned)


@pytest.fixture
def entra(issuers: Issuers, owned: Cluster) -> Azure:
    return logins.azure_of(issuers, owned)


@pytest.fixture
def hosts(gcp: Google, entra: Azure) -> Iterator[Hosts]:
    with Hosts({**gcp.hosts, **entra.hosts}) as made:
        yield made


@pytest.fixture
def job(issuers: Issuers) -> Iterator[GitHubJob]:
    with GitHubJob(issuers, SUBJECT) as made:
        yield made


@pytest.fixture
def login(request: pytest.FixtureRequest) -> Login:
    """The cloud of this test."""
    cloud: str = request.param
    if cloud == "eks":
        return logins.of_amazon(request.getfixturevalue("aws"), request.getfixturevalue("authenticator"))
    environ = request.getfixturevalue("hosts").environ
    if cloud == "gke":
        return logins.of_google(request.getfixturevalue("gcp"), environ)
    return logins.of_azure(request.getfixturevalue("entra"), environ)


def release(folder: Path) -> str:
    return write(folder / "release.yaml", config_map(a="b"), service("web"), deployment("web", replicas=2))


def in_github(job: GitHubJob, login: Login, **more: str) -> dict[str, str | None]:
    return {"KUBECONFIG": None, **job.environ, **login.environ, **login.inputs, **more}


def in_gitlab(issuers: Issuers, login: Login, **changes: Any) -> dict[str, str | None]:
    """A job of GitLab with the documented variables; ``changes`` to its ID token."""
    variables, audience = documented_in_gitlab(login.variable)
    said: dict[str, Any] = {"name": "gitlab", "audience": audience, "subject": SUBJECT, **changes}
    token = issuers.token(**said)
    return {"KUBECONFIG": None, "GITLAB_CI": "true", **login.environ, **variables, "K8S_ID_TOKEN": token}


@pytest.mark.parametrize("login", CLOUDS, indirect=True)
def test_github(step: Step, kubectl: Kubectl, namespace: str, tmp_path: Path, login: Login, job: GitHubJob) -> None:
    path = release(tmp_path)
    allow(step, kubectl, namespace, path, login)
    outcome = step(env=in_github(job, login, INPUT_FILENAME=path, INPUT_NAMESPACE=namespace), report=True)
    step.knows(*job.given, *login.given())
    assert outcome.code == 0, outcome.text
    assert set(statuses(outcome).values()) == {"current"} and len(statuses(outcome)) == 3
    assert f"--{login.option} " in outcome.text and "by GitHub's ID token" in outcome.text
    assert login.given() and job.given


@pytest.mark.parametrize("login", CLOUDS, indirect=True)
def test_gitlab(
    step: Step, kubectl: Kubectl, namespace: str, tmp_path: Path, login: Login, issuers: Issuers, gcp: Google
) -> None:
    gcp.provider = gcp.provider.replace("github", "gitlab")
    path = release(tmp_path)
    allow(step, kubectl, namespace, path, login)
    outcome = step("apply", "-f", path, "-n", namespace, env=in_gitlab(issuers, login), report=True)
    step.knows(*login.given())
    assert outcome.code == 0, outcome.text
    assert set(statuses(outcome).values()) == {"current"} and len(statuses(outcome)) == 3
    assert "by the CI's ID token" in outcome.text
