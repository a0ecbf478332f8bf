"""Google's logins: what goes over the wire, what comes of a refusal, and renewal."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from k8s_step.clouds import CloudOptions
from k8s_step.clouds.lookup import Way, to_cluster
from k8s_step.connection.settings import ConnectionOptions
from k8s_step.errors import ExitCode, InputError, MissingFileError, StepError, UnauthorizedError
from k8s_step.redaction import Redactor
from k8s_step.surroundings import System
from tests.clouds.google import ACCOUNT, CLUSTER, PROVIDER, Google
from tests.clouds.hosts import Hosts
from tests.integration.issuers import GitHubJob, Issuers
from tests.unit.clouds.conftest import CA, SUBJECT

AUDIENCE = f"https://iam.googleapis.com/{PROVIDER}"
FEDERATED = CloudOptions(gke_cluster=CLUSTER, gcp_workload_identity_provider=PROVIDER)


def way(
    hosts: Hosts,
    cloud: CloudOptions,
    environ: dict[str, str] | None = None,
    options: ConnectionOptions | None = None,
    redactor: Redactor | None = None,
) -> Way:
    found = to_cluster(
        cloud, options or ConnectionOptions(), {**hosts.environ, **(environ or {})}, redactor or Redactor()
    )
    assert found[1] is not None
    return found


def bearer(found: Way) -> str:
    assert found[1] is not None
    return (found[1].current().authorization or "").removeprefix("Bearer ")


def refused(hosts: Hosts, cloud: CloudOptions, environ: dict[str, str] | None = None) -> StepError:
    with pytest.raises(StepError) as caught:
        bearer(way(hosts, cloud, environ))
    return caught.value


def test_by_github_directly(hosts: Hosts, gcp: Google, job: GitHubJob, redactor: Redactor) -> None:
    found = way(hosts, FEDERATED, job.environ, redactor=redactor)
    assert (found[0].server, found[0].ca) == ("https://192.0.2.1", CA)
    assert found[0].origin == f"--gke-cluster {CLUSTER}, as {PROVIDER} by GitHub's ID token"
    assert bearer(found) == gcp.given[0] and len(gcp.given) == 1, "the token for Google is the cluster's as well"
    assert all(redactor.mask(secret) == "***" for secret in (job.request_token, job.given[0], gcp.given[0]))


def test_as_a_service_account(hosts: Hosts, gcp: Google, job: GitHubJob, redactor: Redactor) -> None:
    cloud = CloudOptions(
        gke_cluster=CLUSTER,
        gcp_workload_identity_provider=f"//iam.googleapis.com/{PROVIDER}",
        gcp_service_account=ACCOUNT,
    )
    found = way(hosts, cloud, job.environ, redactor=redactor)
    assert bearer(found) == gcp.given[1]
    (asked,) = hosts.asked("iamcredentials.googleapis.com")
    assert json.loads(asked.body)["scope"] == [
        "https://www.googleapis.com/auth/cloud-platform",
        "https://www.googleapis.com/auth/userinfo.email",
    ]
    assert all(redactor.mask(token) == "***" for token in gcp.given)


def test_a_new_id_token_for_each_new_one(hosts: Hosts, gcp: Google, job: GitHubJob) -> None:
    found = way(hosts, FEDERATED, job.environ)
    assert found[1] is not None and found[1].refresh(found[1].current())
    assert len(set(job.given)) == 2 and bearer(found) == gcp.given[1]


def test_by_gitlabs_variable(hosts: Hosts, gcp: Google, issuers: Issuers, redactor: Redactor) -> None:
    token = issuers.token("gitlab", AUDIENCE, SUBJECT)
    cloud = CloudOptions(gke_cluster=CLUSTER, gcp_workload_identity_provider=PROVIDER, id_token=f" {token}\n")
    assert bearer(way(hosts, cloud, redactor=redactor)) == gcp.given[0]
    assert redactor.mask(token) == "***"


class TestFiles:
    @pytest.mark.parametrize(
        "text", ['{"type": "service_account", "private_key": "s3cr3t-key/ABC"}', "s3cr3t-key-ABCDEFGH", "s3cr3t" * 60]
    )
    def test_the_key_itself_in_place_of_its_path(self, hosts: Hosts, redactor: Redactor, text: str) -> None:
        with pytest.raises(InputError) as caught:
            way(hosts, CloudOptions(gke_cluster=CLUSTER), {"GOOGLE_APPLICATION_CREDENTIALS": text}, redactor=redactor)
        assert str(caught.value).startswith("GOOGLE_APPLICATION_CREDENTIALS names no file")
        assert "s3cr3t" not in str(caught.value) and "s3cr3t" not in redactor.mask(f"it is {text}")

    @pytest.mark.parametrize(("file", "is_repeated"), [("/no/such/token", True), ("s3cr3t" * 60, False)])
    def test_the_subjects_file(self, hosts: Hosts, tmp_path: Path, file: str, is_repeated: bool) -> None:
        environ = self.environ(tmp_path, self.external({"file": file}))
        error = refused(hosts, CloudOptions(gke_cluster=CLUSTER), environ)
        assert isinstance(error, InputError) and (file in str(error)) is is_repeated
        assert ("the token file" if is_repeated else "the file of credential_source names no file") in str(error)

    @staticmethod
    def environ(tmp_path: Path, content: Any) -> dict[str, str]:
        path = tmp_path / "credentials.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return {"GOOGLE_APPLICATION_CREDENTIALS": str(path)}

    @staticmethod
    def external(source: dict[str, Any], **more: Any) -> dict[str, Any]:
        return {
            "type": "external_account",
            "audience": f"//iam.googleapis.com/{PROVIDER}",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": "https://sts.googleapis.com/v1/token",
            "credential_source": source,
            **more,
        }

    def test_as_googles_auth_action_writes_it(self, hosts: Hosts, gcp: Google, job: GitHubJob, tmp_path: Path) -> None:
        source = {
            "url": f"{job.environ['ACTIONS_ID_TOKEN_REQUEST_URL']}&audience={AUDIENCE}",
            "headers": {"Authorization": f"Bearer {job.request_token}"},
            "format": {"type": "json", "subject_token_field_name": "value"},
        }
        acting = f"https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{ACCOUNT}:generateAccessToken"
        environ = self.environ(tmp_path, self.external(source, service_account_impersonation_url=acting))
        assert bearer(way(hosts, CloudOptions(gke_cluster=CLUSTER), environ)) == gcp.given[1]

    def test_an_id_token_in_a_file(self, hosts: Hosts, gcp: Google, issuers: Issuers, tmp_path: Path) -> None:
        (tmp_path / "token").write_text(issuers.token("gitlab", AUDIENCE, SUBJECT))
        environ = self.environ(tmp_path, self.external({"file": str(tmp_path / "token")}))
        assert bearer(way(hosts, CloudOptions(gke_cluster=CLUSTER), environ)) == gcp.given[0]

    def test_an_id_tokens_file_that_is_not_there(
        self, hosts: Hosts, gcp: Google, issuers: Issuers, tmp_path: Path
    ) -> None:
        """Neither at first nor at a renewal, where the last access token serves as long as it lasts."""
        path = tmp_path / "token"
        environ = self.environ(tmp_path, self.external({"file": str(path)}))
        error = refused(hosts, CloudOptions(gke_cluster=CLUSTER), environ)
        assert isinstance(error, MissingFileError) and error.path == str(path) and "--gke-cluster" in str(error)
        path.write_text(issuers.token("gitlab", AUDIENCE, SUBJECT))
        found = way(hosts, CloudOptions(gke_cluster=CLUSTER), environ)
        assert found[1] is not None
        first = found[1].current()
        path.unlink()
        with pytest.raises(MissingFileError):
            found[1].refresh(first)
        assert found[1].current() is first

    @pytest.mark.parametrize(
        ("source", "told"),
        [({"file": 5}, "the file of credential_source names no file"), ({"url": 5}, "the credential source")],
    )
    def test_a_source_that_is_no_text(self, hosts: Hosts, source: dict[str, Any], told: str, tmp_path: Path) -> None:
        environ = self.environ(tmp_path, self.external(source))
        assert told in str(refused(hosts, CloudOptions(gke_cluster=CLUSTER), environ))

    @pytest.mark.parametrize("error", [subprocess.TimeoutExpired("openssl", 30), PermissionError(13, "denied")])
    def test_an_openssl_that_does_not_sign(
        self, hosts: Hosts, gcp: Google, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
    ) -> None:
        def run(*_: Any, **__: Any) -> None:
            raise error

        environ = self.environ(tmp_path, gcp.key_file())
        monkeypatch.setattr(subprocess, "run", run)
        told = refused(hosts, CloudOptions(gke_cluster=CLUSTER), environ)
        assert isinstance(told, InputError) and "openssl program, which signs" in str(told)

    def test_a_service_accounts_key(self, hosts: Hosts, gcp: Google, tmp_path: Path, redactor: Redactor) -> None:
        key = gcp.key_file()
        found = way(hosts, CloudOptions(gke_cluster=CLUSTER), self.environ(tmp_path, key), redactor=redactor)
        assert bearer(found) == gcp.given[0]
        assert key["private_key"].splitlines()[3] not in redactor.mask(key["private_key"])

    def test_a_key_that_is_none(self, hosts: Hosts, gcp: Google, tmp_path: Path) -> None:
        environ = self.environ(tmp_path, {**gcp.key_file(), "private_key": "s3cr3t"})
        error = refused(hosts, CloudOptions(gke_cluster=CLUSTER), environ)
        assert (
            isinstance(error, InputError) and "private_key is no RSA key" in str(error) and "s3cr3t" not in str(error)
        )

    def test_another_accounts_key(self, hosts: Hosts, gcp: Google, tmp_path: Path) -> None:
        other = Google(gcp.token, gcp.verified).key_file()
        error = refused(hosts, CloudOptions(gke_cluster=CLUSTER), self.environ(tmp_path, other))
        assert "invalid_grant: Invalid JWT Signature." in str(error) and ACCOUNT in str(error)

    @pytest.mark.parametrize(
        ("content", "told"),
        [
            ("no json", "holds no JSON object"),
            ("[]", "holds no JSON object"),
            ({"type": "authorized_user"}, "of type authorized_user: only external_account and service_account"),
            ({"type": "service_account"}, "lacks 'client_email'"),
            ({"type": "external_account", "credential_source": {}}, "lacks 'url'"),
        ],
    )
    def test_what_is_no_credential(self, hosts: Hosts, content: Any, told: str, tmp_path: Path) -> None:
        error = refused(hosts, CloudOptions(gke_cluster=CLUSTER), self.environ(tmp_path, content))
        assert isinstance(error, InputError) and told in str(error) and not hosts.exchanges

    def test_a_file_that_is_not_there(self, hosts: Hosts) -> None:
        environ = {"GOOGLE_APPLICATION_CREDENTIALS": "/nowhere.json"}
        error = refused(hosts, CloudOptions(gke_cluster=CLUSTER), environ)
        assert "/nowhere.json: No such file or directory (docker run has to mount it)" in str(error)


def test_the_machines_account(hosts: Hosts, gcp: Google) -> None:
    assert bearer(way(hosts, CloudOptions(gke_cluster=CLUSTER))) == gcp.given[0]


def test_nothing_anywhere(hosts: Hosts) -> None:
    del hosts.hosts["metadata.google.internal"]
    error = refused(hosts, CloudOptions(gke_cluster=CLUSTER))
    assert isinstance(error, InputError) and "GOOGLE_APPLICATION_CREDENTIALS" in str(error)
    assert "metadata server: no answer" in str(error)


@pytest.mark.parametrize(
    ("audience", "subject", "seconds", "told"),
    [
        ("https://other", SUBJECT, 300, ["invalid_grant: The audience in ID Token [https://other]", "audience: its"]),
        (AUDIENCE, SUBJECT, -300, ["invalid_grant: ID Token issued at", f"subject {SUBJECT}"]),
        (AUDIENCE, "repo:other/shop", 300, ["unauthorized_client", "attribute condition", "repo:other/shop"]),
    ],
)
def test_refused_id_tokens(
    hosts: Hosts, issuers: Issuers, audience: str, subject: str, seconds: float, told: list[str]
) -> None:
    token = issuers.token("gitlab", audience, subject, seconds)
    cloud = CloudOptions(gke_cluster=CLUSTER, gcp_workload_identity_provider=PROVIDER, id_token=token)
    error = refused(hosts, cloud)
    assert isinstance(error, UnauthorizedError) and error.exit_code is ExitCode.REFUSED
    assert all(words in str(error) for words in ("--gke-cluster: Google's STS refuses", *told)), str(error)
    assert token not in str(error)


def test_refused_further_on(hosts: Hosts, gcp: Google, job: GitHubJob) -> None:
    acting = CloudOptions(gke_cluster=CLUSTER, gcp_workload_identity_provider=PROVIDER, gcp_service_account=ACCOUNT)
    gcp.may_impersonate = False
    assert "roles/iam.workloadIdentityUser" in str(refused(hosts, acting, job.environ))
    gcp.may_view = False
    error = refused(hosts, FEDERATED, job.environ)
    assert "PERMISSION_DENIED" in str(error) and "roles/container.clusterViewer" in str(error)
    gcp.may_view = True
    other = CloudOptions(gke_cluster=f"{CLUSTER}-2", gcp_workload_identity_provider=PROVIDER)
    assert "NOT_FOUND: Not found: projects/shop" in str(refused(hosts, other, job.environ))


def test_no_id_token_on_github(hosts: Hosts) -> None:
    error = refused(hosts, replace(FEDERATED, system=System.GITHUB))
    assert isinstance(error, InputError) and "permissions: id-token: write" in str(error) and not hosts.exchanges


@pytest.mark.parametrize(
    ("cluster", "provider", "told"),
    [
        ("shop", PROVIDER, "no GKE cluster's full name"),
        (CLUSTER, "projects/shop/pool", "no workload identity provider"),
    ],
)
def test_bad_names(hosts: Hosts, job: GitHubJob, cluster: str, provider: str, told: str) -> None:
    error = refused(hosts, CloudOptions(gke_cluster=cluster, gcp_workload_identity_provider=provider), job.environ)
    assert isinstance(error, InputError) and told in str(error)


DNS = {"endpoint": "gke-1.europe-west1.gke.goog", "allowExternalTraffic": True}


@pytest.mark.parametrize(
    ("asked", "config", "server", "has_ca"),
    [
        (None, {"dnsEndpointConfig": DNS}, "https://192.0.2.1", True),
        ("dns", {"dnsEndpointConfig": DNS}, "https://gke-1.europe-west1.gke.goog", False),
        (
            None,
            {"ipEndpointsConfig": {"enabled": False}, "dnsEndpointConfig": DNS},
            f"https://{DNS['endpoint']}",
            False,
        ),
        ("private", {"ipEndpointsConfig": {"enabled": True, "privateEndpoint": "10.0.0.2"}}, "https://10.0.0.2", True),
        (None, {"ipEndpointsConfig": {"enablePublicEndpoint": False}}, "https://192.0.2.1", True),
    ],
)
def test_endpoints(
    hosts: Hosts, gcp: Google, job: GitHubJob, asked: str | None, config: dict[str, Any], server: str, has_ca: bool
) -> None:
    gcp.cluster["controlPlaneEndpointsConfig"] = config
    cloud = CloudOptions(gke_cluster=CLUSTER, gke_endpoint=asked, gcp_workload_identity_provider=PROVIDER)
    connection, _ = way(hosts, cloud, job.environ)
    assert (connection.server, connection.ca is not None) == (server, has_ca)


def test_an_endpoint_that_is_not_there(hosts: Hosts, gcp: Google, job: GitHubJob) -> None:
    cloud = CloudOptions(gke_cluster=CLUSTER, gke_endpoint="dns", gcp_workload_identity_provider=PROVIDER)
    assert "has no dns endpoint" in str(error := refused(hosts, cloud, job.environ)) and "it has: public" in str(error)
    gcp.cluster = {"status": "PROVISIONING"}
    assert "its status is PROVISIONING" in str(refused(hosts, FEDERATED, job.environ))


def test_a_server_that_is_given_is_not_asked_for(hosts: Hosts, job: GitHubJob) -> None:
    options = ConnectionOptions(server="https://k8s.example.com", ca=CA.decode())
    connection, _ = way(hosts, FEDERATED, job.environ, options)
    assert (connection.server, connection.ca) == ("https://k8s.example.com", CA)
    assert not hosts.asked("container.googleapis.com")
