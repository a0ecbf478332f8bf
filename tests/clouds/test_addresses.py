"""Where secrets go: to https addresses of others alone, unless the tests' own variable names this machine."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.clouds.amazon import REGION, ROLE
from tests.clouds.azure import CLIENT, CLUSTER, SECRET, TENANT
from tests.clouds.google import CLUSTER as GKE
from tests.clouds.google import PROVIDER, Google
from tests.conftest import Step
from tests.integration.issuers import Issuers
from tests.integration.objects import config_map, write
from tests.unit.loopback import Exchange, Loopback

EKS_JOB = {"K8S_EKS_CLUSTER": "shop", "AWS_REGION": REGION}
AKS_JOB = {"K8S_AKS_CLUSTER": CLUSTER, "AZURE_CLIENT_ID": CLIENT, "AZURE_TENANT_ID": TENANT}
Environ = Callable[[str, Path], Mapping[str, str]]


@pytest.fixture
def collector() -> Iterator[Loopback]:
    """Somebody on this machine who would like to have a secret; as a proxy it lets nothing through."""

    def answer(exchange: Exchange) -> None:
        exchange.reply(403, {"message": "not through here"})
        exchange.close()

    with Loopback(answer) as made:
        yield made


def container(url: str, _: Path) -> Mapping[str, str]:
    secrets = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{url}/keys", "AWS_CONTAINER_AUTHORIZATION_TOKEN": "s3cr3t-token"}
    return {**EKS_JOB, **secrets}


def _google(folder: Path, found: Mapping[str, object]) -> Mapping[str, str]:
    path = folder / "credentials.json"
    path.write_text(json.dumps(found))
    return {"K8S_GKE_CLUSTER": GKE, "GOOGLE_APPLICATION_CREDENTIALS": str(path)}


def exchange_of_google(url: str, folder: Path) -> Mapping[str, str]:
    (folder / "token").write_text("s3cr3t.id.token")
    source = {"file": str(folder / "token")}
    named = {"audience": f"//iam.googleapis.com/{PROVIDER}", "token_url": f"{url}/token", "credential_source": source}
    return _google(folder, {"type": "external_account", **named})


def source_of_google(url: str, folder: Path) -> Mapping[str, str]:
    source = {"url": f"{url}/token", "headers": {"Authorization": "Bearer s3cr3t-request-token"}}
    named = {"audience": f"//iam.googleapis.com/{PROVIDER}", "credential_source": source}
    return _google(folder, {"type": "external_account", **named})


def key_of_google(url: str, folder: Path) -> Mapping[str, str]:
    made = Google(lambda *_: "", lambda _: None)
    return _google(folder, {**made.key_file(), "token_uri": f"{url}/token"})


def authority(url: str, _: Path) -> Mapping[str, str]:
    return {**AKS_JOB, "AZURE_CLIENT_SECRET": SECRET, "AZURE_AUTHORITY_HOST": url}


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("environ", [container, exchange_of_google, source_of_google, key_of_google, authority])
def test_nothing_is_sent_to_this_machine(
    environ: Environ, scheme: str, step: Step, tmp_path: Path, collector: Loopback
) -> None:
    path = write(tmp_path / "release.yaml", config_map(a="b"))
    url = collector.url.replace("http:", f"{scheme}:")
    outcome = step("apply", "-f", path, env={"KUBECONFIG": None, **environ(url, tmp_path)})
    assert outcome.code == 2 and "https URL" in outcome.stderr, outcome.text
    assert collector.connections == 0


def test_the_tests_variable_counts_for_this_machine_alone(
    step: Step, tmp_path: Path, collector: Loopback, issuers_alone: Issuers
) -> None:
    """Elsewhere it is nothing: the step asks AWS itself, by the proxy of the environment."""
    path = write(tmp_path / "release.yaml", config_map(a="b"))
    environ = {
        **EKS_JOB,
        "AWS_ROLE_ARN": ROLE,
        "K8S_ID_TOKEN": issuers_alone.token("github", "sts.amazonaws.com", "repo:example/shop"),
        "K8S_STEP_TEST_CLOUDS": "http://collector.example.com",
        "HTTPS_PROXY": collector.url,
    }
    outcome = step("apply", "-f", path, env=environ)
    assert outcome.code == 5 and "no answer from AWS STS" in outcome.stderr, outcome.text
    asked = {(exchange.method, exchange.target) for exchange in collector.exchanges}
    assert asked == {("CONNECT", f"sts.{REGION}.amazonaws.com:443")}


@pytest.fixture
def issuers_alone() -> Iterator[Issuers]:
    """Issuers, with no cluster that trusts them."""
    with Issuers() as made:
        yield made
