"""The keys of containers and machines, and which come first; STS and EKS themselves are in ``tests/integration``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from k8s_step.clouds import CloudOptions
from k8s_step.clouds.aws import AwsLogin, KeyChain, host
from k8s_step.clouds.calls import Caller
from k8s_step.clouds.eks import region_of
from k8s_step.errors import InputError, StepError
from k8s_step.redaction import Redactor
from tests.clouds import amazon
from tests.clouds.hosts import Hosts

TO_CONTAINER = {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials/1"}
POD = "http://169.254.170.23/v1/credentials"


class Clock:
    now = 1_000_000_000.0

    def __call__(self) -> float:
        return self.now


def chain(hosts: Hosts, environ: dict[str, str], redactor: Redactor | None = None, **more: Any) -> KeyChain:
    environ = {**hosts.environ, **environ}
    login = AwsLogin.of(CloudOptions(), environ, "eu-central-1")
    return KeyChain(login, Caller(environ, redactor or Redactor(), "--eks-cluster", sleep=lambda _: None), **more)


def test_a_machine_by_imdsv2() -> None:
    redactor = Redactor()
    with Hosts({"169.254.169.254": amazon.machine()}) as hosts:
        keys = chain(hosts, {}, redactor)
        assert (keys.origin, keys.current().key_id) == ("the machine's role", "AKIAMACHINE")
    assert redactor.mask("s3cr3t-of-AKIAMACHINE t0ken-of-AKIAMACHINE") == "*** ***"
    assert [exchange.method for exchange in hosts.exchanges] == ["PUT", "GET", "GET"]


def test_a_container() -> None:
    with Hosts({"169.254.170.2": amazon.container(None, "/v2/credentials/1")}) as hosts:
        keys = chain(hosts, TO_CONTAINER)
        assert (keys.origin, keys.current().key_id) == ("the container's role", "AKIACONTAINER")


def test_pod_identity_with_a_token_file(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("p0d-token\n")
    environ = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": POD, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(path)}
    redactor = Redactor()
    with Hosts({"169.254.170.23": amazon.container("p0d-token", "/v1/credentials")}) as hosts:
        assert chain(hosts, environ, redactor).current().key_id == "AKIACONTAINER"
    assert redactor.mask("p0d-token") == "***"


@pytest.mark.parametrize("token", ["s3cr3t-token-ABCDEFGH", "s3cr3t" * 60])
def test_a_token_in_place_of_its_path_is_not_repeated(token: str) -> None:
    role = {"AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/deploy", "AWS_WEB_IDENTITY_TOKEN_FILE": token}
    pod = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": POD, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": token}
    for environ in (role, pod):
        redactor = Redactor()
        with Hosts({}) as hosts, pytest.raises(InputError, match="_TOKEN_FILE names no file") as caught:
            keys = chain(hosts, environ, redactor)
            assert "s3cr3t" not in keys.origin
            keys.current()
        assert "s3cr3t" not in str(caught.value) and redactor.mask(token) == "***"


def test_the_containers_words_where_it_refuses() -> None:
    environ = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": POD, "AWS_CONTAINER_AUTHORIZATION_TOKEN": "wr0ng-token"}
    with (
        Hosts({"169.254.170.23": amazon.container("p0d-token", "/v1/credentials")}) as hosts,
        pytest.raises(StepError) as caught,
    ):
        chain(hosts, environ).current()
    assert "InvalidToken: the authorization is not of this container" in str(caught.value)
    assert "wr0ng" not in str(caught.value)


def test_the_environments_keys_come_first() -> None:
    with Hosts({}) as hosts:
        keys = chain(hosts, {**TO_CONTAINER, "AWS_ACCESS_KEY_ID": "AKIAMINE", "AWS_SECRET_ACCESS_KEY": "s3cr3t-mine"})
        assert keys.current().key_id == "AKIAMINE"
        assert not hosts.exchanges


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_half_a_key(name: str) -> None:
    with Hosts({}) as hosts, pytest.raises(InputError) as caught:
        chain(hosts, {name: "half-a-s3cr3t"})
    assert "is not set, and goes with the other one" in str(caught.value) and "s3cr3t" not in str(caught.value)


def test_keys_are_renewed_before_they_end_and_kept_while_there_are_no_others() -> None:
    clock, given = Clock(), 0

    def give() -> dict[str, str]:
        nonlocal given
        given += 1
        return {**amazon.keys(f"AKIA{given}"), "Expiration": "2001-09-09T02:46:40Z"}  # an hour after the clock's time

    with Hosts({"169.254.169.254": amazon.machine(given=give)}) as hosts:
        keys = chain(hosts, {}, clock=clock)
        assert keys.current().key_id == "AKIA1"
        clock.now += 3600 - 301
        assert keys.current().key_id == "AKIA1"
        clock.now += 2
        assert keys.current().key_id == "AKIA2"
        hosts.hosts.clear()
        keys.forget()
        assert keys.current().key_id == "AKIA2"
        clock.now += 300
        with pytest.raises(StepError):
            keys.current()


@pytest.mark.parametrize(
    ("region", "name"),
    [
        ("eu-central-1", "sts.eu-central-1.amazonaws.com"),
        ("cn-northwest-1", "sts.cn-northwest-1.amazonaws.com.cn"),
        ("us-gov-west-1", "sts.us-gov-west-1.amazonaws.com"),
        ("us-isob-east-1", "sts.us-isob-east-1.sc2s.sgov.gov"),
        ("eusc-de-east-1", "sts.eusc-de-east-1.amazonaws.eu"),
    ],
)
def test_hosts(region: str, name: str) -> None:
    assert host("sts", region) == name


@pytest.mark.parametrize(
    ("server", "region"),
    [
        ("https://ABC.gr7.eu-central-1.eks.amazonaws.com", "eu-central-1"),
        ("https://ABC.sk1.cn-north-1.eks.amazonaws.com.cn", "cn-north-1"),
        ("https://k8s.example.com", None),
    ],
)
def test_regions(server: str, region: str | None) -> None:
    assert region_of(server) == region
