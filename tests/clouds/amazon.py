"""AWS as tests see it: moto's server started and stopped, a machine's and a container's own keys, EKS's authenticator.

Source of the authenticator's rules: aws-iam-authenticator's ``pkg/token/token.go`` and ``pkg/arn``.
"""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests

from tests.clouds.hosts import body, path
from tests.controlplane.cluster import ROOT
from tests.unit.loopback import Exchange, Loopback

REGION, CLUSTER, ACCOUNT = "eu-central-1", "shop", "123456789012"
ROLE, OTHER_ROLE = (f"arn:aws:iam::{ACCOUNT}:role/{name}" for name in ("deploy", "other"))
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/deploy/k8s-step"
USER = f"arn:aws:iam::{ACCOUNT}:user/deployer"
_PARAMETERS = {
    *("action", "version", "x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-expires"),
    *("x-amz-security-token", "x-amz-signature", "x-amz-signedheaders"),
}


class Amazon:
    """moto in a process of its own; a context manager. ``keys`` are a user's, as the environment has them."""

    def __init__(self, public_key: bytes, issuers: list[str], endpoint: str, ca: str) -> None:
        self.settings: dict[str, Any] = {
            "public_key": public_key.decode(),
            "issuers": issuers,
            "region": REGION,
            "cluster": CLUSTER,
            "endpoint": endpoint,
            "ca": ca,
            "roles": {},
            "describers": [SESSION, USER, SESSION.replace("/deploy/", "/other/")],
        }

    def __enter__(self) -> Amazon:
        command = [sys.executable, "-m", "tests.clouds.motoserver"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        self._process = subprocess.Popen(command, cwd=ROOT, text=True, **pipes)
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps(self.settings) + "\n")
        self._process.stdin.flush()
        told = json.loads(self._process.stdout.readline())
        self.url = f"http://127.0.0.1:{told['port']}"
        self.keys = {"AWS_ACCESS_KEY_ID": told["key_id"], "AWS_SECRET_ACCESS_KEY": told["secret"]}
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    @property
    def environ(self) -> dict[str, str]:
        """Sends all that the step asks of AWS here."""
        return {"K8S_STEP_TEST_CLOUDS": self.url}

    def configure(self, **settings: Any) -> None:
        """Change ``roles``, ``describers``, ``seconds`` (the life of keys), the cluster's ``status``, ``endpoint``."""
        self._control(settings)

    @property
    def sessions(self) -> list[str]:
        """The secrets of every session that was given."""
        return [secret for pair in self._control({}) for secret in pair]

    def _control(self, settings: Mapping[str, Any]) -> list[list[str]]:
        answer = requests.put(self.url, json=settings, headers={"Host": "control.test"}, timeout=30)
        assert answer.status_code == 200, answer.text
        found: list[list[str]] = answer.json()
        return found

    def identity(self, token: str, cluster: str = CLUSTER) -> str:
        """The ARN of whoever made the token, as EKS finds it out. Raises ValueError."""
        url = _checked(token)
        headers = {"Host": url.netloc, "x-k8s-aws-id": cluster}
        answer = requests.get(f"{self.url}/?{url.query}", headers=headers, timeout=30)
        if answer.status_code != 200:
            raise ValueError(f"error from AWS (expected 200, got {answer.status_code}): {answer.text}")
        (arn,) = re.findall("<Arn>([^<]+)</Arn>", answer.text)
        return re.sub(r":sts::(\d+):assumed-role/([^/]+)/.*", r":iam::\1:role/\2", arn)


def _checked(token: str) -> Any:
    """The URL in a token that follows all of the rules."""
    _require(len(token) <= 4096, "token is too large")
    _require(token.startswith("k8s-aws-v1.") and "=" not in token, "token is missing its prefix")
    packed = token.removeprefix("k8s-aws-v1.")
    url = urlsplit(base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4)).decode())
    said = {name.lower(): values for name, values in parse_qs(url.query, strict_parsing=True).items()}
    _require(url.scheme == "https" and url.netloc == f"sts.{REGION}.amazonaws.com", "unexpected scheme or host")
    _require(url.path == "/" and set(said) <= _PARAMETERS, "unexpected path or parameter")
    _require(all(len(values) == 1 for values in said.values()), "query parameter with multiple values")
    _require(said["action"] == ["GetCallerIdentity"], "unexpected action")
    _require("x-k8s-aws-id" in said["x-amz-signedheaders"][0].split(";"), "the cluster's header is not signed")
    _require(0 <= int(said["x-amz-expires"][0]) <= 900, "invalid X-Amz-Expires")
    made = datetime.strptime(said["x-amz-date"][0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    _require(time.time() <= made.timestamp() + 900, "X-Amz-Date parameter is expired")
    return url


@dataclass(frozen=True)
class AccessEntry:
    """Whom a cluster takes a role or user of IAM for."""

    username: str
    groups: tuple[str, ...] = ()


class Authenticator(Loopback):
    """EKS's authenticator, a context manager: answers the API server's TokenReviews with STS and its access entries.

    ``tokens`` are those that it took, with their ARN; ``entries`` are by ARN.
    """

    def __init__(self, aws: Amazon, entries: Mapping[str, AccessEntry]) -> None:
        super().__init__(self._review)
        self.entries = dict(entries)
        self.tokens: dict[str, str] = {}
        self._aws = aws

    def _review(self, exchange: Exchange) -> None:
        token = str(body(exchange)["spec"]["token"])
        try:
            arn = self._aws.identity(token)
            entry = self.entries.get(arn)
            _require(entry is not None, f"ARN is not mapped: {arn}")
        except ValueError as error:
            exchange.reply(200, {"status": {"authenticated": False, "error": str(error)}})
            return
        assert entry is not None
        self.tokens[token] = arn
        user = {"username": entry.username, "uid": f"aws-iam-authenticator:{arn}", "groups": list(entry.groups)}
        exchange.reply(200, {"status": {"authenticated": True, "user": user}})


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


def keys(key_id: str, seconds: float = 3600) -> dict[str, str]:
    """Keys as metadata and credential services give them."""
    ends = datetime.fromtimestamp(time.time() + seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "Code": "Success",
        "AccessKeyId": key_id,
        "SecretAccessKey": f"s3cr3t-of-{key_id}",
        "Token": f"t0ken-of-{key_id}",
        "Expiration": ends,
    }


def machine(profile: str = "node", given: Callable[[], Mapping[str, str]] | None = None) -> Callable[[Exchange], None]:
    """The metadata service of a machine that takes IMDSv2 only."""
    give = given or (lambda: keys("AKIAMACHINE"))

    def answer(exchange: Exchange) -> None:
        if exchange.target == "/latest/api/token":
            lasts = exchange.header("X-aws-ec2-metadata-token-ttl-seconds")
            good = exchange.method == "PUT" and lasts and 1 <= int(lasts) <= 21600
            exchange.reply(200 if good else 400, b"imds-token" if good else b"")
        elif exchange.header("X-aws-ec2-metadata-token") != "imds-token":
            exchange.reply(401, b"")
        elif exchange.target == "/latest/meta-data/iam/security-credentials/":
            exchange.reply(200, profile.encode())
        elif exchange.target == f"/latest/meta-data/iam/security-credentials/{profile}":
            exchange.reply(200, dict(give()))
        else:
            exchange.reply(404, b"")

    return answer


def container(authorization: str | None, at: str) -> Callable[[Exchange], None]:
    """The credential service of a container, or of EKS Pod Identity."""

    def answer(exchange: Exchange) -> None:
        if path(exchange) != at or exchange.header("Authorization") != authorization:
            exchange.reply(400, {"code": "InvalidToken", "message": "the authorization is not of this container"})
        else:
            exchange.reply(200, keys("AKIACONTAINER"))

    return answer
