"""Clouds that tell in their refusals all that they were sent: none of it comes out of a run, wherever a run writes."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from xml.sax.saxutils import escape

import pytest

from tests import runner
from tests.clouds import amazon
from tests.clouds.azure import SECRET
from tests.clouds.hosts import Hosts
from tests.clouds.logins import Login, World
from tests.conftest import Step
from tests.integration.objects import config_map, write
from tests.unit.loopback import Exchange, Handler

STS, EKS = (f"{service}.{amazon.REGION}.amazonaws.com" for service in ("sts", "eks"))
SESSION = amazon.keys("ASIASESSION")


def everything(exchange: Exchange) -> str:
    """The request, in one line."""
    headers = " ".join(f"{name}: {value}" for name, value in exchange.headers)
    return " ".join(f"{exchange.target} {headers} {exchange.body.decode()}".split())


def in_xml(exchange: Exchange) -> None:
    text = f"<Error><Code>InvalidIdentityToken</Code><Message>{escape(everything(exchange))}</Message></Error>"
    exchange.reply(400, f"<ErrorResponse>{text}</ErrorResponse>".encode())


def in_json(exchange: Exchange) -> None:
    """As Google's APIs and Azure Resource Manager do it."""
    exchange.reply(403, {"error": {"code": "AuthorizationFailed", "message": everything(exchange)}})


def in_a_message(exchange: Exchange) -> None:
    exchange.reply(403, {"message": everything(exchange)}, "x-amzn-ErrorType: AccessDeniedException")


def in_a_description(exchange: Exchange) -> None:
    exchange.reply(400, {"error": "invalid_request", "error_description": everything(exchange)})


def a_session(exchange: Exchange) -> None:
    names = {"AccessKeyId": "AccessKeyId", "SecretAccessKey": "SecretAccessKey", "Token": "SessionToken"}
    xml = "".join(f"<{name}>{SESSION[key]}</{name}>" for key, name in names.items())
    exchange.reply(200, f"<a><Credentials>{xml}</Credentials></a>".encode())


TALKERS: dict[str, tuple[str, Callable[[World], dict[str, Handler]]]] = {
    "eks-sts": ("eks", lambda _: {STS: in_xml}),
    "eks-describe": ("eks", lambda _: {STS: a_session, EKS: in_a_message}),
    "gke-sts": ("gke", lambda _: {"sts.googleapis.com": in_a_description}),
    "gke-account": ("gke", lambda world: {**world.gcp.hosts, "iamcredentials.googleapis.com": in_json}),
    "gke-describe": ("gke", lambda world: {**world.gcp.hosts, "container.googleapis.com": in_json}),
    "aks-entra": ("aks", lambda _: {"login.microsoftonline.com": in_a_description}),
    "aks-manager": ("aks", lambda world: {**world.entra.hosts, "management.azure.com": in_json}),
}


@pytest.mark.parametrize("talker", TALKERS)
def test_what_a_cloud_was_sent_comes_out_nowhere(talker: str, step: Step, tmp_path: Path, world: World) -> None:
    cloud, talking = TALKERS[talker]
    path = write(tmp_path / "release.yaml", config_map(a="b"))
    commands = tmp_path / "commands"
    commands.mkdir()
    files = {"INPUT_JUNIT": str(tmp_path / "junit.xml"), "INPUT_DOTENV": str(tmp_path / "dotenv")}
    with Hosts(talking(world)) as hosts:
        environ = world.in_github(world.login(cloud), INPUT_FILENAME=path, **files)
        environ |= {**runner.environment(tmp_path, commands), **hosts.environ}
        outcome = step(env=environ, report=True)
        asked = [everything(exchange) for exchange in hosts.exchanges]
    step.knows(*world.secrets, *(SESSION[name] for name in ("SecretAccessKey", "Token")))
    assert outcome.code == 4 and "***" in outcome.stderr, outcome.text
    assert world.job.given and any(asked)


def test_a_clients_secret_comes_out_nowhere(step: Step, tmp_path: Path, world: World) -> None:
    """As it stands in a form, too."""
    path = write(tmp_path / "release.yaml", config_map(a="b"))
    secret = f"{SECRET}~+/&= ü%"
    with Hosts({"login.microsoftonline.com": in_a_description}) as hosts:
        login = world.login("aks")
        environ = {"KUBECONFIG": None, **login.environ, **login.inputs, **hosts.environ, "AZURE_CLIENT_SECRET": secret}
        outcome = step("apply", "-f", path, env=environ, report=True)
    assert outcome.code == 4 and "***" in outcome.stderr, outcome.text


def test_the_runner_is_told_of_every_token_once(
    step: Step, namespace: str, tmp_path: Path, login: Login, world: World
) -> None:
    path = write(tmp_path / "release.yaml", config_map(a="b"))
    before = set(world.secrets)  # moto keeps the sessions of other tests
    outcome = step(env=world.in_github(login, INPUT_FILENAME=path, INPUT_NAMESPACE=namespace))
    step.knows(*world.secrets)
    lines = outcome.text.splitlines()
    told = [line.removeprefix("::add-mask::") for line in lines if line.startswith("::add-mask::")]
    assert {world.job.request_token, *world.secrets} - before <= set(told) and len(told) == len(set(told))


def test_the_url_in_a_token_of_eks_is_as_secret_as_the_token(step: Step, tmp_path: Path, world: World) -> None:
    """STS says whom a token is of where it is asked with that URL: a refusal that quotes it shows none of it."""
    path = write(tmp_path / "release.yaml", config_map(a="b"))
    environ = world.in_github(world.login("eks"), INPUT_FILENAME=path, INPUT_SERVER="http://127.0.0.1:1")
    secrets: list[str] = []

    def api_server(exchange: Exchange) -> None:
        token = (exchange.header("Authorization") or "").removeprefix("Bearer ")
        url = base64.urlsafe_b64decode(token.removeprefix("k8s-aws-v1.") + "===").decode()
        secrets.extend([token, url.rpartition("=")[2]])
        message = f"Unauthorized: {token} is {url}"
        exchange.reply(401, {"kind": "Status", "code": 401, "reason": "Unauthorized", "message": message})

    with Hosts({STS: a_session}) as hosts:
        hosts.hosts[f"127.0.0.1:{hosts.port}"] = api_server
        environ |= {**hosts.environ, "INPUT_SERVER": hosts.url}
        outcome = step(env=environ)
    step.knows(*world.job.given, *secrets, SESSION["SecretAccessKey"], SESSION["Token"])
    assert secrets and outcome.code == 4, outcome.text
