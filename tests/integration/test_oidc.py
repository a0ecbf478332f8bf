"""Identity without a stored secret: tokens of GitHub and GitLab, taken by the API server as docs/oidc.md sets it up."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import Kubectl, Outcome, Step, poll
from tests.controlplane.cluster import ROOT, Cluster
from tests.faults.proxy import Proxy, end_watch, on, status
from tests.integration.issuers import GitHubJob, Issuers
from tests.integration.objects import config_map, service, write
from tests.integration.outcomes import actions, statuses

AUDIENCE = "https://k8s.example.com"
REPOSITORY = "repo:example/shop:environment:production"
BRANCH = "project_path:example/shop:ref_type:branch:ref:main"
OF_OWNER = {"repository_owner": "example"}
URLS = {"https://token.actions.githubusercontent.com": "github", "https://gitlab.example.com": "gitlab"}


def as_told(issuers: Issuers) -> list[dict[str, Any]]:
    """The page's authentication configuration, with these issuers in place of the real ones."""
    blocks = re.findall(r"^```yaml\n(.*?)^```", (ROOT / "docs" / "oidc.md").read_text(), re.M | re.S)
    (text,) = [block for block in blocks if "kind: AuthenticationConfiguration" in block]
    found: list[dict[str, Any]] = yaml.safe_load(text)["jwt"]
    for one in found:
        one["issuer"]["url"] = issuers.url(URLS[one["issuer"]["url"]])
        one["issuer"]["certificateAuthority"] = issuers.authority.certificate.decode()
    return found


@pytest.fixture(scope="module")
def issuers(owned: Cluster) -> Iterator[Issuers]:
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    with Issuers() as made, owned.trusting(*as_told(made)):

        def is_known() -> bool:
            token = made.token("github", AUDIENCE, "probe", **OF_OWNER)
            path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
            return owned.request("POST", path, review, token=token).code == 201

        poll(is_known, "the API server to have read its configuration again", seconds=90)
        yield made


@pytest.fixture
def job(issuers: Issuers) -> Iterator[GitHubJob]:
    with GitHubJob(issuers, REPOSITORY, **OF_OWNER) as made:
        yield made


def allow(step: Step, kubectl: Kubectl, namespace: str, path: str, target: str = "configmaps/settings") -> None:
    """The page's commands: the Role for these manifests, given to the subjects of the two jobs."""
    role = step("permissions", "-f", path, "-n", namespace)
    kubectl("apply", "-f", "-", input=role.stdout)
    users = {"k8s-step": f"github:{REPOSITORY}", "k8s-step-gitlab": f"gitlab:{BRANCH}"}
    for name, user in users.items():
        kubectl("-n", namespace, "create", "rolebinding", name, "--role=k8s-step", f"--user={user}")
        words = ("-n", namespace, "auth", "can-i", "create", target, "--as", user)
        poll(lambda words=words: kubectl(*words, check=False).returncode == 0, f"{user} to be allowed")


def to(cluster: Cluster, **environ: str) -> dict[str, str | None]:
    """A job that knows where the cluster is, and nothing else."""
    return {"KUBECONFIG": None, "K8S_API": cluster.server, "K8S_CA": str(cluster.ca), **environ}


def shows_nothing(outcome: Outcome, folder: Path, *secrets: str) -> None:
    """None of the secrets in anything the step wrote, but where it tells the runner to mask them."""
    written = "\n".join(path.read_text(errors="replace") for path in folder.rglob("*") if path.is_file())
    kept = [line for line in written.splitlines() if not line.startswith("::add-mask::")]
    for secret in (*secrets, *(part for token in secrets for part in token.split(".")[1:])):
        assert secret not in "\n".join(kept), outcome.text


def test_github(step: Step, kubectl: Kubectl, cluster: Cluster, namespace: str, job: GitHubJob, tmp_path: Path) -> None:
    """As an action: nothing but a URL, a CA and an audience."""
    path = write(tmp_path / "release.yaml", config_map(a="b"))
    allow(step, kubectl, namespace, path)
    inputs = {"INPUT_FILENAME": path, "INPUT_OIDC-AUDIENCE": AUDIENCE, "INPUT_NAMESPACE": namespace}
    outcome = step(env=to(cluster, **job.environ, **inputs), report=True)
    assert outcome.code == 0, outcome.text
    assert actions(outcome) == {"ConfigMap/settings": "created"}
    assert len(job.given) == 1
    lines = outcome.text.splitlines()
    masks = [lines.index(f"::add-mask::{secret}") for secret in (job.request_token, job.given[0])]
    assert masks[0] == 0 and masks[1] < next(number for number, line in enumerate(lines) if "settings" in line)
    shows_nothing(outcome, tmp_path, job.request_token, job.given[0])


def test_gitlab(
    step: Step, kubectl: Kubectl, cluster: Cluster, namespace: str, issuers: Issuers, tmp_path: Path
) -> None:
    path = write(tmp_path / "release.yaml", config_map(a="b"))
    allow(step, kubectl, namespace, path)
    token = issuers.token("gitlab", AUDIENCE, BRANCH)
    environ = to(cluster, GITLAB_CI="true", K8S_TOKEN=token, K8S_NAMESPACE=namespace)
    outcome = step("apply", "-f", path, env=environ, report=True)
    assert outcome.code == 0, outcome.text
    assert actions(outcome) == {"ConfigMap/settings": "created"}
    shows_nothing(outcome, tmp_path, token)


def test_tokens_that_end_before_the_rollout_does(
    step: Step,
    kubectl: Kubectl,
    cluster: Cluster,
    namespace: str,
    issuers: Issuers,
    proxy: Proxy,
    tmp_path: Path,
) -> None:
    """The Service gets its address only once tokens were renewed: the watch that sees it began with a later one."""
    path = write(tmp_path / "release.yaml", service("web", "LoadBalancer", no_address="true"))
    allow(step, kubectl, namespace, path, "services/web")
    ending = proxy.rule(on("GET", watch=True), end_watch(), times=None)
    with GitHubJob(issuers, REPOSITORY, seconds=5, **OF_OWNER) as job:
        environ = {**to(cluster, **job.environ), "K8S_API": proxy.url, "K8S_CA": None}
        run = step.start("apply", "-f", path, "-n", namespace, "--oidc-audience", AUDIENCE, env=environ, report=True)
        poll(lambda: len(job.given) > 1 or run.process.poll() is not None, "the second token", seconds=60)
        ending.times = 0
        address = '{"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}}'
        kubectl("-n", namespace, "patch", "service/web", "--subresource=status", "--type=merge", "-p", address)
        outcome = run.wait()
    assert (outcome.code, statuses(outcome)) == (0, {"Service/web": "current"}), outcome.text
    used = {request.headers["Authorization"].removeprefix("Bearer ") for request in proxy.requests}
    assert len(used) > 1 and used <= set(job.given)
    shows_nothing(outcome, tmp_path, job.request_token, *job.given)


def test_a_token_that_is_refused_once_is_asked_for_again(
    step: Step, kubectl: Kubectl, cluster: Cluster, namespace: str, job: GitHubJob, proxy: Proxy, tmp_path: Path
) -> None:
    path = write(tmp_path / "release.yaml", config_map(a="b"))
    allow(step, kubectl, namespace, path)
    proxy.rule(on("PATCH"), status(401, "Unauthorized", "Unauthorized"), times=1)
    environ = {**to(cluster, **job.environ), "K8S_API": proxy.url, "K8S_CA": None, "K8S_OIDC_AUDIENCE": AUDIENCE}
    outcome = step("apply", "-f", path, "-n", namespace, env=environ, report=True)
    assert outcome.code == 0, outcome.text
    assert len(job.given) == 2


@pytest.mark.parametrize(
    ("issuer", "audience", "subject", "seconds", "claims", "told"),
    [
        ("github", "https://other.example.com", REPOSITORY, 300, OF_OWNER, "for audience https://other.example.com: "),
        ("github", AUDIENCE, REPOSITORY, 300, {"repository_owner": "stranger"}, f"for audience {AUDIENCE}: does this"),
        ("jenkins", AUDIENCE, REPOSITORY, 300, {}, "/jenkins for audience"),
        ("gitlab", AUDIENCE, BRANCH, -300, {}, "and ended at "),
    ],
    ids=["audience", "owner", "issuer", "ended"],
)
def test_what_the_server_refuses_is_4_and_named(
    issuer: str,
    audience: str,
    subject: str,
    seconds: float,
    claims: dict[str, str],
    told: str,
    step: Step,
    cluster: Cluster,
    namespace: str,
    issuers: Issuers,
    tmp_path: Path,
) -> None:
    path = write(tmp_path / "release.yaml", config_map(a="b"))
    token = issuers.token(issuer, audience, subject, seconds, **claims)
    outcome = step("apply", "-f", path, "-n", namespace, env=to(cluster, K8S_TOKEN=token))
    assert outcome.code == 4, outcome.text
    assert "Unauthorized" in outcome.stderr and f"of issuer {issuers.url(issuer)} " in outcome.stderr
    assert told in outcome.stderr, outcome.text
    shows_nothing(outcome, tmp_path, token)


def test_a_wrong_audience_in_github_is_asked_for_twice_at_most_and_said(
    step: Step, cluster: Cluster, namespace: str, job: GitHubJob, tmp_path: Path
) -> None:
    path = write(tmp_path / "release.yaml", config_map(a="b"))
    command = ("apply", "-f", path, "-n", namespace, "--oidc-audience", "elsewhere")
    outcome = step(*command, env=to(cluster, **job.environ))
    assert outcome.code == 4, outcome.text
    assert "for audience elsewhere: does this server trust" in outcome.stderr
    assert len(job.given) == 2


def test_a_subject_without_a_role_is_named(
    step: Step, cluster: Cluster, namespace: str, issuers: Issuers, tmp_path: Path
) -> None:
    path = write(tmp_path / "release.yaml", config_map(a="b"))
    token = issuers.token("gitlab", AUDIENCE, "project_path:example/other:ref_type:branch:ref:main")
    outcome = step("apply", "-f", path, "-n", namespace, env=to(cluster, K8S_TOKEN=token))
    assert outcome.code == 4, outcome.text
    assert 'User "gitlab:project_path:example/other:ref_type:branch:ref:main" cannot' in outcome.stderr


@pytest.mark.parametrize(
    ("environ", "code", "told"),
    [
        ({}, 2, "this is no GitHub Actions job"),
        ({"GITHUB_ACTIONS": "true"}, 2, "permissions: id-token: write"),
        ({"K8S_TOKEN": "s3cr3t-token"}, 2, "--token and --oidc-audience contradict each other"),
    ],
)
def test_without_github_it_is_2_and_says_what_to_do(
    environ: dict[str, str], code: int, told: str, step: Step, tmp_path: Path
) -> None:
    path = write(tmp_path / "release.yaml", config_map(a="b"))
    command = ("apply", "-f", path, "--server", "http://127.0.0.1:1", "--oidc-audience", AUDIENCE)
    outcome = step(*command, env=environ)
    assert outcome.code == code, outcome.text
    assert told in outcome.text and "s3cr3t-token" not in outcome.text
