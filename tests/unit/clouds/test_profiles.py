"""AWS profiles: read as botocore reads them, used as the SDKs use them, and named where the step can't."""

from __future__ import annotations

from pathlib import Path

import pytest
from botocore.session import Session

from k8s_step.clouds import CloudOptions
from k8s_step.clouds.aws import AwsLogin, KeyChain
from k8s_step.clouds.calls import Caller
from k8s_step.clouds.profiles import Profiles
from k8s_step.errors import InputError
from k8s_step.redaction import Redactor
from tests.clouds import amazon
from tests.clouds.hosts import Hosts, form
from tests.unit.loopback import Exchange

CONFIG = """
[default]
region = eu-west-1
[profile prod]
region = eu-central-1
s3 =
  max_concurrent_requests = 20
aws_access_key_id = AKIACONFIG
aws_secret_access_key = s3cr3t-config
[profile "with blanks"]
role_arn = arn:aws:iam::1:role/blank
source_profile = prod
external_id = an-id
role_session_name = me
duration_seconds = 900
[profile chain]
role_arn = arn:aws:iam::1:role/top
source_profile = with blanks
[profile itself]
role_arn = arn:aws:iam::1:role/own
source_profile = itself
aws_access_key_id = AKIAITSELF
aws_secret_access_key = s3cr3t-itself
[profile pod]
role_arn = arn:aws:iam::1:role/pod
web_identity_token_file = TOKEN_FILE
[profile machine]
role_arn = arn:aws:iam::1:role/m
credential_source = Ec2InstanceMetadata
[profile surroundings]
role_arn = arn:aws:iam::1:role/e
credential_source = Environment
[profile one]
role_arn = arn:aws:iam::1:role/one
source_profile = two
[profile two]
role_arn = arn:aws:iam::1:role/two
source_profile = one
[profile orphan]
role_arn = arn:aws:iam::1:role/orphan
source_profile = gone
[profile half]
aws_access_key_id = AKIAHALF
[profile sourceless]
role_arn = arn:aws:iam::1:role/x
[profile person]
sso_session = corp
sso_account_id = 1
[profile mfa]
role_arn = arn:aws:iam::1:role/x
source_profile = prod
mfa_serial = arn:aws:iam::1:mfa/me
[profile program]
credential_process = /opt/keys
[sso-session corp]
sso_start_url = https://corp.example.com
"""
CREDENTIALS = """
[prod]
aws_access_key_id = AKIACREDENTIALS
aws_secret_access_key = s3cr3t-credentials
aws_session_token = t0ken-credentials
[only]
aws_access_key_id = AKIAONLY
aws_secret_access_key = s3cr3t-only
"""


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """An environment with both files at home."""
    token = tmp_path / "token"
    token.write_text("web.identity.token\n")
    folder = tmp_path / ".aws"
    folder.mkdir()
    (folder / "config").write_text(CONFIG.replace("TOKEN_FILE", str(token)))
    (folder / "credentials").write_text(CREDENTIALS)
    return {"HOME": str(tmp_path), "AWS_EC2_METADATA_DISABLED": "true"}


class Sts:
    """Gives keys that tell whom they are of; ``asked`` are the forms, with the key that signed each."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []

    def __call__(self, exchange: Exchange) -> None:
        signed = (exchange.header("Authorization") or "").partition("Credential=")[2].partition("/")[0]
        self.asked.append({**form(exchange), "by": signed})
        key_id = f"ASIA{len(self.asked)}"
        found = amazon.keys(key_id)
        names = {"Token": "SessionToken"}
        xml = "".join(f"<{names.get(name, name)}>{value}</{names.get(name, name)}>" for name, value in found.items())
        exchange.reply(200, f"<a>{xml}</a>".encode())


def chain(environ: dict[str, str], cloud: CloudOptions | None = None, redactor: Redactor | None = None) -> KeyChain:
    profiles = Profiles.of(environ, "--eks-cluster")
    login = AwsLogin.of(cloud or CloudOptions(), environ, "eu-central-1", profiles=profiles)
    return KeyChain(login, Caller(environ, redactor or Redactor(), "--eks-cluster", sleep=lambda _: None))


@pytest.mark.parametrize("name", ["prod", "only", "itself", "with blanks", "chain", "half", "person", "default"])
def test_the_files_are_read_as_botocore_reads_them(
    name: str, home: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", home["HOME"])
    for variable in ("AWS_PROFILE", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.delenv(variable, raising=False)
    theirs = Session().full_config["profiles"][name]
    ours = Profiles.of(home, "test").by_name[name].values
    assert {key: value for key, value in theirs.items() if isinstance(value, str)} == {
        key: value for key, value in ours.items() if key != "s3"
    }


def test_credentials_in_place_of_their_files_path_are_not_repeated(home: dict[str, str]) -> None:
    environ = {**home, "AWS_SHARED_CREDENTIALS_FILE": "[default]\naws_secret_access_key = s3cr3t", "AWS_PROFILE": "no"}
    profiles = Profiles.of(environ, "--eks-cluster")
    with pytest.raises(InputError) as caught:
        profiles.named("no", "AWS_PROFILE")
    assert "AWS_SHARED_CREDENTIALS_FILE" in str(caught.value) and "s3cr3t" not in str(caught.value) + repr(profiles)


def test_the_same_profiles_as_botocores(home: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", home["HOME"])
    assert set(Profiles.of(home, "test").by_name) == set(Session().full_config["profiles"])


def test_a_profiles_keys(home: dict[str, str]) -> None:
    redactor = Redactor()
    keys = chain({**home, "AWS_PROFILE": "prod"}, redactor=redactor)
    assert (keys.origin, keys.current().key_id) == ("the keys of the profile prod", "AKIACREDENTIALS")
    assert redactor.mask("s3cr3t-credentials t0ken-credentials") == "*** ***"


def test_files_elsewhere(home: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("[ci]\naws_access_key_id = AKIACI\naws_secret_access_key = s3cr3t-ci\n")
    environ = {**home, "AWS_PROFILE": "ci", "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "keys")}
    assert chain(environ).current().key_id == "AKIACI"


def test_a_role_with_another_profiles_keys(home: dict[str, str]) -> None:
    with Hosts({"sts.eu-central-1.amazonaws.com": (sts := Sts())}) as hosts:
        keys = chain({**home, **hosts.environ, "AWS_PROFILE": "chain"})
        assert keys.current().key_id == "ASIA2"
    first, second = sts.asked
    assert (first["by"], second["by"]) == ("AKIACREDENTIALS", "ASIA1")
    told = ("RoleArn", "RoleSessionName", "ExternalId", "DurationSeconds")
    assert [first[name] for name in told] == ["arn:aws:iam::1:role/blank", "me", "an-id", "900"]
    assert keys.origin == "arn:aws:iam::1:role/top by arn:aws:iam::1:role/blank by the keys of the profile prod"


def test_a_role_with_its_own_profiles_keys(home: dict[str, str]) -> None:
    with Hosts({"sts.eu-central-1.amazonaws.com": (sts := Sts())}) as hosts:
        chain({**home, **hosts.environ, "AWS_PROFILE": "itself"}).current()
    assert [(asked["RoleArn"], asked["by"]) for asked in sts.asked] == [("arn:aws:iam::1:role/own", "AKIAITSELF")]


def test_a_role_by_a_token_file(home: dict[str, str]) -> None:
    with Hosts({"sts.eu-central-1.amazonaws.com": (sts := Sts())}) as hosts:
        chain({**home, **hosts.environ, "AWS_PROFILE": "pod"}).current()
    (asked,) = sts.asked
    assert (asked["Action"], asked["WebIdentityToken"]) == ("AssumeRoleWithWebIdentity", "web.identity.token")


def test_a_role_with_the_machines_keys(home: dict[str, str]) -> None:
    with Hosts({"sts.eu-central-1.amazonaws.com": (sts := Sts()), "169.254.169.254": amazon.machine()}) as hosts:
        environ = {**home, **hosts.environ, "AWS_PROFILE": "machine", "AWS_EC2_METADATA_DISABLED": "false"}
        chain(environ).current()
    assert [asked["by"] for asked in sts.asked] == ["AKIAMACHINE"]


def test_the_environments_keys_come_before_a_profile_and_serve_as_its_source(home: dict[str, str]) -> None:
    keys = {"AWS_ACCESS_KEY_ID": "AKIAMINE", "AWS_SECRET_ACCESS_KEY": "s3cr3t-mine"}
    assert chain({**home, **keys, "AWS_PROFILE": "gone"}).current().key_id == "AKIAMINE"
    with Hosts({"sts.eu-central-1.amazonaws.com": (sts := Sts())}) as hosts:
        environ = {**home, **hosts.environ, **keys}
        profiles = Profiles.of(environ, "test", "surroundings")
        login = AwsLogin.of(CloudOptions(), environ, "eu-central-1", profiles=profiles)
        KeyChain(login, Caller(environ, Redactor(), "test")).current()
    assert [asked["by"] for asked in sts.asked] == ["AKIAMINE"]


def test_the_options_role_is_assumed_on_top_and_the_environments_is_not(home: dict[str, str]) -> None:
    asked_for = CloudOptions(aws_role_arn="arn:aws:iam::1:role/d", aws_role_origin="--aws-role-arn")
    with Hosts({"sts.eu-central-1.amazonaws.com": (sts := Sts())}) as hosts:
        environ = {**home, **hosts.environ, "AWS_PROFILE": "prod"}
        chain(environ, asked_for).current()
        assert chain({**environ, "AWS_ROLE_ARN": "arn:aws:iam::1:role/d"}).current().key_id == "AKIACREDENTIALS"
    assert [(asked["RoleArn"], asked["by"]) for asked in sts.asked] == [("arn:aws:iam::1:role/d", "AKIACREDENTIALS")]


def test_the_default_profile_counts_after_the_jobs_id_token(home: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / ".aws" / "credentials").write_text(CREDENTIALS.replace("[only]", "[default]"))
    assert chain(home).current().key_id == "AKIAONLY"
    cloud = CloudOptions(aws_role_arn="arn:aws:iam::1:role/d", id_token="a.b.c")
    assert chain(home, cloud).origin == "arn:aws:iam::1:role/d by the CI's ID token"


def test_the_profiles_region(home: dict[str, str]) -> None:
    assert Profiles.of({**home, "AWS_PROFILE": "prod"}, "test").region == "eu-central-1"
    assert Profiles.of(home, "test").region == "eu-west-1"
    assert Profiles.of({"HOME": "/nowhere"}, "test").region is None


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("gone", "AWS_PROFILE names the AWS profile gone, which is not in "),
        ("orphan", "the profile orphan names the AWS profile gone"),
        ("one", "leads back to it"),
        ("half", "holds no aws_access_key_id with aws_secret_access_key"),
        ("sourceless", "needs a source_profile, a credential_source or a token file"),
        ("surroundings", "AWS_ACCESS_KEY_ID is not set"),
        ("person", "asks for single sign-on, which a person has to confirm: the step can't"),
        ("mfa", "asks for a code of an MFA device"),
        ("program", "asks for a program of its own (credential_process)"),
    ],
)
def test_what_cannot_be_done_is_said(name: str, told: str, home: dict[str, str]) -> None:
    with pytest.raises(InputError) as caught:
        chain({**home, "AWS_PROFILE": name})
    assert told in str(caught.value) and str(caught.value).startswith("--eks-cluster: ")


@pytest.mark.parametrize(
    "text", ["aws_secret_access_key = s3cr3t", "[prod]\naws_secret_access_key s3cr3t\n", "[x\ns3cr3t"]
)
def test_a_broken_file_is_not_quoted(text: str, home: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / ".aws" / "credentials").write_text(text)
    with pytest.raises(InputError) as caught:
        Profiles.of(home, "test")
    assert "is no file of AWS profiles" in str(caught.value) and "s3cr3t" not in str(caught.value)
    assert f"{tmp_path}/.aws/credentials:" in str(caught.value)
