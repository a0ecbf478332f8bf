"""EKS and STS as moto plays them: every way to keys, the token as the cluster checks it, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from k8s_step.clouds import CloudOptions
from k8s_step.clouds.lookup import to_cluster
from k8s_step.connection.settings import ConnectionOptions
from k8s_step.errors import ExitCode, InputError, StepError, UnauthorizedError
from k8s_step.redaction import Redactor
from k8s_step.surroundings import System
from tests.clouds.amazon import ACCOUNT, CLUSTER, OTHER_ROLE, REGION, ROLE, SESSION, USER, Amazon
from tests.integration.issuers import GitHubJob, Issuers

CA = "-----BEGIN CERTIFICATE-----\nQ0E=\n-----END CERTIFICATE-----\n"
SUBJECT = "repo:example/shop:environment:production"
EKS = CloudOptions(eks_cluster=CLUSTER, aws_region=REGION, aws_role_arn=ROLE, aws_role_origin="--aws-role-arn")
BY_KEYS = CloudOptions(eks_cluster=CLUSTER, aws_region=REGION)
ROLES = {ROLE: {"subjects": [SUBJECT], "principals": [USER]}, OTHER_ROLE: {"principals": [SESSION, USER]}}
DESCRIBERS = [SESSION, USER, SESSION.replace("/deploy/", "/other/")]


@pytest.fixture(scope="session")
def issuers() -> Iterator[Issuers]:
    with Issuers() as made:
        yield made


@pytest.fixture(scope="session")
def moto(issuers: Issuers) -> Iterator[Amazon]:
    with Amazon(issuers.public_key, [issuers.url("github")], "https://shop.eks.example.com", CA) as made:
        yield made


@pytest.fixture
def aws(moto: Amazon) -> Amazon:
    moto.configure(roles=ROLES, seconds=3600, describers=DESCRIBERS, status="ACTIVE")
    return moto


@pytest.fixture
def job(issuers: Issuers) -> Iterator[GitHubJob]:
    with GitHubJob(issuers, SUBJECT) as made:
        yield made


def way(aws: Amazon, cloud: CloudOptions, environ: dict[str, str], redactor: Redactor | None = None) -> Any:
    return to_cluster(cloud, ConnectionOptions(), {**aws.environ, **environ}, redactor or Redactor())


def token_of(credentials: Any) -> str:
    return str(credentials.current().authorization).removeprefix("Bearer ")


def refused(aws: Amazon, cloud: CloudOptions, environ: dict[str, str]) -> StepError:
    with pytest.raises(StepError) as caught:
        way(aws, cloud, environ)[1].current()
    return caught.value


def test_by_githubs_id_token(aws: Amazon, job: GitHubJob) -> None:
    redactor = Redactor()
    connection, token = way(aws, EKS, job.environ, redactor)
    assert (connection.server, connection.ca) == ("https://shop.eks.example.com", CA.encode())
    assert connection.origin == f"--eks-cluster {CLUSTER} in {REGION}, as {ROLE} by GitHub's ID token"
    assert aws.identity(token_of(token)) == ROLE
    assert len(job.given) == 1, "one session serves for DescribeCluster and for the token"
    assert all(redactor.mask(secret) == "***" for secret in (job.given[0], token_of(token)))


def test_a_new_token_after_a_401_is_of_a_new_session(aws: Amazon, job: GitHubJob) -> None:
    _, token = way(aws, EKS, job.environ)
    first = token.current()
    assert token.refresh(first) and token.current() != first
    assert len(set(job.given)) == 2 and aws.identity(token_of(token)) == ROLE


def test_the_arn_brings_the_region(aws: Amazon, job: GitHubJob) -> None:
    arn = f"arn:aws:eks:{REGION}:{ACCOUNT}:cluster/{CLUSTER}"
    cloud = CloudOptions(eks_cluster=arn, aws_region="us-east-1", aws_role_arn=ROLE, aws_role_origin="--aws-role-arn")
    assert aws.identity(token_of(way(aws, cloud, job.environ)[1])) == ROLE


def test_by_a_token_file(aws: Amazon, issuers: Issuers, tmp_path: Path) -> None:
    """As EKS sets it up for a pod's service account."""
    path = tmp_path / "token"
    path.write_text(issuers.token("github", "sts.amazonaws.com", SUBJECT))
    cloud = CloudOptions(eks_cluster=CLUSTER, aws_region=REGION, aws_role_arn=ROLE, aws_role_origin="AWS_ROLE_ARN")
    assert aws.identity(token_of(way(aws, cloud, {"AWS_WEB_IDENTITY_TOKEN_FILE": str(path)})[1])) == ROLE


def test_by_gitlabs_variable(aws: Amazon, issuers: Issuers) -> None:
    token = issuers.token("github", "sts.amazonaws.com", SUBJECT)
    cloud = CloudOptions(eks_cluster=CLUSTER, aws_region=REGION, aws_role_arn=ROLE, id_token=token)
    assert aws.identity(token_of(way(aws, cloud, {})[1])) == ROLE


def test_by_the_environments_keys(aws: Amazon) -> None:
    redactor = Redactor()
    _, token = way(aws, BY_KEYS, aws.keys, redactor)
    assert aws.identity(token_of(token)) == USER
    assert redactor.mask(aws.keys["AWS_SECRET_ACCESS_KEY"]) == "***"


def test_aws_role_arn_does_not_count_beside_keys_and_the_option_does(aws: Amazon) -> None:
    ambient = CloudOptions(eks_cluster=CLUSTER, aws_region=REGION, aws_role_arn=ROLE, aws_role_origin="AWS_ROLE_ARN")
    assert aws.identity(token_of(way(aws, ambient, aws.keys)[1])) == USER
    assert aws.identity(token_of(way(aws, EKS, aws.keys)[1])) == ROLE


@pytest.mark.parametrize(
    ("issuer", "audience", "subject", "seconds", "told"),
    [
        (
            "github",
            "https://other",
            SUBJECT,
            300,
            ["InvalidIdentityToken: Incorrect token audience", "list the audience"],
        ),
        (
            "gitlab",
            "sts.amazonaws.com",
            SUBJECT,
            300,
            ["No OpenIDConnect provider found", "has no OIDC provider", "gitlab"],
        ),
        ("github", "sts.amazonaws.com", "repo:other/shop", 300, ["AccessDenied: Not authorized", "repo:other/shop"]),
        ("github", "sts.amazonaws.com", SUBJECT, -300, ["ExpiredTokenException", "the ID token has ended"]),
    ],
)
def test_refused_id_tokens(
    aws: Amazon, issuers: Issuers, issuer: str, audience: str, subject: str, seconds: float, told: list[str]
) -> None:
    token = issuers.token(issuer, audience, subject, seconds)
    cloud = CloudOptions(eks_cluster=CLUSTER, aws_region=REGION, aws_role_arn=ROLE, id_token=token)
    error = refused(aws, cloud, {})
    assert isinstance(error, UnauthorizedError) and error.exit_code is ExitCode.REFUSED
    expected = ("--eks-cluster: AWS STS refuses AssumeRoleWithWebIdentity: ", *told)
    assert all(words in str(error) for words in expected), str(error)
    assert token not in str(error)


def test_a_role_that_does_not_trust_the_keys(aws: Amazon) -> None:
    aws.configure(roles={})
    error = refused(aws, EKS, aws.keys)
    assert "AccessDenied: User: arn:aws:iam::123456789012:user/deployer is not" in str(error), str(error)
    assert f"trust policy of {ROLE}" in str(error)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"AWS_SECRET_ACCESS_KEY": "wr0ng-s3cr3t"}, "InvalidSignatureException"),
        ({"AWS_ACCESS_KEY_ID": "AKIAUNKNOWN"}, "UnrecognizedClientException"),
        ({"AWS_SESSION_TOKEN": "of-another"}, "UnrecognizedClientException"),
    ],
)
def test_wrong_keys(aws: Amazon, change: dict[str, str], told: str) -> None:
    error = refused(aws, BY_KEYS, {**aws.keys, **change})
    assert f"Amazon EKS refuses DescribeCluster of {CLUSTER}: {told}: " in str(error) and "(" in str(error)
    assert "wr0ng" not in str(error)


def test_clusters_that_are_not_there_or_not_to_be_seen(aws: Amazon) -> None:
    error = refused(aws, CloudOptions(eks_cluster="other", aws_region=REGION), aws.keys)
    assert "ResourceNotFoundException: No cluster found for name: other." in str(error) and REGION in str(error)
    aws.configure(describers=[])
    error = refused(aws, BY_KEYS, aws.keys)
    assert "AccessDeniedException" in str(error) and "allow eks:DescribeCluster" in str(error)


def test_a_401_of_the_cluster_is_explained_by_sts(aws: Amazon) -> None:
    _, token = way(aws, BY_KEYS, aws.keys)
    token.current()
    move = token.next_move(401)
    assert USER in move and f"has its role an access entry in the cluster {CLUSTER}?" in move
    assert "access policy" in token.next_move(403)


def test_keys_that_end_are_obtained_again(aws: Amazon, job: GitHubJob) -> None:
    """A session of ten seconds is renewed two seconds before its end, by the token's own clock."""
    aws.configure(seconds=10)
    _, token = way(aws, EKS, job.environ)
    token.current()
    token._clock = lambda clock=token._clock: clock() + 9
    token._keys._clock = token._clock
    token.current()
    assert len(job.given) == 2


def test_without_an_id_token_on_github(aws: Amazon) -> None:
    error = refused(aws, replace(EKS, system=System.GITHUB), {"AWS_EC2_METADATA_DISABLED": "true"})
    assert isinstance(error, InputError) and "permissions: id-token: write" in str(error)


def test_nothing_anywhere_is_a_list_of_places(aws: Amazon) -> None:
    error = refused(aws, BY_KEYS, {})
    assert isinstance(error, InputError)
    places = ("AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS", "metadata service")
    assert all(place in str(error) for place in places) and "--aws-role-arn" in str(error)


@pytest.mark.parametrize(
    ("cloud", "told"),
    [
        (CloudOptions(eks_cluster=CLUSTER), "no region (give --aws-region"),
        (CloudOptions(eks_cluster=CLUSTER, aws_region="europe/../x"), "--aws-region is no region"),
        (CloudOptions(eks_cluster="a/b", aws_region=REGION), "no name or ARN of an EKS cluster"),
        (CloudOptions(eks_cluster=CLUSTER, gke_cluster="x"), "--eks-cluster and --gke-cluster contradict"),
    ],
)
def test_bad_input(aws: Amazon, cloud: CloudOptions, told: str) -> None:
    error = refused(aws, cloud, aws.keys)
    assert isinstance(error, InputError) and told in str(error)
