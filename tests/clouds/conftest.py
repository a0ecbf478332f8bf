"""A real API server that takes the tokens of each cloud, and the clouds as the tests play them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.clouds import azure, logins
from tests.clouds.amazon import OTHER_ROLE, ROLE, SESSION, USER, AccessEntry, Amazon, Authenticator
from tests.clouds.azure import Azure
from tests.clouds.google import Google
from tests.clouds.hosts import Hosts
from tests.clouds.logins import CLOUDS, SUBJECT, Login, World
from tests.conftest import poll
from tests.controlplane.cluster import Cluster
from tests.integration.issuers import GitHubJob, Issuers


@pytest.fixture(scope="session")
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


@pytest.fixture(scope="session")
def moto(issuers: Issuers, owned: Cluster) -> Iterator[Amazon]:
    assert owned.ca
    trusted = [issuers.url("github"), issuers.url("gitlab")]
    with Amazon(issuers.public_key, trusted, owned.server, owned.ca.read_text()) as made:
        yield made


@pytest.fixture
def aws(moto: Amazon, owned: Cluster) -> Amazon:
    describers = [USER, SESSION, SESSION.replace("/deploy/", "/other/")]
    roles = {ROLE: {"subjects": [SUBJECT], "principals": [USER]}, OTHER_ROLE: {"principals": [SESSION, USER]}}
    settings = {"seconds": 3600, "status": "ACTIVE", "endpoint": owned.server, "describers": describers}
    moto.configure(roles=roles, **settings)
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
def world(
    aws: Amazon, authenticator: Authenticator, gcp: Google, entra: Azure, hosts: Hosts, issuers: Issuers, job: GitHubJob
) -> World:
    """All of them, for tests that change one."""
    return World(aws, authenticator, gcp, entra, hosts, issuers, job)


@pytest.fixture(params=CLOUDS)
def login(request: pytest.FixtureRequest, world: World) -> Login:
    """Each cloud in turn."""
    return world.login(request.param)
